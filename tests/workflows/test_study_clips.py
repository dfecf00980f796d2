"""Clips that changed since a study was searched on them are named, with the way to go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from search_toys import toy_config

from vidnas.core import UserError, bounds
from vidnas.data.cache import ClipSettings, build_cache
from vidnas.data.datasets import Dataset, Video, load_dataset
from vidnas.data.demo import write_clips
from vidnas.data.splits import SPLITS
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.study import CONFIG_NAME, Study
from vidnas.training import TrainingSettings
from vidnas.workflows.listener import Listener
from vidnas.workflows.records import write_record
from vidnas.workflows.request import REQUEST_FILE, SearchRequest
from vidnas.workflows.search_clips import search_clips
from vidnas.workflows.studies import merge
from vidnas.workflows.study_clips import (
    CLIPS_FILE,
    StudyClips,
    changes_since,
    known_clips,
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
    require_same_clips(study, dataset, SEED)
    require_same_clips(tmp_path / "no study yet", dataset, SEED)


def test_another_seed_draws_other_splits(dataset: Dataset, study: Path) -> None:
    now = replace(dataset, videos=tuple(replace(one, split="val") for one in dataset.videos))
    with pytest.raises(UserError, match=f"it has seed {SEED}, .* give --seed {SEED} to resume"):
        require_same_clips(study, now, SEED + 1)


def test_what_changed_is_named_and_how_to_go_on(dataset: Dataset, study: Path) -> None:
    first, _, third, *rest = dataset.videos
    first.path.write_bytes(b"other")
    (dataset.folder / "new.mp4").write_bytes(b"new")
    new = Video(dataset.folder / "new.mp4", (0,), "train")
    moved = replace(third, split="val")
    now = replace(dataset, videos=(new, first, moved, *rest[:1]))
    with pytest.raises(UserError) as error:
        require_same_clips(study, now, SEED)
    assert str(error.value) == (
        f"The clips in {dataset.source} are not those that {study} was searched on: 1 was added "
        "(new.mp4), 5 were removed (1.mp4, 4.mp4, 5.mp4 and 2 more), 1 was changed (0.mp4), 1 was "
        "put into another class or split (2.mp4); restore them to resume it, or take its trials "
        f"along to the clips as they are now with `vidnas study fork {study} NEW --clips "
        f"{dataset.source}`."
    )


def test_other_clips_are_refused_before_any_is_decoded(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object, **__: object) -> None:
        pytest.fail("the clips are decoded")

    monkeypatch.setattr("vidnas.workflows.search_clips.open_clips", decode)
    evaluation = ClipEvaluation(training=TrainingSettings(epochs=1), clips=ClipSettings(size_px=16))
    config = toy_config(evaluator=evaluation.model_dump(mode="json"))
    config.write(study / CONFIG_NAME)
    folder = tmp_path / "others"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for number in range(4):
            (folder / name / f"{number}.mp4").write_bytes(b"x")
    with pytest.raises(UserError, match=f"are not those that {study} was searched on: 8 were add"):
        search_clips(folder, out=study, seed=SEED, evaluations=1)


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


def test_what_could_not_be_used_is_not_counted(study: Path, tmp_path: Path) -> None:
    """A list of an earlier program, which does not know it, is written anew."""
    folder = tmp_path / "videos"
    write_clips(folder, classes=("left", "right"), clips_per_class=10, size_px=16)
    broken = next(one for one in load_dataset(folder).videos if one.split == "train")
    broken.path.write_bytes(b"no video")
    dataset = load_dataset(folder)
    record_clips(study, dataset, dataset.fingerprint())
    known = known_clips(study)
    assert known and sum(known.counts["train"].values()) == 14 and not known.skipped
    earlier = known.model_dump_json(exclude={"skipped"})
    (study / CLIPS_FILE).write_text(earlier, encoding="utf-8")
    cache = build_cache(dataset, size_px=16, directory=tmp_path / "cache")
    record_clips(study, dataset, cache.fingerprint, cache)
    known = known_clips(study)
    assert known and [known.videos[place][0] for place in known.skipped] == [
        dataset.relative(broken.path)
    ]
    assert known.counts["train"] == {"left": 6, "right": 7}
    assert {split: sum(counts.values()) for split, counts in known.counts.items()} == {
        split: len(cache.videos(split)) for split in SPLITS
    }
    written = (study / CLIPS_FILE).stat().st_mtime_ns
    record_clips(study, dataset, cache.fingerprint, cache)
    assert (study / CLIPS_FILE).stat().st_mtime_ns == written


def test_spans_of_one_file_are_counted_one_by_one(dataset: Dataset) -> None:
    """One that is listed twice, of which the cache holds one, counts once."""
    path = dataset.videos[0].path
    spans = [Video(path, (0,), "train", start_s=s, end_s=s + 1) for s in (0.0, 1.0, 0.0)]
    listed = replace(dataset, videos=tuple(spans))
    contents = listed.contents()
    held = SimpleNamespace(paths=("0.mp4",) * 2, contents=(contents[0], contents[1]))
    assert StudyClips.of(listed, held).skipped == (2,)  # type: ignore[arg-type]


def test_a_list_that_could_not_be_read_again_is_not_kept(
    dataset: Dataset, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(bounds.LISTING, groups=6)
    monkeypatch.setattr("vidnas.workflows.study_clips.LISTING", few)
    now = replace(dataset, videos=dataset.videos[:3])
    (study / CLIPS_FILE).unlink()
    record_clips(study, now, now.fingerprint())
    assert known_clips(study) == StudyClips.of(now)
    record_clips(study, now, now.fingerprint())
    (study / CLIPS_FILE).unlink()
    record_clips(study, dataset, dataset.fingerprint())
    assert not (study / CLIPS_FILE).exists()
    require_same_clips(study, dataset, SEED)


def test_studies_of_many_videos_are_merged(dataset: Dataset, study: Path, tmp_path: Path) -> None:
    """Lists are longer than other records may be."""
    use = dataset.videos[0]
    many = replace(dataset, videos=(use,) * (bounds.RECORD.groups + 1))
    (study / CLIPS_FILE).unlink()
    record_clips(study, many, many.fingerprint())
    listed = known_clips(study)
    assert listed and len(listed.videos) == len(many.videos)
    write_record(SearchRequest(clips=dataset.folder, out=study), study / REQUEST_FILE)
    with Study.create_or_resume(study, StudyConfig.read(study / CONFIG_NAME)):
        pass
    assert merge([study, study], tmp_path / "merged", Listener()) == 0
