"""The study: one search in one folder, durable rung by rung."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock
from typing_extensions import Self

from vidnas.core import Evaluation, UserError
from vidnas.core.files import own_folders, remove_leftovers
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.records import Records
from vidnas.evolution.storage import DATABASE_NAME, Storage, find_storage, plain_storage_errors
from vidnas.evolution.strategies import STRATEGIES
from vidnas.evolution.trial import Proposal, Trial, trial_rows
from vidnas.evolution.unknown_architecture import UnknownArchitecture
from vidnas.families import Architecture

CONFIG_NAME = "config.yaml"
STATES_FOLDER = "states"
"""Holds what candidates have learned: one file for each, whose name begins with the digest."""
_LOCK_NAME = ".lock"


class Study:
    """A search on disk: `config.yaml` (what was asked) and its trials (an Optuna study).

    Every rung of a candidate is written in one transaction: after a kill it is there whole or not
    at all. To Optuna, a candidate that may still climb is a running trial, one that is ok at the
    top of the ladder a complete one, a rejected one is pruned and a failed one failed. All trials
    are also in memory, so that a step costs the same at the start of a study and late in it.
    """

    def __init__(self, folder: Path, config: StudyConfig, storage: Storage) -> None:
        self.folder = folder
        self.config = config
        self._locks = ExitStack()
        self._records = Records(storage, rungs_to_climb(config))
        self.history, self.last_recorded = self._records.read()
        """Each trial as it was after each event, in the order of the events: all that was decided
        follows from it. And when the latest was recorded; unlike the file's time, that survives a
        copy."""
        self.trials = latest(self.history)
        """All candidates by number, as they are now."""
        recorded = {(trial.architecture.digest, trial.rung) for trial in self.history}
        self.unrecorded = {
            key: evaluation
            for key, evaluation in self._records.read_unrecorded().items()
            if key not in recorded
        }
        """Evaluations by digest and rung that are finished, and wait for their turn to be
        recorded."""
        self.repairs: dict[str, int] = {}
        """What was mended when it was opened to be searched: how many of what."""

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
            UserError: the folder holds something else, links, a study of something else or one
                that is damaged; it cannot be written to; another process is searching in it; the
                database cannot be used; the family of its trials is unknown.
        """
        folder = Path(folder)
        _require_study_or_empty(folder)
        with plain_file_errors(folder):
            parts = own_folders(folder) if folder.exists() else []
        storage = find_storage(folder, storage_url)
        with plain_storage_errors(storage.place):
            storage.require_reachable()  # before anything is written
        with plain_file_errors(folder), ExitStack() as locks:
            folder.mkdir(parents=True, exist_ok=True)
            locks.callback(_lock(folder).release)
            leftovers = sum(map(remove_leftovers, parts))
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
            study.repairs = {
                "half-written files": leftovers,
                "candidates that the dashboard showed as they had been": study._records.repair(),
            }
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
        """Return the best `count` trials that are ok, the fittest first, of equals the one that was
        trained less, then the earliest."""
        ok = [trial for trial in self.trials if trial.evaluation.status == "ok"]
        return sorted(ok, key=lambda trial: trial.rank, reverse=True)[:count]

    def rows(self) -> list[dict[str, Any]]:
        """Return the trials as plain rows, as in `pandas.DataFrame(study.rows())`."""
        return trial_rows(self.trials)

    def is_being_searched(self) -> bool:
        """Return whether a search holds the folder, also one on a machine that shares the disk.

        The lock is tried in shared mode, so that onlookers do not see each other, and given back at
        once.
        """
        lock = self.folder / _LOCK_NAME
        if not lock.is_file():  # to open a pipe could take for ever
            return False
        with suppress(FileNotFoundError), lock.open("rb") as file:  # or it was given back just now
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):  # some file systems say the latter
                return True
            except OSError:  # others know no locks: whoever searches leaves a note instead
                return os.fstat(file.fileno()).st_size > 0
        return False

    def record(self, proposal: Proposal, evaluation: Evaluation, elapsed_s: float) -> Trial:
        """Append a candidate with its lowest rung; when this returns it is on disk.

        Raises:
            UserError: the disk is full, or the database cannot be written to.
        """
        trial = Trial(len(self.trials), proposal, evaluation, elapsed_s)
        self.last_recorded = self._records.add(trial, len(self.history))
        self.trials.append(trial)
        return self._recorded(trial)

    def climb(self, number: int, evaluation: Evaluation, elapsed_s: float) -> Trial:
        """Append a rung to a candidate; when this returns it is on disk.

        Raises:
            UserError: the disk is full, or the database cannot be written to.
        """
        trial = self.trials[number].climbed(evaluation, elapsed_s)
        self.last_recorded = self._records.add_rung(trial, len(self.history))
        self.trials[number] = trial
        return self._recorded(trial)

    def _recorded(self, trial: Trial) -> Trial:
        self.history.append(trial)
        self.unrecorded.pop((trial.architecture.digest, trial.rung), None)
        return trial

    def keep_unrecorded(
        self, architecture: Architecture, rung: int, evaluation: Evaluation
    ) -> None:
        """Keep an evaluation on disk until its turn to be recorded; twice is the same as once.

        Raises:
            UserError: the disk is full, or the database cannot be written to.
        """
        key = architecture.digest, rung
        if key not in self.unrecorded:
            self.unrecorded[key] = evaluation
            self._records.write_unrecorded(self.unrecorded)

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


def latest(history: Iterable[Trial]) -> list[Trial]:
    """Return the candidates of a history by number, each as it was last."""
    trials: list[Trial] = []
    for trial in history:
        trials[trial.number : trial.number + 1] = [trial]
    return trials


def rungs_to_climb(config: StudyConfig) -> int:
    """Return how many rungs the candidates of a study may climb: one where its strategy is known
    and sends none higher."""
    strategy = STRATEGIES.get(str(config.strategy.get("name")))
    return config.rungs if strategy is None or strategy.climbs else 1


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
    if any(isinstance(trial.architecture, UnknownArchitecture) for trial in study.trials):
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
def plain_file_errors(folder: Path) -> Iterator[None]:
    """Say in one sentence why a folder cannot be used."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be written ({error.strerror}); free some space, or "
            "choose a folder that you may write to."
        ) from error
