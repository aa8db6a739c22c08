"""`make chaos`: storm after storm, each in another order and at other passages.

Options: `--seed N` begins with another storm than the first; `--storms N` how many there are;
`--rounds N` times twenty documents in each.
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

from shared.kernel.faults import FaultPoint
from tests.chaos import invariants
from tests.chaos.storm import LANES, shuffled, weathered


def main() -> None:
    options = argparse.ArgumentParser(prog="chaos", description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--storms", type=int, default=10)
    options.add_argument("--rounds", type=int, default=10)
    given = options.parse_args()
    log = logging.getLogger(__name__)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    for seed in range(given.seed, given.seed + given.storms):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="minirag-chaos-") as folder:
            Path(folder).chmod(0o711)  # Postgres' own user passes through
            lanes = shuffled(LANES, seed)
            with weathered(Path(folder) / "data", given.rounds, lanes) as (found, points, met):
                for hold in invariants.HOLD:
                    hold(found)
                invariants.the_index_holds_each_chunk_once(found, points)
                missed = set(FaultPoint) - met
        if missed:
            raise AssertionError(f"no process ended at {sorted(missed)}")
        took = time.monotonic() - began
        log.info("storm %s: all holds, %.0f s, %s points", seed, took, sum(points.values()))


if __name__ == "__main__":
    main()
