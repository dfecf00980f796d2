"""What every registered family promises, whoever wrote it."""

from __future__ import annotations

from importlib.metadata import entry_points

import numpy as np
import pytest
import torch

import vidnas
from vidnas.core import UserError
from vidnas.families import (
    Space,
    architecture_from_json,
    families,
    find_architecture,
    list_architectures,
)
from vidnas.families.tinyvideonet import Block, TinyVideoNet
from vidnas.testing import (
    NetworkSpaceContract,
    check_architecture,
    check_canonical,
    check_network,
)

# Other tests of the same run may register families of their own.
INSTALLED = {point.name: families()[point.name] for point in entry_points(group="vidnas.families")}
SEARCHED = [name for name, family in INSTALLED.items() if family.space is not None]
MAX_SIZE_PX, MAX_FRAMES = 48, 8


def space_of(name: str) -> Space:
    build = families()[name].space
    assert build is not None
    return build(max_size_px=MAX_SIZE_PX, max_frames=MAX_FRAMES)


@pytest.mark.parametrize("name", list_architectures())
def test_published_architecture(name: str) -> None:
    architecture = find_architecture(name)
    check_architecture(architecture)
    check_network(architecture)
    assert architecture_from_json(architecture.to_json()) == architecture
    with torch.device("meta"):
        assert vidnas.create_network(name, num_classes=3).num_classes == 3


def test_names_are_unique_across_families() -> None:
    assert len(set(list_architectures())) == len(list_architectures())
    assert all(name == family.name for name, family in INSTALLED.items())
    assert all(name == family.architecture.family for name, family in INSTALLED.items())


class TestSearched(NetworkSpaceContract):
    @pytest.fixture(params=SEARCHED)
    def space(self, request: pytest.FixtureRequest) -> Space:
        return space_of(request.param)


class Faulty(TinyVideoNet):
    """Takes it for the same whether a block pools by the mean or by the maximum."""

    def canonical(self) -> Faulty:
        canonical = super().canonical()
        blocks = tuple(
            block.model_copy(update={"spatial_type": "maxpool"}) for block in canonical.blocks
        )
        return canonical.model_copy(update={"blocks": blocks})


def test_a_canonical_form_that_computes_something_else_is_found() -> None:
    # The activation of a pooling is a gene that cannot matter.
    block = Block(filters=8, spatial_type="avgpool", spatial_kernel=3, spatial_act="hswish")
    genes = {"size_px": 16, "frames": 2, "blocks": (block,)}
    check_canonical(TinyVideoNet.model_validate(genes))
    faulty = Faulty.model_validate(genes)
    check_network(faulty)
    with pytest.raises(AssertionError, match="computes something else"):
        check_canonical(faulty)


@pytest.mark.parametrize("name", SEARCHED)
def test_clips_are_within_the_bounds(name: str) -> None:
    rng, space = np.random.default_rng(0), space_of(name)
    for _ in range(15):
        parent = space.random(rng)
        child, _ = space.mutate(parent, rng, strength=2)
        for spec in (*parent.inputs, *child.inputs):
            assert spec.size_px <= MAX_SIZE_PX
            assert (spec.frames - 1) * spec.frame_stride < MAX_FRAMES
        for architecture in (parent, child):
            assert architecture_from_json(architecture.to_json()) == architecture


def test_unknown_names_and_genes_are_named() -> None:
    with pytest.raises(UserError, match="'no_such_network'"):
        find_architecture("no_such_network")
    with pytest.raises(UserError, match="nonsense"):
        vidnas.create_network(list_architectures()[0], num_classes=2, nonsense=1)
