"""When the frames of a video are shown, by its packets: headers promise too much or nothing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from vidnas.data.reading.opening import Packet, packets
from vidnas.data.reading.rates import Times, own_rate, unproven_rate

_TICK_S = Fraction(1, 90_000)
_JUMP_S = 3600.0
_RESTART_STEPS = 4
_MISSING_MIN = 0.05
_TICKS_MAX = 1 << 60


@dataclass(frozen=True)
class Stamps:
    """The time stamps of a video stream, in the order of its packets; times count from the first.

    Where the stamps start again, as in concatenated transport streams, they are shifted to go on.
    """

    ticks: NDArray[np.int64]
    """The stamps, in units of `tick_s`."""
    tick_s: float
    shown_s: Times
    """When the frame of each packet is shown; not a number where an edit list leaves it out."""
    keys: NDArray[np.int64]
    """Packets where decoding can start."""
    rate_fps: float
    read_bytes: int
    """How much of the file they come from."""
    missing_s: float
    """What the header promises beyond the end of the file."""
    ordered: bool
    """Whether packets only say when they are decoded, as in AVI files and raw streams: then frames
    are shown in the order of these stamps."""
    origin: int
    """The first stamp of a frame that is shown."""
    restarts: tuple[int, ...]
    """Packets where the stamps start again."""
    shifts: tuple[int, ...]
    """What was added to the stamps of the file from there on."""

    @cached_property
    def times_s(self) -> Times:
        """When frames are shown, ascending."""
        return np.sort(self.shown_s[~np.isnan(self.shown_s)])

    @property
    def duration_s(self) -> float:
        """How long the frames are shown that are there."""
        return float(self.times_s.max(initial=0)) + 1 / self.rate_fps

    def shift(self, packet: int) -> int:
        """Return what to add to the stamps of a packet of the file."""
        segment = bisect_right(self.restarts, packet)
        return self.shifts[segment - 1] if segment else 0

    def key_before(self, time_s: float) -> int:
        """Return the packet where decoding must start to show the frame before this time."""
        end = int(np.searchsorted(self.times_s, time_s - 1 / self.rate_fps, side="right"))
        if not end:
            return 0
        found = self.keys[self.shown_s[self.keys] <= self.times_s[end - 1]]
        return int(found[-1]) if len(found) else 0


def own_stamp(packet: Packet, ordered: bool) -> int | None:
    """Return the stamp in the file that says when the frame of a packet is shown, if one does."""
    stamp: int | None = packet.dts if ordered or packet.pts is None else packet.pts
    return stamp


class _Collected(NamedTuple):
    """What the packets say, in their order."""

    display: list[int | None]
    decode: list[int | None]
    keys: list[int]
    left_out: list[int]
    read_bytes: int
    reach_s: float
    """Where the last packet of any stream ends."""


def read_stamps(
    container: InputContainer, stream: av.VideoStream, packets_max: int
) -> Stamps | None:
    """Read the stamps of the packets, at most so many, without decoding; None if there are none."""
    ordered = container.format.name == "avi"
    found = _collect(container, stream, packets_max, ordered=ordered)
    if not found.display:
        return None
    header_fps = [float(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate]
    tick_s = float(stream.time_base or _TICK_S)
    step = max(1, round(1 / (unproven_rate(header_fps) * tick_s)))
    own = _without_gaps(found.display, step)
    restarts = _restarts(_without_gaps(_clock(found, step), step), tick_s)
    shifts = _shifts(own, restarts, step)
    ticks = own + np.repeat((0, *shifts), np.diff((0, *restarts, len(own))))
    is_shown = np.ones(len(ticks), dtype=np.bool_)
    is_shown[found.left_out] = False
    origin = int(ticks[is_shown].min() if is_shown.any() else 0)
    shown_s = np.where(is_shown, (ticks - origin) * tick_s, np.nan)
    rate_fps = own_rate(np.unique(shown_s[is_shown]), header_fps)
    end_s = float(np.nanmax(shown_s, initial=0)) + 1 / rate_fps
    return Stamps(
        ticks=ticks,
        tick_s=tick_s,
        shown_s=shown_s,
        keys=np.array(found.keys, dtype=np.int64),
        rate_fps=rate_fps,
        read_bytes=found.read_bytes,
        missing_s=_missing_s(container, stream, end_s, found.reach_s),
        ordered=ordered or found.display.count(None) > len(found.display) / 2,
        origin=origin,
        restarts=restarts,
        shifts=shifts,
    )


def _collect(
    container: InputContainer, stream: av.VideoStream, packets_max: int, *, ordered: bool
) -> _Collected:
    display: list[int | None] = []
    decode: list[int | None] = []
    keys, left_out = [], []
    read_bytes, reach_s = 0, 0.0
    for packet in packets(container):
        stamp = own_stamp(packet, ordered)
        if stamp is not None and packet.time_base:
            reach_s = max(reach_s, float((stamp + (packet.duration or 0)) * packet.time_base))
        read_bytes = max(read_bytes, (packet.pos or 0) + packet.size)
        if packet.stream_index != stream.index:
            continue
        if packet.is_keyframe:
            keys.append(len(display))
        if packet.is_discard:
            left_out.append(len(display))
        display.append(stamp)
        decode.append(packet.dts)
        if len(display) >= packets_max:
            break
    return _Collected(display, decode, keys, left_out, read_bytes, reach_s)


def _clock(found: _Collected, step: int) -> list[int | None]:
    """Return when packets are decoded, which only advances; where nothing says it, when they are
    shown. In Matroska nothing says it of the first ones, if their frames are shown in another
    order: then each is decoded a step before the next.
    """
    known = (at for at, stamp in enumerate(found.decode) if stamp is not None)
    first = next(known, 0)
    begin = found.decode[first] if found.decode else None
    if begin is None:
        return found.display
    before: list[int | None] = [begin - step * (first - at) for at in range(first)]
    rest = zip(found.decode[first:], found.display[first:], strict=True)
    return before + [shown if stamp is None else stamp for stamp, shown in rest]


def _without_gaps(stamps: Sequence[int | None], step: int) -> NDArray[np.int64]:
    """Fill in stamps that are missing or absurd: a step after the one before."""
    filled, latest = [], -step
    for stamp in stamps:
        latest = latest + step if stamp is None or abs(stamp) > _TICKS_MAX else stamp
        filled.append(latest)
    return np.array(filled, dtype=np.int64)


def _restarts(clock: NDArray[np.int64], tick_s: float) -> tuple[int, ...]:
    """Return the packets where a clock that only advances is set back, or ahead by an hour."""
    steps = np.diff(clock)
    if not steps.any():
        return ()
    jump = _RESTART_STEPS * np.median(np.abs(steps[steps != 0]))
    restarts = np.flatnonzero((steps < -jump) | (steps > max(jump, _JUMP_S / tick_s)))
    return tuple((restarts + 1).tolist())


def _shifts(own: NDArray[np.int64], restarts: Sequence[int], step: int) -> tuple[int, ...]:
    """Return what lets each part go on a step after the part before."""
    parts = np.split(own, restarts)
    shifts, end = [0], int(parts[0].max())
    for part in parts[1:]:
        shifts.append(end + step - int(part.min()))
        end = int(part.max()) + shifts[-1]
    return tuple(shifts[1:])


def _missing_s(
    container: InputContainer, stream: av.VideoStream, end_s: float, reach_s: float
) -> float:
    """Return by how much the header's promise exceeds what is there.

    Where it has no length of the video stream itself, that of the file counts, and the end of all
    its streams: sound may be longer than the video.
    """
    if stream.frames and stream.duration:
        promised_s, there_s = float(stream.duration * (stream.time_base or _TICK_S)), end_s
    else:
        promised_s, there_s = float(container.duration or 0) / av.time_base, reach_s
    missing_s = promised_s - there_s
    return float(missing_s) if missing_s > _MISSING_MIN * promised_s else 0.0
