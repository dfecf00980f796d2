"""The card of a model: where it comes from, what its clips depend on, what was measured."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveInt

from vidnas.core import Cost, bounds
from vidnas.core.clip import CLIPS_PER_VIDEO, Squares
from vidnas.core.names import listed
from vidnas.core.value import Value
from vidnas.core.version import VERSION
from vidnas.data.cache import ClipSettings
from vidnas.data.flow import DEFAULT_METHOD, FlowMethod
from vidnas.deploy.shipped_file import ShippedFile
from vidnas.training import AnyMetrics, MultiLabel, SingleLabel, Task, TimeUse, TrainingRun


class ModelCard(Value):
    """The one record of a trained model: where it comes from and what was measured of it."""

    trial: int | None = None
    """Number of the trial that found the architecture, of a vote that of the best voter; None for a
    model of no search."""
    voters: tuple[int, ...] = ()
    """Numbers of the trials whose networks vote in the answer of a search, the best alone first;
    empty where it is one network."""
    training_runs: tuple[TrainingRun, ...] = ()
    """How the network was trained; for an ensemble, how each of its members was."""
    epochs: float | None = None
    """Epochs that the network was trained for, over all its training runs."""
    epochs_kept: float | None = None
    """Their share of all epochs that were spent on the architecture in its search: less than 1
    where a state was lost and the network started again."""
    clips: ClipSettings | None = None
    """What its clips depend on; None for a model that was trained here, whose runs say it."""
    typical_frames: PositiveInt | None = None
    """The median number of frames, at `rate_fps`, of the videos that it was trained on."""
    clips_per_video: Annotated[int, Field(ge=1, le=bounds.CLIPS_PER_VIDEO)] = CLIPS_PER_VIDEO
    """Evenly spaced clips of a video whose scores become one, where it is used."""
    squares: Squares = 1
    """Squares that are cut out of each clip, whose scores become one, too."""
    data: str = ""
    """Fingerprint of the videos it was trained on."""
    multi_label: bool = False
    """Whether it tells any number of classes of a video, instead of exactly one."""
    validation: AnyMetrics | None = None
    """Metrics on the split that chose the model."""
    test: AnyMetrics | None = None
    """Metrics on the split that nothing was chosen by."""
    time_use: TimeUse | None = None
    """What of the headline of the test remains with other orders of the frames; None for networks
    of single frames and where it was not measured."""
    cost: Cost | None = None
    within_limits: bool | None = None
    """Whether the cost keeps the limits of the search; None where there were none to keep."""
    shipped: ShippedFile | None = None
    """The file that the cost was measured on, where that lies beside the model."""
    export_difference: float | None = None
    """Largest absolute difference of a logit between the exported graph and torch."""
    versions: dict[str, str] = Field(
        default_factory=lambda: {"vidnas": VERSION, "torch": torch.__version__}
    )

    @property
    def name(self) -> str:
        """What people call a network of a search: "trial 3", "the vote of trials 3 and 7"."""
        if self.voters:
            return f"the vote of trials {listed([*map(str, self.voters)])}"
        return f"trial {self.trial}"

    @property
    def task(self) -> Task:
        """What the model tells of a video, and what it was judged by."""
        if self.multi_label:
            return MultiLabel()
        measured = self.validation or self.test
        return SingleLabel(balanced=measured is not None and measured.headline == "mean_class")

    @property
    def flow_method(self) -> FlowMethod:
        """How to compute the optical flow that the model takes, if it takes any."""
        methods = (clips.flow_method for clips in self._clips)
        return next((method for method in methods if method is not None), DEFAULT_METHOD)

    @property
    def rate_fps(self) -> float | None:
        """The frame rate at which to read videos; None for each one's own."""
        return next((clips.rate_fps for clips in self._clips if clips.rate_fps is not None), None)

    @property
    def stored_px(self) -> int | None:
        """The short side of the frames that clips are cut from; None where nobody wrote it down."""
        return next((clips.size_px for clips in self._clips), None)

    @property
    def _clips(self) -> tuple[ClipSettings, ...]:
        own = () if self.clips is None else (self.clips,)
        return (*own, *(run.clips for run in self.training_runs))
