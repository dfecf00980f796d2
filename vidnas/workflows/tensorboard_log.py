"""The course of a search as TensorBoard scalars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vidnas.core import UserError
from vidnas.evolution.events import Event
from vidnas.evolution.trial import Trial
from vidnas.workflows.search_log import SearchLog

_EVERY = "search/evaluations"
"""The scalar that every event has, whatever became of the trial."""


class TensorBoardLog(SearchLog):
    """Writes scalars for TensorBoard, one step per event: a candidate is born or climbs a rung.

    Raises:
        UserError: TensorBoard is not installed, or the folder cannot be written to.
    """

    def __init__(self, folder: Path, remark: Callable[[str], None]) -> None:
        super().__init__(folder, remark)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError(
                "--tensorboard needs TensorBoard, which is not installed; "
                "pip install 'vidnas[tensorboard]'."
            ) from error
        self._steps = _steps(folder)
        try:
            self._writer = SummaryWriter(str(folder))
        except OSError as error:
            raise UserError(
                f"TensorBoard's scalars cannot be written to {folder} ({error.strerror}); choose "
                "a folder that you may write to."
            ) from error

    def knows(self, trial: Trial) -> bool:
        """Return whether the folder had the step when it was opened."""
        return self.place in self._steps

    def write(self, event: Event) -> None:
        """Write the scalars of a trial; other events have none."""
        if event.trial is None:
            return
        for name, value in _scalars(event, event.trial).items():
            self._writer.add_scalar(name, value, self.place)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def _scalars(event: Event, trial: Trial) -> dict[str, float]:
    evaluation, cost = trial.evaluation, trial.evaluation.cost
    scalars: dict[str, float] = {_EVERY: event.evaluations, "candidate/rung": trial.rung}
    if evaluation.fitness is not None:
        scalars["candidate/fitness"] = evaluation.fitness
    scalars |= {f"candidate/{name}": value for name, value in evaluation.metrics.items()}
    if cost is not None:
        scalars |= {"candidate/macs": cost.macs, "candidate/parameters": cost.parameters}
        if cost.latency is not None:
            scalars["candidate/latency_ms"] = cost.latency.p50_ms
        if cost.frame_latency is not None:
            scalars["candidate/frame_latency_ms"] = cost.frame_latency.p50_ms
    if event.best is not None:
        scalars["search/best_fitness"] = event.best.fitness
    return scalars


def _steps(folder: Path) -> set[int]:
    """Return the numbers of the trials whose scalars are in the folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not folder.is_dir():
        return set()
    everything = {"scalars": 0}  # the default is a sample
    read = EventAccumulator(str(folder), size_guidance=everything).Reload()
    if _EVERY not in read.Tags()["scalars"]:
        return set()
    return {scalar.step for scalar in read.Scalars(_EVERY)}
