"""What files hold, by all their bytes; hashed once, and again only when a file changed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vidnas.core.files import replacing
from vidnas.core.process import available_cores
from vidnas.data.checked_text import checked_line, read_line

_CHUNK_BYTES = 1 << 20
_SETTLED_NS = 2 * 10**9
"""A file that changed less long ago may change again without a new time stamp."""
_WRITE_EVERY_S = 60.0

Stamp = tuple[int, ...]
"""Size, times of change and inode of a file, or of all files of a folder: another one means that
the content may be another."""


class FileContent(NamedTuple):
    """What a file held when it was hashed."""

    digest: str
    """SHA-256 of all bytes; of the reason if it could not be read."""
    stamp: Stamp
    """Empty if it could not be read."""
    settled: bool = True
    """Whether any change since shows in another stamp."""


def hash_files(
    paths: Iterable[Path],
    table: Path,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[Path, FileContent]:
    """Hash files, or folders of files, as wholes; those that are not read are known by their error.

    Args:
        paths: the files.
        table: file of the hashes that are known from earlier; it may be missing or damaged.
        on_progress: called with the numbers of files done and in all, when any must be read.
    """
    wanted = list(dict.fromkeys(paths))
    known = _read_table(table)
    found: dict[Path, FileContent] = {}
    for path in wanted:
        stamp, entry = stamp_or_none(path), known.get(_key(path))
        if entry is not None and entry.stamp == stamp:
            found[path] = entry
    unknown = [path for path in wanted if path not in found]
    if unknown:
        threads, written = ThreadPoolExecutor(available_cores()), time.monotonic()
        try:
            for path, content in zip(unknown, threads.map(hash_file, unknown), strict=True):
                found[path] = content
                if on_progress:
                    on_progress(len(found), len(wanted))
                if time.monotonic() - written > _WRITE_EVERY_S:
                    _write_table(table, known, found)
                    written = time.monotonic()
        finally:  # after Ctrl-C, too: what was hashed is kept, and what is queued not waited for
            threads.shutdown(cancel_futures=True)
            _write_table(table, known, found)
    return {path: found[path] for path in wanted}


def hash_file(path: Path) -> FileContent:
    """Hash a file, or a folder of files with their names, as a whole.

    The stamp is that of before: a change meanwhile shows as one since.
    """
    now = time.time_ns()
    try:
        stamp = read_stamp(path)
        # Whatever changes a content sets the time of change to now, and no program can set another.
        settled = max(stamp[2::4], default=0) < now - _SETTLED_NS
        return FileContent(_digest(path), stamp, settled)
    except OSError as error:
        reason = f"cannot be read: {error.errno}"
        return FileContent(hashlib.sha256(reason.encode()).hexdigest(), ())


def read_stamp(path: Path) -> Stamp:
    """Return the stamp of a file or folder.

    Raises:
        OSError: it is gone or may not be looked at.
    """
    if not path.is_dir():
        return _stamp(path.stat())
    return tuple(number for one in _inside(path) for number in _stamp(one.stat()))


def stamp_or_none(path: Path) -> Stamp | None:
    """Return the stamp of a file or folder, or None where there is none to be had."""
    try:
        return read_stamp(path)
    except OSError:
        return None


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _inside(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_file())


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    for one in _inside(path) if path.is_dir() else (path,):
        if one is not path:
            digest.update(os.fsencode(one.name) + b"\0" + str(one.stat().st_size).encode())
        with one.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def _read_table(table: Path) -> dict[str, FileContent]:
    try:
        rows = read_line(table.read_text(encoding="utf-8", errors="replace"))
        return {path: FileContent(str(digest), tuple(stamp)) for path, digest, *stamp in rows}
    except (OSError, ValueError, TypeError):
        return {}


def _key(path: Path) -> str:
    """Return what a file is remembered by, from whichever folder its path was typed."""
    return os.path.abspath(path)  # noqa: PTH100 - `resolve` follows links, file by file


def _write_table(
    table: Path, known: Mapping[str, FileContent], found: Mapping[Path, FileContent]
) -> None:
    """Remember what was found, and what is known of files that were not asked for this time."""
    merged = {**known, **{_key(path): content for path, content in found.items()}}
    rows = [
        (path, content.digest, *content.stamp)
        for path, content in merged.items()
        if content.stamp and content.settled
    ]
    if not rows:
        return
    with suppress(OSError):  # a folder that cannot be written: hashed again next time
        table.parent.mkdir(parents=True, exist_ok=True)
        with replacing(table) as temporary:
            temporary.write_text(checked_line(rows), encoding="utf-8")
