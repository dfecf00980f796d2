"""What turns a video into the clips of a model and its logits into scores: with every model file.

`docs/contract.md` explains the fields to those who have no vidnas.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from typing_extensions import Self

from vidnas.core import ClipSpec
from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.core.value import Value
from vidnas.data.flow import FlowMethod
from vidnas.deploy.card import ModelCard


class Contract(Value):
    """How a model was shown videos in training, and is to be shown them ever after.

    `model.json` holds it as `contract`, and exported files have each field among their metadata.
    """

    classes: tuple[str, ...]
    """What the logits stand for, in their order."""
    inputs: tuple[ClipSpec, ...]
    """The clips that the network takes, in the order of its inputs."""
    rate_fps: float | None
    """The frame rate at which videos are read; None for each one's own."""
    stored_px: int
    """The short side to which whole frames are scaled, before the square is cut out."""
    crop: Literal["centre square"] = "centre square"
    resize: Literal["bilinear, antialiased"] = "bilinear, antialiased"
    """How the square is scaled to the side of the clip."""
    colours: Literal["RGB"] = "RGB"
    layout: Literal["NCTHW"] = "NCTHW"
    """The axes of a clip: batch, channels, time, height, width."""
    values: Literal["float32, level / 255"] = "float32, level / 255"
    """The levels 0 to 255 of 8 bits become 0 to 1."""
    normalisation: Literal["inside"] = "inside"
    """Mean and deviation of the training videos are part of the network."""
    flow_method: FlowMethod | None
    """How optical flow is computed; None where no input takes any."""
    clips_per_video: int = CLIPS_PER_VIDEO
    """Evenly spaced clips of a video whose scores become one."""
    window_frames: int | None
    """Frames of a video that one clip covers; None where it is spread over the whole video, and
    nobody wrote down how long those of the training were."""
    hop_frames: int | None
    """How far windows are apart where a long video is scored along its time."""
    activation: Literal["softmax", "sigmoid"]
    """What turns the logits of a clip into scores."""
    pooling: Literal["mean", "max"]
    """What turns the scores of clips into those of their video."""

    @classmethod
    def of(cls, inputs: Sequence[ClipSpec], classes: tuple[str, ...], card: ModelCard) -> Self:
        """Return the contract of a network with these inputs and classes, trained as its card says;
        its clips are cut from frames of its own size where the card does not say from which."""
        windows = [
            card.typical_frames if spec.sampling == "uniform" else spec.span_frames
            for spec in inputs
        ]
        known = [frames for frames in windows if frames is not None]
        window = max(known) if len(known) == len(windows) else None
        return cls(
            classes=classes,
            inputs=tuple(inputs),
            rate_fps=card.rate_fps,
            stored_px=card.stored_px or max(spec.size_px for spec in inputs),
            flow_method=card.flow_method if any(s.modality == "flow" for s in inputs) else None,
            window_frames=window,
            hop_frames=None if window is None else max(1, window // 2),
            activation=card.task.activation,
            pooling=card.task.pooling,
        )

    @property
    def metadata(self) -> dict[str, str]:
        """The fields as the metadata of an exported file: texts as they are, all else as JSON."""
        fields = self.model_dump(mode="json")
        return {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in fields.items()
        }
