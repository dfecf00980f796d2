"""Which files of a cache were compared with their checksums, and have not changed since."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from vidnas.core.files import replacing
from vidnas.data.checked_text import checked_line, read_line
from vidnas.data.contents import Stamp, read_stamp

_NAME = "checked.json"


def were_checked(folder: Path, paths: Iterable[Path]) -> bool:
    """Return whether files in a folder are as they were when their checksums were compared."""
    known = _read(folder)
    try:
        return all(known.get(path.name) == read_stamp(path) for path in paths)
    except OSError:
        return False


def remember_checked(folder: Path, paths: Iterable[Path]) -> None:
    """Remember that files are as they should be; where that cannot be written, nothing is lost."""
    with suppress(OSError):
        known = {**_read(folder), **{path.name: read_stamp(path) for path in paths}}
        with replacing(folder / _NAME) as temporary:
            temporary.write_text(checked_line(known), encoding="utf-8")


def forget_checked(folder: Path) -> None:
    """Have all files compared again, because one was found damaged."""
    with suppress(OSError):
        (folder / _NAME).unlink()


def _read(folder: Path) -> dict[str, Stamp]:
    try:
        read = read_line((folder / _NAME).read_text(encoding="utf-8", errors="replace"))
        return {name: tuple(stamp) for name, stamp in read.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
