"""Where the files of timelines go, and what is in their place already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import call

from vidnas.deploy import Model, save_model
from vidnas.deploy.timeline import Timeline
from vidnas.deploy.timeline_files import NotOurs, TimelineFolder

FOREIGN = {
    "noise.csv": "time_s,label\n0.500,run\n",
    "noise.json": '{"duration_s": 4.0, "annotator": "me"}\n',
    "noise.srt": "1\n00:00:01,000 --> 00:00:02,000\nHello.\n",
}


def timeline(*classes: str, score: float = 0.75) -> Timeline:
    scores = np.full((1, len(classes)), score)
    return Timeline(classes, np.array([0.5]), scores, 1.0, 1.0, 1.0, 0.5)


@pytest.mark.parametrize("score", [0.75, 0.25])
@pytest.mark.parametrize("name", ["run", 'sit\ndown, "now"', "jump 5%"])
def test_files_of_an_earlier_run_are_replaced(tmp_path: Path, name: str, score: float) -> None:
    for classes in ((name,), ("another", name), (name,)):
        files = TimelineFolder(tmp_path).files_of(Path("clip.mp4"))
        files.write(timeline(*classes, score=score))
    assert len([*tmp_path.iterdir()]) == 3
    assert "another" not in (tmp_path / "clip.csv").read_text()


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_somebody_else_are_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FOREIGN[name])
    with pytest.raises(NotOurs, match=f"would replace {tmp_path / name}, which vidnas did not"):
        TimelineFolder(tmp_path).files_of(Path("noise.mp4"))


def test_what_is_no_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    (tmp_path / "b.csv").symlink_to(tmp_path / "nowhere")
    (tmp_path / "c.csv").write_bytes(b"\xff\xfe")
    for name in "abc":
        with pytest.raises(NotOurs):
            TimelineFolder(tmp_path).files_of(Path(f"{name}.mp4"))


def test_the_command_refuses_one_video_and_does_the_others(
    model: Model, video: Path, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "model")
    other, out = video.with_name("other.mp4"), tmp_path / "out"
    other.write_bytes(video.read_bytes())
    out.mkdir()
    (out / "noise.srt").write_text(FOREIGN["noise.srt"])
    done = call("predict", tmp_path / "model", video, other, "--out", out)
    assert done.returncode == 2
    assert f"Failed: {video}: its timeline would replace {out / 'noise.srt'}" in done.stderr
    assert (out / "noise.srt").read_text() == FOREIGN["noise.srt"]
    written = {"other.csv", "other.json", "other.srt"}
    assert {path.name for path in out.iterdir()} == {"noise.srt", *written}
    alone = call("predict", tmp_path / "model", video, "--out", out)
    assert alone.returncode == 2
    assert alone.stderr.splitlines()[-1].startswith(f"Error: {video}: its timeline would replace")


def test_the_files_of_a_folder_have_its_whole_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "2024.05.01"
    place.mkdir()
    out = TimelineFolder(tmp_path / "out")
    assert out.files_of(place).name == "2024.05.01"
    assert out.files_of(Path("2024.05.02.mp4")).name == "2024.05.02"
    monkeypatch.chdir(place)
    assert out.files_of(Path()).name == "2024.05.01-2"


def test_long_names_are_cut_at_a_whole_character(tmp_path: Path) -> None:
    out = TimelineFolder(tmp_path)
    for end in ("a", "b"):
        out.files_of(Path(f"x{'ä' * 124}{end}.mp4")).write(timeline("run"))
    kept = f"x{'ä' * 99}"
    assert {path.stem for path in tmp_path.iterdir()} == {kept, f"{kept}-2"}


def test_a_class_may_be_called_as_a_field_of_the_record(
    model: Model, video: Path, tmp_path: Path
) -> None:
    save_model(replace(model, classes=("events", "scores", "up")), tmp_path / "model")
    done = call("predict", tmp_path / "model", video)
    assert (done.returncode, done.stdout.count("%")) == (0, 3)
    assert "%  events\n" in done.stdout
