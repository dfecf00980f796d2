"""The states of the generators that training draws from, so that it goes on within a pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def states_of(rng: np.random.Generator, device: torch.device) -> dict[str, Any]:
    """Return the states of a generator and of torch's."""
    states = {"numpy": json.dumps(rng.bit_generator.state), "torch": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_states(states: Mapping[str, Any], rng: np.random.Generator, device: torch.device) -> None:
    """Let a generator and torch's go on from these states."""
    rng.bit_generator.state = json.loads(states["numpy"])
    torch.set_rng_state(states["torch"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
