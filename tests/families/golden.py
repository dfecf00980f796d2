"""Weights, clips and outputs of the original TensorFlow code: ../shared/golden/README.md."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
