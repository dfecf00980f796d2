"""Causal networks: what is computed of a frame depends on no later one, and old networks stay."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vidnas.families import architecture_from_json, create_network
from vidnas.families.ensemble import Ensemble, Member
from vidnas.families.tinyvideonet import Block, TinyVideoNet
from vidnas.families.tinyvideonet.designs import DESIGNS
from vidnas.families.tinyvideonet.space import space
from vidnas.layers.window import CannotStream
from vidnas.profiling.counting import count_cost
from vidnas.profiling.streaming import StreamingStep
from vidnas.training.inheritance import inherit

KERNEL = {"spatial_type": "1std", "spatial_kernel": 3, "temporal_kernel": 3}


def net(frames: int = 8, *, causal: bool = True, **genes: object) -> TinyVideoNet:
    block = Block.model_validate({"filters": 8, "repeats": 3, **KERNEL, **genes})
    return TinyVideoNet(size_px=16, frames=frames, blocks=(block, block), causal=causal)


def frame_features(architecture: TinyVideoNet, clip: torch.Tensor) -> torch.Tensor:
    """What enters the head, `(frames, C, H, W)`."""
    torch.manual_seed(0)
    network = create_network(architecture, 3).eval()
    seen: list[torch.Tensor] = []
    network.head.register_forward_pre_hook(lambda module, given: seen.append(given[0]))  # type: ignore[union-attr]
    with torch.inference_mode():
        network(clip)
    return seen[0]


@pytest.mark.parametrize(
    "genes",
    [
        {},
        {"temporal_type": "maxpool"},
        {"temporal_type": "avgpool", "temporal_kernel": 5},
        {"skip": True, "squeeze": 0.5, "context_gate": True, "non_local": 8},
        {"inverted_bottleneck": True, "expand": 2},
    ],
)
def test_no_frame_sees_a_later_one(genes: dict[str, object]) -> None:
    clip = torch.rand(1, 3, 8, 16, 16)
    later = clip.clone()
    later[:, :, 5:] = torch.rand(1, 3, 3, 16, 16)
    one, other = (frame_features(net(**genes), video) for video in (clip, later))
    torch.testing.assert_close(one[:5], other[:5])
    assert not torch.allclose(one[5:], other[5:])
    one, other = (frame_features(net(**genes, causal=False), video) for video in (clip, later))
    assert not torch.allclose(one[:5], other[:5])


@pytest.mark.parametrize(("frames", "stride", "left"), [(8, 2, 2), (7, 2, 2), (7, 3, 1), (2, 3, 1)])
def test_strides_keep_the_newest_frame(frames: int, stride: int, left: int) -> None:
    architecture = net(frames, temporal_stride=stride, skip=True)
    clip = torch.rand(1, 3, frames, 16, 16)
    newest = clip.clone()
    newest[:, :, -1] = 0
    one, other = (frame_features(architecture, video) for video in (clip, newest))
    assert len(one) == left
    assert not torch.allclose(one[-1], other[-1])
    torch.testing.assert_close(one[:-1], other[:-1])


def test_a_longer_clip_is_answered_for_its_newest_frames() -> None:
    network = create_network(net(4), 3).eval()
    video = torch.rand(1, 3, 40, 16, 16)
    with torch.inference_mode():
        logits = [network(video[:, :, start:]) for start in (0, 10, 36)]
    # Two blocks of two layers over time look eight frames back.
    torch.testing.assert_close(logits[0], logits[1])
    assert not torch.allclose(logits[0], logits[2])


def test_networks_from_before_stay_what_they_are() -> None:
    for design in DESIGNS:
        assert "causal" not in json.loads(design.to_json())
        assert architecture_from_json(design.to_json()) == design
    # As this network had it when no network was causal.
    assert net(causal=False).digest == "abb3fe09161bb4a2"
    causal = net()
    assert json.loads(causal.to_json())["causal"] is True
    assert architecture_from_json(causal.to_json()) == causal
    assert causal.digest != net(causal=False).digest


def test_what_has_no_time_is_causal_anyway() -> None:
    assert net(1).digest == net(1, causal=False).digest
    still = {"temporal_kernel": 1}
    assert net(**still).digest == net(**still, causal=False).digest
    gated = {**still, "context_gate": True}
    assert net(**gated).digest != net(**gated, causal=False).digest
    # A kernel that reaches behind the clip has learned nothing there.
    assert net(3, temporal_kernel=5).units == net(3, temporal_kernel=3).units


def test_it_costs_the_same_and_inherits() -> None:
    one, other = (create_network(net(causal=causal), 3) for causal in (False, True))
    assert inherit(other, one.state_dict()) == 1.0
    assert count_cost(one.architecture, 3).macs == count_cost(other.architecture, 3).macs


@pytest.mark.parametrize("frames", [2, 3])
def test_kernels_that_look_back_beyond_the_clip_are_the_same(frames: int) -> None:
    longer = [net(frames, temporal_kernel=kernel) for kernel in (3, 5)]
    assert longer[0].units == longer[1].units
    assert longer[0].digest == longer[1].digest
    assert net(8, temporal_kernel=3).digest != net(8, temporal_kernel=5).digest
    seen_around = [net(frames, temporal_kernel=kernel, causal=False) for kernel in (3, 5)]
    assert seen_around[0].digest != seen_around[1].digest


def test_a_vote_of_both_kinds_has_no_streaming_step() -> None:
    members = [Member(architecture=net(causal=causal), weight=1) for causal in (True, False)]
    for voters, agree in ((members, False), (members[:1], True), (members[1:], True)):
        network = create_network(Ensemble(members=tuple(voters)), 3).eval()
        if agree:
            StreamingStep(network)
        else:
            with pytest.raises(CannotStream, match=r"^it has members that carry their past and"):
                StreamingStep(network)


def test_only_a_search_for_streams_chooses() -> None:
    usual = space(max_size_px=64, max_frames=30)
    streams = usual.for_streams()
    assert "causal" not in usual.describe()
    assert streams.describe()["causal"] == [True, False]
    assert json.loads(json.dumps(streams.describe())) == streams.describe()
    designs = streams.designs()
    assert designs and all(one.causal for one in designs)
    assert not any(one.causal for one in usual.designs())
    rng = np.random.default_rng(0)
    walk = [streams.random(rng)]
    phrases = []
    for _ in range(300):
        child, (phrase,) = streams.mutate(walk[-1], rng)
        walk.append(child)
        phrases.append(phrase)
    assert all(streams.contains(one) for one in walk)
    assert {one.causal for one in walk} == {False, True}
    assert {"causal on -> off", "causal off -> on"} <= {*phrases}
    assert all((one.sampling, one.normalization) == ("dense", "data") for one in walk)
