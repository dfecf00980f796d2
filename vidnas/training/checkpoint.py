"""An unfinished training run on disk: enough to resume as if nothing had happened.

Randomness needs no storing: every epoch seeds its generators from the seed and its own number.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidnas.core import UserError
from vidnas.core.files import replacing


@dataclass
class TrainingState:
    """How far a training run is, apart from the network and the optimizer."""

    epochs: float = 0.0
    spent: float = 0.0
    """Share of the budget used up, at most 1."""
    seconds: float = 0.0
    """Time since training began, over all resumptions."""
    history: list[str] = field(default_factory=list)
    """One `EpochReport` per epoch, as JSON."""
    best_weights: dict[str, Tensor] | None = None


def save_checkpoint(
    path: Path,
    identity: dict[str, str],
    state: TrainingState,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Replace the checkpoint in one step: a kill leaves the old one or the new one."""
    everything = {
        "identity": identity,
        "state": vars(state),
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        torch.save(everything, temporary)


def load_checkpoint(
    path: Path,
    identity: dict[str, str],
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
) -> TrainingState:
    """Restore the network and the optimizer, and return how far the run was.

    Raises:
        UserError: the file is not a checkpoint, or one of another training run.
    """
    try:
        # On the CPU first, without executing code; `load_state_dict` moves to the device.
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = saved["identity"]
    except (RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise UserError(
            f"{path} is not a checkpoint of a training run; remove it to start again."
        ) from error
    differing = [name for name in identity if identity[name] != found.get(name)]
    if differing:
        raise UserError(
            f"{path} is of a training run that differs in its {' and '.join(differing)}; repeat "
            "that run as it was, or remove the file to start again."
        )
    network.load_state_dict(saved["network"])
    optimizer.load_state_dict(saved["optimizer"])
    return TrainingState(**saved["state"])
