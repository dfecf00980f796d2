"""`vidnas eval` measures what a model has not seen, however the clips are given to it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Done, call, read_json

from vidnas.core import UserError
from vidnas.data.cache import ClipCache
from vidnas.deploy import Model, ModelCard, load_model, save_model
from vidnas.deploy.model import SEEN_FILE
from vidnas.deploy.seen_videos import SeenVideos


@pytest.fixture(autouse=True)
def caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDNAS_CACHE", str(tmp_path / "caches"))


@pytest.fixture
def clips(cache: ClipCache) -> Path:
    """The folder of the session's clips, 21 to train on, 9 that choose and 12 to test with."""
    return cache.directory.parents[1]


@pytest.fixture
def model(cache: ClipCache, fresh, tmp_path: Path) -> Path:
    """A model of these clips, as a folder."""
    folder = tmp_path / "model"
    save_model(Model(fresh().eval(), cache.classes, ModelCard(), SeenVideos.of(cache)), folder)
    return folder


@pytest.fixture
def table(clips: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a CSV of some of the clips, with absolute paths."""

    def write(header: str, *rows: str) -> Path:
        path = tmp_path / "table.csv"
        path.write_text("\n".join([header, *(f"{clips}/{row}" for row in rows)]) + "\n")
        return path

    return write


def rows_of(clips: Path, split: str = "*") -> list[str]:
    names = sorted(path.name for path in clips.glob(f"*-{split}-*.mp4"))
    return [f"{name},{name.partition('-')[0]}" for name in names]


def complaint(done: Done) -> str:
    assert done.returncode == 2, done
    assert done.stdout == ""
    return done.stderr


def test_own_clips_without_splits(model: Path, clips: Path, table: Callable[..., Path]) -> None:
    plain = table("path,label", *rows_of(clips))
    done = call("eval", model, plain, "--json")
    found = read_json(done)
    assert (found["clips"], found["split"]) == (12, None)
    assert found["chance_level"] == pytest.approx(1 / 3)
    low, high = found["interval"]
    assert low < found["top1"] < high
    assert found["left_out"] == {"trained": 21, "validated": 9}
    assert "30 of 42 videos are left out" in done.stderr
    assert "trained on 21 and chosen by 9" in done.stderr
    assert "too high" not in done.stderr
    done = call("eval", model, plain, "--split", "val", "--json")
    assert read_json(done)["clips"] == 9
    assert "9 of 9 videos chose the model" in done.stderr
    assert "too high" not in call("calibrate", model, plain).stderr
    assert "trained on 21" in complaint(call("eval", model, plain, "--split", "train"))


def test_the_models_own_split_among_other_clips(
    model: Path, clips: Path, table: Callable[..., Path]
) -> None:
    new = table("path,label", *rows_of(clips, "test"))
    assert "none of its videos is of the model's own; give the clips that it was trained" in (
        complaint(call("eval", model, new, "--split", "val"))
    )


def test_a_validation_split_that_training_drew(
    model: Path, clips: Path, table: Callable[..., Path]
) -> None:
    rows = [f"{row},test" for row in rows_of(clips, "test")]
    rows += [f"{row},train" for split in ("train", "val") for row in rows_of(clips, split)]
    given = table("path,label,split", *rows)
    found = read_json(call("eval", model, given, "--split", "val", "--json"))
    assert (found["clips"], found["split"]) == (9, None)
    assert "model on" in (shown := call("eval", model, given, "--split", "val").stdout)
    assert "(val)" in shown
    calibrated = read_json(call("calibrate", model, given, "--json"))
    assert calibrated["validation"]["after"]["metrics"]["clips"] == 9
    assert calibrated["test"]["after"]["metrics"]["clips"] == 12


def test_splits_drawn_anew(model: Path, clips: Path, table: Callable[..., Path]) -> None:
    swapped = {"train": "test", "test": "train", "val": "val"}
    rows = [f"{row},{swapped[row.split('-')[1]]}" for row in rows_of(clips)]
    assert "trained on 21" in complaint(call("eval", model, table("path,label,split", *rows)))
    found = read_json(
        call("eval", model, table("path,label,split", *rows), "--split", "val", "--json")
    )
    assert (found["clips"], found["split"]) == (9, "val")


def test_moved_and_renamed_copies(model: Path, clips: Path, tmp_path: Path) -> None:
    copies = tmp_path / "elsewhere" / "red"
    copies.mkdir(parents=True)
    for number, split in enumerate(("train", "train", "val", "test")):
        shutil.copy(clips / f"red-{split}-{number % 2}.mp4", copies / f"{number}.avi")
    done = call("eval", model, copies.parent, "--json")
    assert read_json(done)["left_out"] == {"trained": 2, "validated": 1}
    assert read_json(done)["clips"] == 1


def test_a_span_of_a_training_video(model: Path, table: Callable[..., Path]) -> None:
    spans = table(
        "path,label,start_s,end_s",
        "red-train-0.mp4,red,0.05,0.2",
        "blue-train-1.mp4,blue,0,0.1",
        "blue-val-1.mp4,blue,0.1,",
    )
    assert "trained on 2 and chosen by 1" in complaint(call("eval", model, spans))


def test_a_model_that_was_trained_on_spans(cache: ClipCache, clips: Path) -> None:
    spans = SeenVideos.of(cache)
    cache = ClipCache(cache.directory)
    cache.contents = tuple(f"{content}:0.0-0.1" for content in cache.contents)
    assert SeenVideos.of(cache) == spans


def test_a_folder_of_test_clips(model: Path, clips: Path, tmp_path: Path) -> None:
    """A part of the classes, all clips of which are used."""
    for name in ("red", "blue"):
        folder = tmp_path / "new" / name
        folder.mkdir(parents=True)
        for number in range(4):
            shutil.copy(clips / f"{name}-test-{number}.mp4", folder)
    found = read_json(call("eval", model, tmp_path / "new", "--json"))
    assert (found["clips"], found["split"]) == (8, None)
    assert found["classes"] == ["blue", "green", "red"]
    assert [sum(row) for row in found["confusion"]] == [4, 0, 4]
    shutil.rmtree(tmp_path / "new" / "blue")
    shown = call("eval", model, tmp_path / "new")
    assert shown.returncode == 0
    assert "all clips" in shown.stdout


@pytest.mark.parametrize(("given", "asked", "count"), [("test", (), 12), ("val", ("val",), 9)])
def test_a_table_of_one_split(
    model: Path, clips: Path, table: Callable[..., Path], given: str, asked: tuple[str], count: int
) -> None:
    rows = table("path,label,split", *(f"{row},{given}" for row in rows_of(clips, given)))
    options = [word for split in asked for word in ("--split", split)]
    found = read_json(call("eval", model, rows, *options, "--json"))
    assert (found["clips"], found["split"]) == (count, given)


def test_a_split_that_is_not_there(model: Path, clips: Path, table: Callable[..., Path]) -> None:
    rows = table("path,label,split", *(f"{row},test" for row in rows_of(clips, "test")))
    assert "no videos in the split val; there is test" in complaint(
        call("eval", model, rows, "--split", "val")
    )


def test_a_given_validation_split_is_for_testing_if_there_is_no_other(
    model: Path, clips: Path, table: Callable[..., Path]
) -> None:
    rows = [f"{row},val" for row in rows_of(clips, "test")]
    rows += [f"{row},train" for row in rows_of(clips, "train")]
    found = read_json(call("eval", model, table("path,label,split", *rows), "--json"))
    assert (found["clips"], found["split"]) == (12, "val")


def test_unknown_classes_are_named(model: Path, table: Callable[..., Path]) -> None:
    rows = table("path,label", "red-test-0.mp4,violet", "red-test-1.mp4,red")
    sentence = complaint(call("eval", model, rows))
    assert "violet" in sentence
    assert "it knows blue, green and red" in sentence


def test_what_was_seen_goes_with_the_model(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "copy")
    save_model(load_model(tmp_path / "copy"), tmp_path / "again")
    seen = load_model(tmp_path / "again").seen
    assert seen == load_model(model).seen
    assert seen is not None
    assert (len(seen.trained), len(seen.validated)) == (21, 9)
    assert (model / SEEN_FILE).stat().st_size < 1000


def test_a_model_that_says_nothing(model: Path, table: Callable[..., Path]) -> None:
    (model / SEEN_FILE).unlink()
    done = call("eval", model, table("path,label", "red-train-0.mp4,red"), "--json")
    assert read_json(done)["clips"] == 1
    assert "does not say which videos it was trained on" in done.stderr


def test_another_models_list_does_not_stay(model: Path) -> None:
    loaded = load_model(model)
    save_model(Model(loaded.network, loaded.classes, loaded.card), model)
    assert load_model(model).seen is None


@pytest.mark.parametrize("content", [b"train xyz\n", b"test 00ff\n", b"\xff\xfe\n"])
def test_a_damaged_list(model: Path, content: bytes) -> None:
    (model / SEEN_FILE).write_bytes(content)
    with pytest.raises(UserError, match="is damaged in line 1"):
        load_model(model)
