"""Who is told how a job goes: workflows print nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidnas.evolution.events import Event
    from vidnas.evolution.trial import Trial
    from vidnas.training import EpochReport


class Listener:
    """Is told how a job goes; ignores everything that a sub-class does not override.

    All methods are called in the thread that runs the job, and delay it while they run.
    """

    def say(self, sentence: str) -> None:
        """Take a sentence on the step that begins now, or on one that has ended."""

    def remark(self, sentence: str) -> None:
        """Take a sentence on something that the user may want to know or change."""

    def progress(self, task: str, done: float, total: float | None) -> None:
        """Take how much of a task is done; `total` is None as long as it is unknown.

        A task begins with its first call and ends when `done` reaches `total`, or when another
        begins.
        """

    def opened(self, history: Sequence[Trial]) -> None:
        """Take what a study holds before its search begins or resumes: each trial as it was after
        each event."""

    def searched(self, event: Event) -> None:
        """Take the latest event of a search; what it tells is already on disk."""

    def trained(self, report: EpochReport) -> None:
        """Take how a training run stands after an epoch."""


def clock(listener: Listener, tasks: Mapping[str, float]) -> Callable[[], None]:
    """Return a function that tells the listener how much of timed tasks has passed by now.

    They follow each other. Where the last takes longer than expected, its end is unknown.
    """
    began = time.monotonic()

    def tick() -> None:
        passed_s = time.monotonic() - began
        for task, total_s in tasks.items():
            if passed_s < total_s:
                listener.progress(task, passed_s, total_s)
                return
            passed_s -= total_s
        listener.progress(task, passed_s, None)

    return tick
