"""The state of an unfinished training on disk: enough to go on as if nothing had happened.

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
class Progress:
    """What a training has come to, apart from the network and the optimizer."""

    epochs: float = 0.0
    spent: float = 0.0
    """Share of the budget used up, at most 1."""
    seconds: float = 0.0
    """Since the training began, over all its resumptions."""
    history: list[str] = field(default_factory=list)
    """One `EpochReport` an epoch, as JSON."""
    best_weights: dict[str, Tensor] | None = None


def save_checkpoint(
    path: Path,
    identity: dict[str, str],
    progress: Progress,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Replace the checkpoint in one step: a kill leaves the old one or the new one."""
    state = {
        "identity": identity,
        "progress": vars(progress),
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(
    path: Path,
    identity: dict[str, str],
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
) -> Progress:
    """Put the network and the optimizer back to where the training stood.

    Raises:
        UserError: the file is not a checkpoint, or one of another training.
    """
    try:
        # On the CPU first, without executing code; `load_state_dict` moves to the device.
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = state["identity"]
    except (RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise UserError(
            f"{path} is not a checkpoint of a training; remove it to start afresh."
        ) from error
    differing = [name for name in identity if identity[name] != found.get(name)]
    if differing:
        raise UserError(
            f"{path} is of a training that differs in its {' and '.join(differing)}; repeat it as "
            "it was, or remove the file to start afresh."
        )
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])
