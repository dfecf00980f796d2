"""Features of a window that moves along a video: of each frame, only what is new is computed.

A `Window` goes through the layers of a network in the place of the tensor `(T, C, H, W)` of the
frames of a clip. It holds only those of them that no earlier window had: the newest, and those near
the ends of the clip, where layers over time see its padding. The rest is taken from what earlier
windows left, where a layer asks for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vidnas.layers.spans import Reach, Span

TimeLayer = Callable[[Tensor, int], tuple[Tensor, int]]
"""Takes `(T, C, H, W)` and T, and returns `(T', C', H', W')` and T'."""


class Memory:
    """What the windows before left, for the layers of a network in the order in which they ask."""

    def __init__(self, states: Sequence[Tensor] = ()) -> None:
        """Take what the window before left as `kept`; nothing at the beginning of a video, before
        which all features are zero."""
        self._states = states
        self.kept: list[Tensor] = []
        """What this window leaves, `(frames, C, H, W)` for each time that a layer asked."""

    def complete(self, own: Tensor, span: Span, since: int) -> Tensor:
        """Return the features of the frames of a window from one on, `(T - since, ...)`, given
        those that were computed for it; keep those that a later window shares."""
        begin = max(span.first, since)
        count = span.shared.stop - begin
        if self._states:
            state = self._states[len(self.kept)]
        else:
            state = own.new_zeros((span.period * count, *own.shape[1:]))
        before = [own[since:begin]] if since < begin else []
        oldest = state[:count] if span.period > 1 else state
        frames = torch.cat([*before, oldest, _part(own, span.first, span.count)])
        new = frames[begin + span.moved - since : span.last - since]
        # Copied, since layers may change in place what they are given.
        self.kept.append(torch.cat([state[count:], new]) if span.period > 1 else new.clone())
        return frames


def _part(x: Tensor, first: int, last: int) -> Tensor:
    """Return some frames; exported, a part that is all of them would be a node nevertheless."""
    return x if (first, last) == (0, int(x.shape[0])) else x[first:last]


class CannotStream(Exception):
    """A network does with the frames of a clip what cannot be done frame by frame.

    The text goes on from what does it: "its layer units.2 looks at the whole clip first".
    """

    def __init__(self, does: str, what: str = "it") -> None:
        super().__init__(f"{what} {does}".strip())
        self.does = does


class Window:
    """Features of the frames of one window, in the place of their tensor `(T, C, H, W)`.

    Functions of torch treat every frame by itself, as all do between layers over time; these call
    the methods. What reshapes all frames at once sees them all.
    """

    def __init__(self, own: Tensor, span: Span, memory: Memory) -> None:
        """Hold the features that are computed for this window, `(span.count, ...)`."""
        if not own.dim() or len(own) != span.count:
            raise CannotStream("mixes frames, or changes their number")
        self.own, self.span, self._memory = own, span, memory
        self._completed: Tensor | None = None
        self._since = span.frames

    @property
    def shape(self) -> torch.Size:
        """The shape, as if no features came from earlier windows."""
        return torch.Size((self.span.frames, *self.own.shape[1:]))

    def part(self, first: int, last: int) -> Tensor:
        """Return the features of the frames of [first, last)."""
        span = self.span
        if last <= span.first or not span.is_shared:
            return _part(self.own, first, last)
        if first >= span.shared.stop:
            shared = span.frames - span.count
            return _part(self.own, first - shared, last - shared)
        if self._completed is None or first < self._since:
            self._completed = self._memory.complete(self.own, span, first)
            self._since = first
        return _part(self._completed, first - self._since, last - self._since)

    def whole(self) -> Tensor:
        """Return the features of all frames, `(T, ...)`."""
        return self.part(0, self.span.frames)

    def reshape(self, *shape: int) -> Any:
        """Return the features in another shape: of each frame, where that keeps them apart, or of
        all."""
        of_frame = math.prod(map(int, self.own.shape[1:]))
        if shape[0] == -1 and math.prod(shape[1:]) == of_frame:
            return Window(self.own.reshape(shape), self.span, self._memory)
        return self.whole().reshape(shape)

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

    def over_past(self, layer: TimeLayer, length: int, stride: int) -> Any:
        """Return what a layer without padding makes of it that sees the newest frame and every
        `stride`-th one before, each with those before it, `length` in all; computed where it is
        new. What it sees of frames before the clip are their features, and no padding."""
        span, after = self.span, self.span.carried_through(stride)
        needed = length + (after.count - 1) * stride
        if span.first or needed > span.frames:
            raise CannotStream("looks back further than a window keeps frames")
        own = layer(self.part(span.frames - needed, span.frames), needed)[0]
        return Window(own, after, self._memory) if after.is_shared else own

    def with_span(self, span: Span) -> Window:
        """Return the same features, of which more are computed for each window."""
        if span == self.span:
            return self
        begin = [self.part(0, span.first)] if span.first else []
        own = torch.cat([*begin, self.part(span.shared.stop, span.frames)])
        return Window(own, span, self._memory)

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
        raise CannotStream("counts frames")

    def __getattr__(self, name: str) -> Any:
        method = getattr(Tensor, name)
        if callable(method):
            return lambda *args, **kwargs: _each_frame(method, (self, *args), kwargs)
        return getattr(self.own, name)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, tuple) or index[0] != slice(None):
            raise CannotStream("chooses frames by their number")
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
            raise CannotStream("looks at the whole clip first")
        new = function(*(arg._new if arg is clip else arg for arg in args), **(kwargs or {}))
        return WindowClip(new, clip._span, clip._memory)

    def __getattr__(self, name: str) -> Any:
        raise CannotStream("looks at the whole clip first")


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
