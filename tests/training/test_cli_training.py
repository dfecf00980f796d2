"""`vidnas train` and `vidnas eval`, and the durations that commands take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vidnas.cli import evaluate, train
from vidnas.core import UserError
from vidnas.core.durations import format_duration, parse_duration
from vidnas.data.cache import ClipCache
from vidnas.training import TrainingSettings


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("45", 45), ("1.5h", 5400), (" 1D 2s", 86402)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-5", "m", "10x", "30m1h", "nan", "inf"])
def test_what_is_no_duration(text):
    with pytest.raises(UserError, match="is not a duration"):
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


def run(command, *arguments: object):
    import typer

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


SMALL = ("--set", "size_px=32", "--set", "frames=2", "--set", "width=0.05")


def test_train_then_eval(clips, tmp_path):
    out = tmp_path / "model"
    arguments = (clips, "--architecture", "r2plus1d_18", *SMALL, "--out", out, "--epochs", 2)
    trained = run(train.command, *arguments, "--json")
    assert trained.exit_code == 0, trained.output
    card = json.loads(trained.stdout)
    assert card["epochs"] == 2
    assert card["test"]["clips"] == 12
    assert card["cost"]["parameters"] > 0
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "weights.safetensors"]

    measured = run(evaluate.command, out, clips, "--json")
    found = json.loads(measured.stdout)
    assert found["classes"] == ["blue", "green", "red"]
    assert found["top1"] == card["test"]["top1"]
    assert found["loss"] == pytest.approx(card["test"]["loss"], rel=1e-4)

    shown = run(evaluate.command, out, clips, "--split", "val", "--clips", 1)
    assert "top-1" in shown.stdout
    assert "2 red" in shown.stdout

    repeated = run(train.command, *arguments)
    assert isinstance(repeated.exception, UserError)
    assert "already holds a trained model" in str(repeated.exception)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--set", "colour=3"), "changes no gene"),
        (("--set", "frames"), "changes no gene"),
        (("--set", "depth=19"), "depth"),
        (("--epochs", "0"), "trains nothing"),
        (("--budget", "soon"), "not a duration"),
        (("--device", "toaster"), "toaster"),
    ],
)
def test_what_cannot_be_trained(clips, tmp_path, arguments, sentence):
    out = tmp_path / "model"
    failed = run(
        train.command, clips, "--architecture", "r2plus1d_18", *SMALL, "--out", out, *arguments
    )
    assert isinstance(failed.exception, UserError)
    assert sentence in str(failed.exception)
    assert not out.exists()


def test_a_training_that_diverges_is_told_in_a_sentence(clips, tmp_path, monkeypatch):
    recipe = TrainingSettings.full

    def wild(**settings: object) -> TrainingSettings:
        return recipe(**settings).model_copy(update={"learning_rate": 1e30})

    monkeypatch.setattr(TrainingSettings, "full", wild)
    arguments = ("--architecture", "r2plus1d_18", *SMALL, "--out", tmp_path / "model")
    failed = run(train.command, clips, *arguments, "--epochs", 3)
    assert isinstance(failed.exception, UserError)
    assert "diverged" in str(failed.exception)


def test_clips_of_other_classes_are_refused(clips, tmp_path):
    out = tmp_path / "model"
    run(train.command, clips, "--architecture", "r2plus1d_18", *SMALL, "--out", out, "--epochs", 1)
    renamed = clips.with_name("renamed.csv")
    renamed.write_text(clips.read_text().replace(",blue,", ",violet,"))
    failed = run(evaluate.command, out, renamed)
    assert isinstance(failed.exception, UserError)
    assert "violet" in str(failed.exception)
