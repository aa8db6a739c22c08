"""`make docs`: writes the reference pages that follow from the code.

`api.md` from the OpenAPI document, `messages.md` from `shared/contracts` and the services'
`main.py`, `configuration.md` from the docstrings of the settings, `events.md` from the public
events, `metrics.md` from `shared/telemetry/metrics.py`; and the alerts for Kubernetes.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from docs import alerts, api, configuration, events, messages, metrics

FOLDER = Path(__file__).parent


PAGES: Mapping[Path, Callable[[], str]] = {
    FOLDER / "api.md": api.page,
    FOLDER / "messages.md": messages.page,
    FOLDER / "configuration.md": configuration.page,
    FOLDER / "events.md": events.page,
    FOLDER / "metrics.md": metrics.page,
    alerts.MANIFEST: alerts.manifest,
}
"""Every generated file, and what makes the text that it must hold."""


def main() -> None:
    for file, page in PAGES.items():
        text = page()
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            sys.stdout.write(f"wrote {file.relative_to(FOLDER.parent)}\n")


if __name__ == "__main__":
    main()
