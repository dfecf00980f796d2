"""Which features of a window that moves along a video are its own, and which it shares."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


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

    def carried_through(self, stride: int) -> Span:
        """Return the span of what a layer makes of it that looks back only.

        Of the frames before the clip it sees what it saw when they were new, so that no feature
        depends on where the clip begins.
        """
        frames, unknown = -(-self.frames // stride), self.frames - self.last
        return Span(
            frames=frames,
            stride=self.stride * stride,
            hop=self.hop,
            first=-(-self.first // stride),
            last=frames - -(-unknown // stride),
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
