"""`vidnas predict` on many videos, some of which are bad."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from commands import call
from judged import judged

from vidnas.data.video_files import find_videos
from vidnas.deploy import Model, prediction, save_model


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def videos(video: Path, tmp_path: Path) -> Path:
    """A folder of three good videos at several depths, a bad one, and what is no video."""
    place = tmp_path / "videos"
    for name in ("b.mp4", "deep/er/a.MP4", "[id].mp4", "deep/.hidden.mp4", "__MACOSX/c.mp4"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, place / name)
    (place / "bad.mp4").write_bytes(b"no video")
    (place / "notes.txt").write_text("no video, either")
    (place / "deep" / "loop").symlink_to(place)
    return place


def test_good_ones_are_printed_and_bad_ones_named(folder: Path, videos: Path) -> None:
    names = [videos / name for name in ("b.mp4", "bad.mp4", "nowhere.mp4", "[id].mp4")]
    done = call("predict", folder, *names, "--top", 1)
    assert done.returncode == 2
    assert [line for line in done.stdout.splitlines() if line[0] != " "] == [
        str(videos / "b.mp4"),
        str(videos / "[id].mp4"),
    ]
    assert f"Failed: {videos / 'bad.mp4'}: cannot be decoded" in done.stderr
    assert f"Failed: {videos / 'nowhere.mp4'}: no such file or folder" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: 2 of 4 videos have no prediction")
    assert call("predict", folder, names[0], names[3]).returncode == 0


def test_each_is_printed_before_the_next_is_read(
    folder: Path, videos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from vidnas import deploy
    from vidnas.cli.predict import PredictRequest, command

    printed: list[str] = []

    def predict(model: Model, path: Path) -> list[tuple[str, float]]:
        printed.append(capsys.readouterr().out)
        return prediction.predict_video(model, path)

    monkeypatch.setattr(deploy, "predict_video", predict)
    names = (videos / "b.mp4", videos / "[id].mp4")
    command(PredictRequest(model=folder, videos=names))
    assert printed[0] == ""
    assert str(names[0]) in printed[1]


def test_a_model_that_may_be_guessing_says_so(model: Model, video: Path, tmp_path: Path) -> None:
    few = [[2, 1, 0], [1, 1, 1], [0, 1, 2]]
    many = [[10 * count for count in row] for row in few]
    said = {}
    for name, confusion in (("few", few), ("many", many)):
        card = model.card.model_copy(update={"test": judged(confusion)})
        save_model(replace(model, card=card), tmp_path / name)
        done = call("predict", tmp_path / name, video, "--json")
        assert done.returncode == 0 and list(json.loads(done.stdout)) == [str(video)]
        said[name] = " ".join(done.stderr.split())
    assert "This network may be guessing: 55.6% top-1 on 9 clips" in said["few"]
    assert "guessing" not in said["many"]


@pytest.mark.parametrize("named", [".", "**/*", "**/*.[mM][pP]4"])
def test_folders_and_patterns(folder: Path, videos: Path, named: str) -> None:
    done = call("predict", folder, videos / named, "--json")
    assert done.returncode == 2  # for bad.mp4
    found = {Path(name).relative_to(videos).as_posix() for name in json.loads(done.stdout)}
    assert found >= {"[id].mp4", "b.mp4", "deep/er/a.MP4"}
    assert "bad.mp4" in done.stderr


def test_a_folder_is_searched_once_and_in_order(videos: Path) -> None:
    found = find_videos([videos, videos / "b.mp4"])
    names = [path.relative_to(videos).as_posix() for path in found.paths]
    assert names == ["[id].mp4", "b.mp4", "bad.mp4", "deep/er/a.MP4"]
    assert not found.problems


@pytest.mark.parametrize("name", ["empty", "x" * 300, "no*where"])
def test_nothing_there(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    done = call("predict", folder, tmp_path / name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {tmp_path / name}: ")
    assert "no videos in it" in done.stderr or "no such file" in done.stderr
    assert json.loads(call("predict", folder, tmp_path / name, "--json").stdout) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_folder_that_cannot_be_read_is_named(videos: Path) -> None:
    (videos / "deep").chmod(0)
    (problem,) = find_videos([videos]).problems
    assert problem.path == videos / "deep"
    (videos / "deep").chmod(0o700)


def test_json_is_one_document_in_the_order_of_probability(folder: Path, videos: Path) -> None:
    done = call("predict", folder, videos / "b.mp4", videos / "[id].mp4", "--json", "--top", 2)
    found = json.loads(done.stdout)
    assert list(found) == [str(videos / "b.mp4"), str(videos / "[id].mp4")]
    for classes in found.values():
        assert len(classes) == 2
        assert list(classes.values()) == sorted(classes.values(), reverse=True)
