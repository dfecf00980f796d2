"""A search and the training of its finalists, shown while they run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from typing_extensions import Self

from vidnas.cli.console import messages
from vidnas.core.durations import format_duration

if TYPE_CHECKING:
    from vidnas.core import Cost, Evaluation
    from vidnas.evolution.engine import Event
    from vidnas.evolution.trial import Trial

_BAR_WIDTH = 40


class SearchDisplay:
    """The state of a search, redrawn after every event; each new best leaves a line behind.

    Where standard error is no terminal, every evaluation leaves a line and nothing is redrawn.
    """

    def __init__(self, evaluations: int | None, budget_s: float | None) -> None:
        self._evaluations, self._budget_s = evaluations, budget_s
        self._event: Event | None = None
        self._received = time.monotonic()
        self._best: int | None = None
        self._live = Live(
            get_renderable=self._render,
            console=messages,
            refresh_per_second=2,
            transient=True,
            auto_refresh=messages.is_terminal,
        )

    def __enter__(self) -> Self:
        if messages.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def update(self, event: Event) -> None:
        """Take the search's latest event."""
        self._event, self._received = event, time.monotonic()
        if event.kind == "started" and event.counts:
            messages.print(f"Resuming after {outcomes(event.counts, event.rejections)}.")
        if event.kind == "stopping":
            messages.print(
                "Finishing the candidates in flight; Ctrl-C again stops at once. The same command "
                "resumes the search."
            )
        is_new_best = event.best is not None and event.best.number != self._best
        if event.best is not None and is_new_best:
            self._best = event.best.number
            messages.print(f"  {event.evaluations:4}  [green]best[/]  {_line(event.best)}")
        elif event.trial is not None and not messages.is_terminal and event.kind != "rejected":
            messages.print(f"  {event.evaluations:4}  {event.kind:4}  {_line(event.trial)}")

    def _render(self) -> RenderableType:
        event = self._event
        if event is None:
            return Text("Starting workers ...")
        running_s = time.monotonic() - self._received
        elapsed_s = event.elapsed_s + running_s
        share = max(
            event.evaluations / self._evaluations if self._evaluations else 0.0,
            elapsed_s / self._budget_s if self._budget_s else 0.0,
        )
        left = ""
        if event.remaining_s is not None:
            left = f"about {format_duration(max(event.remaining_s - running_s, 1))} left"
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            ProgressBar(total=1.0, completed=min(share, 1.0), width=_BAR_WIDTH),
            f"{share:.0%}",
            f"{format_duration(elapsed_s)} searched",
            left,
        )
        best = _line(event.best) if event.best else "none yet"
        told = outcomes(event.counts, event.rejections)
        facts = Text(f"{told} · {event.candidates_per_minute:.1f} a minute\nbest so far: {best}")
        return Group(bar, facts)


def _line(trial: Trial) -> str:
    return trial_phrase(trial.number, trial.evaluation)


def outcomes(counts: Mapping[str, int], refusals: Mapping[str, int]) -> str:
    """ "12 trained, 30 refused (30 for latency), 1 failed"."""
    text = f"{counts.get('ok', 0)} trained"
    if refused := counts.get("rejected", 0):
        why = ", ".join(f"{count} for {name}" for name, count in refusals.items())
        text += f", {refused} refused ({why})"
    if failed := counts.get("failed", 0):
        text += f", {failed} failed"
    return text


def trial_phrase(number: int, evaluation: Evaluation) -> str:
    """ "trial 7: 45.0%, 4.2 ms, 61 MMACs, 0.30 M parameters", or why it has none of these."""
    if evaluation.status != "ok":
        return f"trial {number}: {evaluation.reason}"
    cost = f", {cost_phrase(evaluation.cost)}" if evaluation.cost else ""
    return f"trial {number}: {_score(evaluation)}{cost}"


def _score(evaluation: Evaluation) -> str:
    """The accuracy, and the fitness where it is something else."""
    fitness, top1 = f"fitness {evaluation.fitness:.4g}", evaluation.metrics.get("top1")
    if top1 is None:
        return fitness
    return f"{top1:.1%}" if top1 == evaluation.fitness else f"{top1:.1%}, {fitness}"


def cost_phrase(cost: Cost) -> str:
    """ "4.2 ms, 61 MMACs, 0.30 M parameters"."""
    latency = f"{cost.latency.p50_ms:.3g} ms, " if cost.latency else ""
    return f"{latency}{cost.macs / 1e6:.3g} MMACs, {cost.parameters / 1e6:.2g} M parameters"
