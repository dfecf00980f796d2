"""A network of a checkpoint: which of its variables are those of an architecture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from vidnas.core import UserError
from vidnas.families import (
    Architecture,
    Network,
    OfficialVariable,
    create_network,
    official_variables,
)
from vidnas.families.network import Normalization
from vidnas.official.checkpoint import Checkpoint
from vidnas.official.variables import load_variables

Levels = tuple[float, float]
"""Two levels, the lower first."""

_SHOWN, _LONGEST_SHOWN = 3, 100


@dataclass(frozen=True)
class Imported:
    """A network filled from a checkpoint."""

    network: Network
    variables: int
    """How many variables it took."""
    unused: tuple[str, ...] = field(repr=False)
    """What else may be weights: the optimizer's, or those of another network."""


def count_classes(architecture: Architecture, checkpoint: Checkpoint) -> int:
    """Return how many classes the network has that was saved: as many as its biases of classes.

    Raises:
        UserError: the architecture has no original with named variables, or these are not those of
            the checkpoint.
    """
    with torch.device("meta"):
        two, three = (official_variables(create_network(architecture, n)) for n in (2, 3))
    biases = {name: slot for name, slot in two.items() if slot.shape == (2,)}
    biases = {name: slot for name, slot in biases.items() if three[name].shape == (3,)}
    found = _found(checkpoint, two)
    return max(math.prod(checkpoint.shapes[found[name]]) for name in biases)


def import_network(
    architecture: Architecture,
    num_classes: int,
    checkpoint: Checkpoint,
    levels: Levels = (0.0, 1.0),
) -> Imported:
    """Build the network and fill it with the variables that were saved.

    Original scripts restore variables into other shapes of the same size; here axes of one may be
    missing or too many.

    Args:
        architecture: what was saved.
        num_classes: of its classifier.
        checkpoint: an open one.
        levels: what the darkest and the brightest level of RGB and of optical flow were where the
            weights were trained.

    Raises:
        UserError: a variable is missing or misshapen, or the checkpoint is damaged.
    """
    network = create_network(architecture, num_classes)
    slots = official_variables(network)
    found = _found(checkpoint, slots)
    for name, saved in found.items():  # before any memory is taken
        shape, expected = checkpoint.shapes[saved], slots[name].shape
        if _without_ones(shape) != _without_ones(expected):
            raise UserError(
                f"{checkpoint.path}: {name} is {shape} where this architecture has {expected}; "
                "name the architecture that was saved, and with --gene what differs, such as "
                "modality=flow."
            )
    arrays = checkpoint.read(set(found.values()))
    load_variables(
        network, {name: arrays[saved].reshape(slots[name].shape) for name, saved in found.items()}
    )
    _set_levels(network, *levels)
    unused = tuple(name for name in checkpoint.shapes if name not in arrays)
    return Imported(network.eval(), len(found), unused)


def _set_levels(network: Network, low: float, high: float) -> None:
    """Map the levels of clips, which lie in [0, 1], to this range. Object maps have none."""
    for spec, normalization in zip(
        network.architecture.inputs, network.normalizations, strict=True
    ):
        if spec.modality != "objects" and isinstance(normalization, Normalization):
            span = torch.full((spec.channels,), high - low)
            normalization.set_statistics(-low / span, 1 / span)


def _found(checkpoint: Checkpoint, slots: Mapping[str, OfficialVariable]) -> dict[str, str]:
    """Return the name in the checkpoint of each variable.

    Raises:
        UserError: one is missing.
    """
    found = {
        name: saved
        for name, slot in slots.items()
        for saved in (slot.saved_as, name)
        if saved in checkpoint.shapes
    }
    missing = [name for name in slots if name not in found]
    if missing:
        held = [name[:_LONGEST_SHOWN] for name in [*checkpoint.shapes][:_SHOWN]]
        others = ", ".join(held) or "no weights"
        raise UserError(
            f"{checkpoint.path} lacks {len(missing)} of the {len(slots)} variables that this "
            f"architecture has in its original code, such as {missing[0]}; it holds {others}. Name "
            "the architecture that was saved."
        )
    return found


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
