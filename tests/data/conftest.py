from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vidnas.data import cache_writer, stored_frames
from vidnas.data.datasets import Dataset, load_dataset
from vidnas.data.demo import write_clips
from vidnas.data.reading import VideoError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def shared_folder() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the development data are not here")
    return SHARED


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips") / "demo"
    write_clips(folder, classes=("left", "right", "growing"), clips_per_class=8, size_px=48)
    return folder


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[[dict[str, int]], Path]:
    """Make class folders with so many (not decodable) files each."""

    def make(counts: dict[str, int]) -> Path:
        for name, count in counts.items():
            (tmp_path / "clips" / name).mkdir(parents=True)
            for index in range(count):
                (tmp_path / "clips" / name / f"{index:02d}.MP4").write_bytes(b"x" * (index + 1))
        return tmp_path / "clips"

    return make


@pytest.fixture
def demo_dataset(demo_folder: Path) -> Dataset:
    return load_dataset(demo_folder)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode in this process, which is quick."""

    def one_by_one(work, videos, *arguments, **_):
        stored_frames._own_shard.cache_clear()  # as a new process
        for index, call in enumerate(zip(videos, *arguments, strict=True)):
            try:
                yield index, work(*call)
            except VideoError as error:
                yield index, error

    monkeypatch.setattr(cache_writer, "in_workers", one_by_one)
