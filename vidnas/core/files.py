"""Files that are whole or do not exist, even after a power cut, in folders without links."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vidnas.core.errors import UserError

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.\d+(-[0-9a-f]{8})?\.tmp")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path`; it takes its place when the block succeeds.

    Where `path` is a link, the link is replaced and what it leads to stays. What a kill left of
    earlier ones is removed.
    """
    remove_leftovers(path.parent, path.name)
    temporary = _temporary(path)
    # New under a name that nobody could know: not a link that was put there before.
    held = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        _lock(held)
        yield temporary
        sync(temporary)  # a name must not reach the disk before what it names
        temporary.replace(path)
        with suppress(OSError):  # some file systems cannot, and need not
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(held)


@contextmanager
def making(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`, to make in it what is to take that place.

    It is removed when the block ends; what a kill left of earlier ones is removed, too.
    """
    remove_leftovers(path.parent, path.name)
    temporary = _temporary(path)
    temporary.mkdir()
    held = os.open(temporary, os.O_RDONLY)
    try:
        _lock(held)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(held)


def sync(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path, name: str | None = None) -> int:
    """Remove temporary files and folders whose writers died; return how many.

    Args:
        folder: where to look.
        name: what they were to become; if unset, anything.
    """
    removed = 0
    for entry in _entries(folder):
        found = _TEMPORARY.fullmatch(entry.name)
        if not found or name not in (None, found["name"]) or _is_written(Path(entry.path)):
            continue
        with suppress(OSError):  # another process does the same
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                Path(entry.path).unlink()
            removed += 1
    return removed


def own_folders(folder: Path) -> list[Path]:
    """Return a folder and all those below it, which nobody else may have had a hand in.

    What is written or removed below a link would be elsewhere, and a pipe would never end. The
    folder itself may be reached through a link.

    Raises:
        UserError: something in it is neither a file nor a folder.
    """
    found, waiting = [], [folder]
    while waiting:
        found.append(waiting.pop())
        for entry in _entries(found[-1]):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                kind = "a link" if entry.is_symlink() else "neither a file nor a folder"
                raise UserError(
                    f"{entry.path} is {kind}, and only what {folder} itself holds is written to; "
                    "remove it, or put a copy of what it leads to in its place."
                )
    return found


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:  # it vanished, or is yet to be made
        return []


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _lock(descriptor: int) -> None:
    """Say that a temporary file is being written, for as long as this process lives."""
    with suppress(OSError):  # some file systems know no locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_written(temporary: Path) -> bool:
    """Return whether the one who writes a temporary file or folder may be alive."""
    try:
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # a link, or gone
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
