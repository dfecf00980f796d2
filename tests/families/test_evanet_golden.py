"""Parity of EvaNet and of the iTGM layer with the original TensorFlow code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden import VECTORS, difference, fill, needs_vectors, ramp, recorded, uniform

import vidnas
from vidnas import official
from vidnas.families.evanet import from_official, to_official
from vidnas.families.evanet.variables import conv_variables
from vidnas.layers.frames import clip_to_frames
from vidnas.layers.itgm import ITGMConv
from vidnas.layers.spacetime import SpaceTimeConv

pytestmark = needs_vectors
TOLERANCE = 1e-5
NETWORKS = [
    (name, architecture, channels)
    for name, architecture, channels in (
        ("evanet_rgb1", "evanet_a", 3),
        ("evanet_rgb1_odd", "evanet_a", 3),
        ("evanet_flow1", "evanet_a", 2),
        ("evanet_rgb2", "evanet_b", 3),
        ("evanet_rgb2_odd", "evanet_b", 3),
        ("evanet_flow2", "evanet_b", 2),
    )
    if (VECTORS / f"{name}.json").exists()
]


@pytest.mark.parametrize(("name", "architecture", "channels"), NETWORKS)
def test_network(name: str, architecture: str, channels: int) -> None:
    description, expected = recorded(name)
    network = vidnas.create_network(architecture, num_classes=400, in_channels=channels).eval()
    released = description["serialized_dna_base64"]
    assert to_official(network.architecture) == released  # type: ignore[arg-type]
    assert from_official(released).stages == network.architecture.stages  # type: ignore[attr-defined]
    trainable = sum(parameter.numel() for parameter in network.parameters())
    assert trainable == description["params"]["trainable"]
    variables = {variable["name"]: fill(variable) for variable in description["variables"]}
    assert list(network.official_variables()) == list(variables)  # in the order of creation
    official.load_variables(network, variables)

    features: dict[str, np.ndarray] = {}

    def record(name: str, output: torch.Tensor) -> None:
        features[name] = output.permute(0, 2, 3, 1).flatten()[:16].numpy()  # channels-last

    for number, stage in enumerate(network.stages, start=2):  # type: ignore[arg-type]
        for repeat, module in enumerate(stage):
            block = f"Block_{repeat}" if repeat else "BaseBlock"
            scope = f"VidIncRes/res_block_{number}/{block}"
            module.register_forward_hook(lambda _, __, output, scope=scope: record(scope, output))
    x = uniform(description["input"])
    # The first clip as it is, which has the recorded features, and the last clip with its ramp.
    clips = torch.from_numpy(np.stack([x[0], ramp(x)[-1]])).permute(0, 4, 1, 2, 3)
    with torch.inference_mode():
        plain, ramped = network(clips).numpy()
    assert difference(plain, expected["logits"][0]) < TOLERANCE
    assert difference(ramped, expected["logits_ramp"][-1]) < TOLERANCE
    for block in description["blocks"]:
        error = np.abs(features[block["scope"]] - np.array(block["first16"])).max()
        assert error / block["absmax"] < TOLERANCE, block["scope"]


def itgm_cases() -> list[dict[str, Any]]:
    return recorded("itgm_layer")[0]["cases"] if VECTORS.exists() else []


@pytest.mark.parametrize("case", itgm_cases(), ids=lambda case: case["id"])
def test_itgm_layer(case: dict[str, Any]) -> None:
    expected = recorded("itgm_layer")[1]
    stride = case["stride"] if isinstance(case["stride"], list) else [case["stride"]] * 3
    sizes = (case["in_shape"][-1], case["out"], tuple(case["kernel"]), tuple(stride))
    layer = ITGMConv(*sizes, profiles=case["num"]) if sizes[2][0] > 1 else SpaceTimeConv(*sizes)
    layer.eval()
    variables = dict(conv_variables(case["id"], layer))
    arrays = {variable["name"]: fill(variable) for variable in case["variables"]}
    assert {name: slot.shape for name, slot in variables.items()} == {
        name: array.shape for name, array in arrays.items()
    }
    with torch.no_grad():
        for name, slot in variables.items():
            slot.target.copy_(slot.convert(torch.from_numpy(arrays[name])))
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
