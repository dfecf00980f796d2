"""Frames spread evenly over the video: the same in the file, in predictions and in the export."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from vidnas.data.reading import read_video
from vidnas.data.sampling import clips_of
from vidnas.deploy import Model, export_model, load_model, predict_video, save_model
from vidnas.families import create_network


@pytest.fixture
def uniform(model: Model) -> Model:
    """The same network on other clips."""
    architecture = model.architecture.model_copy(update={"sampling": "uniform"})
    network = create_network(architecture, len(model.classes)).eval()
    network.load_state_dict(model.network.state_dict())
    return replace(model, network=network)


def test_a_model_says_how_its_frames_are_spread(
    model: Model, uniform: Model, tmp_path: Path
) -> None:
    save_model(uniform, tmp_path)
    (spec,) = load_model(tmp_path).architecture.inputs
    assert (spec.sampling, spec.frames) == ("uniform", 4)
    assert str(spec) == "rgb 4 x 32 px, spread evenly"
    (dense,) = model.architecture.inputs
    assert dense.sampling == "dense"


def test_predictions_see_the_whole_video(model: Model, uniform: Model, video: Path) -> None:
    """Its twenty frames grow brighter: dense clips of seven frames see a third of that."""
    frames, _ = read_video(video, size_px=32)
    by_hand = torch.from_numpy(frames[[2, 7, 12, 17]])  # one of each quarter, in its middle
    side = (by_hand.shape[2] - 32) // 2
    clip = by_hand[:, :, side : side + 32].permute(3, 0, 1, 2)[None] / 255
    with torch.inference_mode():
        (expected,) = uniform.network(clip).softmax(1).tolist()
    found = dict(predict_video(uniform, video, clips_per_video=1))
    assert found == pytest.approx(dict(zip(model.classes, expected, strict=True)), abs=1e-5)
    dense = dict(predict_video(model, video, clips_per_video=1))
    assert dense != pytest.approx(found, abs=1e-4)


def test_the_exported_file_says_it_and_computes_it(
    uniform: Model, video: Path, tmp_path: Path
) -> None:
    assert export_model(uniform, tmp_path / "uniform.onnx").relative_difference < 1e-4
    content = (tmp_path / "uniform.onnx").read_bytes()
    properties = {one.key: one.value for one in onnx.load_from_string(content).metadata_props}
    (spec,) = json.loads(properties["inputs"])
    assert (spec["sampling"], spec["frames"]) == ("uniform", 4)
    # As someone without vidnas runs it, who cuts clips as the file says.
    frames, _ = read_video(video, size_px=32)
    (clips,) = clips_of(frames, uniform.architecture.inputs, 3)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: clips.numpy().astype(np.float32) / 255}
    logits = torch.from_numpy(session.run(None, feed)[0])
    expected = dict(zip(uniform.classes, logits.softmax(1).mean(0).tolist(), strict=True))
    assert dict(predict_video(uniform, video)) == pytest.approx(expected, abs=1e-5)
