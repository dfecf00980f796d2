"""However long or large a video is, reading it takes little memory."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import psutil
import pytest
from written_videos import encode

from vidnas.data.datasets import Video
from vidnas.data.reading import VideoError, read_video, stream_video
from vidnas.data.reading.bounds import WORKER_BYTES
from vidnas.data.video_workers import in_workers


def test_a_video_of_two_hours_is_never_held(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", [50, 100] * 3600, rate=1, size=(32, 32))
    process, count = psutil.Process(), 0
    before = highest = process.memory_info().rss
    with stream_video(path, size_px=64, rate_fps=25) as stream:
        for frame in stream:
            size = frame.nbytes
            count += 1
            if count % 5000 == 0:
                highest = max(highest, process.memory_info().rss)
    assert count == 2 * 3600 * 25
    assert size * count > 2 << 30
    assert highest - before < 100 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_a_worker_decodes_4k_in_a_quarter_of_its_memory(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [50, 100] * 4, size=(3840, 2160))
    (outcome,) = in_workers(_peak_bytes, [Video(path, (0,), "train")])
    assert outcome[1] < WORKER_BYTES / 4


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_a_worker_that_needs_too_much_memory_names_the_video(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [50, 100] * 4, size=(640, 480))
    (outcome,) = in_workers(_read_a_lot, [Video(path, (0,), "train")])
    assert isinstance(outcome[1], VideoError)
    assert "more memory" in outcome[1].reason


def _peak_bytes(video: Video) -> int:
    with video.stream(112) as stream:
        assert sum(1 for _ in stream) == 8
    return _peak()


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])


def _read_a_lot(video: Video) -> int:
    return len(read_video(video.path, size_px=9000)[0])


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is Linux's")
def test_the_frames_of_a_video_are_held_once(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [50, 100] * 4, size=(640, 480))
    ((_, taken),) = in_workers(_decode_all, [Video(path, (0,), "train")])
    assert taken < 2 * 8 * 3 * 1920 * 2560


def _decode_all(video: Video) -> int:
    before = _peak()
    assert video.decode(1920).shape == (8, 1920, 2560, 3)
    return _peak() - before


@pytest.mark.parametrize("size_px", [100_000, 20_000])
def test_what_the_frames_take_in_all_is_bounded(tmp_path: Path, size_px: int) -> None:
    path = encode(tmp_path / "a.mp4", [50, 100] * 60)
    with pytest.raises(VideoError, match="more than the"):
        stream_video(path, size_px=size_px)
