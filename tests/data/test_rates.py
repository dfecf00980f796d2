"""Videos of different frame rates are seen at one; videos of one rate are seen as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from written_videos import encode, levels_of

from vidnas.data.cache import build_cache
from vidnas.data.check import check_dataset
from vidnas.data.datasets import Dataset, Video, load_dataset
from vidnas.data.headers import decoded_bytes, grid_rate, native_size_px, read_header
from vidnas.data.reading import read_video
from vidnas.data.reading.grid import ArrivalPoints
from vidnas.workflows.clips import open_clips
from vidnas.workflows.listener import Listener


class Remarks(Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def _dataset(folder: Path, rates: Sequence[int]) -> Dataset:
    """Two classes of videos of two seconds that grow brighter at one speed, whatever the rate."""
    for label in ("up", "down"):
        (folder / label).mkdir(parents=True)
        for index, rate in enumerate(rates):
            levels = [100 * frame // rate for frame in range(2 * rate)]
            own = levels if label == "up" else levels[::-1]
            encode(folder / label / f"{index}.mp4", own, rate=rate)
    return load_dataset(folder)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return _dataset(tmp_path_factory.mktemp("rates") / "clips", (15, 25, 25, 24, 60, 30))


def test_a_mixed_data_set_is_read_at_its_median_rate(mixed: Dataset, tmp_path: Path) -> None:
    common = grid_rate(mixed)
    assert common == (25, 15, 60)
    assert "15 to 60 frames per second; all are read at 25" in (common.remark or "")
    cache = build_cache(mixed, size_px=16, rate_fps=25, directory=tmp_path)
    assert cache.rate_fps == 25
    assert cache.settings(["rgb"]).rate_fps == 25
    rates = {path: read_header(mixed.folder / path).rate_fps for path in cache.paths}
    lengths = {path: len(cache.frames(index)) for index, path in enumerate(cache.paths)}
    # 24 frames per second are as good as 25: that video keeps its frames.
    expected = {path: 48 if rate == 24 else 50 for path, rate in rates.items()}
    assert lengths == expected
    for index, path in enumerate(cache.paths):
        if path.startswith("up"):
            levels = cache.frames(index)[:, 8:].mean(axis=(1, 2, 3))
            seconds = np.arange(len(levels)) / (24 if rates[path] == 24 else 25)
            assert np.abs(levels - 100 * seconds).max() < 100 * (0.5 / 25 + 0.5 / rates[path]) + 4


def test_caches_of_other_rates_are_others(mixed: Dataset, tmp_path: Path) -> None:
    caches = [
        build_cache(mixed, size_px=16, rate_fps=rate, directory=tmp_path) for rate in (None, 10)
    ]
    assert caches[0].directory != caches[1].directory
    assert caches[0].rate_fps is None
    assert {len(caches[0].frames(index)) for index in range(12)} == {30, 48, 50, 60, 120}
    assert {len(caches[1].frames(index)) for index in range(12)} == {20}


def test_opened_clips_have_the_common_rate_and_say_so(
    mixed: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDNAS_CACHE", str(tmp_path))
    listener = Remarks()
    assert open_clips(mixed, listener, size_px=16).rate_fps == 25
    assert any("15 to 60 frames per second" in remark for remark in listener.remarks)
    assert open_clips(mixed, Remarks(), size_px=16, rate_fps=50).rate_fps == 50
    assert any("15 to 60 frames per second" in one for one in check_dataset(mixed).remarks)


def test_one_rate_changes_nothing(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path / "clips", (24, 25, 25, 25, 24, 25))
    common = grid_rate(dataset)
    assert common is not None
    assert common.remark is None
    cache = build_cache(dataset, size_px=16, rate_fps=common.rate_fps, directory=tmp_path)
    for index, path in enumerate(cache.paths):
        own, _ = read_video(dataset.folder / path, size_px=16)
        np.testing.assert_array_equal(cache.frames(index), own)


@pytest.mark.parametrize(("rate_fps", "step"), [(30, 2), (20, 3), (60, 1), (120, 0.5)])
def test_another_rate_shows_the_nearest_frames(
    tmp_path: Path, rate_fps: float, step: float
) -> None:
    levels = list(range(0, 240, 10))
    path = encode(tmp_path / "a.mp4", levels, rate=60)
    frames, rate = read_video(path, rate_fps=rate_fps)
    assert rate == rate_fps
    assert levels_of(frames) == [levels[int(point * step)] for point in range(int(24 / step))]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "ts", "flv", "h264", "mpg"])
def test_the_room_is_estimated_for_every_container(tmp_path: Path, suffix: str) -> None:
    codecs = {"webm": "libvpx", "mpg": "mpeg2video"}
    path = encode(
        tmp_path / f"a.{suffix}", [100] * 50, rate=25, codec=codecs.get(suffix, "libx264")
    )
    header = read_header(path)
    assert header is not None
    assert header.duration_s == pytest.approx(2, abs=0.05)
    dataset = Dataset(tmp_path, ("a", "b"), (Video(path, (0,), "train"),))
    assert native_size_px(dataset) == 48
    assert decoded_bytes(dataset, 48) == pytest.approx(50 * 64 * 48 * 3, rel=0.05)
    assert decoded_bytes(dataset, 24, 50) == pytest.approx(100 * 32 * 24 * 3, rel=0.05)


def test_the_length_of_a_long_video_is_estimated_from_its_beginning(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", [100, 200] * 5000, rate=50, size=(16, 16))
    header = read_header(path)
    assert header is not None
    assert header.duration_s == pytest.approx(200, rel=0.1)


@pytest.mark.parametrize(
    ("times_s", "points"),
    [
        ([0, 1 / 30, 2 / 30, 3 / 30], [0, 1, 2, 3]),
        ([0, 0.045, 0.054, 0.112], [0, 1, 2, 3]),  # none is lost because it comes early or late
        ([0, 2 / 30, 4 / 30, 5 / 30], [0, 2, 4, 5]),  # in the dark, and light again
        ([0, 1 / 30, 10.0], [0, 1, 300]),  # packets were lost
        ([0, 1 / 60, 2 / 60, 3 / 60], [0, 1, 2, 3]),  # faster than it says, for a moment
        ([0, 1, 1, 1, 1.1], [0, 30, 31, 32, 33]),  # held up, and all at once
    ],
)
def test_a_camera_that_is_slow_shows_its_frames_for_longer(
    times_s: list[float], points: list[int]
) -> None:
    found = ArrivalPoints(29.97, 30.0, counted=False)
    assert [found.of(time_s) for time_s in times_s] == points
    assert not found.replaced


def test_a_camera_that_is_faster_than_it_says_is_seen_at_the_speed_of_life() -> None:
    found = ArrivalPoints(25, 25, counted=False)
    points = [found.of(number / 60) for number in range(600)]
    shown = [(number, point) for number, point in enumerate(points) if point is not None]
    assert all(25 * number / 60 - 1 <= point <= 25 * number / 60 + 6 for number, point in shown)
    assert [point for _, point in shown] == [*range(len(shown))]  # none left out, none twice


@pytest.mark.parametrize("rate_fps", [25, 24, 30, 12.5])
def test_what_a_camera_without_stamps_says_of_its_rate_means_nothing(rate_fps: float) -> None:
    """FFmpeg says 25 of all of them; this one sends ten a second."""
    found = ArrivalPoints(rate_fps, 25, counted=True)
    points = [found.of(number / 10) for number in range(100)]
    expected = [number * rate_fps / 10 for number in range(100)]
    assert points == pytest.approx(expected, abs=0.51)
    assert not found.replaced


def test_frames_are_counted_where_no_rate_is_asked_for() -> None:
    for counted in (False, True):
        found = ArrivalPoints(None, 30, counted=counted)
        assert [found.of(time_s) for time_s in (0, 0.5, 0.6)] == [0, 1, 2]
    other = ArrivalPoints(15, 30, counted=False)
    assert other.replaced
    assert [other.of(number / 30) for number in range(5)] == [0, 1, 1, 2, 2]
