"""The Inception-like networks: stem, nine modules in three groups, and what their genes mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from vidnas.core import UserError
from vidnas.families import architecture_from_json, create_network, official_variables
from vidnas.families.evanet import Branch, EvaNetInception, Module
from vidnas.families.evanet.inception_network import EvaNetInceptionNetwork
from vidnas.families.evanet.space import inception_space

KINDS = (
    Branch(kind="1x1"),
    Branch(kind="conv", conv="3d", time=3),
    Branch(kind="conv", conv="2+1d", time=5),
    Branch(kind="conv2", conv="itgm", time=7, conv2="2+1d", time2=3),
    Branch(kind="maxpool", time=3),
    Branch(kind="avgpool", time=5),
)


def network_of(**genes: object) -> EvaNetInception:
    module = Module(branches=KINDS)
    default = {"frames": 16, "size_px": 64, "width": 0.125, "modules": (module,) * 9}
    return EvaNetInception.model_validate({**default, **genes})


def extents_seen(architecture: EvaNetInception) -> list[tuple[int, ...]]:
    """Frames, side and channels of every module's output."""
    network = create_network(architecture, 5).eval()
    assert isinstance(network, EvaNetInceptionNetwork)
    seen: list[tuple[int, ...]] = []
    for module in network.inception:
        module.register_forward_hook(
            lambda module, given, out: seen.append((given[1], out.shape[2], out.shape[1]))
        )
    with torch.no_grad():
        network(torch.rand(architecture.inputs[0].shape()))
    return seen


@pytest.mark.parametrize(("frames", "size_px"), [(16, 64), (5, 50), (1, 16)])
def test_every_module_sits_where_its_place_says(frames: int, size_px: int) -> None:
    architecture = network_of(frames=frames, size_px=size_px)
    expected = [place.extent(frames, size_px) for place in EvaNetInception.places]
    channels = [6 * filters for filters in architecture.module_filters]
    assert channels == [30, 60, 60, 60, 60, 66, 102, 102, 126]
    assert extents_seen(architecture) == [
        (*extent, wide) for extent, wide in zip(expected, channels, strict=True)
    ]


def test_published_widths_are_those_of_inception() -> None:
    single = network_of(width=1.0, modules=(Module(branches=KINDS[:1]),) * 9)
    assert single.stem_channels == (64, 64, 192)
    assert single.module_filters == (256, 480, 512, 512, 512, 528, 832, 832, 1024)


def test_a_module_is_the_relu_of_its_branches_without_a_shortcut() -> None:
    network = create_network(network_of(), 5).eval()
    module = network.inception[0]
    x = torch.rand(4, 24, 8, 8)
    branches = torch.cat([branch(x, 4) for branch in module.branches.branches], dim=1)
    torch.testing.assert_close(module(x, 4), torch.relu(branches))


def test_other_sizes_than_the_genes_pass() -> None:
    network = create_network(network_of(), 5).eval()
    assert network(torch.rand(2, 3, 7, 40, 33)).shape == (2, 5)


def test_flow_has_two_channels() -> None:
    architecture = network_of(modality="flow")
    assert architecture.inputs[0].modality == "flow"
    assert create_network(architecture, 5).eval()(torch.rand(1, 2, 8, 32, 32)).shape == (1, 5)


def test_non_local_blocks_start_as_the_identity() -> None:
    modules = (Module(branches=KINDS, non_local=True), *(Module(branches=KINDS),) * 8)
    with_it = create_network(network_of(modules=modules), 5).eval()
    without = create_network(network_of(), 5).eval()
    assert with_it.inception[0].non_local is not None
    without.load_state_dict(
        {name: value for name, value in with_it.state_dict().items() if "non_local" not in name}
    )
    clip = torch.rand(1, 3, 8, 32, 32)
    torch.testing.assert_close(with_it(clip), without(clip))


def test_genes_that_cannot_matter_do_not_enter_the_digest() -> None:
    one = network_of()
    unused = KINDS[0].model_copy(update={"time": 9, "conv": "itgm"})
    same = network_of(modules=(Module(branches=(unused, *KINDS[1:])), *one.modules[1:]))
    assert same != one and same.digest == one.digest
    # Two frames reach the last modules: a pool longer than three sees no more than three does.
    assert network_of(pool_times=(1, 1, 3, 9)).digest == network_of(pool_times=(1, 1, 3, 7)).digest
    assert network_of(pool_times=(3, 1, 3, 3)).digest != one.digest
    assert network_of(profile="cauchy").digest != one.digest
    plain = (Module(branches=KINDS[:2]),) * 9
    assert network_of(modules=plain, profile="cauchy").digest == network_of(modules=plain).digest


def test_pools_that_canonical_shortens_give_the_same_logits() -> None:
    architecture = network_of(frames=5, pool_times=(11, 9, 11, 11))
    canonical = architecture.canonical()
    assert canonical.pool_times != architecture.pool_times
    network, other = create_network(architecture, 5).eval(), create_network(canonical, 5).eval()
    other.load_state_dict(network.state_dict())
    clip = torch.rand(2, 3, 5, 48, 48)
    torch.testing.assert_close(network(clip), other(clip))


def test_random_networks_give_the_logits_of_their_canonical_form() -> None:
    rng, space = np.random.default_rng(0), inception_space(max_size_px=32, max_frames=8)
    for _ in range(4):
        architecture = space.random(rng)
        network = create_network(architecture, 3).eval()
        other = create_network(architecture.canonical(), 3).eval()
        other.load_state_dict(network.state_dict())
        clip = torch.rand(architecture.inputs[0].shape(2))
        torch.testing.assert_close(network(clip), other(clip))


def test_bad_genes_are_said() -> None:
    with pytest.raises(ValidationError, match=r"module 3b has 2 repeats.* have 1"):
        network_of(modules=(Module(branches=KINDS, repeats=2),) * 9)
    with pytest.raises(ValidationError, match="even"):
        network_of(stem_time=4)
    with pytest.raises(ValidationError, match="at least 9"):
        network_of(modules=(Module(branches=KINDS),) * 8)
    with pytest.raises(UserError, match="evanet_inception architecture is invalid"):
        architecture_from_json(network_of().to_json().replace('"avgpool"', '"medianpool"'))


def test_there_is_no_original_to_load_from() -> None:
    with pytest.raises(UserError, match="no original implementation"):
        official_variables(create_network(network_of(), 3))
