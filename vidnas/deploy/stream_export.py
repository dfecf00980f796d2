"""A model as its streaming step: one ONNX file that takes each frame of a video once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidnas.core import ClipSpec, UserError
from vidnas.core.files import replacing
from vidnas.core.value import Value
from vidnas.data.cache import ClipCache
from vidnas.data.sampling import clips_of
from vidnas.deploy.export import TOLERANCE, ExportCheck, require_onnx_file
from vidnas.deploy.model import Model
from vidnas.deploy.streaming import chosen
from vidnas.layers.window import CannotStream
from vidnas.profiling.onnx import export_step
from vidnas.profiling.onnx_stream import OnnxStream
from vidnas.profiling.streaming import StreamingStep
from vidnas.training.evaluation import to_input

STREAM_KEY = "stream"
_CHECKED_STEPS = 20
_MOST_VIDEOS = 16
_STEPS_PER_VIDEO = 3
_MOST_STEPS = 100  # torch takes all frames before a step at once, and a video may last for hours
_CPU = torch.device("cpu")


class StreamContract(Value):
    """How an exported step is called: what its file's metadata have as `stream`."""

    hop_frames: int
    """By how many frames of the video a step moves on."""
    new_frames: tuple[int, ...]
    """How many frames each input takes in a step; as far apart as those of its clip."""
    lag_frames: tuple[int, ...]
    """How many frames of the video each input is behind the newest."""
    warmup_steps: int
    """How many answers at the beginning mean nothing, because no clip is complete yet."""
    answers_for: Literal["clip", "all frames"]
    """What the network gives the same for: the clip of the newest frames, or one clip of all frames
    since the beginning."""

    @classmethod
    def of(cls, step: StreamingStep) -> StreamContract:
        """Return how a step is called."""
        return cls(
            hop_frames=step.hop,
            new_frames=tuple(shape[2] for shape in step.takes),
            lag_frames=step.lags,
            warmup_steps=step.warmup_steps,
            answers_for="all frames" if step.network.carries_past else "clip",
        )


@dataclass(frozen=True)
class StreamCheck:
    """How the answers of an exported step to real videos, frame by frame, compare with torch's."""

    videos: int
    answers: int
    largest_difference: float
    """Of a logit."""
    largest_logit: float
    """In torch."""
    agreement: float
    """The share of answers whose highest logit is the same."""

    def __str__(self) -> str:
        return (
            f"{self.videos} validation videos, frame by frame: {self.answers} answers differ from "
            f"those of torch for the same frames by {self.largest_difference:.1e} at most (the "
            f"largest logit is {self.largest_logit:.3g}), {self.agreement:.1%} of them agree"
        )


@dataclass(frozen=True)
class ExportedStream:
    """A file that a step was exported to."""

    path: Path
    contract: StreamContract
    size_bytes: int
    state_bytes: int
    """Of what is kept between two steps."""
    check: ExportCheck
    """Of the graph, on a random video."""
    real: StreamCheck | None
    """Of the file, on validation videos; None where none were given, or none are long enough."""

    @property
    def record(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**asdict(self), "path": str(self.path), "contract": self.contract.model_dump()}


def export_stream(
    model: Model, path: Path | str, *, cache: ClipCache | None = None
) -> ExportedStream:
    """Write what a model does with each new frame of a video as ONNX, and ask the file frame by
    frame: newest frames `(1, C, n, H, W)` in [0, 1] and a state to logits and the next state.

    The metadata are those of `export_model`, and a `StreamContract` as `stream`.

    Args:
        model: the model.
        path: the file.
        cache: clips with a validation split, to check the file on.

    Raises:
        UserError: the model cannot stream, the name is not of an ONNX file, there is no such folder
            to write to, or the graph does not compute what the network does.
    """
    path = Path(path)
    require_onnx_file(path)
    try:
        step = StreamingStep(model.network)
    except CannotStream as error:
        raise UserError(
            f"This network has no streaming step: {error}; export it without --streaming."
        ) from error
    graph = onnx.load_from_string(export_step(step))
    contract = StreamContract.of(step)
    metadata = {
        **model.contract.metadata,
        "architecture": model.architecture.to_json(),
        STREAM_KEY: contract.model_dump_json(),
    }
    onnx.helper.set_model_props(graph, metadata)
    content = graph.SerializeToString()
    check = _on_noise(step, content)
    if not check.passed:
        raise UserError(
            f"The exported step differs from the network by {check.relative_difference:.1e} of its "
            f"largest logit (allowed {TOLERANCE:.0e}), so {path} was not written; export it "
            "without --streaming."
        )
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return ExportedStream(
        path,
        contract,
        size_bytes=len(content),
        state_bytes=sum(one.nbytes for one in step.begin()),
        check=check,
        real=_on_videos(step, path, cache) if cache else None,
    )


def _on_noise(step: StreamingStep, content: bytes) -> ExportCheck:
    generator = torch.Generator().manual_seed(0)
    last = step.warmup_steps + _CHECKED_STEPS - 1
    videos = [
        torch.rand((1, spec.channels, seen.stop, spec.size_px, spec.size_px), generator=generator)
        for spec, seen in zip(_specs(step), step.seen_at(last), strict=True)
    ]
    asked = range(step.warmup_steps, last + 1)
    actual, expected = _both(step, OnnxStream(content), videos, asked)
    return ExportCheck.of(actual, expected)


def _on_videos(step: StreamingStep, path: Path, cache: ClipCache) -> StreamCheck | None:
    stream = OnnxStream(path)
    pairs = []
    for video in _long_enough(step, cache):
        length = min(cache.shape(video, spec.modality)[0] for spec in _specs(step))
        last = min((length - 1) // step.hop, step.warmup_steps + _MOST_STEPS)
        videos = [_beginning(cache, video, spec, last * step.hop + 1) for spec in _specs(step)]
        asked = np.linspace(step.warmup_steps, last, _STEPS_PER_VIDEO).astype(int)
        pairs.append(_both(step, stream, videos, np.unique(asked).tolist()))
    if not pairs:
        return None
    actual, expected = (np.concatenate(rows) for rows in zip(*pairs, strict=True))
    return StreamCheck(
        videos=len(pairs),
        answers=len(actual),
        largest_difference=float(np.abs(actual - expected).max()),
        largest_logit=float(np.abs(expected).max()),
        agreement=float((actual.argmax(1) == expected.argmax(1)).mean()),
    )


def _long_enough(step: StreamingStep, cache: ClipCache) -> Iterator[int]:
    """Yield some validation videos in which a clip becomes complete."""
    needed = step.warmup_steps * step.hop + 1
    modalities = {spec.modality for spec in _specs(step)}
    long = (
        int(video)
        for video in cache.videos("val")
        if min(cache.shape(video, one)[0] for one in modalities) >= needed
    )
    yield from itertools.islice(long, _MOST_VIDEOS)


def _both(
    step: StreamingStep, stream: OnnxStream, videos: Sequence[Tensor], asked: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the logits of steps of a video, `(steps, classes)`: of the stream, which takes all
    frames before them as well, and of torch on the same frames."""
    stream.reset()
    actual, expected = [], []
    for number in range(asked[-1] + 1):
        logits = stream([frames.numpy() for frames in chosen(videos, step.taken_at(number))])
        if number in asked:
            actual.append(logits)
            with torch.inference_mode():
                expected.append(step.network(*chosen(videos, step.seen_at(number))).numpy())
    return np.concatenate(actual), np.concatenate(expected)


def _beginning(cache: ClipCache, video: int, spec: ClipSpec, count: int) -> Tensor:
    """Return the first frames of a video as an input sees them, `(1, C, T, H, W)` in [0, 1]."""
    frames = cache.frames(video, spec.modality, np.arange(count))[:count]
    whole = spec.model_copy(update={"frames": count, "frame_stride": 1})
    return to_input(clips_of(frames, [whole])[0], _CPU)


def _specs(step: StreamingStep) -> tuple[ClipSpec, ...]:
    return step.network.architecture.inputs
