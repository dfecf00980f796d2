"""Weight inheritance: a child starts from its parent's weights instead of random ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from vidnas.families.network import Network, Normalization
from vidnas.layers.causal import OverPast

_Before = Callable[[int, int], int]
"""How many places of a kernel of this size lie before its output, along this axis."""


@runtime_checkable
class Passing(Protocol):
    """Layers that a skip connection may lead around."""

    def pass_through(self) -> None:
        """Begin as the identity, where the skip connection allows it."""


def inherit(
    network: nn.Module, learned: Mapping[str, Tensor], parent: Network | None = None
) -> float:
    """Copy into a network what another one has learned in tensors of the same name.

    Layers keep their weights, as in Real et al., Large-Scale Evolution of Image Classifiers, ICML
    2017 ("Weight inheritance"); of those that mutation made wider, narrower or of another kernel
    size, the part that both have. New layers beside a skip connection begin as the identity. The
    statistics of the input clips stay the network's own: they belong to the data.

    Args:
        network: a freshly built one; what is not inherited keeps its random weights.
        learned: the parent's state, on any device and of any floating-point type.
        parent: whose state it is; its weights do not matter. Where unset, tensors go by the names
            that they have.

    Returns:
        The share of the network's parameters that were inherited.
    """
    lineage: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict
    if parent is not None and isinstance(network, Network):
        lineage, learned = partial(network.lineage, parent=parent), parent.lineage(learned)
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
            for name, own in lineage({place: tensor.detach()}).items():
                if name in learned and learned[name].ndim == own.ndim:
                    inherited += min(_graft(own, learned[name], before), size)
                    known.add(path)
    passing = {path: one for path, one in modules.items() if isinstance(one, Passing)}
    for path, module in passing.items():
        if known and not any(one.startswith(f"{path}.") for one in known):
            module.pass_through()
    return inherited / max(everything, 1)


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


def _graft(own: Tensor, parent: Tensor, before: _Before) -> int:
    """Copy what two tensors share: the first channels, and what kernels see of the same places.

    An inherited filter does not see what it did not know, further inputs or places of the kernel,
    so that it computes what it did (Chen et al., Net2Net, arXiv 1511.05641); new filters stay
    random, and no part of the network is cut off from learning.

    Returns:
        The number of entries that were copied.
    """
    here, there = [], []
    for axis, (mine, theirs) in enumerate(zip(own.shape, parent.shape, strict=True)):
        # Axes are counted from the end: strides are those of the last ones.
        ahead = before(mine, axis - own.ndim) - before(theirs, axis - own.ndim) if axis > 1 else 0
        begin, other = max(ahead, 0), max(-ahead, 0)
        shared = max(min(mine - begin, theirs - other), 0)
        here.append(slice(begin, begin + shared))
        there.append(slice(other, other + shared))
    own[tuple(here[:1])] = 0
    own[tuple(here)] = parent[tuple(there)].to(own)
    return own[tuple(here)].numel()
