"""The study: one search in one folder, durable trial by trial."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import filelock
import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import Self

from vidnas.core import Evaluation, UserError
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.storage import DATABASE_NAME, Storage, find_storage
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Architecture, architecture_from_json

CONFIG_NAME = "config.yaml"
_LOCK_NAME = ".lock"
_AHEAD = "ahead"

# How the dashboard shows what became of a candidate.
_STATES = {
    "ok": TrialState.COMPLETE,
    "rejected": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class Study:
    """A search on disk: `config.yaml` (what was asked) and its trials (an Optuna study).

    Every trial is one finished Optuna trial, written in one transaction: after a kill it is there
    whole or not at all. The objective is the fitness, to be maximised; rejected candidates are
    pruned trials, failed ones failed trials. All trials are also in memory, so that a step costs
    the same at the start of a study and late in it.
    """

    def __init__(self, folder: Path, config: StudyConfig, storage: Storage) -> None:
        self.folder = folder
        self.config = config
        self._place = storage.place
        self._locks = ExitStack()
        with _plain_storage_errors(self._place):
            self._optuna = storage.open()
            stored = self._optuna.get_trials(deepcopy=False)
        self.trials: list[Trial] = [_read_trial(self._place, trial) for trial in stored]
        recorded = {trial.architecture.digest for trial in self.trials}
        kept = self._optuna.user_attrs.get(_AHEAD, {})
        self.ahead = {
            digest: Evaluation.model_validate(evaluation)
            for digest, evaluation in kept.items()
            if digest not in recorded
        }
        """Evaluations by digest that are finished before it is their turn to be recorded."""

    @classmethod
    def create_or_resume(
        cls, folder: Path, config: StudyConfig, storage_url: str | None = None
    ) -> Study:
        """Start a study in a new or empty folder, or go on with the one that is there.

        The study is locked until `close`.

        Args:
            folder: of the study.
            config: what is asked; the same as before where the study is resumed.
            storage_url: of a PostgreSQL or MySQL database to keep the trials in; if None, where
                they are, and for a new study `study.db` in its folder.

        Raises:
            UserError: the folder holds something else, a study of something else or one that is
                damaged; it cannot be written to; another process is searching in it; the database
                cannot be used.
        """
        _require_study_or_empty(folder)
        storage = find_storage(folder, storage_url)
        with _plain_storage_errors(storage.place):
            storage.require_reachable()  # before anything is written
        with _plain_file_errors(folder), ExitStack() as locks:
            folder.mkdir(parents=True, exist_ok=True)
            locks.callback(_lock(folder).release)
            if (folder / CONFIG_NAME).exists():
                StudyConfig.read(folder / CONFIG_NAME).require_same(config, folder)
            else:
                config.write(folder / CONFIG_NAME)
            with _plain_storage_errors(storage.place):
                if not storage.exists():
                    storage.create()
                locks.enter_context(storage.locked())
            study = cls(folder, config, storage)
            study._locks = locks.pop_all()
            return study

    @classmethod
    def read(cls, folder: Path, storage_url: str | None = None) -> Study:
        """Open a study to look at, also while a search is running in it.

        Args:
            folder: of the study.
            storage_url: of the database, where it is another than the folder says.

        Raises:
            UserError: the folder is not a study, it is damaged, or its database cannot be reached.
        """
        storage = find_storage(folder, storage_url)
        if not (folder / CONFIG_NAME).is_file() or not storage.exists():
            raise UserError(
                f"{folder} is not a study: it has no {CONFIG_NAME} and {DATABASE_NAME}; give the "
                "folder that was passed to the search."
            )
        return cls(folder, StudyConfig.read(folder / CONFIG_NAME), storage)

    def fittest(self, count: int) -> list[Trial]:
        """The best `count` trials that are ok, the fittest first, of equals the earliest."""
        ok = [trial for trial in self.trials if trial.evaluation.status == "ok"]
        return sorted(ok, key=lambda trial: -trial.fitness)[:count]

    def record(self, proposal: Proposal, evaluation: Evaluation, elapsed_s: float) -> Trial:
        """Append a trial; when this returns it is on disk.

        Raises:
            UserError: the disk is full, or the database cannot be written to.
        """
        trial = Trial(len(self.trials), proposal, evaluation, elapsed_s)
        with _plain_storage_errors(self._place):
            self._optuna.add_trial(_stored(trial))
        self.trials.append(trial)
        self.ahead.pop(trial.architecture.digest, None)
        return trial

    def keep_ahead(self, architecture: Architecture, evaluation: Evaluation) -> None:
        """Keep an evaluation on disk until it is its turn to be recorded; keeping twice is once.

        Raises:
            UserError: as `record`.
        """
        if architecture.digest in self.ahead:
            return
        self.ahead[architecture.digest] = evaluation
        kept = {digest: one.model_dump(mode="json") for digest, one in self.ahead.items()}
        with _plain_storage_errors(self._place):
            self._optuna.set_user_attr(_AHEAD, kept)

    def close(self) -> None:
        """Let others search in this folder."""
        self._locks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _stored(trial: Trial) -> FrozenTrial:
    stored = optuna.trial.create_trial(
        state=_STATES[trial.evaluation.status],
        value=trial.evaluation.fitness,
        user_attrs={
            "architecture": trial.architecture.to_json(),
            "digest": trial.architecture.digest,
            "parent": trial.proposal.parent,
            "mutations": trial.proposal.mutations,
            "evaluation": trial.evaluation.model_dump(mode="json"),
            "elapsed_s": trial.elapsed_s,
        },
    )
    now = datetime.now()
    stored.datetime_start = now - timedelta(seconds=trial.evaluation.seconds)
    stored.datetime_complete = now
    return stored


def _read_trial(place: str, stored: FrozenTrial) -> Trial:
    attributes = stored.user_attrs
    try:
        proposal = Proposal(
            architecture_from_json(attributes["architecture"]),
            attributes["parent"],
            tuple(attributes["mutations"]),
        )
        evaluation = Evaluation.model_validate(attributes["evaluation"])
        return Trial(stored.number, proposal, evaluation, attributes["elapsed_s"])
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise UserError(
            f"Trial {stored.number} in {place} cannot be read ({error}); restore "
            "it, or start a new study in another folder."
        ) from error


def _require_study_or_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose a folder for the study.")
    if not folder.exists() or (folder / CONFIG_NAME).exists():
        return
    if any(not path.name.startswith(".") for path in folder.iterdir()):
        raise UserError(
            f"{folder} holds files but no study (it has no {CONFIG_NAME}); choose a new or empty "
            "folder."
        )


def _lock(folder: Path) -> filelock.BaseFileLock:
    # A look at whether a search is running holds the lock for microseconds.
    lock = filelock.FileLock(folder / _LOCK_NAME, timeout=1)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise UserError(
            f"Another process is searching in {folder}; wait for it to end, or choose another "
            "folder."
        ) from error
    return lock


@contextmanager
def _plain_file_errors(folder: Path) -> Iterator[None]:
    """Say in one sentence why a folder cannot be used."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be written ({error.strerror}); free some space, or "
            "choose a folder that you may write to."
        ) from error


_DATABASE_CURES = {
    "full": "the disk is full; free some space and run the same command again",
    "disk i/o": "the disk is full or failing; free some space and run the same command again",
    "not a database": "the file is damaged; restore a copy, or start a new study elsewhere",
    "malformed": "the file is damaged; restore a copy, or start a new study elsewhere",
    "locked": "another program is writing to it; close that and run the same command again",
    "readonly": "it is read-only; make it writable, or copy the study to another folder",
    "unable to open": "it cannot be opened; check the folder's permissions",
    "no such table": "the file is damaged; restore a copy, or start a new study elsewhere",
    "access denied": "put the password into the URL or a file that ?read_default_file= names there",
    "password": "put it into the URL, or for PostgreSQL into ~/.pgpass or PGPASSWORD",
    "connect": "look whether the server runs and give the same command again; nothing that was "
    "recorded is lost",
}


@contextmanager
def _plain_storage_errors(place: str) -> Iterator[None]:
    """Say in one sentence what a database error means."""
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, RuntimeError) as error:
        innermost: BaseException = error
        while innermost.__cause__ is not None:
            innermost = innermost.__cause__
        text = " ".join(str(innermost).split()).rstrip(".?")
        cures = [cure for sign, cure in _DATABASE_CURES.items() if sign in text.lower()]
        raise UserError("; ".join([f"{place}: {text}", *cures[:1]]) + ".") from error
