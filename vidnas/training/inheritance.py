"""Weight inheritance: a child starts from its parent's weights instead of random ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Protocol, TypeGuard, runtime_checkable

import torch
from torch import Tensor, nn

from vidnas.families.network import Network, Normalization
from vidnas.layers.causal import OverPast

_Before = Callable[[int, int], int]
"""How many places of a kernel of this size lie before its output, along this axis."""
_Lineage = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""Tensors, or the parts of them, by their names along a lineage."""


@runtime_checkable
class Passing(Protocol):
    """Layers that may let through what enters."""

    def pass_through(self) -> None:
        """Begin as the identity, where a skip connection or their form allows it."""


def inherit(
    network: nn.Module, learned: Mapping[str, Tensor], parent: Network | None = None
) -> float:
    """Copy into a network what another one has learned in tensors of the same name.

    Layers keep their weights, as in Real et al., Large-Scale Evolution of Image Classifiers, ICML
    2017 ("Weight inheritance"); of those that mutation made wider, narrower or of another kernel
    size, the part that both have. New layers that may pass through what enters begin as the
    identity. The statistics of the input clips stay the network's own: they belong to the data.

    Args:
        network: a freshly built one; what is not inherited keeps its random weights.
        learned: the parent's state, on any device and of any floating-point type.
        parent: whose state it is; its weights do not matter. Where unset, tensors go by the names
            that they have.

    Returns:
        The share of the network's parameters that were inherited.
    """
    lineage: _Lineage = dict
    tensors = _Learned(learned)
    if parent is not None and isinstance(network, Network):
        lineage, tensors = partial(network.lineage, parent=parent), _learned_by(parent, learned)
    modules = dict(network.named_modules())
    known: set[str] = set()
    causal = tuple(f"{path}." for path, one in modules.items() if isinstance(one, OverPast))
    inherited = everything = 0
    for path, module in modules.items():
        if isinstance(module, Normalization):
            continue
        parameters = module.named_parameters(path, recurse=False)
        buffers = module.named_buffers(path, recurse=False)
        for place, tensor in chain(parameters, buffers):
            size = tensor.numel() if isinstance(tensor, nn.Parameter) else 0
            everything += size
            before = _before(module, place) if not place.startswith(causal) else _newest
            known_as = partial(tensors.known_as, depthwise=_is_depthwise(module))
            copied = _take_over(place, tensor.detach(), lineage, known_as, before)
            inherited += min(copied, size)
            if copied:
                known.add(path)
    passing = {path: one for path, one in modules.items() if isinstance(one, Passing)}
    for path, module in passing.items():
        # What passes by itself within says nothing of the rest.
        within = tuple(f"{one}." for one in passing if one.startswith(f"{path}."))
        parts = (f"{one}." for one in known)
        own = (one for one in parts if one.startswith(f"{path}.") and not one.startswith(within))
        if known and not any(own):
            module.pass_through()
    return inherited / max(everything, 1)


@dataclass(frozen=True)
class _Learned:
    """What a parent has learned, by names along the lineage."""

    tensors: Mapping[str, Tensor]
    depthwise: Set[str] = frozenset()
    """Names of depthwise kernels, `(C, 1, h, w)`."""

    def known_as(self, name: str, *, depthwise: bool) -> Tensor | None:
        """Return a tensor; a kernel as one of a depthwise layer, or of one that is not.

        A depthwise kernel is a full one that is zero but for the channel at the filter's place.
        """
        known = self.tensors.get(name)
        if known is None or depthwise == (name in self.depthwise):
            return known
        if not depthwise:
            return torch.diag_embed(known[:, 0].movedim(0, -1), dim1=0, dim2=1)
        if known.ndim < 4 or known.shape[1] == 1:
            return known
        return known.diagonal().movedim(-1, 0)[:, None]


def _learned_by(parent: Network, learned: Mapping[str, Tensor]) -> _Learned:
    modules = parent.named_modules()
    depthwise = {f"{path}.weight": one.weight for path, one in modules if _is_depthwise(one)}
    return _Learned(parent.lineage(learned), parent.lineage(depthwise).keys())


def _is_depthwise(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Return whether each filter of a convolution sees one channel, that at its own place."""
    if not isinstance(module, nn.Conv2d):
        return False
    return 1 < module.groups == module.in_channels == module.out_channels


def _before(module: nn.Module, name: str) -> _Before:
    """Return where the kernels of a tensor lie; where there are none, all begin at the same place,
    as channels do."""
    stride = getattr(module, "stride", None)
    if isinstance(stride, tuple) and name.endswith("weight"):
        return partial(_same, stride)
    return _nothing


def _same(stride: tuple[int, ...], size: int, axis: int) -> int:
    """Return it for SAME padding of what the stride divides: half of the padding, or less."""
    return max(size - stride[axis], 0) // 2


def _newest(size: int, axis: int) -> int:
    """Return it for kernels that look back."""
    return size - 1


def _nothing(size: int, axis: int) -> int:
    return 0


def _take_over(
    place: str,
    own: Tensor,
    lineage: _Lineage,
    known_as: Callable[[str], Tensor | None],
    before: _Before,
) -> int:
    """Copy what a tensor and the parent's of the same name share, part by part.

    An inherited filter does not see what it did not know, further inputs or places of the kernel,
    so that it computes what it did (Chen et al., Net2Net, arXiv 1511.05641); new filters stay
    random, and no part of the network is cut off from learning.

    Returns:
        The number of entries that were copied.
    """
    # What is not shared is zero, but whole filters of which nothing is are left as they are.
    inherited, shared = torch.zeros_like(own), torch.zeros_like(own, dtype=torch.bool)
    marks = lineage({place: shared})
    for name, part in lineage({place: inherited}).items():
        known = known_as(name)
        if known is not None and known.ndim == part.ndim:
            here, there = _overlap(part, known, before)
            part[here] = known[there].to(part)
            marks[name][here] = True
    filters = shared.flatten(1).any(1) if own.ndim > 1 else shared
    own[filters] = inherited[filters]
    return int(shared.sum())


def _overlap(
    own: Tensor, parent: Tensor, before: _Before
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where, in each, two tensors have the same channels, the first ones, and kernels that
    see the same places."""
    here, there = [], []
    for axis, (mine, theirs) in enumerate(zip(own.shape, parent.shape, strict=True)):
        # Axes are counted from the end: strides are those of the last ones.
        ahead = before(mine, axis - own.ndim) - before(theirs, axis - own.ndim) if axis > 1 else 0
        begin, other = max(ahead, 0), max(-ahead, 0)
        shared = max(min(mine - begin, theirs - other), 0)
        here.append(slice(begin, begin + shared))
        there.append(slice(other, other + shared))
    return tuple(here), tuple(there)
