"""Branches of EvaNets come and go, and what was learned of the others stays with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from vidnas.families import Network, create_network
from vidnas.families.evanet import EvaNet, EvaNetInception
from vidnas.families.evanet.module import CONV_NAMES, Branch, Module
from vidnas.families.evanet.space import MODULE_MUTATIONS, inception_space, space
from vidnas.training.inheritance import inherit

BRANCHES = (
    Branch(kind="maxpool", time=3),
    Branch(kind="conv2", conv="itgm", time=3, conv2="3d", time2=1),
)
NEW = Branch(kind="conv", conv="2+1d", time=3)
LAYERS = {
    "1x1": Branch(kind="1x1"),
    **{conv: Branch(kind="conv", conv=conv, time=3) for conv in CONV_NAMES},
    "two": Branch(kind="conv2", conv="itgm", time=3, conv2="2+1d", time2=3),
    "pool": Branch(kind="maxpool", time=3),
}
NARROWEST = 1 / 4096
"""Branches have one channel here, however many there are."""


def of_modules(architecture: type[Any], width: float, *, repeats: int, non_local: bool) -> Any:
    module = Module(branches=BRANCHES, repeats=repeats, non_local=non_local)
    modules = (module,) * len(architecture.places)
    return architecture(
        frames=8, size_px=32, width=width, modules=modules, stem_conv="3d", dropout=0.0
    )


def changed(parent: Any, place: int, **genes: Any) -> Any:
    modules = list(parent.modules)
    modules[place] = modules[place].model_copy(update=genes)
    return parent.model_copy(update={"modules": tuple(modules)})


def learned(architecture: Any) -> Network:
    """A network with batch norms as training leaves them, also those that begin at zero."""
    network = create_network(architecture, 3).eval()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.weight, norm.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
            for tensor in (norm.bias, norm.running_mean):
                nn.init.normal_(tensor, std=0.3)
    nn.init.normal_(network.get_submodule("head.dense").weight)
    return network


def heir(parent: Network, architecture: Any) -> Network:
    child = create_network(architecture, 3).eval()
    inherit(child, parent.state_dict(), parent)
    return child


def agree(one: Network, other: Network) -> bool:
    clip = torch.rand(2, *one.architecture.inputs[0].shape()[1:])
    return torch.allclose(one(clip), other(clip), atol=1e-5)


@pytest.mark.parametrize("architecture", [EvaNet, EvaNetInception])
@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("before", [0, 1])
def test_a_further_branch_is_not_seen_at_first(
    architecture: type[Any], place: int, before: int
) -> None:
    torch.manual_seed(0)
    repeats = 2 if architecture is EvaNet else 1
    grown = of_modules(architecture, NARROWEST, repeats=repeats, non_local=True)
    parent = learned(grown)
    branches = (*BRANCHES[:before], NEW, *BRANCHES[before:])
    child = heir(parent, changed(grown, place, branches=branches))
    assert agree(child, parent)
    assert agree(heir(child, grown), parent)  # and what learned beside it does without


def test_what_takes_a_new_branch_learns_to_see_it() -> None:
    torch.manual_seed(0)
    grown = of_modules(EvaNet, 1 / 16, repeats=1, non_local=False)
    child = heir(learned(grown), changed(grown, 1, branches=(NEW, *BRANCHES))).train()
    child(torch.rand(2, *grown.inputs[0].shape()[1:])).sum().backward()
    taking = child.get_parameter("stages.2.0.branches.branches.0.pointwise.conv.weight")
    new, *others = taking.chunk(3, 1)
    assert not new.any() and all(one.any() for one in others)
    assert taking.grad is not None and taking.grad.chunk(3, 1)[0].any()


@pytest.mark.parametrize("repeats", [2, 3])
@pytest.mark.parametrize("non_local", [False, True])
def test_a_further_repeat_changes_nothing_until_it_has_learned(
    repeats: int, non_local: bool
) -> None:
    torch.manual_seed(0)
    grown = of_modules(EvaNet, 1 / 16, repeats=1, non_local=non_local)
    parent = learned(grown)
    child = heir(parent, changed(grown, 2, repeats=repeats))
    assert agree(child, parent)
    child.train()(torch.rand(2, *grown.inputs[0].shape()[1:])).sum().backward()
    new = child.get_submodule("stages.2.1").parameters()
    assert any(one.grad is not None and one.grad.any() for one in new)


@pytest.mark.parametrize("branch", LAYERS.values(), ids=LAYERS)
def test_all_of_a_further_repeat_learns(branch: Branch) -> None:
    torch.manual_seed(0)
    chain = of_modules(EvaNet, 1 / 16, repeats=1, non_local=False)
    grown = changed(chain, 2, branches=(branch,))
    child = heir(learned(grown), changed(grown, 2, repeats=2)).train()
    clip = torch.rand(2, *grown.inputs[0].shape()[1:])
    new = dict(child.get_submodule("stages.2.1").named_parameters())
    optimizer = torch.optim.SGD(child.parameters(), lr=0.01)
    learning: set[str] = set()
    for _ in range(3):
        optimizer.zero_grad()
        child(clip).square().mean().backward()
        optimizer.step()
        learning |= {name for name, one in new.items() if one.grad is not None and one.grad.any()}
        assert all(one.isfinite().all() for one in new.values())
    assert learning == new.keys()


@pytest.mark.parametrize("build", [space, inception_space])
def test_what_belongs_to_a_branch_goes_where_the_branch_goes(build: Any) -> None:
    searched = build(max_size_px=32, max_frames=8)
    rng, pieces = np.random.default_rng(0), 0
    for _ in range(4):
        architecture = searched.random(rng)
        place, name = int(rng.integers(4)), ("add_branch", "remove_branch")[int(rng.integers(2))]
        change = MODULE_MUTATIONS[name](architecture.modules[place], rng, searched.bounds)
        if change is None:
            continue
        parent = learned(architecture)
        child = heir(parent, changed(architecture, place, **change[0]))
        known = parent.lineage(parent.state_dict())
        for piece, own in child.lineage(child.state_dict(), parent).items():
            if piece in known and not piece.startswith("normalizations"):
                sizes = zip(own.shape, known[piece].shape, strict=True)
                shared = tuple(slice(min(both)) for both in sizes)
                assert torch.equal(own[shared], known[piece][shared]), piece
                pieces += "," in piece
    assert pieces > 100
