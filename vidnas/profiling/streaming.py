"""A network as a step: what it does with each new frame of a video, after those before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vidnas.core import ClipSpec
from vidnas.families import Network
from vidnas.layers.spans import Span
from vidnas.layers.window import CannotStream, Memory, WindowClip


class StreamingStep(nn.Module):
    """Takes the newest frames of a video and a state, and gives logits and the next state.

    `forward(*frames, *state)` takes one tensor `(1, C, n, H, W)` per input of the network, with
    the frames by which its clip has moved on, and one `(n, C, H, W)` for each place where layers
    look at earlier frames. The state is zero at the beginning of a video. What it gives is what the
    network gives for the clip of the newest frames; of a network that carries its past, for the
    clip of all frames since the beginning.
    """

    def __init__(self, network: Network, *, hop: int | None = None) -> None:
        """Prepare a network.

        Args:
            network: it is used as it is, in evaluation mode.
            hop: by how many frames of the video clips move; by default the smallest stride of the
                network's clips, so that every step takes one frame of these.

        Raises:
            CannotStream: clips that follow each other share nothing, members answer for different
                clips, or a layer does what cannot be done frame by frame; it is named.
        """
        super().__init__()
        self.network = network
        self.eval()
        networks = [part for part in network.modules() if isinstance(part, Network)]
        if len({part.carries_past for part in networks}) > 1:
            raise CannotStream("has members that carry their past and others that see a clip alone")
        specs = network.architecture.inputs
        self.hop = hop or min(spec.frame_stride for spec in specs)
        """By how many frames of the video clips move."""
        strides = [spec.frame_stride for spec in specs]
        if hop is None and any(stride % self.hop for stride in strides):
            raise CannotStream(f"its clips of strides {strides} do not move on together", "")
        self._spans = [_span(spec, self.hop) for spec in specs]
        self.takes = tuple(
            (1, spec.channels, span.count, spec.size_px, spec.size_px)
            for spec, span in zip(specs, self._spans, strict=True)
        )
        """The shape of the newest frames of each input."""
        with torch.inference_mode(), _naming_layers(network):
            _, *state = self(*(torch.zeros(shape) for shape in self.takes))
        self.state = tuple(tuple(one.shape) for one in state)
        """The shape of each part of the state."""

    @property
    def warmup_steps(self) -> int:
        """How many steps pass at the beginning until the clip of the newest frames is complete;
        what they give means nothing."""
        return -(-max(self._earlier) // self.hop)

    @property
    def lags(self) -> tuple[int, ...]:
        """By how many frames of the video each input is behind the one with the longest clip: clips
        of all inputs begin with the same frame."""
        return tuple(max(self._earlier) - frames for frames in self._earlier)

    @property
    def _earlier(self) -> list[int]:
        return [(span.frames - span.count) * span.stride for span in self._spans]

    def taken_at(self, step: int) -> list[range]:
        """Return which frames of the video a step takes, for each input; those before the beginning
        are below zero."""
        return [
            range(first, first + span.count * span.stride, span.stride)
            for first, span in zip(self._firsts(step), self._spans, strict=True)
        ]

    def seen_at(self, step: int) -> list[range]:
        """Return the frames of the video in the clip that a step gives the answer for."""
        taken = self.taken_at(step)
        if self.network.carries_past:
            begins = [self._firsts(step % span.period)[i] for i, span in enumerate(self._spans)]
        else:
            begins = [new.start - n for new, n in zip(taken, self._earlier, strict=True)]
        return [range(n, new.stop, new.step) for n, new in zip(begins, taken, strict=True)]

    def _firsts(self, step: int) -> list[int]:
        return [step * self.hop - lag for lag in self.lags]

    def begin(self) -> list[Tensor]:
        """Return the state at the beginning of a video."""
        return [torch.zeros(shape) for shape in self.state]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Take frames and state; return logits `(1, num_classes)` and the next state."""
        count = len(self._spans)
        memory = Memory(tensors[count:])
        windows = [
            WindowClip(frames, span, memory)
            for frames, span in zip(tensors[:count], self._spans, strict=True)
        ]
        logits: Tensor = self.network(*windows)
        return logits, *memory.kept


def _span(spec: ClipSpec, hop: int) -> Span:
    if spec.sampling == "uniform":
        raise CannotStream("takes frames that are spread evenly over whole videos")
    span = Span(spec.frames, spec.frame_stride, hop, first=0, last=spec.frames)
    if not span.is_shared:
        clips = f"clips of {spec} that are {hop} frames apart share no frames"
        raise CannotStream(clips, "")
    return span


@contextmanager
def _naming_layers(network: nn.Module) -> Iterator[None]:
    """Say of what cannot be done frame by frame which layer does it."""
    entered: list[str] = []

    def enter(name: str) -> Any:
        return lambda module, args: entered.append(name)

    def leave(module: nn.Module, args: Any, result: Any) -> None:
        entered.pop()

    hooks = []
    for name, module in network.named_modules():
        if name:
            hooks.append(module.register_forward_pre_hook(enter(name)))
            hooks.append(module.register_forward_hook(leave))
    try:
        yield
    except CannotStream as error:
        if entered:
            raise CannotStream(error.does, f"its layer {entered[-1]}") from error
        raise
    finally:
        for hook in hooks:
            hook.remove()
