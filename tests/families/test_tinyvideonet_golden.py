"""Parity with the original TensorFlow code: ../shared/golden/README.md gives the fill rules."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
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
)

import vidnas
from vidnas.families.tinyvideonet import from_official
from vidnas.families.tinyvideonet.architecture import block_units
from vidnas.families.tinyvideonet.network import TinyVideoUnit
from vidnas.families.tinyvideonet.original import read_block, unit_variables
from vidnas.families.tinyvideonet.unit import Extent, resolve

pytestmark = needs_vectors
NETWORKS = [
    "tvn1",
    "tvn2",
    "tvn4",
    "tvn4_maxpool_predictions",
    "tvn4_maxpool_predictions_24f",
    "tvn_mobile_1",
]


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name: str) -> None:
    description, expected = recorded(name)
    published = name.split("_maxpool", maxsplit=1)[0]
    network = vidnas.create_network(
        published, num_classes=157, max_pool_predictions=description["max_pool_predictions"]
    ).eval()
    assert from_official(description["config"]).blocks == network.architecture.blocks  # type: ignore[attr-defined]
    fill_network(network, description)
    features: dict[str, np.ndarray] = {}

    def record(unit: TinyVideoUnit, _: object, output: tuple[torch.Tensor, int]) -> None:
        features[unit.unit.name] = first16(output[0])

    for unit in network.units:  # type: ignore[union-attr]
        unit.register_forward_hook(record)
    check_outputs(network, description, expected, features)


def block_variants() -> list[dict[str, Any]]:
    path = VECTORS / "tiny_blocks.json"
    return json.loads(path.read_text())["variants"] if path.exists() else []


@pytest.mark.parametrize("variant", block_variants(), ids=lambda variant: variant["id"])
def test_single_block(variant: dict[str, Any]) -> None:
    batch, frames, height, width, channels = variant["input"]["shape_btHWC"]
    genes = read_block(variant["config"])
    # The original calls later repeats with stride 1, every second one without its temporal layer.
    repeat = {None: 0, False: 1, True: 2}[variant["call"].get("use_temporal")]
    extent = Extent(frames, height, channels)
    unit = resolve(genes, extent, "published", name=variant["id"], repeat=repeat, in_time=True)
    module = TinyVideoUnit(unit).eval()
    fill_layer(dict(unit_variables(module, variant["id"])), variant["variables"])

    rng = np.random.Generator(np.random.PCG64(variant["input"]["seed"]))
    x = 2 * rng.random((batch, frames, height, width, channels), dtype=np.float32) - 1
    fed = torch.from_numpy(x).flatten(0, 1).permute(0, 3, 1, 2)
    with torch.inference_mode():
        output, frames_out = module(fed, frames)
    assert frames_out == variant["frames_out"] == unit.exit.frames
    assert (unit.skip == "projection") == variant["has_residual"]
    expected = np.load(VECTORS / "tiny_blocks.npz")[variant["id"]]
    assert difference(output.permute(0, 2, 3, 1).numpy(), expected) < TOLERANCE


def test_repeats_of_a_block_alternate_their_temporal_layer() -> None:
    genes = read_block(
        {
            "filters": 4,
            "temporal_type": "1d",
            "temporal_kernel": 3,
            "temporal_stride": 2,
            "repeats": 4,
        }
    )
    units = block_units(genes, 0, Extent(8, 8, 3), "published")
    assert [unit.temporal is not None for unit in units] == [True, False, True, False]
    assert [unit.exit.frames for unit in units] == [4, 4, 4, 4]
