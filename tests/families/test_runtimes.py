"""Every published network and samples of every space load, run and agree in every runtime.

int8, which takes most of the time, is tried on samples and on one published network; on all of them
where VIDNAS_QUANTISE_ALL is set, which takes some minutes more.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points

import numpy as np
import onnx
import pytest
import torch

from vidnas.core import UserError
from vidnas.families import Network, create_network, families, list_architectures
from vidnas.profiling.engines import Predict, in_onnxruntime, in_openvino, openvino_model
from vidnas.profiling.onnx import export_onnx, input_names
from vidnas.profiling.quantizing import quantize

INSTALLED = {point.name: families()[point.name] for point in entry_points(group="vidnas.families")}
SEARCHED = [name for name, family in INSTALLED.items() if family.space is not None]
CLIPS = {"max_size_px": 32, "max_frames": 8}
SAMPLES = 2
QUANTISED = list_architectures() if os.environ.get("VIDNAS_QUANTISE_ALL") else ["tvn_mobile_1"]
# What int8 costs a network that is not trained says nothing.
FLOAT_DIFFERENCE, BF16_DIFFERENCE, INT8_DIFFERENCE = 1e-3, 0.1, 10.0


def samples() -> list[tuple[str, int]]:
    return [(name, seed) for name in SEARCHED for seed in range(SAMPLES)]


def check(network: Network, *, int8: bool) -> None:
    """Ask the network in every runtime for one clip."""
    inputs = network.architecture.inputs
    generator = torch.Generator().manual_seed(0)
    clips = [torch.rand(spec.shape(), generator=generator) for spec in inputs]
    with torch.inference_mode():
        expected = network(*clips).numpy()
    values = [clip.numpy() for clip in clips]
    graph = export_onnx(network, inputs)
    converted = openvino_model(graph)
    runs: dict[str, tuple[Predict, float]] = {
        "onnxruntime": (in_onnxruntime(graph, 1), FLOAT_DIFFERENCE),
        "openvino": (in_openvino(converted, 1), FLOAT_DIFFERENCE),
        "bf16": (in_openvino(converted, 1, precision="bf16"), BF16_DIFFERENCE),
    }
    if int8:
        names = input_names(inputs)
        proto = quantize(onnx.load_from_string(graph), names, [values], for_time=True)
        model = quantize(converted, names, [values], for_time=True)
        runs["onnxruntime int8"] = in_onnxruntime(proto.SerializeToString(), 1), INT8_DIFFERENCE
        runs["openvino int8"] = in_openvino(model, 1), INT8_DIFFERENCE
    scale = float(np.abs(expected).max())
    for name, (predict, most) in runs.items():
        assert np.abs(predict(values) - expected).max() <= most * scale, name
    twice = runs["onnxruntime"][0]([np.concatenate([clip, clip]) for clip in values])
    assert np.abs(twice - expected).max() <= FLOAT_DIFFERENCE * scale, "any batch"


@pytest.fixture(autouse=True)
def _libraries() -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")


@pytest.mark.parametrize("name", list_architectures())
def test_published_networks_run_everywhere(name: str) -> None:
    torch.manual_seed(0)
    check(create_network(name, 5, size_px=32).eval(), int8=name in QUANTISED)


@pytest.mark.parametrize(("name", "seed"), samples())
def test_samples_of_spaces_run_everywhere(name: str, seed: int) -> None:
    build = INSTALLED[name].space
    assert build is not None
    try:
        space = build(**CLIPS)
    except UserError:
        space = build(**CLIPS, modalities=("rgb", "flow"))
    torch.manual_seed(seed)
    architecture = space.random(np.random.default_rng(seed))
    check(create_network(architecture, 3).eval(), int8=seed == 0)
