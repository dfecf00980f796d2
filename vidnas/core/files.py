"""Files that are whole or do not exist, even after a power cut."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_ENDING = ".tmp"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; the file takes its place when the block succeeds.

    The temporary files of writers that were killed are removed.
    """
    beginning = f".{path.name}.{socket.gethostname()}-"
    _remove_abandoned(path.parent, beginning)
    temporary = path.with_name(f"{beginning}{os.getpid()}{_ENDING}")
    try:
        yield temporary
        sync(temporary)  # a name must not reach the disk before what it names
        temporary.replace(path)
        with suppress(OSError):  # some file systems cannot, and need not
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(folder: Path, beginning: str) -> None:
    with suppress(OSError, OverflowError):  # of a folder that cannot be used, the writer tells
        for one in folder.iterdir():
            if one.name.startswith(beginning) and one.name.endswith(_ENDING):
                process = one.name[len(beginning) : -len(_ENDING)]
                if process.isdecimal() and not psutil.pid_exists(int(process)):
                    one.unlink(missing_ok=True)
