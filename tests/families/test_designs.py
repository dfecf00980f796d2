"""Every searched family names designs for every kind of clip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import entry_points
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from vidnas.core import Modality, UserError
from vidnas.core.clip import SAMPLINGS, Sampling
from vidnas.families import Space, architecture_from_json, create_network, families
from vidnas.families.clips import NormalizedClips
from vidnas.profiling import count_cost
from vidnas.testing import check_architecture, check_network

INSTALLED = [point.name for point in entry_points(group="vidnas.families")]
SEARCHED = [name for name in INSTALLED if families()[name].space is not None]
Extent = tuple[int, int]
"""Size and length of the videos."""
SMALL, ORDINARY, LARGE = (16, 1), (64, 16), (224, 64)
MODALITIES: tuple[tuple[Modality, ...], ...] = (("rgb",), ("flow",), ("rgb", "flow"))


def space_of(name: str, extent: Extent, modalities: tuple[Modality, ...] = ("rgb",)) -> Space:
    build = families()[name].space
    assert build is not None
    size_px, frames = extent
    return build(max_size_px=size_px, max_frames=frames, modalities=modalities)


def spaces() -> Iterator[Any]:
    """Yield the default space of every family for all clips that it takes."""
    for name, extent, modalities in product(SEARCHED, (SMALL, ORDINARY, LARGE), MODALITIES):
        with suppress(UserError):
            label = f"{name}-{extent[0]}px-{'+'.join(modalities)}"
            yield pytest.param(space_of(name, extent, modalities), extent, modalities, id=label)


@pytest.mark.parametrize(("space", "extent", "modalities"), spaces())
def test_designs_fit_any_clips(
    space: Space, extent: Extent, modalities: tuple[Modality, ...]
) -> None:
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
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_designs_take_the_sampling_that_comes_first(name: str, sampling: Sampling) -> None:
    build = families()[name].space
    assert build is not None
    others = tuple(other for other in SAMPLINGS if other != sampling)
    space = build(max_size_px=64, max_frames=16, sampling=(sampling, *others))
    inputs = [spec for design in space.designs() for spec in design.inputs]
    assert {spec.sampling for spec in inputs} == {sampling}


@pytest.mark.parametrize("name", SEARCHED)
def test_designs_are_compared_in_both_ways_or_follow_the_better(name: str) -> None:
    space = space_of(name, ORDINARY)
    designs = space.designs()
    if not isinstance(designs[0], NormalizedClips):
        assert space.follow(designs[0], designs[1]) == designs[0]
        return
    first, second, *others = designs
    ways = [getattr(one, "normalization", "") for one in (first, second)]
    assert ways == ["data", "clip"]
    assert space.follow(first, second) == second
    assert space.follow(second, first) == first
    followed = [space.follow(one, second) for one in others]
    assert {getattr(one, "normalization", "") for one in followed} == {"clip"}
    still = first.model_copy(update={"frames": 1, "normalization": "clip"})
    assert space.follow(first, still) == first


@pytest.mark.parametrize("name", SEARCHED)
def test_designs_span_the_axis_of_the_cost(name: str) -> None:
    designs = space_of(name, ORDINARY).designs()
    macs = sorted(count_cost(design, 10).macs for design in designs)
    assert 6 <= len(designs) <= 13
    assert macs[-1] >= 8 * macs[0]
    # A search has a design in every bin of its limit, each of which halves the one before.
    assert max(np.divide(macs[1:], macs[:-1])) < 4


@pytest.mark.parametrize("name", SEARCHED)
def test_designs_have_children_and_run(name: str) -> None:
    space, rng = space_of(name, ORDINARY), np.random.default_rng(0)
    for design in space.designs():
        child, _ = space.mutate(design, rng)
        assert space.contains(child)
        network = create_network(design, 5).eval()
        clips = [torch.rand(spec.shape()) for spec in design.inputs]
        with torch.no_grad():
            assert torch.isfinite(network(*clips)).all()
