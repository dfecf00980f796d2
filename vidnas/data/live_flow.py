"""The optical flow of a live video: a picture has come when its flow is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from av.video.frame import VideoFrame

from vidnas.data.flow import FlowMethod, Motion, estimation_size_px, no_motion
from vidnas.data.reading.pictures import Converter, Frames


@dataclass(frozen=True)
class Arrival:
    """A picture of a live video."""

    picture: Frames
    point: int
    """The point of the grid at which it is shown; another picture may come for the same one."""
    number: int
    """Which picture of the stream it is, from 1 on."""
    time_s: float
    """Its time in the stream."""
    seen_s: float
    """When it was there to be seen, by `time.monotonic`."""
    flow: Frames | None = None


class LiveFlow:
    """Gives each picture its flow, which takes the next picture to know.

    Where a later picture may still replace the next one, the flow has to wait for the one after.
    """

    def __init__(self, method: FlowMethod, *, replaced: bool) -> None:
        """Prepare to estimate it.

        Args:
            method: how.
            replaced: several pictures may come for one point of the grid, of which the last counts.

        Raises:
            UserError: OpenCV, or the method in it, is not installed.
        """
        self._motion = Motion(method)
        self._replaced = replaced
        self._to_large: Converter | None = None
        self._newest: tuple[Arrival, Frames] | None = None
        """What may still be replaced."""
        self._before: tuple[Arrival, Frames] | None = None
        """What has no flow yet."""
        self._level: Frames | None = None

    def take(self, new: Arrival, frame: VideoFrame) -> Iterator[Arrival]:
        """Take a picture and what it was made of; yield those whose flow is known now, one for
        every point of the grid.
        """
        if self._to_large is None:
            self._to_large = Converter(estimation_size_px(min(frame.width, frame.height)))
        large = self._to_large(frame)
        if not self._replaced:
            yield from self._settle(new, large)
            return
        if self._newest is not None:
            if new.point > self._newest[0].point:
                yield from self._settle(*self._newest)
            else:
                new = replace(new, point=self._newest[0].point)
        self._newest = new, large

    def rest(self) -> Iterator[Arrival]:
        """Yield the last pictures, when the video has ended; the last flow is repeated."""
        if self._newest is not None:
            yield from self._settle(*self._newest)
        if self._before is not None:
            last, large = self._before
            yield replace(last, flow=no_motion(large) if self._level is None else self._level)

    def _settle(self, after: Arrival, large: Frames) -> Iterator[Arrival]:
        """Take a picture that is not replaced any more: the one before it has its flow."""
        before, self._before = self._before, (after, large)
        if before is None:
            self._motion.until(large)
            return
        one, same = before
        if after.point > one.point + 1:  # it is shown for longer
            still = self._motion.until(same)
            for point in range(one.point, after.point - 1):
                yield replace(one, point=point, flow=still)
        self._level = self._motion.until(large)
        yield replace(one, point=after.point - 1, flow=self._level)
