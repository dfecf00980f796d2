"""Genes, validity, canonical form, published networks and their original format."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import vidnas
from vidnas import official
from vidnas.core import UserError
from vidnas.families import (
    architecture_from_json,
    create_network,
    find_architecture,
    official_variables,
)
from vidnas.families.tinyvideonet import Block, TinyVideoNet, from_official, to_official

# families.md section 7: parameters with 339 classes.
PARAMETERS = {
    "tvn1": 26_414_721,
    "tvn2": 109_438_487,
    "tvn3": 67_709_221,
    "tvn4": 43_669_005,
    "tvn_mobile_1": 7_352_607,
    "tvn_mobile_2": 5_528_460,
}
# families.md section 5.3: frames, size and channels after each block.
EXTENTS = {
    "tvn1": [(1, 112, 256), (1, 56, 512), (1, 19, 512), (1, 10, 2048)],
    "tvn2": [
        (2, 86, 256),
        (1, 43, 512),
        (1, 43, 1024),
        (1, 22, 1024),
        (1, 8, 2048),
        (1, 3, 2048),
        (1, 3, 2088),
    ],
    "tvn3": [(4, 80, 192), (4, 40, 1280), (2, 10, 512), (1, 5, 2560)],
    "tvn4": [(4, 64, 256), (2, 32, 1536), (2, 11, 2048)],
    "tvn_mobile_1": [(2, 56, 96), (2, 14, 128)],
    "tvn_mobile_2": [(2, 56, 96), (2, 14, 128)],
}
PUBLISHED = list(PARAMETERS)


def meta_network(architecture: TinyVideoNet, num_classes: int = 4) -> torch.nn.Module:
    with torch.device("meta"):
        return create_network(architecture, num_classes).eval()


def shapes(architecture: TinyVideoNet) -> dict[str, torch.Size]:
    return {name: t.shape for name, t in meta_network(architecture).state_dict().items()}


def small(**genes: Any) -> TinyVideoNet:
    """Two blocks on four frames, the genes going to the first."""
    first = {"filters": 8, "spatial_kernel": 3, "temporal_kernel": 3, **genes}
    return TinyVideoNet(
        size_px=16, frames=4, frame_stride=2, blocks=(Block(**first), Block(filters=8))
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameters(name: str) -> None:
    network = meta_network(find_architecture(name), 339)  # type: ignore[arg-type]
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_extents(name: str) -> None:
    architecture = find_architecture(name)
    assert isinstance(architecture, TinyVideoNet)
    ends = {unit.name.split("-")[1]: unit.exit for unit in architecture.units}
    assert [(e.frames, e.size_px, e.channels) for e in ends.values()] == EXTENTS[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_original_format_round_trip(name: str) -> None:
    architecture = find_architecture(name)
    genome = to_official(architecture)  # type: ignore[arg-type]
    assert from_official(genome) == architecture
    assert from_official(json.dumps(genome)) == architecture


def test_original_format_is_that_of_the_release() -> None:
    genome = to_official(find_architecture("tvn1"))  # type: ignore[arg-type]
    assert genome.keys() == {
        "image_size",
        "num_frames",
        "frame_stride",
        "num_blocks",
        "blocks",
        "total_layers",
    }
    assert genome["blocks"][1]["current_size"] == [112, 1]
    assert genome["blocks"][0]["skip"] == 0
    mobile = to_official(find_architecture("tvn_mobile_2"))  # type: ignore[arg-type]
    assert mobile.keys() == {"input_streams", "blocks"}
    assert [block["inputs"] for block in mobile["blocks"]] == [[0], [1]]
    assert mobile["blocks"][1]["inv-bottle"] == 1


@pytest.mark.parametrize(
    "genome",
    ["{", "[]", {}, {"image_size": 8, "num_frames": 1, "frame_stride": 1, "blocks": [{"x": 1}]}],
)
def test_what_is_no_original_genome_is_refused(genome: Any) -> None:
    with pytest.raises(UserError, match="original format"):
        from_official(genome)


def test_branches_are_refused() -> None:
    genome = to_official(find_architecture("tvn_mobile_1"))  # type: ignore[arg-type]
    genome["blocks"][1]["inputs"] = [0, 1]
    with pytest.raises(UserError, match="several input streams or branches"):
        from_official(genome)


def test_what_the_original_code_would_build_differently_is_not_written() -> None:
    with pytest.raises(UserError, match="to_json"):
        to_official(small(skip=True, expand=2, temporal_stride=2))
    assert from_official(to_official(small())).units == small().units


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        ({"spatial_kernel": 1, "spatial_stride": 2}, "block 1: spatial kernel 1 does nothing"),
        ({"temporal_kernel": 1, "temporal_stride": 2}, "block 1: temporal kernel 1"),
        ({"expand": 0}, "block 1: expand is 0"),
        ({"squeeze": 1.5}, "less than or equal to 1"),
        ({"filters": 0}, "greater than 0"),
        ({"spatial_type": "round"}, "'std', '1std', 'depth', 'maxpool' or 'avgpool'"),
        ({"colour": 1}, "Extra inputs"),
    ],
)
def test_invalid_genes_are_named(genes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        small(**genes)


def test_published_rules_load_what_searches_may_not_use() -> None:
    genes = {"filters": 4, "temporal_stride": 2, "spatial_stride": 3, "expand": 0}
    architecture = TinyVideoNet(size_px=8, frames=4, blocks=(Block(**genes),), rules="published")
    assert architecture.units[-1].exit.frames == 4
    with pytest.raises(ValidationError, match="gates are 4 wide and its features 3"):
        TinyVideoNet(
            size_px=8,
            frames=4,
            blocks=(Block(**genes, context_gate=True),),
            rules="published",
        )


@pytest.mark.parametrize(
    ("genes", "rules", "skips"),
    [
        ({"filters": 3}, "published", ["projection", "projection"]),
        ({"filters": 3}, "corrected", ["identity", "identity"]),
        ({"filters": 8}, "corrected", ["projection", "identity"]),
        ({"filters": 3, "spatial_stride": 2}, "corrected", ["projection", "identity"]),
        ({"filters": 3, "temporal_stride": 2}, "corrected", ["projection", "identity"]),
        ({"filters": 3, "temporal_stride": 2}, "published", ["none", "projection"]),
    ],
)
def test_skips(genes: dict[str, Any], rules: Any, skips: list[str]) -> None:
    block = Block(repeats=2, skip=True, spatial_kernel=3, temporal_kernel=3, **genes)
    architecture = TinyVideoNet(size_px=9, frames=5, blocks=(block,), rules=rules)
    assert [unit.skip for unit in architecture.units] == skips
    clip = torch.rand(2, *architecture.inputs[0].shape()[1:])
    assert create_network(architecture, 3).eval()(clip).shape == (2, 3)


@pytest.mark.parametrize("gene", ["act", "spatial_act", "temporal_act"])
def test_each_activation_gene_matters(gene: str) -> None:
    networks = [create_network(small(**{gene: act}), 3).eval() for act in ("relu", "hswish")]
    networks[1].load_state_dict(networks[0].state_dict())
    clip = torch.rand(1, 3, 4, 16, 16) * 4 - 2
    first, second = (network(clip) for network in networks)
    assert not torch.allclose(first, second)


def test_non_local_is_one_block_after_the_last_repeat() -> None:
    units = small(non_local=4, repeats=3).units
    assert [unit.non_local for unit in units] == [0, 0, 4, 0]


@pytest.mark.parametrize("size", [(2, 16, 16), (1, 5, 5), (24, 33, 17), (3, 1, 7)])
def test_networks_take_other_sizes_and_frame_counts(size: tuple[int, int, int]) -> None:
    genes = {"temporal_stride": 2, "spatial_stride": 2, "squeeze": 0.5, "context_gate": True}
    network = create_network(small(**genes, non_local=4, skip=True, repeats=3), 3).eval()
    assert network(torch.rand(3, 3, *size)).shape == (3, 3)


def test_statistics_are_part_of_the_network() -> None:
    network = create_network(small(), 3).eval()
    clip = torch.rand(2, 3, 4, 16, 16)
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.4])
    before = network((clip - mean.view(3, 1, 1, 1)) / std.view(3, 1, 1, 1))
    network.normalizations[0].set_statistics(mean, std)  # type: ignore[operator]
    torch.testing.assert_close(network(clip), before)


# Canonical form

DEAD = [
    ({"temporal_kernel": 1}, {"temporal_kernel": 1, "temporal_type": "avgpool"}),
    ({"temporal_kernel": 1}, {"temporal_kernel": 1, "temporal_act": "hswish"}),
    ({"temporal_type": "maxpool"}, {"temporal_type": "maxpool", "temporal_act": "hswish"}),
    ({"spatial_type": "maxpool"}, {"spatial_type": "maxpool", "spatial_act": "hswish"}),
    ({"spatial_kernel": 1}, {"spatial_kernel": 1, "spatial_type": "depth"}),
    ({"spatial_kernel": 1}, {"spatial_kernel": 1, "spatial_act": "hswish"}),
    ({"squeeze": 0.01, "filters": 32}, {"squeeze": 0.02, "filters": 32}),
    (
        {"spatial_type": "avgpool", "temporal_type": "avgpool", "filters": 8, "expand": 2},
        {"spatial_type": "avgpool", "temporal_type": "avgpool", "filters": 4, "expand": 4},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DEAD)
def test_genes_that_cannot_matter_do_not_enter_the_digest(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert small(**one) != small(**other)
    assert small(**one).digest == small(**other).digest


def test_genes_that_matter_enter_the_digest() -> None:
    changes: list[dict[str, Any]] = [
        {"repeats": 2},
        {"spatial_type": "1std"},
        {"spatial_kernel": 4},
        {"spatial_stride": 2},
        {"temporal_type": "maxpool"},
        {"temporal_kernel": 2},
        {"temporal_stride": 2},
        {"filters": 9},
        {"expand": 2},
        {"inverted_bottleneck": True},
        {"skip": True},
        {"squeeze": 0.5},
        {"context_gate": True},
        {"non_local": 4},
        {"act": "hswish"},
        {"spatial_act": "hswish"},
        {"temporal_act": "hswish"},
    ]
    assert {gene for change in changes for gene in change} == set(Block.model_fields)
    digests = {small(**change).digest for change in changes} | {small().digest}
    assert len(digests) == len(changes) + 1


def test_temporal_genes_are_dead_on_one_frame() -> None:
    still = small().model_copy(update={"frames": 1})
    other = small(temporal_kernel=5, temporal_type="avgpool", temporal_stride=2)
    other = other.model_copy(update={"frames": 1, "frame_stride": 1, "max_pool_predictions": True})
    assert still.digest == other.digest


def test_rules_do_not_matter_without_skips() -> None:
    assert small().digest == small().model_copy(update={"rules": "published"}).digest
    with_skip = small(skip=True, filters=3)
    assert with_skip.digest != with_skip.model_copy(update={"rules": "published"}).digest


blocks = st.builds(
    Block,
    repeats=st.integers(1, 3),
    spatial_type=st.sampled_from(["std", "1std", "depth", "maxpool", "avgpool"]),
    spatial_kernel=st.integers(1, 4),
    spatial_stride=st.integers(1, 3),
    temporal_type=st.sampled_from(["1d", "maxpool", "avgpool"]),
    temporal_kernel=st.integers(1, 3),
    temporal_stride=st.integers(1, 3),
    filters=st.integers(1, 6),
    expand=st.integers(0, 3),
    inverted_bottleneck=st.booleans(),
    skip=st.booleans(),
    squeeze=st.sampled_from([0.0, 0.1, 0.37, 1.0]),
    context_gate=st.booleans(),
    non_local=st.sampled_from([0, 0, 3]),
    act=st.sampled_from(["relu", "hswish"]),
    spatial_act=st.sampled_from(["relu", "hswish"]),
    temporal_act=st.sampled_from(["relu", "hswish"]),
)


@st.composite
def architectures(draw: st.DrawFn) -> TinyVideoNet:
    genes = {
        "size_px": draw(st.integers(1, 9)),
        "frames": draw(st.integers(1, 4)),
        "frame_stride": draw(st.integers(1, 3)),
        "blocks": tuple(draw(st.lists(blocks, min_size=1, max_size=3))),
        "max_pool_predictions": draw(st.booleans()),
        "rules": draw(st.sampled_from(["published", "corrected"])),
    }
    try:
        return TinyVideoNet(**genes)  # type: ignore[arg-type]
    except ValidationError:
        assume(False)
        raise


@settings(max_examples=50, deadline=None)
@given(architectures())
def test_canonical_form_builds_the_same_network(architecture: TinyVideoNet) -> None:
    canonical = architecture.canonical()
    assert TinyVideoNet.model_validate(canonical.model_dump()) == canonical  # still valid
    assert canonical.canonical() == canonical
    assert canonical.units == architecture.units
    network, same = create_network(architecture, 3).eval(), create_network(canonical, 3).eval()
    same.load_state_dict(network.state_dict())
    clip = torch.rand(2, *architecture.inputs[0].shape()[1:])
    with torch.inference_mode():
        torch.testing.assert_close(network(clip), same(clip))


@settings(max_examples=200, deadline=None)
@given(architectures())
def test_json_round_trip(architecture: TinyVideoNet) -> None:
    assert architecture_from_json(architecture.to_json()) == architecture


# Loading the variables of the original code


def variables_of(network: Any) -> dict[str, np.ndarray]:
    slots = official_variables(network).items()
    return {name: np.ones(slot.shape, dtype=np.float32) for name, slot in slots}


def test_every_weight_has_an_original_variable() -> None:
    network = vidnas.create_network("tvn_mobile_1", num_classes=3)
    targets = {id(slot.target) for slot in official_variables(network).values()}
    weights = [
        tensor
        for name, tensor in network.state_dict(keep_vars=True).items()
        if "normalizations" not in name and "num_batches_tracked" not in name
    ]
    assert {id(tensor) for tensor in weights} == targets
    official.load_variables(network, variables_of(network))
    assert all((tensor == 1).all() for tensor in weights)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("dense/kernel", None, r"1 missing variable\(s\): dense/kernel"),
        ("dense/scale", np.ones(3), r"1 unexpected variable\(s\): dense/scale"),
        ("dense/bias", np.ones(4), r"dense/bias is \(4,\) instead of \(3,\)"),
    ],
)
def test_wrong_variables_are_named_and_nothing_is_loaded(
    name: str, array: np.ndarray | None, message: str
) -> None:
    network = create_network(small(squeeze=0.5), 3)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    variables = variables_of(network)
    variables.pop(name, None)
    if array is not None:
        variables[name] = array
    with pytest.raises(UserError, match=message):
        official.load_variables(network, variables)
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[key])
