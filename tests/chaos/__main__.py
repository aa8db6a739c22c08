"""`make chaos`: storm after storm, each in another order and at other passages, and more faults.

Each seed has a storm of killed processes, and gusts of everything else that can happen to processes
and connections, in an order of its own; disks are filled and lose their power once.

Options: `--seed N` begins with another seed than the first; `--storms N` how many there are;
`--rounds N` times twenty documents in each; `--only storm|gusts|disks` leaves the others out;
`--short` has one gust of each kind.
"""

import argparse
import logging
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shared.kernel.faults import FaultPoint
from tests.chaos import disks, gusts, invariants, promises
from tests.chaos.storm import LANES, shuffled, weathered

log = logging.getLogger(__name__)

KINDS = ("storm", "gusts", "disks")
STOP_SECONDS, PAUSE_SECONDS = 30.0, 5.0


def main() -> None:
    options = argparse.ArgumentParser(prog="chaos", description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--storms", type=int, default=10)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--only", choices=KINDS)
    options.add_argument("--short", action="store_true", help="one gust of each kind")
    given = options.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    kinds = KINDS if given.only is None else (given.only,)
    if "disks" in kinds:
        _disks()
    for seed in range(given.seed, given.seed + given.storms):
        if "storm" in kinds:
            _storm(seed, given.rounds)
        if "gusts" in kinds:
            _gusts(seed, gusts.SHORT if given.short else gusts.LONG)


def _storm(seed: int, rounds: int) -> None:
    with _folder(f"storm {seed}") as folder:
        lanes = shuffled(LANES, seed)
        with weathered(folder / "data", rounds, lanes) as (found, points, met):
            for hold in invariants.HOLD:
                hold(found)
            invariants.the_index_holds_each_chunk_once(found, points)
            missed = set(FaultPoint) - met
    if missed:
        raise AssertionError(f"no process ended at {sorted(missed)}")


def _gusts(seed: int, kinds: Sequence[gusts.Gust]) -> None:
    chance = random.Random(seed)  # noqa: S311  a seed that can be given again is the point
    order = chance.sample(kinds, len(kinds))
    with _folder(f"gusts {seed}") as folder:
        found = gusts.blown(folder / "data", order, stop=STOP_SECONDS, pause=PAUSE_SECONDS)
        for hold in (*invariants.HOLD, *promises.KEPT, promises.there_was_something_to_look_at):
            hold(found)


def _disks() -> None:
    for fault in (disks.disk_full, disks.power_cut):
        with _folder(fault.__name__) as folder:
            if reason := disks.supported(folder):
                log.warning("%s: left out, it %s", fault.__name__, reason)
                continue
            fault(folder)


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="minirag-chaos-") as folder:
        Path(folder).chmod(0o711)  # Postgres' own user passes through
        yield Path(folder)
    log.info("%s: all holds, %.0f s", name, time.monotonic() - began)


if __name__ == "__main__":
    main()
