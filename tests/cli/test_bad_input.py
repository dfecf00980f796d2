"""A user's mistake ends with one sentence and exit code 2; nothing is left half-written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from commands import SEARCH, Vidnas


def complain(vidnas: Vidnas, *arguments: object, **settings: int) -> str:
    """Run a command that must fail, and return its sentence."""
    done = vidnas(*arguments, check=False, **settings)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    *_, last = [line for line in done.stderr.splitlines() if line]
    assert "Error:" in last
    return last


def test_windows_is_refused(vidnas: Vidnas, monkeypatch: pytest.MonkeyPatch) -> None:
    import_module("vidnas.cli.console")  # for rich, the platform is that of its import
    monkeypatch.setattr(sys, "platform", "win32")
    assert "on Windows, run it in WSL" in complain(vidnas, "data", "check", ".")


def no_clips(clips: Path, folder: Path) -> Path:
    (folder / "clips").mkdir()
    return folder / "clips"


def one_class(clips: Path, folder: Path) -> Path:
    (folder / "clips").mkdir()
    (folder / "clips" / "left").symlink_to(clips / "left")
    return folder / "clips"


def class_with_one_clip(clips: Path, folder: Path) -> Path:
    for name in ("left", "right"):
        (folder / "clips" / name).mkdir(parents=True)
    for path in (clips / "left").iterdir():
        (folder / "clips" / "left" / path.name).symlink_to(path)
    path = next((clips / "right").iterdir())
    (folder / "clips" / "right" / path.name).symlink_to(path)
    return folder / "clips"


def all_broken(clips: Path, folder: Path) -> Path:
    for name in ("left", "right"):
        (folder / "clips" / name).mkdir(parents=True)
        for number in range(8):
            content = b"" if number % 2 else os.urandom(2000)
            (folder / "clips" / name / f"{number}.mp4").write_bytes(content)
    return folder / "clips"


def misspelt_column(clips: Path, folder: Path) -> Path:
    (folder / "labels.csv").write_text("path,lable\na.mp4,x\nb.mp4,y\n")
    return folder / "labels.csv"


def missing_source(clips: Path, folder: Path) -> Path:
    return folder / "nowhere"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_clips, "no "),
        (one_class, "one class"),
        (class_with_one_clip, "right"),
        (all_broken, "read"),
        (misspelt_column, "lable"),
        (missing_source, "nowhere"),
    ],
)
def test_clips_that_cannot_be_used(
    vidnas: Vidnas,
    clips: Path,
    tmp_path: Path,
    make: Callable[[Path, Path], Path],
    words: str,
) -> None:
    source = make(clips, tmp_path)
    sentence = complain(
        vidnas, "search", source, "--out", tmp_path / "study", "--evaluations", 1, *SEARCH
    )
    assert words in sentence
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--limit", "speed=3"], "speed"),
        (["--limit", "latency=fast"], "latency=40ms"),
        (["--budget", "soon"], "soon"),
        ([], "no end"),
        (["--evaluations", 1, "--family", "magic"], "magic"),
        (["--evaluations", 1, "--runtime", "abacus"], "abacus"),
        (["--evaluations", 1, "--input", "rgb+flow"], "one kind of clip"),
        (["--evaluations", 1, "--population", 2, "--tournament", 5], "tournament"),
    ],
)
def test_settings_that_cannot_be_used(
    vidnas: Vidnas, clips: Path, tmp_path: Path, arguments: list[object], words: str
) -> None:
    sentence = complain(vidnas, "search", clips, "--out", tmp_path / "study", *arguments)
    assert words in sentence


def test_an_impossible_limit_says_what_was_possible(
    vidnas: Vidnas, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidnas.evolution.engine.GIVE_UP_AFTER", 25)
    sentence = complain(
        vidnas, "search", clips, "--out", tmp_path / "study", "--evaluations", 1,
        "--limit", "parameters=10", "--size", 32,
    )  # fmt: skip
    assert "25" in sentence
    assert "parameters" in sentence


def test_a_study_of_something_else(vidnas: Vidnas, clips: Path, study: Path) -> None:
    before = (study / "study.db").read_bytes()
    sentence = complain(
        vidnas, "search", clips, "--out", study, "--evaluations", 3, "--seed", 7, *SEARCH
    )
    assert "something else" in sentence
    assert "--seed 0" in sentence
    assert (study / "study.db").read_bytes() == before


def test_a_folder_that_is_no_study(vidnas: Vidnas, clips: Path) -> None:
    sentence = complain(vidnas, "search", clips, "--out", clips, "--evaluations", 1, *SEARCH)
    assert str(clips) in sentence


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_write_permission(vidnas: Vidnas, clips: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    sentence = complain(
        vidnas, "search", clips, "--out", tmp_path / "study", "--evaluations", 1, *SEARCH
    )
    assert "permission" in sentence.lower()


def test_a_full_disk(program: Vidnas, study: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a disk without room."""
    sentence = complain(program, "export", study, tmp_path / "out.onnx", largest_file_bytes=4096)
    assert "full" in sentence
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["predict", "bench", "export", "eval"])
def test_a_network_file_that_is_not_one(
    vidnas: Vidnas, clips: Path, tmp_path: Path, command: str
) -> None:
    fake = tmp_path / "model"
    fake.mkdir()
    (fake / "model.json").write_text("{}")
    rest: dict[str, list[object]] = {
        "predict": [next(clips.glob("*/*.mp4"))],
        "export": [tmp_path / "out.onnx"],
        "eval": [clips],
    }
    assert "model" in complain(vidnas, command, fake, *rest.get(command, []))
    assert not (tmp_path / "out.onnx").exists()


def test_a_video_that_is_not_one(vidnas: Vidnas, study: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert "empty.mp4" in complain(vidnas, "predict", study, tmp_path / "empty.mp4")
