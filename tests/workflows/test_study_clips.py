"""Clips that changed since a study was searched on them are named, with the way to go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from search_toys import toy_config

from vidnas.core import UserError
from vidnas.data.datasets import Dataset, Video
from vidnas.evolution.study import CONFIG_NAME
from vidnas.workflows.study_clips import (
    CLIPS_FILE,
    StudyClips,
    changes_since,
    record_clips,
    require_same_clips,
)

SEED = toy_config().seed


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    folder = tmp_path / "clips"
    folder.mkdir()
    videos = []
    for number in range(8):
        path = folder / f"{number}.mp4"
        path.write_bytes(bytes([number]))
        videos.append(Video(path, (number % 2,), "train"))
    return Dataset(folder, ("a", "b"), tuple(videos))


@pytest.fixture
def study(dataset: Dataset, tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    folder.mkdir()
    toy_config(data_fingerprint=dataset.fingerprint()).write(folder / CONFIG_NAME)
    record_clips(folder, dataset, dataset.fingerprint())
    return folder


def test_the_same_clips_are_accepted(dataset: Dataset, study: Path, tmp_path: Path) -> None:
    require_same_clips(study, dataset, dataset.fingerprint(), SEED)
    require_same_clips(tmp_path / "no study yet", dataset, "anything", SEED)


def test_another_seed_draws_other_splits(dataset: Dataset, study: Path) -> None:
    now = replace(dataset, videos=tuple(replace(one, split="val") for one in dataset.videos))
    with pytest.raises(UserError, match=f"it has seed {SEED}, .* give --seed {SEED} to resume"):
        require_same_clips(study, now, now.fingerprint(), SEED + 1)


def test_what_changed_is_named_and_how_to_go_on(dataset: Dataset, study: Path) -> None:
    first, _, third, *rest = dataset.videos
    first.path.write_bytes(b"other")
    (dataset.folder / "new.mp4").write_bytes(b"new")
    new = Video(dataset.folder / "new.mp4", (0,), "train")
    moved = replace(third, split="val")
    now = replace(dataset, videos=(new, first, moved, *rest[:1]))
    with pytest.raises(UserError) as error:
        require_same_clips(study, now, now.fingerprint(), SEED)
    assert str(error.value) == (
        f"The clips in {dataset.source} are not those that {study} was searched on: 1 was added "
        "(new.mp4), 5 were removed (1.mp4, 4.mp4, 5.mp4 and 2 more), 1 was changed (0.mp4), 1 was "
        "put into another class or split (2.mp4); restore them to resume it, or take its trials "
        f"along to the clips as they are now with `vidnas study fork {study} NEW --clips "
        f"{dataset.source}`."
    )


def test_spans_of_one_file_are_told_apart(dataset: Dataset) -> None:
    path = dataset.videos[0].path
    spans = [Video(path, (0,), "train", start_s=s, end_s=s + 1) for s in (0.0, 1.0)]
    before, now = (StudyClips.of(replace(dataset, videos=tuple(one))) for one in (spans, spans[:1]))
    assert before.changes(now) == "1 was changed (0.mp4)"


def test_a_study_without_the_list_says_so(dataset: Dataset, study: Path) -> None:
    (study / CLIPS_FILE).unlink()
    assert f"{study} has no clips.json" in changes_since(study, dataset)
    record_clips(study, dataset, dataset.fingerprint())
    assert (study / CLIPS_FILE).is_file()
