"""The database of a study as a file, which may have come from somebody else."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from vidnas.core import UserError

_LIMIT_LENGTH = 0  # SQLITE_LIMIT_LENGTH
_LONGEST_VALUE = 4 << 20
"""Bytes; a trial has about a thousandth of that."""
_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")
"""How the journal of an interrupted transaction ends if it spans several databases: SQLite would
remove the file that it names. See https://www.sqlite.org/fileformat.html."""


def connector(path: Path) -> Callable[[], sqlite3.Connection]:
    """Return what connects to a file; a URL cannot hold every path, Optuna expands braces in it."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
        if set_limit := getattr(connection, "setlimit", None):  # since Python 3.11
            set_limit(_LIMIT_LENGTH, _LONGEST_VALUE)
        return connection

    return connect


def require_plain(path: Path) -> None:
    """Reject a database that does more than hold tables: views can compute for ever, triggers and
    journals change what they name.

    Raises:
        UserError: it does.
    """
    if _end_of(path.with_name(f"{path.name}-journal")) == _NAMES_ANOTHER:
        raise UserError(
            f"{path}-journal is part of a transaction that no study makes; remove it if the study "
            "is yours, and do not open the study if it is not."
        )
    statement = "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')"
    virtual = " OR sql LIKE 'CREATE VIRTUAL%'"
    with closing(connector(path)()) as connection:
        found = connection.execute(statement + virtual).fetchone()
    if found:
        raise UserError(
            f"{path} holds {found[0]!r}, which is no table and which no study has; get another "
            "copy of the study."
        )


def _end_of(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        file.seek(-min(len(_NAMES_ANOTHER), path.stat().st_size), os.SEEK_END)
        return file.read()
