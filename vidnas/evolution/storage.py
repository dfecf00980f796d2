"""Where the trials of a study are: in its folder, or on a database server that a team shares."""

from __future__ import annotations

import logging
import sqlite3
import uuid
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import optuna
import sqlalchemy
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from vidnas.core import UserError
from vidnas.core.bounds import bounded_bytes
from vidnas.core.files import making, replacing
from vidnas.core.value import Value
from vidnas.evolution.dashboard import METRIC_NAME
from vidnas.evolution.database_file import connector, require_plain
from vidnas.evolution.servers import (
    found_server,
    given_server,
    remember_server,
    without_password,
)

DATABASE_NAME = "study.db"
SERVER_NAME = "storage.json"
_STUDY_NAME = "vidnas"

# Both locks belong to their connection: a search that dies releases its study.
_LOCKS = {
    "postgresql": "SELECT pg_try_advisory_lock(hashtextextended(:name, 0))",
    "mysql": "SELECT GET_LOCK(:name, 0)",
}
# Optuna makes its tables in several steps, which two processes must not interleave.
_TABLE_LOCKS = {
    "postgresql": "SELECT pg_advisory_lock(hashtextextended('vidnas', 0))",
    "mysql": "SELECT GET_LOCK('vidnas', 60)",
}


class Storage(Protocol):
    """Where the trials of one study are kept."""

    @property
    def place(self) -> str:
        """The name of it in messages."""

    def require_reachable(self) -> None:
        """Connect once; raises what the database raises where it cannot be reached."""

    def exists(self) -> bool:
        """Return whether the study was made, whole."""

    def create(self) -> None:
        """Make the study, empty; it is never found half made."""

    def open(self) -> optuna.Study:
        """Open the study that is there; this writes nothing, so that it may be done at any time.

        Raises:
            UserError: the database holds no such study.
        """

    def locked(self) -> AbstractContextManager[Any]:
        """Keep searches on other machines out, where they could reach the trials.

        Raises:
            UserError: one is running.
        """


def find_storage(folder: Path, url: str | None) -> Storage:
    """Return the storage of the study in a folder, or of the one that is about to be made there.

    Args:
        folder: the study's folder.
        url: a PostgreSQL or MySQL database; if unset, the one that the study was started with, and
            for a new study `study.db` in its folder.

    Raises:
        UserError: the URL cannot be used, the study is kept in `study.db`, or its folder names a
            server that the user has not named before.
    """
    record = _ServerRecord.read(folder)
    if url is None and record is None:
        return _FileStorage(folder / DATABASE_NAME)
    if url is not None and (folder / DATABASE_NAME).exists():
        raise UserError(
            f"The trials of {folder} are in its {DATABASE_NAME}, not on a server; leave the "
            "storage out, or copy them there with vidnas study fork --storage."
        )
    name = record.study if record else f"{_STUDY_NAME}-{uuid.uuid4().hex}"
    if url is not None:
        given = given_server(url)
        remember_server(given)
        return _ServerStorage(folder, given, name)
    assert record is not None  # see above
    return _ServerStorage(folder, found_server(record.url, folder / SERVER_NAME), name)


@dataclass(frozen=True)
class _FileStorage:
    """SQLite in one file."""

    path: Path

    @property
    def place(self) -> str:
        return str(self.path)

    def require_reachable(self) -> None:
        pass  # using the folder says what is wrong with it

    def exists(self) -> bool:
        return self.path.is_file()

    def create(self) -> None:
        # A folder of its own: what a kill leaves of SQLite's journal must not be taken for ours.
        with making(self.path) as temporary:
            made = temporary / DATABASE_NAME
            _make(f"sqlite:///{DATABASE_NAME}", _STUDY_NAME, creator=connector(made))
            made.replace(self.path)

    def open(self) -> optuna.Study:
        require_plain(self.path)
        return _open(f"sqlite:///{DATABASE_NAME}", _STUDY_NAME, creator=connector(self.path))

    def locked(self) -> AbstractContextManager[None]:
        return nullcontext()  # the lock of the folder is enough


@dataclass(frozen=True)
class _ServerStorage:
    """A database that holds many studies; `storage.json` in the folder says which is ours."""

    folder: Path
    url: sqlalchemy.URL
    study: str

    @property
    def place(self) -> str:
        return without_password(self.url)

    def require_reachable(self) -> None:
        with self._connected():
            pass

    def exists(self) -> bool:
        return (self.folder / SERVER_NAME).is_file()

    def create(self) -> None:
        with self._connected() as connection:
            connection.execute(sqlalchemy.text(_TABLE_LOCKS[self.url.get_backend_name()]))
            _make(self._text, self.study)
        record = _ServerRecord(url=self.place, study=self.study)
        with replacing(self.folder / SERVER_NAME) as temporary:
            temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def open(self) -> optuna.Study:
        try:
            return _open(self._text, self.study)
        except KeyError as error:
            raise UserError(
                f"{self.place} holds no study {self.study}, which {self.folder / SERVER_NAME} "
                "names; give the URL of the database that holds it."
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self._connected() as connection:
            statement = sqlalchemy.text(_LOCKS[self.url.get_backend_name()])
            if not connection.execute(statement, {"name": self.study}).scalar():
                raise UserError(
                    f"Another process is searching in the study {self.study} of {self.place}; "
                    "wait for it to end, or choose another folder."
                )
            yield

    @property
    def _text(self) -> str:
        return self.url.render_as_string(hide_password=False)

    @contextmanager
    def _connected(self) -> Iterator[sqlalchemy.Connection]:
        engine = sqlalchemy.create_engine(self.url, isolation_level="AUTOCOMMIT")
        connection = engine.connect()
        try:
            yield connection
        finally:
            with suppress(SQLAlchemyError):  # where the server is gone, so is the connection
                connection.close()
            engine.dispose()


class _ServerRecord(Value):
    """`storage.json`; a copy of the folder leads to the same study."""

    url: str
    study: str

    @classmethod
    def read(cls, folder: Path) -> _ServerRecord | None:
        path = folder / SERVER_NAME
        if not path.is_file():
            return None
        try:
            return cls.model_validate_json(bounded_bytes(path))
        except ValidationError as error:
            raise UserError(
                f"{path} is damaged; restore it: without it the study's trials are not found."
            ) from error


def _make(url: str, name: str, **engine: Any) -> None:
    optuna.logging.set_verbosity(logging.WARNING)
    storage = optuna.storages.RDBStorage(url, engine_kwargs=engine)
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([METRIC_NAME])
    storage.remove_session()
    storage.engine.dispose()


def _open(url: str, name: str, **engine: Any) -> optuna.Study:
    optuna.logging.set_verbosity(logging.WARNING)
    storage = optuna.storages.RDBStorage(url, engine_kwargs=engine, skip_table_creation=True)
    return optuna.load_study(study_name=name, storage=storage)


_DATABASE_CURES = {
    "full": "the disk is full; free some space and run the same command again",
    "disk i/o": "the disk is full or failing; free some space and run the same command again",
    "not a database": "the file is damaged; restore a copy, or start a new study elsewhere",
    "malformed": "the file is damaged; restore a copy, or start a new study elsewhere",
    "too big": "it is damaged, or made to do harm; restore a copy",
    "locked": "another program is writing to it; close that and run the same command again",
    "readonly": "it is read-only; make it writable, or copy the study to another folder",
    "unable to open": "it cannot be opened; check the folder's permissions",
    "no such table": "the file is damaged; restore a copy, or start a new study elsewhere",
    "access denied": "put the password into the URL or into a file that its ?read_default_file= "
    "names",
    "password": "put it into the URL, or for PostgreSQL into ~/.pgpass or PGPASSWORD",
    "connect": "check that the server is running and give the same command again; nothing that was "
    "recorded is lost",
}


@contextmanager
def plain_storage_errors(place: str) -> Iterator[None]:
    """Say in one sentence what a database error means."""
    try:
        yield
    except (
        SQLAlchemyError,
        sqlite3.Error,
        optuna.exceptions.StorageInternalError,
        RuntimeError,
    ) as error:
        innermost: BaseException = error
        while innermost.__cause__ is not None:
            innermost = innermost.__cause__
        text = " ".join(str(innermost).split()).rstrip(".?")
        cures = [cure for sign, cure in _DATABASE_CURES.items() if sign in text.lower()]
        raise UserError("; ".join([f"{place}: {text}", *cures[:1]]) + ".") from error
