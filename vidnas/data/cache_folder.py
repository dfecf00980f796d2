"""The folder of all clip caches: how much they may take, who uses one, and which has to go."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from vidnas.core import UserError
from vidnas.core.files import own_folders
from vidnas.core.names import suggest
from vidnas.core.quantities import format_bytes, parse_bytes

ABOUT = "about.json"
"""What a cache is of; when it was last used is when this file was changed."""
_CACHE_NAME = re.compile(
    r".*-[0-9a-f]{16}-\d+px(-[\d.]+fps)?-v\d+(-[0-9a-f]{16})?(\.partial)?", re.DOTALL
)
_CACHE_FILES = re.compile(
    r"\.?(about|checked|flow|index)\.json.*|\.?(rgb|flow-\w+)(-\d+)?\.(npz|journal|raw|json|uv).*|"
    r"frames\.(rgb|lock)|flow-\w+\.partial"
)
"""Those of earlier versions, too: removing one deletes nothing else."""
_SHARE = 0.8

OnRemark = Callable[[str], None] | None
"""Is told of what a person may want to know."""


def default_directory() -> Path:
    """Return where caches lie by default: $VIDNAS_CACHE, or the user's cache folder.

    Raises:
        UserError: the user has no home folder.
    """
    if os.environ.get("VIDNAS_CACHE"):
        return Path(os.environ["VIDNAS_CACHE"])
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vidnas"
    except RuntimeError as error:
        raise UserError(
            "There is no home folder to keep decoded clips in; name a folder for them in the "
            "variable VIDNAS_CACHE."
        ) from error


def contents_table(root: Path, source: Path) -> Path:
    """Return the file that remembers what the files of a data set hold."""
    name = hashlib.sha256(os.fsencode(source.resolve())).hexdigest()[:16]
    return root / f"contents-{name}.txt"


@contextmanager
def plain_cache_errors(root: Path) -> Iterator[None]:
    """Say in one sentence why caches cannot be written to a folder.

    Raises:
        UserError: something went wrong with a file or folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            cure = "free some space and run the same command again, which goes on from here"
        else:
            cure = "mend that, or name another folder in the variable VIDNAS_CACHE"
        raise UserError(
            f"{root}: the clip cache cannot be written there "
            f"({error.strerror or type(error).__name__}); {cure}."
        ) from error


def hold(folder: Path, user: object) -> None:
    """Protect a cache from being removed as long as the user lives, or its process.

    Where the file system has no locks, no cache is ever removed.
    """
    with suppress(OSError):
        weakref.finalize(user, os.close, _shared(folder))


@contextmanager
def building(folder: Path) -> Iterator[None]:
    """Make the folder of a cache and hold it; another builder waits, and nobody removes it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"), ExitStack() as stack:
        folder.mkdir(exist_ok=True)
        own_folders(folder)  # nothing is written through a link
        stack.callback(_remove_if_empty, folder)  # where nothing could be built
        with suppress(OSError):
            stack.callback(os.close, _shared(folder))
        yield


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _shared(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@dataclass(frozen=True)
class CacheEntry:
    """A cache on the disk, finished or not."""

    directory: Path
    source: str
    """Where its clips were; empty if that is not known."""
    size_bytes: int
    last_used: float
    """Seconds since the epoch."""
    in_use: bool


def list_caches(root: Path) -> list[CacheEntry]:
    """Return the caches in a folder, the one that was not used for longest first."""
    found = []
    with suppress(FileNotFoundError):
        for path in root.iterdir():
            if _CACHE_NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                with suppress(FileNotFoundError):  # it was removed just now
                    found.append(_entry(path))
    return sorted(found, key=lambda entry: entry.last_used)


def _entry(folder: Path) -> CacheEntry:
    about, source = folder / ABOUT, ""
    try:
        source = str(json.loads(about.read_text(encoding="utf-8"))["source"])
        last_used = about.stat().st_mtime
    except (OSError, ValueError, LookupError, TypeError):
        last_used = folder.stat().st_mtime
    size = sum(path.lstat().st_size for path in folder.iterdir())
    return CacheEntry(folder, source, size, last_used, _is_in_use(folder))


def _is_in_use(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove_cache(folder: Path) -> bool:
    """Remove the files of a cache; return False if somebody uses it, so that it stays."""
    with suppress(OSError, Timeout):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            with FileLock(f"{folder}.lock", timeout=0):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                delete_files(folder)
                _remove_if_empty(folder)  # or it holds what is not ours
                return True
        finally:
            os.close(descriptor)
    return False


def delete_files(folder: Path) -> None:
    """Delete the files that make up a cache, and no others."""
    for path in folder.iterdir():
        if _CACHE_FILES.fullmatch(path.name):
            path.unlink()


def clear_caches(root: Path, name: str) -> list[tuple[CacheEntry, bool]]:
    """Remove the cache of this name, or "all"; return each, and whether it is gone.

    Raises:
        UserError: there is no cache of this name.
    """
    caches = {entry.directory.name: entry for entry in list_caches(root)}
    if name not in (*caches, "all"):
        choice = suggest(name, [*caches, "all"]) if caches else "there are none."
        raise UserError(f"There is no cache {name!r} in {root}; {choice}")
    chosen = caches.values() if name == "all" else [caches[name]]
    return [(entry, remove_cache(entry.directory)) for entry in chosen]


def make_room(
    folder: Path,
    needed_bytes: float,
    what: str,
    *,
    limit_bytes: int | None = None,
    on_remark: OnRemark = None,
) -> None:
    """Remove caches that nobody uses until a cache has room to grow, the least recently used first.

    Args:
        folder: of the cache that grows; it stays.
        needed_bytes: how much it will grow.
        what: what needs the room, as a sentence begins.
        limit_bytes: what all caches may take together; None for $VIDNAS_CACHE_SIZE, or else four
            fifths of what is free or taken by them.
        on_remark: is told what was removed.

    Raises:
        UserError: there is too little room; nothing was removed.
    """
    root, caches = folder.parent, list_caches(folder.parent)
    removable = [one for one in caches if not one.in_use and one.directory != folder]
    taken = sum(one.size_bytes for one in caches)
    free = shutil.disk_usage(root).free
    limit = limit_bytes or _limit_from_environment() or int(_SHARE * (free + taken))
    yielding = sum(one.size_bytes for one in removable)
    needs = f"{root}: {what} {format_bytes(needed_bytes)}"
    if needed_bytes > free + yielding:
        raise UserError(
            f"{needs}, but {format_bytes(free + yielding)} are free; free some space, or name "
            "another folder in the variable VIDNAS_CACHE."
        )
    if needed_bytes > limit - taken + yielding:
        raise UserError(
            f"{needs}, but clip caches may take {format_bytes(limit)}, and those in use take "
            f"{format_bytes(taken - yielding)}; allow more with --cache-size or the variable "
            "VIDNAS_CACHE_SIZE, or choose a smaller --size."
        )
    for one in removable:
        if needed_bytes <= min(free, limit - taken):
            break
        if remove_cache(one.directory):
            free, taken = free + one.size_bytes, taken - one.size_bytes
            if on_remark:
                on_remark(
                    f"The clip cache {one.directory.name} ({format_bytes(one.size_bytes)}) was "
                    "removed to make room: it was not used for longest."
                )


def _limit_from_environment() -> int | None:
    text = os.environ.get("VIDNAS_CACHE_SIZE")
    try:
        return parse_bytes(text) if text else None
    except UserError as error:
        raise UserError(f"The variable VIDNAS_CACHE_SIZE: {error}") from error
