"""A streaming step as a file: it tells its contract, and answers real clips as the model does."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from commands import call

from vidnas.core import UserError
from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import write_clips
from vidnas.deploy import Model, save_model
from vidnas.deploy import stream_export as stream_module
from vidnas.deploy.stream_export import export_stream
from vidnas.families import create_network
from vidnas.profiling.onnx import export_step
from vidnas.profiling.streaming import StreamingStep

SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "stream_onnx.py"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips") / "clips"
    write_clips(folder, classes=("left", "right"), clips_per_class=6, size_px=48)
    return folder


@pytest.fixture(scope="module")
def cache(clips: Path) -> ClipCache:
    return build_cache(load_dataset(clips), size_px=48, directory=clips.parent / "cache")


def of(model: Model, **genes: object) -> Model:
    torch.manual_seed(1)
    network = create_network(model.architecture.model_copy(update=genes), 3).eval()
    return replace(model, network=network)


@pytest.mark.parametrize("causal", [False, True])
def test_the_file_takes_frame_by_frame(
    model: Model, cache: ClipCache, tmp_path: Path, causal: bool
) -> None:
    done = export_stream(of(model, causal=causal), tmp_path / "step.onnx", cache=cache)
    assert done.check.relative_difference < 1e-4
    assert done.real is not None and done.real.videos == len(cache.videos("val"))
    assert done.real.largest_difference < 1e-5 and done.real.agreement == 1
    assert done.size_bytes == done.path.stat().st_size
    metadata = onnxruntime.InferenceSession(done.path).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["stream"]) == {
        "hop_frames": 2,
        "new_frames": [1],
        "lag_frames": [0],
        "warmup_steps": 3,
        "answers_for": "all frames" if causal else "clip",
    }
    assert tuple(json.loads(metadata["classes"])) == model.classes


@pytest.mark.parametrize("causal", [False, True])
def test_of_long_videos_the_beginning_checks_the_file(
    model: Model,
    cache: ClipCache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    causal: bool,
) -> None:
    """The last step that is checked is the fifth, which takes the eleventh frame."""
    read = stream_module._beginning
    lengths: list[int] = []

    def watched(*asked):
        lengths.append((beginning := read(*asked)).shape[2])
        return beginning

    monkeypatch.setattr(stream_module, "_beginning", watched)
    monkeypatch.setattr(stream_module, "_MOST_STEPS", 2)
    done = export_stream(of(model, causal=causal), tmp_path / "step.onnx", cache=cache)
    videos = cache.videos("val")
    assert min(cache.shape(video)[0] for video in videos) > 11
    assert lengths == [11] * len(videos)
    assert done.real is not None and done.real.answers == 3 * len(videos)
    assert done.real.largest_difference < 1e-5


def test_the_file_needs_nothing_but_its_contract(model: Model, tmp_path: Path) -> None:
    """The script of docs/contract.md."""
    export_stream(model, tmp_path / "step.onnx")
    answers = runpy.run_path(str(SCRIPT))["answers"]
    video = torch.rand(1, 3, 12, 32, 32)
    found = list(answers(tmp_path / "step.onnx", video[0].transpose(0, 1).numpy()))
    with torch.inference_mode():
        expected = [model.network(video[:, :, at : at + 7 : 2]).numpy() for at in (0, 2, 4)]
    assert np.array(found) == pytest.approx(np.array(expected), abs=1e-5)


def test_what_cannot_stream_is_refused_by_its_layer(model: Model, tmp_path: Path) -> None:
    centred = of(model, normalization="clip")
    with pytest.raises(UserError, match=r"normalizations\.0 looks at the whole clip first"):
        export_stream(centred, tmp_path / "step.onnx")
    with pytest.raises(UserError, match="spread evenly over whole videos"):
        export_stream(of(model, sampling="uniform"), tmp_path / "step.onnx")
    with pytest.raises(UserError, match="share no frames"):
        export_stream(of(model, frames=1, frame_stride=1), tmp_path / "step.onnx")
    with pytest.raises(UserError, match=r"end it in \.onnx"):
        export_stream(model, tmp_path / "step.xml")
    assert [*tmp_path.iterdir()] == []


def test_a_step_that_computes_something_else_is_not_written(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = export_step(StreamingStep(of(model).network))
    monkeypatch.setattr(stream_module, "export_step", lambda _: wrong)
    with pytest.raises(UserError, match="differs from the network by"):
        export_stream(model, tmp_path / "step.onnx")
    assert [*tmp_path.iterdir()] == []


def test_the_command(model: Model, clips: Path, tmp_path: Path) -> None:
    save_model(replace(of(model), classes=("left", "right", "other")), tmp_path / "model")
    written = tmp_path / "step.onnx"
    done = call("export", tmp_path / "model", written, "--streaming")
    assert done.returncode == 0, done.stderr
    assert "moves on by 2 frame(s)" in done.stdout and written.exists()
    done = call("export", tmp_path / "model", written, "--streaming", "--json")
    record = json.loads(done.stdout)
    assert record["contract"]["warmup_steps"] == 3 and record["real"] is None
    assert record["state_bytes"] > 0
    done = call("export", tmp_path / "model", written, "--streaming", "--precision", "int8")
    assert done.returncode == 2 and "exported in float32" in done.stderr
