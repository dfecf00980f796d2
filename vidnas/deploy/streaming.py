"""Networks on clips that follow each other: of every frame only what is new is computed."""

from __future__ import annotations

import torch
from torch import Tensor

from vidnas.core import ClipSpec, UserError
from vidnas.families import Network
from vidnas.layers.window import CannotStream, Memory, Span, WindowClip

_CHECKED_WINDOWS = 3
_TOLERANCE = 1e-4


class StreamingNetwork:
    """A trained network that is asked about windows of one video, each a hop after the one before.

    It gives what the network gives for each window's clips, up to the order of sums. Layers over
    space run on the newest frames only; those over time also on the frames near both ends of the
    clip, where they see its padding, and find the others where the windows before left them. After
    a layer that depends on the whole clip, such as squeeze-and-excite, all frames are computed.
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
        self.network = network.eval()
        specs = network.architecture.inputs
        self.hop = hop or min(spec.frame_stride for spec in specs)
        """By how many frames of the video windows move."""
        self._spans = [_span(spec, self.hop) for spec in specs]
        self._filled = -(-max(spec.span_frames for spec in specs) // self.hop)
        self.reset()
        try:
            self._check(specs)
        except CannotStream as error:
            raise UserError(
                f"This network cannot share frames between windows: {error}; call it for every "
                "clip instead."
            ) from error
        self.reset()

    def reset(self) -> None:
        """Begin with another video, or at another place of it."""
        self._memory, self._seen = Memory(), 0

    def __call__(self, *clips: Tensor) -> Tensor:
        """Return the logits of the next window, `(1, num_classes)`.

        The clips of the first windows are computed in full: as many as one window is long.

        Args:
            clips: one `(1, C, T, H, W)` per input, as the network takes them.
        """
        with torch.inference_mode():
            logits = self._step(clips)
            self._seen += 1
            return logits if self._seen > self._filled else self.network(*clips)

    def _step(self, clips: tuple[Tensor, ...]) -> Tensor:
        self._memory.begin()
        windows = [
            WindowClip(clip[:, :, -span.count :], span, self._memory)
            for clip, span in zip(clips, self._spans, strict=True)
        ]
        logits: Tensor = self.network(*windows)
        return logits

    def _check(self, specs: tuple[ClipSpec, ...]) -> None:
        """Compare some windows of noise with the network itself.

        Raises:
            CannotStream: they differ: a layer does what this module does not foresee.
        """
        generator = torch.Generator().manual_seed(0)
        steps = self._filled + _CHECKED_WINDOWS
        count = steps * self.hop + max(spec.span_frames for spec in specs)
        videos = [
            torch.rand((1, s.channels, count, s.size_px, s.size_px), generator=generator)
            for s in specs
        ]
        with torch.inference_mode():
            for step in range(steps):
                clips = tuple(
                    clip_at(video, spec, step * self.hop)
                    for video, spec in zip(videos, specs, strict=True)
                )
                found = self._step(clips)
            expected = self.network(*clips)
        difference = (found - expected).abs().max() / expected.abs().max().clamp(min=1e-6)
        if not difference <= _TOLERANCE:
            raise CannotStream(f"it computes something else then, by {difference:.1e}")


def clip_at(video: Tensor, spec: ClipSpec, start: int) -> Tensor:
    """Return the dense clip `(N, C, T, H, W)` that begins at a frame of `(N, C, frames, H, W)`."""
    return video[:, :, start : start + spec.span_frames : spec.frame_stride]


def _span(spec: ClipSpec, hop: int) -> Span:
    if spec.sampling == "uniform":
        raise UserError(
            "This network takes frames that are spread evenly over whole videos, so windows share "
            "none; call it for every clip instead."
        )
    span = Span(spec.frames, spec.frame_stride, hop, first=0, last=spec.frames)
    if not span.is_shared:
        raise UserError(
            f"Windows of {spec} that are {hop} frames apart share no frames; call the network for "
            "every clip instead."
        )
    return span
