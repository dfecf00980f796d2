"""`vidnas train` and `vidnas eval`, and the durations that commands take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import call

from vidnas.core import UserError
from vidnas.core.durations import format_duration, parse_duration
from vidnas.data.cache import ClipCache
from vidnas.training import TrainingSettings


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1.5h", 5400), (" 1D 2s", 86402)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-5", "m", "10x", "30m1h", "nan", "inf"])
def test_what_is_no_duration(text):
    with pytest.raises(UserError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0", "30", "1.5"])
def test_a_duration_needs_a_unit(text):
    with pytest.raises(UserError, match=f"has no unit; write {text}s, {text}m or {text}h"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.24, "8.2s"), (59.97, "1m 00s"), (750, "12m 30s"), (3900, "1h 05m")]
)
def test_durations_for_people(seconds, text):
    assert format_duration(seconds) == text


@pytest.fixture
def clips(cache: ClipCache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The table of the session's clips; caches of the command go to a folder of the test."""
    monkeypatch.setenv("VIDNAS_CACHE", str(tmp_path / "cache"))
    return cache.directory.parents[1] / "clips.csv"


SMALL = ("--gene", "size_px=32", "--gene", "frames=2", "--gene", "width=0.05")


def test_train_then_eval(clips, tmp_path):
    out = tmp_path / "model"
    arguments = (clips, "r2plus1d_18", *SMALL, "--out", out, "--epochs", 2)
    trained = call("train", *arguments, "--json")
    assert trained.returncode == 0, trained.stderr
    card = json.loads(trained.stdout)
    assert card["epochs"] == 2
    assert card["test"]["clips"] == 12
    assert card["cost"]["parameters"] > 0
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "model.json",
        "training-videos.txt",
        "weights.safetensors",
    ]

    measured = call("eval", out, clips, "--json")
    found = json.loads(measured.stdout)
    assert found["classes"] == ["blue", "green", "red"]
    assert found["confusion"] == card["test"]["confusion"]
    assert found["loss"] == pytest.approx(card["test"]["loss"], rel=1e-6)  # of the same pixels

    shown = call("eval", out, clips, "--split", "val", "--clips-per-video", 1)
    assert "top-1" in shown.stdout
    assert "2 red" in shown.stdout

    repeated = call("train", *arguments)
    assert repeated.returncode == 2
    assert "already holds another model" in repeated.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--gene", "colour=3"), "changes no gene"),
        (("--gene", "frames"), "changes no gene"),
        (("--gene", "depth=19"), "depth"),
        (("--epochs", "0"), "must be greater than 0"),
        (("--train-time", "soon"), "not a duration"),
        (("--train-time", "45"), "has no unit"),
        (("--seed", "-1"), "--seed -1 must be"),
        (("--device", "toaster"), "toaster"),
    ],
)
def test_what_cannot_be_trained(clips, tmp_path, arguments, sentence):
    out = tmp_path / "model"
    failed = call("train", clips, "r2plus1d_18", *SMALL, "--out", out, *arguments)
    assert failed.returncode == 2
    assert sentence in failed.stderr
    assert not out.exists()


def test_a_run_that_diverges_is_told_in_a_sentence(clips, tmp_path, monkeypatch):
    recipe = TrainingSettings.full

    def wild(**settings: object) -> TrainingSettings:
        return recipe(**settings).model_copy(update={"learning_rate": 1e30})

    monkeypatch.setattr(TrainingSettings, "full", wild)
    arguments = ("r2plus1d_18", *SMALL, "--out", tmp_path / "model")
    failed = call("train", clips, *arguments, "--epochs", 3)
    assert failed.returncode == 2
    assert "diverged" in failed.stderr


def test_clips_of_other_classes_are_rejected(clips, tmp_path):
    out = tmp_path / "model"
    call("train", clips, "r2plus1d_18", *SMALL, "--out", out, "--epochs", 1)
    renamed = clips.with_name("renamed.csv")
    renamed.write_text(clips.read_text().replace(",blue,", ",violet,"))
    failed = call("eval", out, renamed)
    assert failed.returncode == 2
    assert "violet" in failed.stderr
