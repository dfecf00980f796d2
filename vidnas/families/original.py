"""Where variables of original TensorFlow code go, for layers that several families share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class OfficialVariable:
    """Where one variable of the original TensorFlow code goes: `target = convert(array)`."""

    target: Tensor
    shape: tuple[int, ...]
    """The shape in the original code."""
    convert: Callable[[Tensor], Tensor]
    """From the original layout to the target's."""
    saved_as: str | None = None
    """Its name in checkpoints, where the original script renames it."""


_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def permuted(target: Tensor, order: tuple[int, ...]) -> OfficialVariable:
    """A variable whose axes, taken in this order, are those of the target."""
    shape = [0] * len(order)
    for size, axis in zip(target.shape, order, strict=True):
        shape[axis] = size
    return OfficialVariable(target, tuple(shape), lambda array: array.permute(order))


def vector(target: Tensor) -> OfficialVariable:
    """A variable with one axis."""
    return permuted(target, (0,))


def norm_variables(scope: str, norm: nn.Module) -> Iterator[tuple[str, OfficialVariable]]:
    """Yield the four variables of a batch norm by name."""
    for name, target in _NORM.items():
        yield f"{scope}/{name}", vector(getattr(norm, target))
