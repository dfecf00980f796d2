"""Weight inheritance: a child starts from its parent's weights instead of random ones."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor, nn

from vidnas.families.network import Normalization


def inherit(network: nn.Module, weights: Mapping[str, Tensor]) -> float:
    """Copy into a network what another one has learned in tensors of the same name.

    Layers keep their weights, as in Real et al., Large-Scale Evolution of Image Classifiers, ICML
    2017 ("Weight inheritance"); of those that mutation made wider, narrower or of another kernel
    size, the part that both have. The statistics of the input clips stay the network's own: they
    belong to the data.

    Args:
        network: a freshly built one; what is not inherited keeps its random weights.
        weights: the parent's `state_dict`, on any device and of any floating-point type.

    Returns:
        The share of the network's parameters that were inherited.
    """
    inherited = everything = 0
    for path, module in network.named_modules():
        if isinstance(module, Normalization):
            continue
        parameters = module.named_parameters(path, recurse=False)
        buffers = module.named_buffers(path, recurse=False)
        for name, tensor in chain(parameters, buffers):
            size = tensor.numel() if isinstance(tensor, nn.Parameter) else 0
            everything += size
            if name in weights and weights[name].ndim == tensor.ndim:
                shared = _graft(tensor, weights[name])
                inherited += min(shared, size)
    return inherited / max(everything, 1)


@torch.no_grad()
def _graft(own: Tensor, parent: Tensor) -> int:
    """Copy what two tensors share: the first channels, and the middle of kernels.

    An inherited filter does not see what it did not know, further inputs or places of the kernel,
    so that it computes what it did (Chen et al., Net2Net, arXiv 1511.05641); new filters stay
    random, and no part of the network is cut off from learning.

    Returns:
        The number of entries that were copied.
    """
    places = []
    for axis, (mine, theirs) in enumerate(zip(own.shape, parent.shape, strict=True)):
        shared = min(mine, theirs)
        begins = [(size - shared) // 2 if axis > 1 else 0 for size in (mine, theirs)]
        places.append([slice(begin, begin + shared) for begin in begins])
    here, there = ([both[side] for both in places] for side in (0, 1))
    own[tuple(here[:1])] = 0
    own[tuple(here)] = parent[tuple(there)].to(own)
    return own[tuple(here)].numel()
