"""Records of a search that are kept outside its study, for machines that watch it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rich.markup import escape
from typing_extensions import Self

from vidnas.cli.console import messages
from vidnas.core import Evaluation
from vidnas.core.value import Value
from vidnas.evolution.engine import Event
from vidnas.evolution.tally import Tally
from vidnas.evolution.trial import Trial


class TrialFacts(Value):
    """A trial as machines are told of it; `study.db` has its architecture."""

    number: int
    digest: str
    evaluation: Evaluation
    """Without what networks learn for their children: `study.db` has that, too."""
    elapsed_s: float
    """Search time, over all resumptions, at which it was recorded."""

    @classmethod
    def of(cls, trial: Trial | None) -> TrialFacts | None:
        """The facts of a trial; None of none."""
        if trial is None:
            return None
        return cls(
            number=trial.number,
            digest=trial.architecture.digest,
            evaluation=trial.evaluation.model_copy(update={"connection_weights": {}}),
            elapsed_s=trial.elapsed_s,
        )


class Watcher(ABC):
    """Takes the events of a search; what a killed search did not tell, the resumed one does.

    The trials are safe in the study, so that a full disk here is said once and ends nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._has_complained = False

    @abstractmethod
    def knows(self, trial: Trial) -> bool:
        """Whether an earlier run has told of the trial."""

    @abstractmethod
    def write(self, event: Event) -> None:
        """Write one event."""

    @abstractmethod
    def close(self) -> None:
        """Nothing more will come."""

    def catch_up(self, trials: Iterable[Trial]) -> None:
        """Tell what of the study is not told yet."""
        for event in _past(trials):
            if event.trial is not None and not self.knows(event.trial):
                self.update(event)

    def update(self, event: Event) -> None:
        """Take the search's latest event."""
        self._attempt(lambda: self.write(event))

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            if not self._has_complained:
                self._has_complained = True
                messages.print(
                    f"[yellow]Note:[/] {escape(str(self._path))} cannot be written "
                    f"({error.strerror}); the search goes on and the study has every trial; free "
                    "some space, and a resumed search adds what is missing.",
                    soft_wrap=True,
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._attempt(self.close)


def _past(trials: Iterable[Trial]) -> Iterator[Event]:
    """The events with which the trials were recorded."""
    tally = Tally()
    for trial in trials:
        tally.take(trial)
        yield Event(
            trial.evaluation.status,
            trial,
            dict(tally.counts),
            dict(tally.rejections),
            tally.best,
            trial.elapsed_s,
            remaining_s=None,
        )
