"""Parity of EvaNet and of the iTGM layer with the original TensorFlow code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden import (
    TOLERANCE,
    VECTORS,
    check_outputs,
    difference,
    fill_layer,
    fill_network,
    first16,
    needs_vectors,
    recorded,
    uniform,
)

import vidnas
from vidnas.families import official_variables
from vidnas.families.evanet import from_official, to_official
from vidnas.families.evanet.original import conv_variables
from vidnas.layers.frames import clip_to_frames
from vidnas.layers.itgm import ITGMConv
from vidnas.layers.spacetime import SpaceTimeConv

pytestmark = needs_vectors
NETWORKS = [
    (name, architecture, modality)
    for name, architecture, modality in (
        ("evanet_rgb1", "evanet_a", "rgb"),
        ("evanet_rgb1_odd", "evanet_a", "rgb"),
        ("evanet_flow1", "evanet_a", "flow"),
        ("evanet_rgb2", "evanet_b", "rgb"),
        ("evanet_rgb2_odd", "evanet_b", "rgb"),
        ("evanet_flow2", "evanet_b", "flow"),
    )
    if (VECTORS / f"{name}.json").exists()
]


@pytest.mark.parametrize(("name", "architecture", "modality"), NETWORKS)
def test_network(name: str, architecture: str, modality: str) -> None:
    description, expected = recorded(name)
    network = vidnas.create_network(architecture, num_classes=400, modality=modality).eval()
    released = description["serialized_dna_base64"]
    assert to_official(network.architecture) == released  # type: ignore[arg-type]
    assert from_official(released).modules == network.architecture.modules  # type: ignore[attr-defined]
    names = [variable["name"] for variable in description["variables"]]
    assert list(official_variables(network)) == names  # in the order of creation
    fill_network(network, description)

    features: dict[str, np.ndarray] = {}

    def record(name: str, output: torch.Tensor) -> None:
        features[name] = first16(output)

    for number, stage in enumerate(network.stages, start=2):  # type: ignore[arg-type]
        for repeat, module in enumerate(stage):
            block = f"Block_{repeat}" if repeat else "BaseBlock"
            scope = f"VidIncRes/res_block_{number}/{block}"
            module.register_forward_hook(lambda _, __, output, scope=scope: record(scope, output))
    check_outputs(network, description, expected, features)


def itgm_cases() -> list[dict[str, Any]]:
    return recorded("itgm_layer")[0]["cases"] if VECTORS.exists() else []


@pytest.mark.parametrize("case", itgm_cases(), ids=lambda case: case["id"])
def test_itgm_layer(case: dict[str, Any]) -> None:
    expected = recorded("itgm_layer")[1]
    stride = case["stride"] if isinstance(case["stride"], list) else [case["stride"]] * 3
    sizes = (case["in_shape"][-1], case["out"], tuple(case["kernel"]), tuple(stride))
    layer = ITGMConv(*sizes, profiles=case["num"]) if sizes[2][0] > 1 else SpaceTimeConv(*sizes)
    layer.eval()
    fill_layer(dict(conv_variables(case["id"], layer)), case["variables"])
    with torch.no_grad():
        kernel = layer.kernel() if isinstance(layer, ITGMConv) else layer.weight
        official_kernel = kernel.permute(2, 3, 4, 1, 0).numpy()
        assert difference(official_kernel, expected[f"{case['id']}_kernel"]) < TOLERANCE

        x = 2 * uniform({"seed": case["seed"], "shape": case["in_shape"]}) - 1
        clip = torch.from_numpy(x).permute(0, 4, 1, 2, 3)
        if case.get("padding") == "VALID":  # our networks have none: the kernel has to do
            output = F.conv3d(clip, kernel).permute(0, 2, 3, 4, 1)
        else:
            frames = clip.shape[2]
            output, frames = layer(clip_to_frames(clip), frames)
            output = output.unflatten(0, (-1, frames)).permute(0, 1, 3, 4, 2)
    assert difference(output.numpy(), expected[case["id"]]) < TOLERANCE
