"""Whether files and folders exist."""

from __future__ import annotations

from pathlib import Path

from vidnas.core.errors import UserError


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
