"""What the tensors of EvaNets are called along a lineage, in which branches come and go.

The channels of a module's branches lie side by side in whatever takes them. Such a tensor is taken
apart into what belongs to each branch, so that what was learned of one stays with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from vidnas.families.alignment import aligned
from vidnas.families.evanet.modular import ModularNet

Names = Sequence[str]
"""Of what lies along an axis of a tensor, side by side and of equal size; none where it is one."""

_IN_MODULE = re.compile(r"(?:stages\.(\d+)|inception)\.(\d+)\.(.+)")
_IN_BRANCH = re.compile(r"branches\.branches\.(\d+)\.(.+)")
_TAKES_INPUT = re.compile(r"(branches\..*\.pointwise|shortcut)\.conv\.weight")
_GIVES_OUTPUT = re.compile(r"(shortcut|non_local\.project)\.")
_TAKES_OUTPUT = re.compile(r"non_local\.(query|key_value)\.weight")


def by_branch(
    state: Mapping[str, Tensor], architecture: ModularNet, parent: ModularNet | None = None
) -> dict[str, Tensor]:
    """Tensors of a network by module and branch; those of a parent's branches go by the places that
    it has them at."""
    branches = [
        [f"new {own}" if place is None else str(place) for own, place in enumerate(places)]
        for places in (
            aligned(before.branches, module.branches)
            for before, module in zip(
                (parent or architecture).modules, architecture.modules, strict=True
            )
        )
    ]
    found: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name, axes = _known_as(key, branches)
        found |= _taken_apart(name, tensor, axes)
    return found


def _known_as(key: str, branches: Sequence[Names]) -> tuple[str, tuple[Names, Names]]:
    """Return the name of a tensor, and of what lies along its filters and along its inputs."""
    match = _IN_MODULE.fullmatch(key)
    if match is None:
        return key, ((), branches[-1] if key == "head.dense.weight" else ())
    repeats = match[1] is not None
    module, repeat = (int(match[1]), int(match[2])) if repeats else (int(match[2]), 0)
    rest, own = match[3], branches[module]
    if inside := _IN_BRANCH.fullmatch(rest):
        name = f"{module}.{repeat}.{own[int(inside[1])]}.{inside[2]}"
    elif rest.startswith("non_local."):  # after the last repeat, whichever that is
        name = f"{module}.{rest}"
    else:
        name = f"{module}.{repeat}.{rest}"
    return name, (_filters(rest, own), _inputs(rest, module, repeat, branches))


def _filters(rest: str, own: Names) -> Names:
    if rest == "non_local.key_value.weight":
        return "key", "value"
    return own if _GIVES_OUTPUT.match(rest) else ()


def _inputs(rest: str, module: int, repeat: int, branches: Sequence[Names]) -> Names:
    if _TAKES_OUTPUT.fullmatch(rest):
        return branches[module]
    if not _TAKES_INPUT.fullmatch(rest):
        return ()
    if repeat:
        return branches[module]
    return branches[module - 1] if module else ()  # the stem has no branches


def _taken_apart(name: str, tensor: Tensor, axes: Sequence[Names]) -> dict[str, Tensor]:
    pieces = {name: tensor}
    for axis, names in enumerate(axes[: tensor.ndim]):
        if names:
            pieces = {
                f"{whole}, {part}": piece
                for whole, one in pieces.items()
                for part, piece in zip(names, one.chunk(len(names), axis), strict=True)
            }
    return pieces
