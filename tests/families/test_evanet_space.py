"""The spaces of both meta-architectures: whatever is drawn or mutated is valid and can be built."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidnas.core import UserError
from vidnas.families import architecture_from_json, create_network
from vidnas.families.evanet import FAMILY, INCEPTION
from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.bounds import random_module
from vidnas.families.evanet.module import Branch, Module
from vidnas.families.evanet.space import (
    MODULE_MUTATIONS,
    NETWORK_MUTATIONS,
    ModuleSpace,
    inception_space,
    space,
)

SPACES = {"evanet": space, "evanet_inception": inception_space}
VALUES, BUILT = 2000, 16
CORNERS = [(16, 1, "rgb"), (16, 64, "flow"), (40, 3, "rgb"), (128, 32, "flow"), (160, 64, "rgb")]


def modules_of(architecture: Any) -> tuple[Module, ...]:
    return architecture.modules


def check_network(architecture: Any) -> None:
    (spec,) = architecture.inputs
    with torch.device("meta"):
        network = create_network(architecture, 7).eval()
        assert network(torch.empty(spec.shape(2))).shape == (2, 7)


@pytest.mark.parametrize("name", SPACES)
def test_two_thousand_random_and_mutated_architectures(name: str) -> None:
    rng, walked = np.random.default_rng(0), SPACES[name](max_size_px=128, max_frames=32)
    digests = set()
    architecture = walked.random(rng)
    for index in range(VALUES):
        if index % 4 == 0:
            architecture = walked.random(rng)
        else:
            parent, strength = architecture, int(rng.integers(1, 4))
            architecture, phrases = walked.mutate(parent, rng, strength=strength)
            assert len(phrases) == strength and all(phrases)
            assert architecture.digest != parent.digest
        assert walked.contains(architecture)
        assert architecture_from_json(architecture.to_json()) == architecture
        canonical = architecture.canonical()
        assert canonical.canonical() == canonical and canonical.digest == architecture.digest
        digests.add(architecture.digest)
        if index % (VALUES // BUILT) == 0:
            check_network(architecture)
    assert len(digests) > 0.98 * VALUES


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(CORNERS), st.sampled_from(list(SPACES)))
def test_clips_of_any_extent(seed: int, extent: tuple[int, int, Any], name: str) -> None:
    size_px, frames, modality = extent
    rng = np.random.default_rng(seed)
    walked = SPACES[name](max_size_px=size_px, max_frames=frames, modalities=(modality,))
    architecture = walked.random(rng)
    for _ in range(5):
        architecture, _ = walked.mutate(architecture, rng)
    (spec,) = architecture.inputs
    assert spec.modality == modality
    assert spec.size_px <= size_px
    assert (spec.frames - 1) * spec.frame_stride + 1 <= frames
    check_network(architecture)


@pytest.mark.parametrize("name", SPACES)
def test_every_value_of_every_gene_is_drawn(name: str) -> None:
    rng, walked = np.random.default_rng(1), SPACES[name](max_size_px=64, max_frames=16)
    bounds = walked.bounds
    drawn = [walked.random(rng) for _ in range(300)]
    modules = [module for architecture in drawn for module in modules_of(architecture)]
    branches = [branch for module in modules for branch in module.branches]
    assert {branch.kind for branch in branches} == set(bounds.branch_kinds)
    assert {branch.conv2 for branch in branches if branch.kind == "conv2"} == {
        "3d", "2+1d", "itgm"
    }  # fmt: skip
    # The most frames that reach a module let its layers see this far.
    longest = (
        2 * max(bounds.frames) // min(place.frame_stride for place in walked.architecture.places)
    )
    assert {branch.time for branch in branches if branch.kind == "maxpool"} == {
        time for time in bounds.times if time < longest
    }
    assert {len(module.branches) for module in modules} == set(range(1, 7))
    assert {module.repeats for module in modules} == set(bounds.repeats)
    assert {module.non_local for module in modules} == {False, True}
    for gene in ("size_px", "frames"):
        assert {getattr(architecture, gene) for architecture in drawn} == set(getattr(bounds, gene))
    kinds = Counter(branch.kind for branch in branches)
    assert max(kinds.values()) < 1.3 * min(kinds.values())


@pytest.mark.parametrize("name", SPACES)
def test_no_layer_is_longer_than_its_frames_let_it_see(name: str) -> None:
    rng, walked = np.random.default_rng(8), SPACES[name](max_size_px=64, max_frames=32)
    short = 0
    for parent in (*walked.designs(), *(walked.random(rng) for _ in range(20))):
        architecture = parent
        for _ in range(4):
            assert architecture.stem_time < 2 * architecture.frames
            for module, (frames, _) in zip(
                modules_of(architecture), architecture.extents, strict=True
            ):
                times = [time for branch in module.branches for time in (branch.time, branch.time2)]
                assert max(times) < 2 * frames
                short += frames < 6
            architecture, _ = walked.mutate(architecture, rng)
    assert short > 50


def test_networks_with_longer_layers_are_no_members_but_have_children(default: ModuleSpace) -> None:
    design = default.designs()[0]
    long = (Branch(kind="conv", conv="2+1d", time=11),)
    parent = changed_module(design, branches=long)
    assert default.contains(design) and not default.contains(parent)
    assert modules_of(default.trimmed(parent))[0].branches[0].time == 3  # two frames are left there
    assert default.contains(default.mutate(parent, np.random.default_rng(9))[0])


@pytest.mark.parametrize("name", MODULE_MUTATIONS)
def test_each_mutation_of_a_module_changes_one_gene(name: str) -> None:
    rng, bounds = np.random.default_rng(2), space(max_size_px=64, max_frames=16).bounds
    changed = 0
    for _ in range(60):
        parent = random_module(rng, bounds)
        change = MODULE_MUTATIONS[name](parent, rng, bounds)
        if change is None:
            continue
        genes, phrase = change
        child = parent.model_copy(update=genes)
        changed += 1
        assert " " in phrase
        if name in ("add_branch", "remove_branch"):
            longer, shorter = sorted((parent, child), key=lambda m: -len(m.branches))
            assert len(longer.branches) == len(shorter.branches) + 1
            left = list(longer.branches)
            assert all(branch in left for branch in shorter.branches)
        elif name in ("conv", "time"):
            pairs = zip(parent.branches, child.branches, strict=True)
            differing = [
                gene
                for one, other in pairs
                for gene in Branch.model_fields
                if getattr(one, gene) != getattr(other, gene)
            ]
            assert len(differing) == 1 and differing[0].startswith(name)
        else:
            assert child.model_copy(update={name: getattr(parent, name)}) == parent
    assert changed


@pytest.mark.parametrize("name", NETWORK_MUTATIONS)
def test_each_mutation_outside_the_modules_changes_its_gene(name: str) -> None:
    rng, default = np.random.default_rng(3), space(max_size_px=64, max_frames=16)
    parent = default.random(rng)
    change = NETWORK_MUTATIONS[name](parent, rng, default.bounds)
    assert change is not None
    genes, phrase = change
    assert {name} <= genes.keys() <= {name, "frame_stride"}  # which gives way to more frames
    assert genes[name] != getattr(parent, name)
    assert " -> " in phrase


def test_mutations_are_said_in_peoples_words() -> None:
    rng, default = np.random.default_rng(4), space(max_size_px=64, max_frames=16)
    parent = default.random(rng)
    said = {default.mutate(parent, rng)[1][0] for _ in range(300)}
    for example in ("branch 1: iTGM", "(2+1)D ->", "added (", "removed (", "repeats", "pool 3"):
        assert any(example in phrase for phrase in said), example
    clip = ("size", "frame", "sampling", "normalization")
    assert all(phrase.startswith(("stage", "stem", "pool", *clip)) for phrase in said)


def changed_module(parent: EvaNet, **genes: Any) -> EvaNet:
    first = parent.modules[0].model_copy(update=genes)
    return parent.model_copy(update={"modules": (first, *parent.modules[1:])})


@pytest.fixture
def default() -> ModuleSpace:
    return space(max_size_px=64, max_frames=16)


def test_contains_is_exact(default: ModuleSpace) -> None:
    inside = default.random(np.random.default_rng(5))
    assert isinstance(inside, EvaNet)
    average = (Branch(kind="avgpool", time=3),)
    unused = (Branch(kind="1x1"),)
    assert default.contains(changed_module(inside, branches=unused, repeats=4))
    outside = [
        changed_module(inside, branches=average),
        changed_module(inside, repeats=5),
        *(
            inside.model_copy(update={gene: value})
            for gene, value in {
                "width": 0.25, "modality": "flow", "dropout": 0.5, "profile": "cauchy",
                "size_px": 65, "frames": 9, "frame_stride": 16,
            }.items()
        ),
        inside.model_copy(update={"frames": 16, "frame_stride": 2}),
        inception_space(max_size_px=64, max_frames=16).random(np.random.default_rng(5)),
        *(build() for build in FAMILY.published.values()),
    ]  # fmt: skip
    assert not any(default.contains(architecture) for architecture in outside)


def test_non_local_blocks_are_bounded() -> None:
    wide = space(max_size_px=128, max_frames=64)
    rng = np.random.default_rng(6)
    parent = wide.random(rng).model_copy(update={"frames": 64, "frame_stride": 1, "size_px": 128})
    # 16 x 32 x 32 positions in the first stage, and 16 x 16 x 16 in the second.
    assert not wide.contains(changed_module(parent, non_local=True))
    stages = tuple(stage.model_copy(update={"non_local": False}) for stage in parent.modules)
    second = stages[1].model_copy(update={"non_local": True})
    held = parent.model_copy(update={"modules": (stages[0], second, *stages[2:])})
    assert wide.contains(held)


@pytest.mark.parametrize("name", SPACES)
def test_networks_are_of_a_size_for_a_small_machine(name: str) -> None:
    rng, walked = np.random.default_rng(7), SPACES[name](max_size_px=64, max_frames=16)
    parameters = []
    for _ in range(15):
        with torch.device("meta"):
            network = create_network(walked.random(rng), 8)
        parameters.append(sum(tensor.numel() for tensor in network.parameters()))
    assert 20_000 < np.median(parameters) < 1_000_000


def test_evolution_has_the_familys_defaults() -> None:
    for family in (FAMILY, INCEPTION):
        assert (family.evolution.population, family.evolution.tournament) == (50, 25)


@pytest.mark.parametrize("name", SPACES)
def test_bounds_are_json(name: str) -> None:
    described = SPACES[name](max_size_px=64, max_frames=16).describe()
    assert json.loads(json.dumps(described)) == described
    assert described != SPACES[name](max_size_px=96, max_frames=16).describe()
    with pytest.raises(UserError, match="leave nothing to search"):
        SPACES[name](max_size_px=8, max_frames=4)
    with pytest.raises(UserError, match="leave nothing to search"):
        SPACES[name](max_size_px=64, max_frames=0)
