"""What the README promises, on a small scale: every command on the outcome of a real search."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
from commands import SEARCH, Vidnas, read_json

from vidnas.evolution.study import Study


def test_search_leaves_everything_it_promises(study: Path) -> None:
    names = {path.name for path in study.iterdir() if not path.name.startswith(".")}
    assert names == {
        "best", "clips.json", "config.yaml", "latency-reference.json", "models", "report.html",
        "request.json", "states", "study.db",
    }  # fmt: skip
    assert {path.name for path in (study / "best").iterdir()} == {
        "README.md", "model.json", "weights.safetensors", "model.onnx", "training-videos.txt",
        "mistakes.json", "blocks.json",
    }  # fmt: skip
    card = json.loads((study / "best" / "model.json").read_text())["card"]
    assert card["test"]["clips"] > 0
    assert card["cost"]["latency"]["p50_ms"] <= 20
    onnx.checker.check_model(onnx.load(study / "best" / "model.onnx"))
    trials = Study.read(study).trials
    assert sum(trial.evaluation.status != "rejected" for trial in trials) == 3


def test_search_goes_on_where_it_stopped(
    program: Vidnas, study: Path, clips: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    before = Study.read(folder).history
    done = program("search", clips, "--out", folder, "--evaluations", 4, *SEARCH, "--json")
    resumed = Study.read(folder)
    assert resumed.history[: len(before)] == before
    assert sum(trial.evaluation.status != "rejected" for trial in resumed.trials) == 4
    assert "Resuming" in done.stderr
    found = read_json(done)
    assert set(found) == {"model", "file", "onnx", "report", "card", "seconds"}
    assert found["file"] == found["onnx"]
    assert set(found["card"]) >= {"test", "cost", "within_limits", "export_difference"}


def test_predict_names_classes(vidnas: Vidnas, study: Path, clips: Path) -> None:
    video = next(clips.glob("left/*.mp4"))
    predictions = read_json(vidnas("predict", study, video, "--json"))
    text = json.dumps(predictions)
    assert "left" in text
    assert "left" in vidnas("predict", study, video).stdout


def test_eval_agrees_with_the_search(vidnas: Vidnas, study: Path, clips: Path) -> None:
    metrics = read_json(vidnas("eval", study, clips, "--json"))
    card = json.loads((study / "best" / "model.json").read_text())["card"]
    assert metrics["top1"] == pytest.approx(card["test"]["top1"])


@pytest.mark.parametrize("command", ["bench", "draw", "export"])
def test_commands_take_a_study(vidnas: Vidnas, study: Path, tmp_path: Path, command: str) -> None:
    target = {"export": [tmp_path / "out.onnx"], "draw": ["--out", tmp_path / "out.png"]}
    vidnas(command, study, *target.get(command, []))
    for path in tmp_path.iterdir():
        assert path.stat().st_size > 1000


def test_train_makes_a_model(vidnas: Vidnas, clips: Path, tmp_path: Path) -> None:
    network = (
        "r2plus1d_18", "--gene", "size_px=16", "--gene", "frames=4", "--gene", "width=0.125",
        "--epochs", 1, "--out", tmp_path / "model", "--json",
    )  # fmt: skip
    trained = read_json(vidnas("train", clips, *network))
    assert trained["test"]["clips"] > 0
    vidnas("predict", tmp_path / "model", next(clips.glob("*/*.mp4")))


def test_networks_on_flow(vidnas: Vidnas, clips: Path, tmp_path: Path) -> None:
    computed = read_json(vidnas("data", "flow", clips, "--size", 32, "--json"))
    assert (computed["method"], computed["videos"]) == ("dis", 30)
    assert computed["motion_px"]["across"] > 0.2
    study = tmp_path / "study"
    asked = ("search", clips, "--out", study, "--evaluations", 1, *SEARCH)
    assert "Optical flow: dis" in vidnas(*asked, "--input", "flow").stderr
    card = json.loads((study / "best" / "model.json").read_text())["card"]
    assert card["training_runs"][0]["clips"]["flow_method"] == "dis"
    video = next(clips.glob("left/*.mp4"))
    assert len(read_json(vidnas("predict", study, video, "--json"))[str(video)]) == 3
    assert read_json(vidnas("eval", study, clips, "--json"))["top1"] == card["test"]["top1"]
    other = vidnas(*asked, check=False)
    assert other.returncode == 2
    assert "space.modality is flow there and rgb now" in other.stderr


def test_models_lists_the_published(vidnas: Vidnas) -> None:
    listed = json.dumps(read_json(vidnas("models", "--json")))
    for name in ("tvn1", "tvn4", "r2plus1d_18"):
        assert name in listed


@pytest.mark.parametrize(
    ("presses", "number"), [(1, signal.SIGINT), (2, signal.SIGINT), (1, signal.SIGTERM)]
)
def test_a_stopped_search_keeps_what_was_finished(
    clips: Path, tmp_path: Path, presses: int, number: signal.Signals
) -> None:

    folder = tmp_path / "study"
    command = [sys.executable, "-m", "vidnas.cli.main", "search", clips, "--out", folder]
    process = subprocess.Popen(
        [*map(str, command), "--evaluations", "50", *SEARCH],
        env={**os.environ, "VIDNAS_CACHE": str(tmp_path / "cache")},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    # Not by looking into the study: whoever opens a database that is being made gets in its way.
    assert any(" trial " in line for line in process.stderr), "it ended before its first trial"
    before = len(Study.read(folder).trials)
    for _ in range(presses):
        os.killpg(process.pid, number)  # as a terminal does: to the workers, too
        time.sleep(0.2)
    errors = process.stderr.read()
    assert process.wait(timeout=120) == 130, errors
    assert "Traceback" not in errors
    waited = presses == 1 and number == signal.SIGINT
    assert "Finishing the candidates in flight" in errors or not waited
    assert len(Study.read(folder).trials) >= before
    assert all(trial.evaluation.status != "failed" for trial in Study.read(folder).trials)
    assert (folder / "report.html").exists()
