"""A model whose scores say how often it is right, and that looks at a video as often as pays."""

from __future__ import annotations

from dataclasses import replace

import torch

from vidnas.deploy.model import Model
from vidnas.families.calibrated import Calibrated, CalibratedNetwork


def uncalibrated(model: Model) -> Model:
    """Return the model without a temperature."""
    if isinstance(model.network, CalibratedNetwork):
        return replace(model, network=model.network.network)
    return model


def calibrated(model: Model, temperature: float) -> Model:
    """Return the model with this temperature in place of its own, if it had one."""
    inner = uncalibrated(model).network
    network = CalibratedNetwork(Calibrated(network=inner.architecture), inner.num_classes)
    network.network.load_state_dict(inner.state_dict())
    network.temperature.copy_(torch.tensor(temperature))
    return replace(model, network=network)
