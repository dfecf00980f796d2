"""Fill networks with the variables of the original TensorFlow implementations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from vidnas.core import UserError
from vidnas.families import Network, official_variables

_SHOWN = 5


def load_variables(network: Network, variables: Mapping[str, np.ndarray]) -> None:
    """Copy original variables into the network, all or none.

    Args:
        network: a network of a published architecture.
        variables: arrays by their original names (without `:0`), shaped as there: convolution
            kernels `(H, W, in, out)`, dense kernels `(in, out)`, depthwise `(H, W, C, 1)`.

    Raises:
        UserError: a variable is missing, unexpected or misshapen; it is named.
    """
    expected = official_variables(network)
    _reject("missing", [name for name in expected if name not in variables])
    _reject("unexpected", [name for name in variables if name not in expected])
    misshapen = [
        f"{name} is {tuple(variables[name].shape)} instead of {slot.shape}"
        for name, slot in expected.items()
        if tuple(variables[name].shape) != slot.shape
    ]
    _reject("misshapen", misshapen)
    with torch.no_grad():
        for name, slot in expected.items():
            slot.target.copy_(slot.convert(torch.from_numpy(np.array(variables[name]))))


def _reject(what: str, names: list[str]) -> None:
    if names:
        rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise UserError(
            f"{len(names)} {what} variable(s): {', '.join(names[:_SHOWN])}{rest}; pass exactly the "
            "variables of the architecture that the network was built from."
        )
