"""What a running job tells, shown on standard error."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from typing_extensions import Self

from vidnas.cli.console import Styled, line, messages, results, say
from vidnas.cli.heartbeat import Heartbeat
from vidnas.core.quantities import format_evaluation
from vidnas.core.text import escaped
from vidnas.workflows.listener import Listener

if TYPE_CHECKING:
    from vidnas.evolution.events import Event
    from vidnas.evolution.trial import Trial
    from vidnas.training import EpochReport

_STEP_WIDTH = 90
"""How much of a sentence is repeated while its step lasts."""


class Display(Listener):
    """A job as people follow it: sentences that stay, and below them a bar that is redrawn.

    Where standard error is not a terminal, nothing is redrawn: every evaluation leaves a line, and
    after half a minute without any, so does the state of the job.
    """

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=messages,
        )
        self._facts: tuple[str, ...] = ()
        self._best: Trial | None = None
        self._step = ""
        self._heartbeat = Heartbeat(self._show_state)
        self._live = Live(
            get_renderable=lambda: Group(self._bar, *map(line, self._facts)),
            console=messages,
            refresh_per_second=2,
            transient=True,
            auto_refresh=messages.is_terminal,
            # Results that are piped go where they are piped to, and not above the bar.
            redirect_stdout=results.is_terminal,
        )

    def __enter__(self) -> Self:
        if messages.is_terminal:
            self._live.start()
        else:
            self._heartbeat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._heartbeat.stop()
        self._live.stop()

    def say(self, sentence: str) -> None:
        """Print the sentence."""
        self._step = textwrap.shorten(sentence, _STEP_WIDTH, placeholder=" …")
        self._say(sentence)

    def remark(self, sentence: str) -> None:
        """Print the sentence as a note."""
        self._say(("Note: ", "yellow"), sentence)

    def progress(self, task: str, done: float, total: float | None) -> None:
        """Draw the bar of the task."""
        self._draw(task, done, total)

    def searched(self, event: Event) -> None:
        """Draw how the search stands; print each new best, and how a search began or ends."""
        if event.kind == "started" and event.counts:
            self._say(f"Resuming after {outcomes(event.counts, event.rejections)}.")
        if event.kind == "stopping":
            self._say(
                "Finishing the candidates in flight; Ctrl-C again stops at once. The same command "
                "resumes the search."
            )
        best, trial = event.best, event.trial
        if best is not None and best != self._best:
            self._best = best
            self._say(f"  {event.evaluations:4}  ", ("best   ", "green"), f"  {_line(best)}")
        elif trial is not None and not messages.is_terminal and event.kind != "rejected":
            self._say(f"  {event.evaluations:4}  {event.kind:7}  {_line(trial)}")
        left_s = event.remaining_s
        self._draw(
            "Searching",
            event.elapsed_s,
            None if left_s is None else event.elapsed_s + left_s,
            f"{outcomes(event.counts, event.rejections)}; {event.candidates_per_minute:.1f} per "
            "minute",
            best_so_far(best, event.nearest),
        )

    def trained(self, report: EpochReport) -> None:
        """Draw how the training run stands; print each validation."""
        state = f"epoch {report.epoch:.1f}, loss {report.train_loss:.3f}"
        if report.validation is not None:
            found = report.validation
            self._say(f"  {state}, validation {found.headline_name} {found.headline_share:.1%}")
        facts = f"{state}, {report.clips_per_s:.0f} clips/s"
        self._draw("Training", report.fraction, 1.0, facts)

    def _say(self, *parts: Styled) -> None:
        self._heartbeat.heard()
        say(*parts)

    def _show_state(self) -> None:
        """Print in one line what a terminal would show."""
        state = f"still at it: {self._step}" if self._step else "still at work"
        for task in self._bar.tasks:
            share = "" if task.total is None else f" {task.completed / (task.total or 1):.0%}"
            state = "; ".join([f"{task.description}{share}", *self._facts])
        say(f"  ...   {state}")

    def _draw(self, task: str, done: float, total: float | None, *facts: str) -> None:
        task, tasks = escaped(task), self._bar.tasks
        if not tasks or tasks[-1].description != task:
            for ended in self._bar.task_ids:
                self._bar.remove_task(ended)
            self._bar.add_task(task, total=total)
        self._bar.update(self._bar.task_ids[-1], completed=done, total=total)
        self._facts = facts
        if total is not None and done >= total:
            self._bar.remove_task(self._bar.task_ids[-1])
            self._facts = ()


def _line(trial: Trial) -> str:
    rung = f" on rung {trial.rung}" if trial.rung else ""
    return f"trial {trial.number}{rung}: {format_evaluation(trial.evaluation)}"


def best_so_far(best: Trial | None, nearest: Mapping[str, Trial]) -> str:
    """Return how the best candidate does or, before there is one, how near the rejected came to the
    limits."""
    if best is not None:
        return f"best so far: {_line(best)}"
    found = [f"trial {one.number}: {one.evaluation.reason}" for one in nearest.values()]
    return "best so far: none yet" + (f"; the cheapest, {', '.join(found)}" if found else "")


def outcomes(counts: Mapping[str, int], rejections: Mapping[str, int]) -> str:
    """Return "12 trained, 30 rejected (30 for latency), 1 failed"."""
    text = f"{counts.get('ok', 0)} trained"
    if rejected := counts.get("rejected", 0):
        why = ", ".join(f"{count} for {name}" for name, count in rejections.items())
        text += f", {rejected} rejected ({why})"
    if failed := counts.get("failed", 0):
        text += f", {failed} failed"
    return text
