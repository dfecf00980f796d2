"""What a child takes over from its parent, and what that is worth before its first step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from vidnas.families import Network, create_network
from vidnas.families.tinyvideonet import Block, TinyVideoNet
from vidnas.layers.causal import OverPast
from vidnas.layers.convolution import SameConv2d
from vidnas.layers.fusion import WeightedFusion
from vidnas.layers.itgm import ITGMConv
from vidnas.training import TrainingSettings, train
from vidnas.training.inheritance import inherit


def test_the_same_network_inherits_everything(fresh):
    parent, child = fresh(1), fresh(2)
    parent.norm.running_mean.fill_(3.0)
    assert inherit(child, parent.state_dict()) == 1.0
    for (name, found), expected in zip(
        child.state_dict().items(), parent.state_dict().values(), strict=True
    ):
        assert torch.equal(found, expected), name


def test_a_wider_network_computes_what_its_parent_did():
    parent = nn.Sequential(nn.Conv3d(3, 4, (3, 1, 1), padding=(1, 0, 0)), nn.Conv3d(4, 2, 3))
    child = nn.Sequential(nn.Conv3d(3, 7, (5, 1, 1), padding=(2, 0, 0)), nn.Conv3d(7, 2, 3))
    fresh = child[0].weight[4:].clone()
    clips = torch.rand(2, 3, 8, 5, 5)
    assert not torch.allclose(child(clips), parent(clips), atol=1e-3)
    inherit(child, parent.state_dict())
    assert torch.allclose(child(clips), parent(clips), atol=1e-5)
    assert torch.equal(child[0].weight[4:], fresh)  # new filters are there to learn
    child(clips).sum().backward()
    assert child[1].weight.grad[:, 4:].abs().sum() > 0


@pytest.mark.parametrize(("ours", "theirs"), [(3, 2), (2, 3), (5, 4), (4, 5), (7, 3), (1, 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_kernels_of_other_sizes_see_the_same_places(ours: int, theirs: int, stride: int):
    """SAME padding puts an even kernel half a place off the middle."""
    parent, child = (SameConv2d(2, 3, (k, k), (stride, stride)) for k in (theirs, ours))
    inherit(child, parent.state_dict())
    clips = torch.rand(1, 2, 12, 12)
    if ours > theirs:
        assert torch.allclose(child(clips), parent(clips), atol=1e-5)
        return
    seen = torch.zeros_like(parent.weight)  # what is left of the parent's kernel
    first = max(theirs - stride, 0) // 2 - max(ours - stride, 0) // 2
    kept = slice(first, first + ours)
    seen[:, :, kept, kept] = parent.weight.detach()[:, :, kept, kept]
    parent.weight.data = seen
    assert torch.allclose(child(clips), parent(clips), atol=1e-5)


def test_kernels_that_look_back_end_with_the_same_frame():
    frames = torch.rand(6, 2, 1, 1)
    parent, child = (
        nn.ModuleList([OverPast(SameConv2d(2, 3, (k, 1), padded=False), length=k, stride=1)])
        for k in (3, 5)
    )
    inherit(child, parent.state_dict())
    assert torch.allclose(child[0](frames, 6)[0], parent[0](frames, 6)[0], atol=1e-5)


def of_one_block(**genes: Any) -> Network:
    block = Block(spatial_kernel=3, **genes)
    return create_network(TinyVideoNet(frames=2, size_px=8, blocks=(block,)), 3).eval()


@pytest.mark.parametrize("filters", [4, 6])
def test_a_depthwise_kernel_is_a_full_one_that_sees_its_own_channel(filters: int) -> None:
    torch.manual_seed(0)
    parent, again = (of_one_block(spatial_type="depth", filters=4) for _ in range(2))
    child = of_one_block(spatial_type="std", filters=filters)
    clips = torch.rand(2, 3, 2, 8, 8)
    inherit(child, parent.state_dict(), parent)
    assert torch.allclose(child(clips), parent(clips), atol=1e-5)
    nn.init.normal_(child.units[0].spatial[1].conv.weight[4:].detach())
    inherit(again, child.state_dict(), child)
    assert torch.allclose(again(clips), parent(clips), atol=1e-5)


def test_mixtures_of_profiles_keep_their_inputs():
    size, stride = (3, 3, 3), (1, 1, 1)
    parent, child = (ITGMConv(channels, 4, size, stride) for channels in (2, 5))
    inherit(child, parent.state_dict())
    assert torch.equal(child.mixture[:, :, :2], parent.mixture)
    assert torch.allclose(child.kernel()[:, :2], parent.kernel(), atol=1e-6)
    assert child.kernel()[:, 2:].abs().max() == 0


def test_fused_maps_stay_where_they_were_when_a_wider_one_joins():
    parent, child = WeightedFusion([4, 4]), WeightedFusion([4, 4, 6])
    nn.init.normal_(parent.logits)
    inherit(child, parent.state_dict())
    nn.init.constant_(child.logits[2:].detach(), -30.0)  # what joins is not what is asked about
    maps = [torch.rand(1, channels, 3, 3) for channels in (4, 4, 6)]
    found, known = child(maps), parent(maps[:2])
    assert torch.allclose(found[:, :4], known, atol=1e-5)
    assert torch.allclose(found[:, 4:], torch.zeros(1), atol=1e-5)
    again = WeightedFusion([4, 4, 6])
    nn.init.normal_(child.projections["4"].weight)
    inherit(again, child.state_dict())
    assert torch.equal(again.projections["4"].weight, child.projections["4"].weight)


def test_a_narrower_network_keeps_its_part():
    parent, child = nn.Conv3d(3, 8, 5), nn.Conv3d(2, 4, 3)
    assert inherit(child, parent.state_dict()) == 1.0
    assert torch.equal(child.weight, parent.weight[:4, :2, 1:4, 1:4, 1:4])


def test_the_share_counts_what_was_copied(fresh):
    parent, child = fresh(1), fresh(2)
    child.dense = nn.Linear(8, 5)  # the parent tells three classes apart
    before = child.dense.weight.clone()
    everything = sum(parameter.numel() for parameter in child.parameters())
    assert inherit(child, parent.state_dict()) == 1 - (8 * 2 + 2) / everything
    assert torch.equal(child.dense.weight[:3], parent.dense.weight)
    assert torch.equal(child.dense.weight[3:], before[3:])


def test_layers_of_another_kind_inherit_nothing():
    child = nn.Sequential(nn.Linear(4, 4))
    before = child[0].weight.clone()
    assert inherit(child, nn.Sequential(nn.Conv3d(4, 4, 1, bias=False)).state_dict()) == 0.0
    assert torch.equal(child[0].weight, before)


def test_nothing_in_common_is_nothing_inherited(fresh):
    child = fresh(2)
    before = child.conv.weight.clone()
    assert inherit(child, {"other.weight": torch.ones(3)}) == 0.0
    assert inherit(child, {}) == 0.0
    assert inherit(nn.Identity(), {}) == 0.0
    assert torch.equal(child.conv.weight, before)


def test_the_statistics_of_the_clips_stay_the_childs_own(fresh):
    parent, child = fresh(1), fresh(2)
    parent.normalizations[0].set_statistics(torch.full((3,), 0.2), torch.full((3,), 0.3))
    inherit(child, parent.state_dict())
    assert torch.equal(child.normalizations[0].mean, torch.zeros(3))


def test_weights_of_another_type_become_the_childs(fresh):
    parent, child = fresh(1), fresh(2)
    inherit(child, {name: tensor.bfloat16() for name, tensor in parent.state_dict().items()})
    assert child.conv.weight.dtype == torch.float32
    assert torch.allclose(child.conv.weight, parent.conv.weight, rtol=1e-2)


def test_a_child_starts_with_a_smaller_loss_than_from_scratch(cache, fresh):
    settings = TrainingSettings(epochs=6, batch_size=8, learning_rate=0.02)
    parent = fresh(1)
    train(parent, cache, settings, seed=0)
    heir, orphan = fresh(2), fresh(2)
    inherit(heir, parent.state_dict())
    brief = settings.model_copy(update={"epochs": 1})
    losses = [train(one, cache, brief, seed=0).history[0].train_loss for one in (heir, orphan)]
    assert losses[0] < losses[1]
