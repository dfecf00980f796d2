"""The commands bench, export, predict and models, as people type them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnxruntime
import pytest

from vidnas.cli.main import main
from vidnas.deploy import Model, save_model
from vidnas.families import list_architectures


@pytest.fixture
def vidnas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vidnas", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("command", ["bench", "export", "predict", "models"])
def test_help_has_an_example(vidnas, command: str) -> None:
    code, out, _ = vidnas(command, "--help")
    assert code == 0 and f"Example: vidnas {command}" in out


def test_bench_prints_costs_and_protocol(vidnas, folder: Path, architecture_file: Path) -> None:
    code, out, _ = vidnas("bench", folder, architecture_file, "--repeats", 3)
    assert code == 0
    assert "Parameters" in out and "onnxruntime" in out and "1 thread(s)" in out
    code, out, _ = vidnas("bench", architecture_file, "--repeats", 3, "--classes", 5, "--json")
    cost = json.loads(out)[str(architecture_file)]
    assert code == 0 and cost["latency"]["protocol"]["repeats"] == 3
    assert cost["latency"]["p50_ms"] > 0 and cost["macs"] > 0


def test_export_tells_the_difference(vidnas, folder: Path, tmp_path: Path) -> None:
    out_file = tmp_path / "out.onnx"
    code, out, _ = vidnas("export", folder, out_file)
    assert code == 0 and "Largest difference" in out
    assert onnxruntime.InferenceSession(out_file).get_inputs()[0].name == "rgb"
    code, out, _ = vidnas("export", folder, out_file, "--json")
    assert json.loads(out)["relative_difference"] < 1e-5


def test_predict_shows_the_top_classes(vidnas, folder: Path, video: Path) -> None:
    code, out, _ = vidnas("predict", folder, video, "--top", 2)
    assert code == 0 and out.count("%") == 2
    code, out, _ = vidnas("predict", folder, video, "--json")
    assert code == 0 and sum(json.loads(out)[str(video)].values()) == pytest.approx(1)


def test_models_lists_every_published_architecture(vidnas) -> None:
    code, out, _ = vidnas("models", "--json")
    listed = json.loads(out)
    assert code == 0 and sorted(listed) == list_architectures()
    assert all(entry["parameters"] > 0 and entry["macs"] > 0 for entry in listed.values())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("bench", "tvn9"), "'tvn9' is neither a published architecture"),
        (("export", "nowhere", "out.onnx"), "nowhere does not exist"),
        (("predict", "nowhere", "clip.mp4"), "nowhere does not exist"),
        (("bench", "tvn1", "--runtime", "tflite"), "Runtime 'tflite' is unknown"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(
    vidnas, words: tuple[str, ...], sentence: str
) -> None:
    code, out, err = vidnas(*words)
    assert (code, out) == (2, "")
    assert sentence in err and "Traceback" not in err
