"""Logs of a search that are kept outside its study, for programs that watch it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from typing_extensions import Self

from vidnas.core import Evaluation
from vidnas.core.value import Value
from vidnas.evolution.events import Event, kind_of
from vidnas.evolution.tally import Tally
from vidnas.evolution.trial import Trial
from vidnas.workflows.listener import Listener


class TrialFacts(Value):
    """A trial as programs are told of it; `study.db` holds its architecture."""

    number: int
    rung: int
    digest: str
    evaluation: Evaluation
    """Without the learned connection weights, which `study.db` holds, too."""
    elapsed_s: float
    """Search time, over all resumptions, at which its evaluation was recorded."""

    @classmethod
    def of(cls, trial: Trial | None) -> TrialFacts | None:
        """Return the facts of a trial, or None."""
        if trial is None:
            return None
        return cls(
            number=trial.number,
            rung=trial.rung,
            digest=trial.architecture.digest,
            evaluation=trial.evaluation.model_copy(update={"connection_weights": {}}),
            elapsed_s=trial.elapsed_s,
        )


class SearchLog(Listener):
    """Writes down the events of a search; a resumed search adds what a killed one did not write.

    The trials are safe in the study: a full disk here is said once and ends nothing.

    Args:
        path: of the log.
        remark: takes the sentence that says that the log cannot be written.
    """

    def __init__(self, path: Path, remark: Callable[[str], None]) -> None:
        self._path = path
        self._remark = remark
        self._has_complained = False
        self.place = 0
        """Of the next event that is about a trial, among all of the study."""

    @abstractmethod
    def knows(self, trial: Trial) -> bool:
        """Return whether an earlier run wrote the event at this place, with which the trial was
        recorded."""

    @abstractmethod
    def write(self, event: Event) -> None:
        """Write one event."""

    @abstractmethod
    def close(self) -> None:
        """Close the log: nothing more will come."""

    def opened(self, history: Sequence[Trial]) -> None:
        """Write the events of the study that the log does not know."""
        tally = Tally()
        for trial in history:
            tally.take(trial)
            if self.knows(trial):
                self.place += 1
            else:
                self.searched(Event.of(kind_of(trial), trial, tally, trial.elapsed_s))

    def searched(self, event: Event) -> None:
        """Write the search's latest event."""
        self._attempt(lambda: self.write(event))
        self.place += event.trial is not None

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            if not self._has_complained:
                self._has_complained = True
                self._remark(
                    f"{self._path} cannot be written ({error.strerror}); the search continues and "
                    "the study holds every trial; free some space, and a resumed search adds what "
                    "is missing."
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._attempt(self.close)
