"""An ensemble is an architecture like any other: a value, a network, a drawing, a cost."""

from __future__ import annotations

import json

import pytest
import torch

from vidnas.core import UserError
from vidnas.families import (
    Architecture,
    architecture_from_json,
    create_network,
    diagram_of,
    families,
)
from vidnas.families.ensemble import Ensemble, Member
from vidnas.profiling import count_cost
from vidnas.report.drawing import draw_svg


def tiny(**genes: object) -> Architecture:
    block = {"filters": 8, "spatial_kernel": 3, "spatial_stride": 2, "temporal_kernel": 3}
    value = {"family": "tinyvideonet", "size_px": 16, "frames": 4, "blocks": [block]}
    return architecture_from_json(json.dumps(value | genes))


RGB, LONG, FLOW = tiny(), tiny(frames=6), tiny(modality="flow")
OTHER = architecture_from_json(
    '{"family": "baselines", "width": 0.0625, "frames": 4, "frame_stride": 1, "size_px": 16}'
)


def ensemble(*members: tuple[Architecture, int]) -> Ensemble:
    return Ensemble(members=tuple(Member(architecture=a, weight=w) for a, w in members))


MIXED = ensemble((RGB, 2), (FLOW, 1), (OTHER, 1), (LONG, 1))


def clips_of(architecture: Architecture, batch: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(spec.shape(batch), generator=generator) for spec in architecture.inputs]


def test_members_of_any_family_go_through_json() -> None:
    again = architecture_from_json(MIXED.to_json())
    assert again == MIXED and hash(again) == hash(MIXED)
    assert isinstance(again, Ensemble)
    assert [type(member.architecture) for member in again.members] == [
        type(member.architecture) for member in MIXED.members
    ]
    nested = ensemble((MIXED, 1), (RGB, 1))
    assert architecture_from_json(nested.to_json()) == nested
    assert families()["ensemble"].architecture is Ensemble


def test_a_common_divisor_of_the_weights_does_not_matter() -> None:
    twice = ensemble(*((m.architecture, 2 * m.weight) for m in MIXED.members))
    assert twice != MIXED
    assert twice.digest == MIXED.digest == MIXED.canonical().digest
    assert twice.canonical() == MIXED.canonical() == MIXED.canonical().canonical()
    assert ensemble((RGB, 1), (FLOW, 2)).digest != ensemble((RGB, 2), (FLOW, 1)).digest


def test_each_clip_is_taken_once() -> None:
    assert MIXED.inputs == (*RGB.inputs, *FLOW.inputs, *LONG.inputs)
    assert OTHER.inputs == RGB.inputs


def test_the_logits_are_the_weighted_mean_of_what_each_member_says_alone() -> None:
    torch.manual_seed(0)
    network = create_network(MIXED, 5)
    for number, member in enumerate(network.members):
        channels = member.architecture.inputs[0].channels
        member.normalizations[0].set_statistics(
            torch.full((channels,), 0.1 * number), torch.full((channels,), 0.2 + 0.1 * number)
        )
    rgb, flow, long = clips_of(MIXED)
    first, second, third, fourth = network.members
    expected = (2 * first(rgb) + second(flow) + third(rgb) + fourth(long)) / 5
    torch.testing.assert_close(network(rgb, flow, long), expected)
    assert not torch.allclose(expected, first(rgb))


def test_an_ensemble_is_not_trained() -> None:
    network = create_network(MIXED, 3)
    assert not any(module.training for module in network.modules())
    with pytest.raises(UserError, match="train its members"):
        network.train()
    assert not any(module.training for module in network.eval().modules())


def test_what_it_costs_is_what_its_members_cost() -> None:
    costs = [count_cost(member.architecture, 3) for member in MIXED.members]
    whole = count_cost(MIXED, 3)
    assert whole.parameters == sum(cost.parameters for cost in costs)
    assert whole.macs == sum(cost.macs for cost in costs)


def test_the_drawing_shows_inputs_members_and_votes() -> None:
    diagram = diagram_of(MIXED)
    names = [box.name for box in diagram.boxes]
    assert len(set(names)) == len(names) == 3 + 4 + 1
    assert {end for edge in diagram.edges for end in (edge.source, edge.target)} == set(names)
    assert [box.column for box in diagram.boxes] == [0, 0, 0, 1, 1, 1, 1, 2]
    svg = draw_svg(diagram)
    assert "counts 2 of 5" in svg and "flow network" in svg


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([], "members"),
        ([{"architecture": json.loads(RGB.to_json()), "weight": 0}], "weight"),
        ([{"architecture": {"family": "magic"}}], "members.0.architecture.*magic"),
        ([{"architecture": {"family": "tinyvideonet", "frames": -1}}], "members.0.architecture"),
        ([{"architecture": 7}], "members.0.architecture"),
    ],
)
def test_what_is_wrong_is_named(members: list[object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        architecture_from_json(json.dumps({"family": "ensemble", "members": members}))
