"""Weights, clips and outputs of the original TensorFlow code: ../shared/golden/README.md."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vidnas import official
from vidnas.families import Network, OfficialVariable

TOLERANCE = 1e-5
VECTORS = Path(__file__).resolve().parents[3] / "shared" / "golden" / "vectors"

needs_vectors = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not VECTORS.exists(), reason="needs the golden vectors"),
]


def recorded(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What was recorded of a model, and its arrays."""
    description = json.loads((VECTORS / f"{name}.json").read_text())
    with np.load(VECTORS / f"{name}.npz") as arrays:
        return description, dict(arrays)


def fill(variable: dict[str, Any]) -> np.ndarray:
    """The array of a variable, from its name alone."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(variable["name"].encode())))
    shape, rule = variable["shape"], variable["rule"]
    if rule == "keep":
        return np.array(variable["value"], np.float32).reshape(shape)
    if rule == "half_plus_uniform":
        return np.float32(0.5) + rng.random(shape, dtype=np.float32)
    normal = rng.standard_normal(shape, dtype=np.float32)
    if rule == "one_plus_normal:0.1":
        return np.float32(1) + normal * np.float32(0.1)
    if rule == "he":
        return normal * np.float32(math.sqrt(2 / math.prod(shape[:-1])))
    if rule == "he_depthwise":
        return normal * np.float32(math.sqrt(2 / math.prod(shape[:2])))
    name, deviation = rule.split(":")
    assert name == "normal"
    return normal * np.float32(deviation)


def fill_network(network: Network, description: dict[str, Any]) -> None:
    """Load what was recorded of all variables."""
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert trainable == description["params"]["trainable"]
    official.load_variables(network, {v["name"]: fill(v) for v in description["variables"]})


def fill_layer(variables: dict[str, OfficialVariable], described: list[dict[str, Any]]) -> None:
    """Load the variables of a layer that is no network."""
    arrays = {variable["name"]: fill(variable) for variable in described}
    assert {name: slot.shape for name, slot in variables.items()} == {
        name: array.shape for name, array in arrays.items()
    }
    with torch.no_grad():
        for name, slot in variables.items():
            slot.target.copy_(slot.convert(torch.from_numpy(arrays[name])))


def first16(x: torch.Tensor) -> np.ndarray:
    """The first values of features `(N * T, C, H, W)` as they lie in the original's memory."""
    return x.permute(0, 2, 3, 1).flatten()[:16].numpy()


def check_outputs(
    network: Network,
    description: dict[str, Any],
    expected: dict[str, np.ndarray],
    features: dict[str, np.ndarray],
) -> None:
    """Compare the logits, and the `features` that hooks take by scope, with those recorded."""
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


def uniform(source: dict[str, Any]) -> np.ndarray:
    """Clips `(N, T, H, W, C)` in [0, 1)."""
    rng = np.random.Generator(np.random.PCG64(source["seed"]))
    return rng.random(source["shape"], dtype=np.float32)


def ramp(x: np.ndarray) -> np.ndarray:
    """Brighter towards the end of each axis but the channels."""
    for axis in range(4):
        size = x.shape[axis]
        steps = ((np.arange(size) + 1) / size).astype(np.float32)
        x = x * steps.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return x


def difference(actual: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, as a share of the largest expected value."""
    return float(np.abs(actual - expected).max() / np.abs(expected).max())
