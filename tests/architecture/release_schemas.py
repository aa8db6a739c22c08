"""`make schemas`: release the schemas of messages that are new or have grown.

Never overwrites an incompatible one: it says what is wrong and ends with 1.
"""

import sys
from pathlib import Path

from tests.architecture.message_schemas import (
    SCHEMAS,
    Released,
    breaks,
    file_of,
    messages,
    read,
    render,
)


def release(found: list[Released], folder: Path = SCHEMAS) -> list[str]:
    """Write what may be written; return what may not, one line each."""
    stored = read(folder)
    complaints = []
    for message in found:
        broken = breaks(stored.get(message.name, message.schema), message.schema)
        complaints += [f"{message.name}: {line}" for line in broken]
        if not broken and stored.get(message.name) != message.schema:
            file = file_of(message.name, folder)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(render(message.schema))
            sys.stdout.write(f"released {message.name}\n")
    return complaints


def main() -> int:
    complaints = release(messages())
    for line in complaints:
        sys.stdout.write(f"incompatible: {line}\n")
    if complaints:
        sys.stdout.write("Make a new version or a new name; a released message never changes.\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
