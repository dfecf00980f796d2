"""Parity of AssembleNet, AssembleNet++ and ++lite with the original TensorFlow code."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from golden import (
    TOLERANCE,
    VECTORS,
    difference,
    fill_network,
    first16,
    needs_vectors,
    ramp,
    recorded,
    uniform,
)
from torch import Tensor, nn

from vidnas.families import create_network, official_variables
from vidnas.families.assemblenet import AssembleNet
from vidnas.families.assemblenet.network import AssembleNetwork, FusedBlock
from vidnas.families.assemblenet.original import from_official, to_official
from vidnas.families.assemblenet.published import PUBLISHED

pytestmark = needs_vectors

ARCHITECTURES = {
    "asn50": "assemblenet_50",
    "asn101": "assemblenet_101",
    "asnp50_full": "assemblenet_plus_50_object",
    "asnp50": "assemblenet_plus_50",
    "asnp_lite": "assemblenet_plus_lite",
}
CASES = [
    path.stem
    for path in sorted(VECTORS.glob("asn*.json"))
    if path.stem != "asnp_lite_fused_channels"
]


def published(name: str, description: dict[str, Any]) -> AssembleNet:
    """The published architecture with the genes of the recorded network."""
    prefix = next(prefix for prefix in ARCHITECTURES if name.startswith(prefix))
    genes = PUBLISHED[ARCHITECTURES[prefix]]().model_dump()
    genes |= {
        "attention": description["attention_mode"] or "none",
        "max_pool_predictions": description["max_pool_preditions"],
        "flow_normalization": "batch",
    }
    for number, block in enumerate(genes["blocks"], start=len(genes["stems"])):
        if not description["edge_weights"]:
            block["edge_weights"] = None
        if description["kind"] == "lite":
            block["fused"] = lite_widths(description["input"]["shape"][3])[f"Node_{number}"]
    return AssembleNet.model_validate(genes)


def lite_widths(size_px: int) -> dict[str, int]:
    """Fused channels of ++lite, which come from the width of the picture."""
    widths: dict[str, Any] = json.loads((VECTORS / "asnp_lite_fused_channels.json").read_text())
    found: dict[str, int] = widths[str(size_px)]["fused_channels"]
    return found


def record_nodes(network: AssembleNetwork) -> list[tuple[str, Tensor]]:
    """A list that the next forward passes fill with outputs, as the original records them."""
    outputs: list[tuple[str, Tensor]] = []

    def record(module: nn.Module, scope: str) -> None:
        module.register_forward_hook(lambda _, __, output: outputs.append((scope, output)))

    for node, module in zip(network.architecture.built, network.nodes, strict=True):
        if isinstance(module, FusedBlock):
            record(module.fusion, f"Node_{node}")
        record(module, f"Node_{node}")
    return outputs


@pytest.mark.parametrize("name", CASES)
def test_network(name: str) -> None:
    description, expected = recorded(name)
    architecture = published(name, description)
    network = create_network(architecture, description["num_classes"]).eval()
    names = [variable["name"] for variable in description["variables"]]
    assert list(official_variables(network)) == names  # in the order of creation
    fill_network(network, description)
    x = uniform(description["input"])
    others = []
    if description["use_object_input"]:
        batch, frames, height, width, _ = x.shape
        shape = (batch, frames, height, width, description["num_object_classes"])
        others = [uniform({"seed": description["input"]["seed"] + 1000, "shape": shape})]
    outputs = record_nodes(network)
    with torch.inference_mode():
        for clip, logits in ((x, "logits"), (ramp(x), "logits_ramp")):
            clips = [torch.from_numpy(a).permute(0, 4, 1, 2, 3) for a in (clip, *others)]
            assert difference(network(*clips).numpy(), expected[logits]) < TOLERANCE
    nodes = [node for node in description["nodes"] if node["kind"] != "rep_flow"]
    # The second pass, of the ramp, is not recorded by node.
    for node, (scope, output) in zip(nodes, outputs[: len(nodes)], strict=True):
        assert scope == node["scope"]
        error = np.abs(first16(output) - np.array(node["first16"])).max()
        assert error / node["absmax"] < TOLERANCE, (scope, node["kind"])


@pytest.mark.parametrize("name", CASES)
def test_original_format(name: str) -> None:
    description, _ = recorded(name)
    architecture = published(name, description)
    structure, weights = to_official(architecture)
    assert json.dumps(structure) == json.dumps(description["structure"])
    assert json.dumps(weights) == json.dumps(description["edge_weights"])
    again = from_official(structure, weights, repeats=architecture.repeats)
    assert again.stems == architecture.stems
    unfused = [block.model_copy(update={"fused": None}) for block in architecture.blocks]
    assert list(again.blocks) == unfused
