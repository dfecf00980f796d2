from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from vidnas.core import UserError
from vidnas.deploy import Model, export_model
from vidnas.deploy import export as export_module
from vidnas.families import architecture_from_json, create_network


def test_the_file_stands_alone(model: Model, clip, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    check = export_model(model, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    actual = session.run(None, {"rgb": clip.numpy()})[0]
    with torch.inference_mode():
        expected = model.network(clip).numpy()
    assert np.abs(actual - expected).max() < 1e-5
    assert 0 <= check.relative_difference < 1e-5
    metadata = session.get_modelmeta().custom_metadata_map
    assert tuple(json.loads(metadata["classes"])) == model.classes
    assert json.loads(metadata["inputs"]) == [s.model_dump() for s in model.architecture.inputs]
    assert architecture_from_json(metadata["architecture"]) == model.architecture
    assert metadata["activation"] == "softmax"
    onnx.checker.check_model(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_graph_that_computes_something_else_is_not_written(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    other = create_network(model.architecture, 3).eval()
    graph = export_module.export_onnx(other, model.architecture.inputs)
    monkeypatch.setattr(export_module, "export_onnx", lambda *_: graph)
    with pytest.raises(UserError, match="differs from the network by"):
        export_model(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_are_rejected(model: Model, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "model.onnx"):
        with pytest.raises(UserError, match="name a file in a folder that exists"):
            export_model(model, path)
