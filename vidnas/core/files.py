"""Files that are whole or do not exist, and whether they exist."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vidnas.core.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; the file takes its place when the block succeeds."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_there(path: Path) -> bool:
    """Return whether a file or folder exists.

    Raises:
        UserError: that cannot be told: a folder above may not be entered, or the name is too long.
    """
    try:
        return path.exists()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); check its name and its permissions."
        ) from error
