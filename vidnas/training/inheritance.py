"""Weight inheritance: a child starts from its parent's weights instead of random ones."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor, nn

from vidnas.families.network import Normalization


def inherit(network: nn.Module, weights: Mapping[str, Tensor]) -> float:
    """Copy into a network every tensor that another one has by the same name in the same shape.

    Layers keep their weights if the shapes match, as in Real et al., Large-Scale Evolution of Image
    Classifiers, ICML 2017 ("Weight inheritance"). The statistics of the input clips stay the
    network's own: they belong to the data.

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
            if name in weights and weights[name].shape == tensor.shape:
                with torch.no_grad():
                    tensor.copy_(weights[name])
                inherited += size
    return inherited / max(everything, 1)
