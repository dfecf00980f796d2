"""The commands bench, export, predict and models, as people type them."""

from __future__ import annotations

import json
from pathlib import Path

import onnxruntime
import pytest
import torch
from commands import call

from vidnas.cli.predictions import PredictRequest, chosen
from vidnas.deploy import Model, save_model
from vidnas.families import list_architectures
from vidnas.workflows.request import REQUEST_FILE, SearchRequest


@pytest.fixture
def vidnas():
    def run(*words: object) -> tuple[int, str, str]:
        done = call(*words)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


def test_bench_prints_costs_and_protocol(vidnas, folder: Path, architecture_file: Path) -> None:
    code, out, _ = vidnas("bench", folder, architecture_file, "--repeats", 3)
    assert code == 0
    assert "Params" in out and "onnxruntime" in out and "1 thread(s)" in out
    code, out, _ = vidnas("bench", architecture_file, "--repeats", 3, "--classes", 5, "--json")
    cost = json.loads(out)[str(architecture_file)]
    assert code == 0 and cost["latency"]["protocol"]["repeats"] == 3
    assert cost["latency"]["p50_ms"] > 0 and cost["macs"] > 0


def test_bench_times_a_step_of_a_stream(vidnas, folder: Path, architecture_file: Path) -> None:
    code, out, _ = vidnas("bench", folder, "--repeats", 3, "--streaming")
    assert code == 0 and "a new frame of a stream takes" in out
    code, out, _ = vidnas("bench", folder, "--repeats", 3, "--streaming", "--json")
    assert json.loads(out)[str(folder)]["frame_latency"]["p50_ms"] > 0
    code, _, err = vidnas("bench", folder, "--streaming", "--all")
    assert code == 2 and "leave --all" in err
    spread = architecture_file.read_text().replace('"frames"', '"sampling": "uniform", "frames"')
    architecture_file.write_text(spread)
    code, _, err = vidnas("bench", architecture_file, "--streaming", "--repeats", 3)
    assert code == 2 and "has no streaming step: it takes frames that are spread evenly" in err


def test_export_tells_the_difference(vidnas, folder: Path, tmp_path: Path) -> None:
    out_file = tmp_path / "out.onnx"
    code, out, _ = vidnas("export", folder, out_file)
    assert code == 0 and "Largest difference" in out
    assert onnxruntime.InferenceSession(out_file).get_inputs()[0].name == "rgb"
    code, out, _ = vidnas("export", folder, out_file, "--json")
    assert json.loads(out)["relative_difference"] < 1e-5


def test_a_model_goes_where_the_clips_of_its_study_are_not(
    vidnas, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "deleted").mkdir()
    asked = SearchRequest(clips=tmp_path / "deleted", out=folder, evaluations=1)
    (folder / REQUEST_FILE).write_text(asked.model_dump_json())
    (tmp_path / "deleted").rmdir()
    out_file = tmp_path / "out.onnx"
    code, out, err = vidnas("export", folder, out_file)
    assert code == 0 and "Largest difference" in out and out_file.exists()
    assert "The clips of the study cannot be used" in err and "--clips" in err
    code, _, err = vidnas("export", folder, out_file, "--precision", "int8")
    assert code == 2 and "there are none; name those that the model was trained on" in err
    code, _, err = vidnas("export", folder, out_file, "--clips", tmp_path / "deleted")
    assert code == 2 and "deleted: no such file or folder" in err


def test_a_model_that_diverged_is_one_sentence(vidnas, model: Model, tmp_path: Path) -> None:
    torch.nn.init.constant_(model.network.head.dense.weight, torch.nan)
    save_model(model, tmp_path / "diverged")
    code, _, err = vidnas("export", tmp_path / "diverged", tmp_path / "out.onnx")
    assert code == 2 and "Traceback" not in err
    assert "predicts numbers that are not finite. Train it again" in err


def test_predict_shows_the_top_classes(vidnas, folder: Path, video: Path) -> None:
    code, out, _ = vidnas("predict", folder, video, "--top", 2)
    assert code == 0 and out.count("%") == 2
    code, out, _ = vidnas("predict", folder, video, "--json")
    assert code == 0 and sum(json.loads(out)[str(video)].values()) == pytest.approx(1)


def test_programs_get_all_classes_unless_they_ask_for_fewer() -> None:
    scores = [(f"class {number}", 0.3 - number / 100) for number in range(7)]

    def found(json: bool, multi_label: bool = False, **asked: float) -> int:
        request = PredictRequest(model=Path("model"), videos=("clip.mp4",), **asked)
        return len(chosen(scores, request, multi_label, json=json))

    assert (found(json=True), found(json=False)) == (7, 5)
    assert found(json=True, top=2) == 2
    assert found(json=True, threshold=0.9) == 7  # that is of events
    assert (found(json=True, multi_label=True), found(json=False, multi_label=True)) == (7, 0)
    assert found(json=True, multi_label=True, threshold=0.275) == 3


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
        (("bench", "r2plus1d_18", "sutdy", "--all"), "'sutdy' is neither a published"),
        (("bench", "tvn1", "--all", "--device", "cuda"), "leave --runtime and --device out"),
        (("bench", "tvn1", "--all", "--out", "/dev/null"), "/dev/null: "),
        (("bench", "tvn1", "--out", "table"), "add --all"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(
    vidnas, words: tuple[str, ...], sentence: str
) -> None:
    code, out, err = vidnas(*words)
    assert (code, out) == (2, "")
    assert sentence in err and "Traceback" not in err
