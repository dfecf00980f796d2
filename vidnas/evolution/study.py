"""The study: one search in one folder, durable trial by trial."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import filelock
import optuna
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import Self

from vidnas.core import Evaluation, UserError
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.storage import DATABASE_NAME, Storage, find_storage, plain_storage_errors
from vidnas.evolution.trial import Proposal, Trial, trial_rows
from vidnas.evolution.unknown_architecture import UnknownArchitecture, read_architecture
from vidnas.families import Architecture

CONFIG_NAME = "config.yaml"
_LOCK_NAME = ".lock"
_UNRECORDED = "unrecorded"

# How the dashboard shows the status of a candidate.
_STATES = {
    "ok": TrialState.COMPLETE,
    "rejected": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class Study:
    """A search on disk: `config.yaml` (what was asked) and its trials (an Optuna study).

    Every trial is one finished Optuna trial, written in one transaction: after a kill it is there
    whole or not at all. The objective is the fitness, to be maximised; rejected candidates are
    pruned trials to Optuna, failed ones failed trials. All trials are also in memory, so that a
    step costs the same at the start of a study and late in it.
    """

    def __init__(self, folder: Path, config: StudyConfig, storage: Storage) -> None:
        self.folder = folder
        self.config = config
        self._place = storage.place
        self._locks = ExitStack()
        with plain_storage_errors(self._place):
            self._optuna = storage.open()
            stored = self._optuna.get_trials(deepcopy=False)
        self.trials: list[Trial] = [_read_trial(self._place, trial) for trial in stored]
        recorded = {trial.architecture.digest for trial in self.trials}
        kept = self._optuna.user_attrs.get(_UNRECORDED, {})
        self.unrecorded = {
            digest: Evaluation.model_validate(evaluation)
            for digest, evaluation in kept.items()
            if digest not in recorded
        }
        """Evaluations by digest that are finished, and wait for their turn to be recorded."""

    @classmethod
    def create_or_resume(
        cls, folder: Path | str, config: StudyConfig, storage_url: str | None = None
    ) -> Study:
        """Start a study in a new or empty folder, or resume the one that is there.

        The study is locked until `close`.

        Args:
            folder: the study's folder.
            config: what is asked; the same as before where the study is resumed.
            storage_url: a PostgreSQL or MySQL database to keep the trials in; if unset, where they
                are, and for a new study `study.db` in its folder.

        Raises:
            UserError: the folder holds something else, a study of something else or one that is
                damaged; it cannot be written to; another process is searching in it; the database
                cannot be used; the family of its trials is unknown.
        """
        folder = Path(folder)
        _require_study_or_empty(folder)
        storage = find_storage(folder, storage_url)
        with plain_storage_errors(storage.place):
            storage.require_reachable()  # before anything is written
        with _plain_file_errors(folder), ExitStack() as locks:
            folder.mkdir(parents=True, exist_ok=True)
            locks.callback(_lock(folder).release)
            if (folder / CONFIG_NAME).exists():
                StudyConfig.read(folder / CONFIG_NAME).require_same(config, folder)
            else:
                config.write(folder / CONFIG_NAME)
            with plain_storage_errors(storage.place):
                if not storage.exists():
                    storage.create()
                locks.enter_context(storage.locked())
            study = cls(folder, config, storage)
            _require_known_family(study)
            study._locks = locks.pop_all()
            return study

    @classmethod
    def read(cls, folder: Path | str, storage_url: str | None = None) -> Study:
        """Open a study to look at, also while a search is running in it.

        Architectures of a family that this process does not know are `UnknownArchitecture`s.

        Args:
            folder: the study's folder.
            storage_url: the database, where it is another than the folder says.

        Raises:
            UserError: the folder is not a study, it is damaged, or its database cannot be reached.
        """
        folder = Path(folder)
        storage = find_storage(folder, storage_url)
        if not (folder / CONFIG_NAME).is_file() or not storage.exists():
            raise UserError(
                f"{folder} is not a study: it has no {CONFIG_NAME} and {DATABASE_NAME}; give the "
                "folder that was passed to the search."
            )
        return cls(folder, StudyConfig.read(folder / CONFIG_NAME), storage)

    def fittest(self, count: int) -> list[Trial]:
        """Return the best `count` trials that are ok, the fittest first, of equals the earliest."""
        ok = [trial for trial in self.trials if trial.evaluation.status == "ok"]
        return sorted(ok, key=lambda trial: -trial.fitness)[:count]

    def rows(self) -> list[dict[str, Any]]:
        """Return the trials as plain rows, as in `pandas.DataFrame(study.rows())`."""
        return trial_rows(self.trials)

    @property
    def last_recorded(self) -> datetime | None:
        """When the latest trial was recorded; unlike the file's time, it survives a copy."""
        stored = self._optuna.get_trials(deepcopy=False)
        return stored[-1].datetime_complete if stored else None

    def is_being_searched(self) -> bool:
        """Return whether a search holds the folder, also one on a machine that shares the disk.

        The lock is tried in shared mode, so that onlookers do not see each other, and given back at
        once.
        """
        try:
            with (self.folder / _LOCK_NAME).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def record(self, proposal: Proposal, evaluation: Evaluation, elapsed_s: float) -> Trial:
        """Append a trial; when this returns it is on disk.

        Raises:
            UserError: the disk is full, or the database cannot be written to.
        """
        trial = Trial(len(self.trials), proposal, evaluation, elapsed_s)
        with plain_storage_errors(self._place):
            self._optuna.add_trial(_stored(trial))
        self.trials.append(trial)
        self.unrecorded.pop(trial.architecture.digest, None)
        return trial

    def keep_unrecorded(self, architecture: Architecture, evaluation: Evaluation) -> None:
        """Keep an evaluation on disk until its turn to be recorded; twice is the same as once.

        Raises:
            UserError: the disk is full, or the database cannot be written to.
        """
        if architecture.digest in self.unrecorded:
            return
        self.unrecorded[architecture.digest] = evaluation
        kept = {digest: one.model_dump(mode="json") for digest, one in self.unrecorded.items()}
        with plain_storage_errors(self._place):
            self._optuna.set_user_attr(_UNRECORDED, kept)

    def close(self) -> None:
        """Let others search in this folder."""
        self._locks.close()

    def __repr__(self) -> str:
        best = f", best fitness {one[0].fitness:.4g}" if (one := self.fittest(1)) else ""
        return f"Study({str(self.folder)!r}, {self.config.family}, {len(self.trials)} trials{best})"

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
            read_architecture(attributes["architecture"], attributes["digest"]),
            attributes["parent"],
            tuple(attributes["mutations"]),
        )
        evaluation = Evaluation.model_validate(attributes["evaluation"])
        return Trial(stored.number, proposal, evaluation, attributes["elapsed_s"])
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise UserError(
            f"Trial {stored.number} in {place} cannot be read ({error}); restore a copy, or start "
            "a new study in another folder."
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


def _require_known_family(study: Study) -> None:
    if any(isinstance(trial.architecture, UnknownArchitecture) for trial in study.trials[:1]):
        raise UserError(
            f"{study.folder} holds trials of the family {study.config.family!r}, which is unknown; "
            "import the package or the module that defines it, and resume the study then."
        )


def _lock(folder: Path) -> filelock.BaseFileLock:
    # Whoever asks whether a search is running holds the lock for microseconds.
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
