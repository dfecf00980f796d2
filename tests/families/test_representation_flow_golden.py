"""Parity of representation flow with the original TensorFlow code, alone and within networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from golden import (
    TOLERANCE,
    VECTORS,
    difference,
    first16,
    needs_vectors,
    ramp,
    recorded,
    uniform,
)
from torch import Tensor

from vidnas.layers.representation_flow import RepresentationFlow

pytestmark = needs_vectors

NETWORKS = [
    path.stem
    for path in sorted(VECTORS.glob("asn*.json"))
    if path.stem != "asnp_lite_fused_channels"
]


def flow_cases() -> list[dict[str, Any]]:
    """The cases of the mean channel; those of several channels are of a layer that is not here."""
    cases = recorded("rep_flow_layer")[0]["cases"] if VECTORS.exists() else []
    return [case for case in cases if case["bottleneck"] == 1]


def to_clip(video: np.ndarray) -> Tensor:
    return torch.from_numpy(video).permute(0, 4, 1, 2, 3)


def to_video(frames: Tensor) -> np.ndarray:
    return frames.detach().permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("case", flow_cases(), ids=lambda case: case["id"])
def test_flow_of_a_moving_pattern(case: dict[str, Any]) -> None:
    expected = recorded("rep_flow_layer")[1]
    clip, iterations = to_clip(expected["video"]), case["num_iter"]
    flow = RepresentationFlow(iterations, "batch")(clip)
    assert difference(to_video(flow), expected[case["id"]]) < TOLERANCE


@pytest.mark.parametrize("learned", [False, True])
def test_flow_of_noise(learned: bool) -> None:
    description, expected = recorded("rep_flow_layer")
    frames, *size = description["noise"]["shape"]
    video = uniform(description["noise"]).reshape(2, frames // 2, *size)
    layer = RepresentationFlow(description["noise"]["num_iter"], "batch", learned)
    assert difference(to_video(layer(to_clip(video))), expected["noise_b1_i40"]) < TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
def test_flow_within_a_network(name: str) -> None:
    description, _ = recorded(name)
    node = next(node for node in description["nodes"] if node["kind"] == "rep_flow")
    layer = RepresentationFlow(20 if description["kind"] == "lite" else 40, "batch")
    x = uniform(description["input"])
    for video, statistics in ((x, node), (ramp(x), description["flow_ramp"])):
        flow = layer(to_clip(video))
        error = np.abs(first16(flow) - np.array(statistics["first16"])).max()
        assert error / statistics["absmax"] < TOLERANCE
        assert flow.abs().max().item() == pytest.approx(statistics["absmax"], rel=TOLERANCE)
        assert flow.std(correction=0).item() == pytest.approx(statistics["std"], rel=TOLERANCE)
