"""Features of a window that moves along a video: of each frame, only what is new is computed.

A `Window` goes through the layers of a network in the place of the tensor `(T, C, H, W)` of the
frames of a clip. It holds only those of them that no earlier window had: the newest, and those near
the ends of the clip, where layers over time see its padding. The rest is taken from what earlier
windows left, where a layer asks for it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

TimeLayer = Callable[[Tensor, int], tuple[Tensor, int]]
"""Takes `(T, C, H, W)` and T, and returns `(T', C', H', W')` and T'."""


@dataclass(frozen=True)
class Span:
    """Which features of a window are its own, and which it shares with others.

    Those of [first, last) do not depend on where the clip begins and ends, so that a later window
    has the same ones, further to the front.
    """

    frames: int
    """T."""
    stride: int
    """How far two of them are apart, in frames of the video."""
    hop: int
    """How far two windows are apart, in frames of the video."""
    first: int
    last: int

    @property
    def period(self) -> int:
        """After how many windows features fall onto features again."""
        return self.stride // math.gcd(self.stride, self.hop)

    @property
    def moved(self) -> int:
        """By how many features a window moves in a period."""
        return self.period * self.hop // self.stride

    @property
    def shared(self) -> slice:
        """Those that an earlier window had."""
        return slice(self.first, max(self.first, self.last - self.moved))

    @property
    def is_shared(self) -> bool:
        """Whether an earlier window had any."""
        return self.last - self.moved > self.first

    @property
    def count(self) -> int:
        """How many are computed for each window."""
        return self.frames - max(0, self.last - self.moved - self.first)

    def seen_through(self, reach: Reach) -> Span:
        """Return the span of what a layer over time makes of it."""
        first = -(-(self.first + reach.before) // reach.stride)
        last = (self.last - reach.length + reach.before) // reach.stride + 1
        return Span(
            frames=-(-self.frames // reach.stride),
            stride=self.stride * reach.stride,
            hop=self.hop,
            first=first,
            last=max(first, last),
        )

    def shared_with(self, other: Span) -> Span:
        """Return the span of what is computed of both; of other frames nothing is shared."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        if (self.frames, self.stride) != (other.frames, other.stride):
            last = first
        return replace(self, first=first, last=max(first, last))


@dataclass(frozen=True)
class Reach:
    """What a layer over time sees: windows of so many frames, at such a stride."""

    length: int
    stride: int
    before: int
    """How far the first one begins before the clip."""

    def inputs_until(self, results: int, frames: int) -> int:
        """Return how many of the first frames a layer needs for so many first results.

        Padding is the same for clips whose lengths differ by a multiple of the stride.
        """
        if not results:
            return 0
        needed = (results - 1) * self.stride - self.before + self.length
        return min(needed + (frames - needed) % self.stride, frames)

    def inputs_since(self, result: int) -> int:
        """Return the first frame that a layer needs for this result and those after it."""
        return max(0, (result * self.stride - self.before) // self.stride * self.stride)


class Memory:
    """What the windows before left, for the layers of a network in the order in which they ask."""

    def __init__(self) -> None:
        self._kept: list[deque[list[Tensor]]] = []
        self._next = 0

    def begin(self) -> None:
        """Begin with the next window."""
        self._next = 0

    def complete(self, own: Tensor, span: Span) -> list[Tensor]:
        """Return the features of each frame of a window, `(1, ...)`, given those that were computed
        for it; keep those that a later window shares."""
        if self._next == len(self._kept):
            none = [own.new_zeros((1, *own.shape[1:]))] * (span.frames - span.count)
            self._kept.append(deque([none] * span.period, maxlen=span.period))
        kept = self._kept[self._next]
        self._next += 1
        computed = own.unsqueeze(1).unbind()
        frames = [*computed[: span.first], *kept[0], *computed[span.first :]]
        first, newest = span.first + span.moved, span.last - span.moved
        # Copied, since a part of a tensor keeps all of it in memory.
        new = [frame.clone() for frame in frames[max(first, newest) : span.last]]
        kept.append([*frames[first:newest], *new])
        return frames


class CannotStream(Exception):
    """A network does with the frames of a clip what cannot be done frame by frame."""


class Window:
    """Features of the frames of one window, in the place of their tensor `(T, C, H, W)`.

    Functions of torch treat every frame by itself, as all do between layers over time; these call
    the methods. What reshapes all frames at once sees them all.
    """

    def __init__(self, own: Tensor, span: Span, memory: Memory) -> None:
        """Hold the features that are computed for this window, `(span.count, ...)`."""
        if not own.dim() or len(own) != span.count:
            raise CannotStream("it mixes frames, or changes their number")
        self.own, self.span, self._memory = own, span, memory
        self._frames: list[Tensor] | None = None

    @property
    def shape(self) -> torch.Size:
        """The shape, as if no features came from earlier windows."""
        return torch.Size((self.span.frames, *self.own.shape[1:]))

    def part(self, first: int, last: int) -> Tensor:
        """Return the features of the frames of [first, last)."""
        if self._frames is None:
            self._frames = self._memory.complete(self.own, self.span)
        return torch.cat(self._frames[first:last])

    def whole(self) -> Tensor:
        """Return the features of all frames, `(T, ...)`."""
        return self.part(0, self.span.frames)

    def reshape(self, *shape: int) -> Tensor:
        """Return all features in another shape."""
        return self.whole().reshape(*shape)

    def over_time(self, layer: TimeLayer, reach: Reach) -> Any:
        """Return what a layer over time makes of it, computed where it is new: a window, or the
        tensor of all frames where nothing is shared any more."""
        if reach == Reach(1, 1, 0):
            return Window(layer(self.own, self.span.count)[0], self.span, self._memory)
        after = self.span.seen_through(reach)
        frames = self.span.frames
        until = reach.inputs_until(after.first, frames)
        since = reach.inputs_since(after.shared.stop)
        if after.is_shared and until + frames - since < frames:
            begin = [layer(self.part(0, until), until)[0][: after.first]] if until else []
            end = layer(self.part(since, frames), frames - since)[0]
            own = torch.cat([*begin, end[after.shared.stop - since // reach.stride :]])
            return Window(own, after, self._memory)
        result = layer(self.whole(), frames)[0]
        if not after.is_shared:
            return result
        own = torch.cat([result[: after.shared.start], result[after.shared.stop :]])
        return Window(own, after, self._memory)

    def with_span(self, span: Span) -> Window:
        """Return the same features, of which more are computed for each window."""
        if span == self.span:
            return self
        parts = [self.part(span.shared.stop, span.frames)]
        if span.first:
            parts.insert(0, self.part(0, span.first))
        return Window(torch.cat(parts), span, self._memory)

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch on the frames that are computed."""
        return _each_frame(function, args, kwargs or {})

    def __len__(self) -> int:
        raise CannotStream("it counts frames")

    def __getattr__(self, name: str) -> Any:
        method = getattr(Tensor, name)
        if callable(method):
            return lambda *args, **kwargs: _each_frame(method, (self, *args), kwargs)
        return getattr(self.own, name)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, tuple) or index[0] != slice(None):
            raise CannotStream("it chooses frames by their number")
        return _each_frame(Tensor.__getitem__, (self, index), {})

    def __add__(self, other: Any) -> Any:
        return _each_frame(torch.add, (self, other), {})

    def __mul__(self, other: Any) -> Any:
        return _each_frame(torch.mul, (self, other), {})

    __radd__, __rmul__ = __add__, __mul__

    def __matmul__(self, other: Any) -> Any:
        return _each_frame(torch.matmul, (self, other), {})


class WindowClip:
    """The newest frames of a clip, in the place of the whole clip `(1, C, T, H, W)`."""

    def __init__(self, new: Tensor, span: Span, memory: Memory) -> None:
        """Hold the newest frames, `(1, C, span.count, H, W)`."""
        self._new, self._span, self._memory = new, span, memory

    @property
    def shape(self) -> torch.Size:
        """The shape of the whole clip."""
        one, channels, _, height, width = self._new.shape
        return torch.Size((one, channels, self._span.frames, height, width))

    def frames(self, to_frames: Callable[[Tensor], Tensor]) -> Any:
        """Return the window of these frames, which goes through layers in place of a tensor."""
        return Window(to_frames(self._new), self._span, self._memory)

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> WindowClip:
        """Call a function that treats every pixel by itself, as normalisation does."""
        (clip,) = (arg for arg in args if isinstance(arg, WindowClip))
        if function is not torch.addcmul:
            raise CannotStream("it looks at the whole clip first")
        new = function(*(arg._new if arg is clip else arg for arg in args), **(kwargs or {}))
        return WindowClip(new, clip._span, clip._memory)

    def __getattr__(self, name: str) -> Any:
        raise CannotStream("it looks at the whole clip first")


_WITH_ALL_FRAMES = ("add", "add_", "mul", "mul_", "cat", "stack", "__add__", "__iadd__", "__mul__")
"""Functions whose other arguments may be the features of all frames, and are never weights."""


def _each_frame(function: Callable[..., Any], args: Sequence[Any], kwargs: Any) -> Any:
    """Call a function with the features that are computed of windows, which all get the same span;
    or with those of all frames, where an argument has no others."""
    windows = list(_windows(args))
    first = windows[0]
    span = first.span
    for other in windows[1:]:
        span = span.shared_with(other.span)
    if not span.is_shared or _has_all_frames(function, args, first):
        return function(*_replaced(args, Window.whole), **kwargs)
    result = function(*_replaced(args, lambda window: window.with_span(span).own), **kwargs)
    if isinstance(result, Tensor):
        return Window(result, span, first._memory)
    if isinstance(result, (tuple, list)):
        return [Window(one, span, first._memory) for one in result]
    return result


def _windows(args: Iterable[Any]) -> Iterator[Window]:
    for arg in args:
        if isinstance(arg, Window):
            yield arg
        elif isinstance(arg, (tuple, list)):
            yield from _windows(arg)


def _replaced(args: Iterable[Any], by: Callable[[Window], Tensor]) -> list[Any]:
    return [
        by(arg)
        if isinstance(arg, Window)
        else type(arg)(_replaced(arg, by))
        if isinstance(arg, (tuple, list))
        else arg
        for arg in args
    ]


def _has_all_frames(function: Callable[..., Any], args: Iterable[Any], window: Window) -> bool:
    if function.__name__ not in _WITH_ALL_FRAMES:
        return False
    return any(
        _has_all_frames(function, arg, window)
        if isinstance(arg, (tuple, list))
        else isinstance(arg, Tensor)
        and arg.dim() == window.own.dim()
        and len(arg) == window.span.frames
        for arg in args
    )
