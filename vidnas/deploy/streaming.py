"""Networks on clips that follow each other: of every frame only what is new is computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vidnas.core import ClipSpec, UserError
from vidnas.families import Network
from vidnas.layers.window import CannotStream
from vidnas.profiling.streaming import StreamingStep

_CHECKED_WINDOWS = 3
_TOLERANCE = 1e-4


class StreamingNetwork:
    """A trained network that is asked about windows of one video, each a hop after the one before.

    It gives what the network gives for each window's clips, up to the order of sums. Layers over
    space run on the newest frames only; those over time also on the frames near both ends of the
    clip, where they see its padding, and find the others where the windows before left them. After
    a layer that depends on the whole clip, such as squeeze-and-excite, all frames are computed.

    In a network that carries its past, one of causal layers, no feature depends on the ends of a
    clip: every layer runs on the newest frames only, and sees the frames before the window as they
    were. So it gives what the network gives for one clip of all frames since the newest one of the
    first window, once that is no shorter than a window.
    """

    def __init__(self, network: Network, *, hop: int | None = None) -> None:
        """Prepare a network.

        Args:
            network: it is used as it is, in evaluation mode.
            hop: by how many frames of the video windows move; by default the smallest stride of
                the network's clips, so that every window brings one frame of these.

        Raises:
            UserError: nothing of its windows can be shared, and why.
        """
        self.network = network
        try:
            self._step = StreamingStep(network, hop=hop)
            self.hop = self._step.hop
            """By how many frames of the video windows move."""
            self.reset()
            require_same(self._step)
        except CannotStream as error:
            raise cannot_stream(error) from error

    def reset(self) -> None:
        """Begin with another video, or at another place of it."""
        self._state, self._seen = self._step.begin(), 0

    def __call__(self, *clips: Tensor) -> Tensor:
        """Return the logits of the next window, `(1, num_classes)`.

        The clips of the first windows are computed in full: as many as one window is long.

        Args:
            clips: one `(1, C, T, H, W)` per input, as the network takes them.
        """
        new = [clip[:, :, -takes[2] :] for clip, takes in zip(clips, self._step.takes, strict=True)]
        with torch.inference_mode():
            logits: Tensor
            logits, *self._state = self._step(*new, *self._state)
            self._seen += 1
            if self._seen <= self._step.warmup_steps:
                logits = self.network(*clips)
            return logits


def cannot_stream(error: CannotStream) -> UserError:
    """Return what to tell people of a network that cannot stream."""
    return UserError(
        f"This network cannot share frames between windows: {error}; call it for every clip "
        "instead."
    )


def clip_at(video: Tensor, spec: ClipSpec, start: int) -> Tensor:
    """Return the dense clip `(N, C, T, H, W)` that begins at a frame of `(N, C, frames, H, W)`."""
    return video[:, :, start : start + spec.span_frames : spec.frame_stride]


def require_same(step: StreamingStep) -> None:
    """Compare some steps on noise with the network itself.

    Raises:
        CannotStream: they differ: a layer does what nobody foresaw.
    """
    generator = torch.Generator().manual_seed(0)
    last = step.warmup_steps + _CHECKED_WINDOWS - 1
    videos = [
        torch.rand((1, spec.channels, seen.stop, spec.size_px, spec.size_px), generator=generator)
        for spec, seen in zip(step.network.architecture.inputs, step.seen_at(last), strict=True)
    ]
    state = step.begin()
    with torch.inference_mode():
        for number in range(last + 1):
            found, *state = step(*chosen(videos, step.taken_at(number)), *state)
        expected = step.network(*chosen(videos, step.seen_at(last)))
    difference = (found - expected).abs().max() / expected.abs().max().clamp(min=1e-6)
    if not difference <= _TOLERANCE:
        raise CannotStream(f"computes something else then, by {difference:.1e}")


def chosen(videos: Sequence[Tensor], frames: Sequence[range]) -> list[Tensor]:
    """Return these frames of `(1, C, frames, H, W)`, of each input; before the first frame of a
    video, that one."""
    return [
        video[:, :, [max(0, number) for number in numbers]]
        for video, numbers in zip(videos, frames, strict=True)
    ]
