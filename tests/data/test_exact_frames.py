"""The frame at a time is the same in every container, whether one seeks or reads all before it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidnas.data.reading import Frames, read_video

COUNT, RATE = 60, 25
_B_FRAMES = {"g": "12", "bf": "3"}
UNEVEN = list(accumulate([0, *([1, 1, 2, 1, 3, 1] * 10)[: COUNT - 1]]))


class Kind(NamedTuple):
    suffix: str
    codec: str
    options: dict[str, str]
    pix_fmt: str = "yuv420p"
    ticks: Sequence[int] = tuple(range(COUNT))
    start: int = 0
    rate: int = RATE


# fmt: off
KINDS = {
    "mp4": Kind("mp4", "libx264", _B_FRAMES),
    "mp4, open groups": Kind("mp4", "libx264", {**_B_FRAMES, "x264-params": "open-gop=1"}),
    "mp4, uneven": Kind("mp4", "libx264", _B_FRAMES, ticks=UNEVEN),
    "mp4, late": Kind("mp4", "libx264", _B_FRAMES, start=500),
    "mov": Kind("mov", "mpeg4", {"g": "12", "bf": "2"}),
    "mkv": Kind("mkv", "libx264", _B_FRAMES),
    "mkv, 30 a second": Kind("mkv", "libx264", {**_B_FRAMES, "b_strategy": "0"}, rate=30),
    "mkv, uneven": Kind("mkv", "libx264", _B_FRAMES, ticks=UNEVEN),
    "mkv, late": Kind("mkv", "libx264", _B_FRAMES, start=500),
    "webm": Kind("webm", "libvpx-vp9", {"g": "12"}),
    "webm, hidden frames": Kind("webm", "libvpx", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "16"}),  # noqa: E501
    "avi": Kind("avi", "mpeg4", {"g": "12"}),
    "avi, B-frames": Kind("avi", "mpeg4", {"g": "12", "bf": "2"}),
    "avi, H.264": Kind("avi", "libx264", _B_FRAMES),
    "ts": Kind("ts", "libx264", _B_FRAMES),
    "ts, uneven": Kind("ts", "libx264", _B_FRAMES, ticks=UNEVEN),
    "ts, late": Kind("ts", "mpeg2video", {"g": "12", "bf": "2"}, start=500),
    "mpg": Kind("mpg", "mpeg2video", {"g": "12", "bf": "2"}),
    "flv": Kind("flv", "libx264", _B_FRAMES),
    "flv, uneven": Kind("flv", "flv1", {"g": "12"}, ticks=UNEVEN),
    "gif": Kind("gif", "gif", {}, "rgb8"),
    "wmv": Kind("wmv", "wmv2", {"g": "12"}),
    "raw": Kind("h264", "libx264", _B_FRAMES),
}
# fmt: on


def write(path: Path, kind: Kind) -> Path:
    """Write a video whose frames show their numbers in binary: bright above, or below."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(kind.codec, rate=kind.rate, options=kind.options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, kind.pix_fmt
        stream.codec_context.time_base = Fraction(1, kind.rate)
        for number, tick in enumerate(kind.ticks):
            bits = np.repeat([number >> bit & 1 for bit in range(8)], 8)
            image = np.where(np.repeat([[True], [False]], 24, axis=0), bits, 1 - bits)
            rgb = np.repeat(image[:, :, None] * 255, 3, axis=2).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=kind.pix_fmt)
            frame.pts, frame.time_base = kind.start + tick, Fraction(1, kind.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def number_of(frame: Frames) -> int:
    """Return the number that a frame shows."""
    columns = [slice(8 * bit + 2, 8 * bit + 6) for bit in range(8)]
    bits = [frame[2:22, column].mean() > frame[26:46, column].mean() for column in columns]
    return sum(1 << bit for bit, is_set in enumerate(bits) if is_set)


@pytest.fixture(scope="module", params=KINDS)
def video(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Kind]:
    kind = KINDS[request.param]
    return write(tmp_path_factory.mktemp("exact") / f"a.{kind.suffix}", kind), kind


def test_each_time_shows_the_frame_of_that_time(video: tuple[Path, Kind]) -> None:
    path, kind = video
    frames, rate = read_video(path, rate_fps=kind.rate)
    assert rate == pytest.approx(kind.rate, rel=0.01)
    shown = [
        max(number for number, tick in enumerate(kind.ticks) if tick <= moment)
        for moment in range(kind.ticks[-1] + 1)
    ]
    numbers = [number_of(frame) for frame in frames]
    assert numbers[: len(shown)] == shown
    assert set(numbers[len(shown) :]) <= {COUNT - 1}  # the last one lasts as long as others


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(start_s=st.floats(0, 2.3), length_s=st.floats(0.01, 1), rate=st.sampled_from([None, 10, 50]))
def test_a_span_is_what_the_whole_shows_there(
    video: tuple[Path, Kind], start_s: float, length_s: float, rate: float | None
) -> None:
    path, _ = video
    whole, fps = _whole(path, rate)
    span, _ = read_video(path, rate_fps=rate, start_s=start_s, end_s=start_s + length_s)
    first = round(start_s * fps)
    last = max(round((start_s + length_s) * fps), first + 1)
    np.testing.assert_array_equal(span, whole[first:last])


_wholes: dict[tuple[Path, float | None], tuple[Frames, float]] = {}


def _whole(path: Path, rate: float | None) -> tuple[Frames, float]:
    if (path, rate) not in _wholes:
        _wholes[path, rate] = read_video(path, rate_fps=rate)
    return _wholes[path, rate]
