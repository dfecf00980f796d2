"""A calibrated network is an architecture like any other: a value, a network, a drawing, a cost."""

from __future__ import annotations

import json

import pytest
import torch

from vidnas.core import UserError
from vidnas.families import architecture_from_json, create_network, diagram_of
from vidnas.families.calibrated import Calibrated
from vidnas.families.ensemble import Ensemble, Member
from vidnas.profiling import count_cost

BLOCK = {"filters": 8, "spatial_kernel": 3, "spatial_stride": 2, "temporal_kernel": 3}
PLAIN = architecture_from_json(
    json.dumps({"family": "tinyvideonet", "size_px": 16, "frames": 4, "blocks": [BLOCK]})
)
VALUE = Calibrated(network=PLAIN)


def test_a_network_of_any_family_goes_through_json() -> None:
    nested = Calibrated(network=Ensemble(members=(Member(architecture=VALUE),)))
    for value in (VALUE, nested):
        assert architecture_from_json(value.to_json()) == value
    assert VALUE.inputs == PLAIN.inputs
    assert VALUE.digest == VALUE.canonical().digest != PLAIN.digest
    assert diagram_of(VALUE).title == f"{diagram_of(PLAIN).title}, calibrated"
    assert diagram_of(VALUE).boxes == diagram_of(PLAIN).boxes


def test_logits_are_divided_and_nothing_else_changes() -> None:
    network = create_network(VALUE, 5)
    clip = torch.rand(PLAIN.inputs[0].shape(2))
    with torch.inference_mode():
        before = network(clip)
        assert torch.equal(before, network.network(clip))  # 1 until it is set
        network.temperature.fill_(2.5)
        assert torch.allclose(network(clip), before / 2.5)
    assert count_cost(VALUE, 5) == count_cost(PLAIN, 5)


def test_the_temperature_is_one_of_the_weights() -> None:
    network, other = create_network(VALUE, 5), create_network(VALUE, 5)
    network.temperature.fill_(0.7)
    other.load_state_dict(network.state_dict())
    assert other.temperature == network.temperature


def test_it_is_not_trained_on() -> None:
    network = create_network(VALUE, 5)
    assert not network.training and not network.network.training
    with pytest.raises(UserError, match="calibrate it again with vidnas calibrate"):
        network.train()
    assert not network.eval().training
