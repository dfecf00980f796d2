"""A model whose scores say how often it is right, made from one that is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from vidnas.core import UserError
from vidnas.core.clip import Squares
from vidnas.core.text import counted
from vidnas.core.value import Value
from vidnas.deploy import ModelCard, load_model, save_model
from vidnas.deploy.calibration import calibrated, uncalibrated
from vidnas.deploy.model import load_architecture
from vidnas.families.calibrated import Calibrated
from vidnas.training import AnyMetrics, Task, TimeUse
from vidnas.training.calibration import calibration_error, fit_temperature
from vidnas.training.evaluation import labels_of, predict_logits
from vidnas.workflows.evaluate import Unseen, open_unseen
from vidnas.workflows.listener import Listener
from vidnas.workflows.outputs import require_free

_FEW = 50


class Honesty(Value):
    """How far scores can be taken at their word."""

    metrics: AnyMetrics
    calibration_error: float
    """By how much scores differ from how often they are right, in [0, 1]; see
    `vidnas.training.calibration`."""


class Judged(Value):
    """The scores of some videos, before and after."""

    before: Honesty
    after: Honesty


@dataclass(frozen=True)
class CalibratedResult:
    """What a calibration came to."""

    folder: Path
    """Of the new model."""
    temperature: float
    clips_per_video: int
    squares: Squares
    validation: Judged
    """On the videos that chose the temperature."""
    test: Judged | None
    """On videos that chose nothing; None where there are none."""


def calibrate_model(
    model: Path,
    clips: Path,
    listener: Listener,
    *,
    out: Path | None = None,
    clips_per_video: int | None = None,
    squares: Squares | None = None,
    format: str | None = None,
    video_folder: Path | None = None,
    device: str = "cpu",
) -> CalibratedResult:
    """Find the temperature of a model on the videos that chose it, and save it with that.

    What it answers stays the same for a clip, and almost always for a video.

    Args:
        model: folder of a model or of a study.
        clips: labelled clips with its validation videos; the others that it has not seen test the
            outcome.
        listener: is told of the decoding, and of what is left out.
        out: folder of the new model; None for `calibrated` in that of the model.
        clips_per_video: how many clips of a video the new model looks at; None for as many as
            before.
        squares: how many squares of each clip it looks at; None for as many as before.
        format: of the clips; None to recognise it.
        video_folder: where the videos are that annotations name; None to look beside them.
        device: "cpu", "cuda", "cuda:1".

    Raises:
        UserError: the model or the clips cannot be used, there are no validation videos, or the
            output folder holds another model.
    """
    out = out or model / "calibrated"
    require_free(out, lambda folder: isinstance(load_architecture(folder), Calibrated))
    plain = uncalibrated(load_model(model))
    views = clips_per_video or plain.card.clips_per_video
    squares = squares or plain.card.squares
    task = plain.card.task
    opened = partial(
        open_unseen, plain, model, clips, listener, format=format, video_folder=video_folder
    )

    def logits_of(unseen: Unseen) -> tuple[Tensor, Tensor]:
        logits = predict_logits(
            plain.network,
            unseen.cache,
            "test",
            clips_per_video=views,
            squares=squares,
            device=device,
        )
        return logits, labels_of(unseen.cache, "test")

    chosen_by = logits_of(opened(split="val"))
    if len(chosen_by[1]) < _FEW:
        listener.remark(
            f"The temperature is chosen by {counted(len(chosen_by[1]), 'video')} alone, and so "
            "uncertain."
        )
    temperature = fit_temperature(*chosen_by, task)
    validation = _judged(*chosen_by, task, temperature)
    if validation.before.metrics.headline_share == 1:
        listener.remark(
            f"The model is right about all {len(chosen_by[1])} videos that choose the temperature, "
            "so that how sure it may be follows from their number alone."
        )
    tested = _tested(opened, listener)
    test = None if tested is None else _judged(*logits_of(tested), task, temperature)
    card = plain.card.model_copy(
        update={
            "clips_per_video": views,
            "squares": squares,
            "validation": validation.after.metrics,
            "test": None if test is None else test.after.metrics,
            "time_use": _time_use(plain.card),
        }
    )
    save_model(replace(calibrated(plain, temperature), card=card), out)
    return CalibratedResult(out, temperature, views, squares, validation, test)


def _time_use(card: ModelCard) -> TimeUse | None:
    """Return what is known of the use of time, with the accuracy that it was measured beside: the
    test becomes one of other clips, or of other views."""
    known = card.time_use
    if known is None or known.as_is is not None:
        return known
    if card.test is None:
        return None
    return known.model_copy(update={"as_is": card.test.headline_share})


def _tested(opened: Callable[[], Unseen], listener: Listener) -> Unseen | None:
    """Open the clips that the model has not seen and was not chosen by, if there are any."""
    try:
        found = opened()
    except UserError as error:
        listener.remark(f"The outcome is not tested: {error}")
        return None
    return None if found.split == "val" else found


def _judged(logits: Tensor, labels: Tensor, task: Task, temperature: float) -> Judged:
    def honesty(divisor: float) -> Honesty:
        scores = task.pooled(task.scores(logits / divisor))
        return Honesty(
            metrics=task.measure(scores, labels),
            calibration_error=calibration_error(scores, labels, task),
        )

    return Judged(before=honesty(1.0), after=honesty(temperature))
