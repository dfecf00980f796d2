"""A study goes on as it was started, also where its videos have another median by now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from search_toys import toy_config

import vidnas
from vidnas.data import cache_writer
from vidnas.data.cache import ClipSettings
from vidnas.data.datasets import Video, load_dataset
from vidnas.data.reading import VideoError
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.study import CONFIG_NAME
from vidnas.training import TrainingSettings
from vidnas.workflows import plan, search_job
from vidnas.workflows.listener import Listener
from vidnas.workflows.studies import fork
from vidnas.workflows.study_extent import StudyExtent

LENGTHS = range(10, 18)
"""Frames of the videos of each class."""


class Begun(Exception):
    pass


@pytest.fixture
def spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The spaces of all searches, each of which ends as soon as it begins."""
    found: list[dict[str, Any]] = []

    def begin(study: Any, space: Any, *_: object, **__: object) -> None:
        found.append(space.describe())
        raise Begun

    monkeypatch.setenv("VIDNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(search_job, "run_search", begin)
    return found


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    for name in ("a", "b"):
        for frames in LENGTHS:
            write_video(folder / name / f"{frames}.mp4", frames)
    return folder


def write_video(path: Path, frames: int, *, size_px: int = 32, rate: int = 25) -> None:
    rng = np.random.default_rng((frames, *path.name.encode(), *path.parent.name.encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = size_px, size_px, "yuv420p"
        for _ in range(frames):
            picture = rng.integers(0, 256, (size_px, size_px, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def search(clips: Path, out: Path) -> StudyConfig:
    """Begin a search, or resume it; return what its study says of itself."""
    with pytest.raises(Begun):
        vidnas.search_clips(clips, out=out, evaluations=3, candidate_epochs=1)
    return StudyConfig.read(out / CONFIG_NAME)


def test_a_fork_goes_on_with_clips_of_another_kind(
    clips: Path, spaces: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are longer, larger and faster, and make the classes imbalanced."""
    monkeypatch.setattr(plan, "_TRIMMED_FRAMES", 20)
    old, new, other = (tmp_path / name for name in ("old", "new", "other"))
    before = search(clips, old)
    for number in range(24):
        write_video(clips / "a" / f"added{number}.mp4", 40, size_px=48, rate=30)
    fork(old, new, Listener(), clips=clips)
    after = search(clips, new)
    assert (after.space, after.evaluator) == (before.space, before.evaluator)
    assert spaces[1] == spaces[0]
    assert spaces[0]["max_frames"] == 13 and spaces[0]["sampling"] == ["uniform", "dense"]
    # Whoever starts anew is searched for what is there.
    fresh = search(clips, other)
    assert (fresh.space["max_frames"], fresh.space["sampling"]) == (40, ["dense", "uniform"])
    assert fresh.evaluator["clips"] == {"size_px": 48, "flow_method": None, "rate_fps": 30.0}
    assert fresh.evaluator["fitness"] == ["balanced_likelihood"]


def test_a_study_goes_on_where_a_video_can_be_read_again(
    clips: Path, spaces: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = [one.path for one in load_dataset(clips).videos if one.split == "train"]
    longest = sorted(training, key=lambda path: int(path.stem))[-4:]
    really = cache_writer.in_workers

    def losing(work: Any, videos: list[Video], *arguments: Iterable[Any], **settings: Any) -> Any:
        def outcomes() -> Iterator[tuple[int, Any]]:
            for index, outcome in really(work, videos, *arguments, **settings):
                path = videos[index].path
                lost = VideoError(path, "cannot be read (Input/output error)", transient=True)
                yield index, lost if path in longest else outcome

        return outcomes()

    with monkeypatch.context() as patch:
        patch.setattr(cache_writer, "in_workers", losing)
        search(clips, tmp_path / "study")
    search(clips, tmp_path / "study")
    search(clips, tmp_path / "other")
    assert [space["max_frames"] for space in spaces] == [12, 12, 13]


def test_a_study_without_clips_or_with_bounds_of_another_kind_keeps_nothing(
    tmp_path: Path,
) -> None:
    assert StudyExtent.of(tmp_path) is None
    toy_config().write(tmp_path / CONFIG_NAME)
    assert StudyExtent.of(tmp_path) is None
    evaluation = ClipEvaluation(training=TrainingSettings(epochs=1), clips=ClipSettings(size_px=16))
    for space, of_space in (
        ({"depth": 4}, {}),
        ({"max_frames": 7, "sampling": ["dense"]}, {"max_frames": 7, "sampling": ("dense",)}),
        ({"max_frames": "long"}, None),
        ({"sampling": []}, None),
    ):
        config = toy_config(evaluator=evaluation.model_dump(mode="json"), space=space)
        config.write(tmp_path / CONFIG_NAME)
        kept = StudyExtent.of(tmp_path)
        assert (kept.of_space if kept else None) == of_space
