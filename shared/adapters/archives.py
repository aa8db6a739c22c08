"""Limits of documents that are ZIP archives, looked at before anything is unpacked."""

import io
import zipfile

PARTS = 5_000
"""Files in one document; the largest presentations and books have some hundreds."""
UNPACKED = 200_000_000
"""Bytes of all of them together."""
ENCRYPTED = 1
"""The flag of an entry that needs a password."""


def check(data: bytes, name: str) -> None:
    """Raise `ValueError`, in words for people, unless `data` is a ZIP archive within the limits."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise ValueError(damaged(name)) from error
    if len(parts) > PARTS:
        raise ValueError(f"the {name} consists of more than {PARTS} parts: split it")
    if sum(part.file_size for part in parts) > UNPACKED:
        raise ValueError(
            f"the {name} unpacks to more than {UNPACKED // 1_000_000} MB: split it, or take out "
            "what is not text"
        )
    if any(part.flag_bits & ENCRYPTED for part in parts):
        raise ValueError(protected(name))


def damaged(name: str) -> str:
    """What to tell about a file that the reader refuses."""
    return (
        f"the {name} is damaged, or protected by a password: open it, save it anew without a "
        "password, and upload that"
    )


def protected(name: str) -> str:
    return f"the {name} is protected by a password: save it without one and upload it again"
