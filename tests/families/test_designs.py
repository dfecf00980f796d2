"""Every searched family names designs for every kind of clip."""

from __future__ import annotations

from importlib.metadata import entry_points

import numpy as np
import pytest
import torch

from vidnas.core import Modality, UserError
from vidnas.families import Space, architecture_from_json, create_network, families
from vidnas.profiling import count_cost
from vidnas.testing import check_architecture, check_network

INSTALLED = [point.name for point in entry_points(group="vidnas.families")]
SEARCHED = [name for name in INSTALLED if families()[name].space is not None]
SMALL, ORDINARY, LARGE = (16, 1), (64, 16), (224, 64)
MODALITIES: list[tuple[Modality, ...]] = [("rgb",), ("flow",), ("rgb", "flow"), ("objects",)]


def space_of(name: str, extent: tuple[int, int], modalities: tuple[Modality, ...]) -> Space:
    """Return the family's default space; skip where it takes no such clips."""
    build = families()[name].space
    assert build is not None
    size_px, frames = extent
    try:
        return build(max_size_px=size_px, max_frames=frames, modalities=modalities)
    except UserError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("modalities", MODALITIES, ids="+".join)
@pytest.mark.parametrize("extent", [SMALL, ORDINARY, LARGE], ids=["small", "ordinary", "large"])
@pytest.mark.parametrize("name", SEARCHED)
def test_designs_fit_any_clips(
    name: str, extent: tuple[int, int], modalities: tuple[Modality, ...]
) -> None:
    space = space_of(name, extent, modalities)
    designs = space.designs()
    assert designs
    assert len({design.digest for design in designs}) == len(designs)
    for design in designs:
        assert space.contains(design)
        check_architecture(design)
        check_network(design)
        assert architecture_from_json(design.to_json()) == design
        for spec in design.inputs:
            assert spec.modality in modalities
            assert spec.size_px <= extent[0]
            assert (spec.frames - 1) * spec.frame_stride < extent[1]


@pytest.mark.parametrize("name", SEARCHED)
def test_designs_span_the_axis_of_the_cost(name: str) -> None:
    designs = space_of(name, ORDINARY, ("rgb",)).designs()
    macs = sorted(count_cost(design, 10).macs for design in designs)
    assert 6 <= len(designs) <= 10
    assert macs[-1] >= 8 * macs[0]
    # A search has a design in every bin of its limit, each of which halves the one before.
    assert max(np.divide(macs[1:], macs[:-1])) < 4


@pytest.mark.parametrize("name", SEARCHED)
def test_designs_have_children_and_run(name: str) -> None:
    space, rng = space_of(name, ORDINARY, ("rgb",)), np.random.default_rng(0)
    for design in space.designs():
        child, _ = space.mutate(design, rng)
        assert space.contains(child)
        network = create_network(design, 5).eval()
        clips = [torch.rand(spec.shape()) for spec in design.inputs]
        with torch.no_grad():
            assert torch.isfinite(network(*clips)).all()
