"""Database servers that the user has named: the folder of a study alone makes nobody connect.

A client sends the user's password to whatever server it is told, and some options of a URL name
files to read. So a folder may choose a database on a server; the server and the options with which
it is reached are those that the user once gave.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.exc import ArgumentError

from vidnas.core import UserError
from vidnas.core.files import replacing

VARIABLE = "VIDNAS_SERVERS"
"""Holds URLs of servers that may be connected to, separated by spaces."""
DRIVERS = {"postgresql": "psycopg", "mysql": "pymysql"}
_EXAMPLE = "postgresql://user@host/database"
_PORTS = {"postgresql": 5432, "mysql": 3306}


def given_server(text: str) -> sqlalchemy.URL:
    """Return a URL that the user gave, with a driver that is installed.

    Raises:
        UserError: it is none, of another kind of database, or its driver is missing.
    """
    url = _parsed(text)
    backend, _, driver = url.drivername.partition("+")
    if backend not in DRIVERS:
        raise UserError(
            f"Studies cannot be kept in {backend!r}; give a PostgreSQL or MySQL URL such as "
            f"{_EXAMPLE}, or none for study.db in the study's folder."
        )
    url = url.set(drivername=f"{backend}+{driver or DRIVERS[backend]}")
    try:
        url.get_dialect().import_dbapi()
    except (ImportError, ArgumentError) as error:
        raise UserError(
            f"{url.drivername} needs a driver that is not installed; run "
            f"pip install 'vidnas[{backend}]'."
        ) from error
    return url


def found_server(text: str, source: Path) -> sqlalchemy.URL:
    """Return how to reach the database that a file names: as the user reached that server before.

    Raises:
        UserError: it is none, or the user has named no such server, or not with these options.
    """
    asked = _parsed(text)
    known = [url for url in _known() if _server(url) == _server(asked)]
    if not known:
        raise UserError(
            f"{source} names the database {without_password(asked)}, which you have not named on "
            "this machine, and connecting may send it your password; if you trust it, set "
            f"{VARIABLE} to that URL for this command."
        )
    mine = next((url for url in known if url.username == asked.username), known[0])
    found = mine.set(database=asked.database, username=mine.username or asked.username)
    return given_server(found.render_as_string(hide_password=False))


def remember_server(url: sqlalchemy.URL) -> None:
    """Note that the user named a server, in a file that only the user may read."""
    lines = _lines()
    if any(_server(one) == _server(url) and one.username == url.username for one in _read(lines)):
        return
    file = _file()
    with suppress(OSError):  # without a home folder there is the variable
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            temporary.chmod(0o600)
            text = "".join(f"{line}\n" for line in [*lines, without_password(url)])
            temporary.write_text(text, encoding="utf-8")


def without_password(url: sqlalchemy.URL) -> str:
    """Return a URL as it may be shown and written down."""
    return str(
        sqlalchemy.URL.create(
            url.drivername, url.username, None, url.host, url.port, url.database, _options(url)
        )
    )


def _known() -> Iterator[sqlalchemy.URL]:
    """Yield the servers that the user named, those of this command first, then the latest."""
    yield from _read([*os.environ.get(VARIABLE, "").split(), *reversed(_lines())])


def _read(texts: Iterable[str]) -> Iterator[sqlalchemy.URL]:
    for text in texts:
        with suppress(UserError):
            yield _parsed(text)


def _lines() -> list[str]:
    try:
        return _file().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _file() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    return Path(home) / "vidnas" / "servers"


def _parsed(text: str) -> sqlalchemy.URL:
    try:
        return sqlalchemy.make_url(text)
    except (ArgumentError, ValueError) as error:
        raise UserError(
            f"The storage is not a valid database URL; write one like {_EXAMPLE}."
        ) from error


def _server(url: sqlalchemy.URL) -> tuple[Any, ...]:
    """Return all of a URL but the user and the database."""
    backend = url.get_backend_name()
    port = url.port or _PORTS.get(backend)
    return backend, (url.host or "").lower(), port, _options(url)


def _options(url: sqlalchemy.URL) -> Any:
    return url.difference_update_query(["password"]).query
