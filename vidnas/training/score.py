"""A score that looks at an untrained network only: seconds of training saved, or so it is hoped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from vidnas.families import Network
from vidnas.families.network import Normalization
from vidnas.training.metrics import to_input

_ACTIVATIONS = {
    torch.ops.aten.relu.default,
    torch.ops.aten.relu_.default,
    torch.ops.aten.hardswish.default,
    torch.ops.aten.hardswish_.default,
}


def training_free_score(network: Network, clips: tuple[Tensor, ...]) -> float:
    """How differently clips switch the units of a network on: more is said to learn better.

    The logarithm of the determinant of the kernel of binary activation codes (Mellor et al., Neural
    Architecture Search without Training, ICML 2021, arXiv 2006.04647, section 3). The identity is
    added, so that it is finite where two clips have the same code. `benchmarks/fidelity.py`
    measures what it is worth.

    Args:
        network: freshly built; it stays as it is.
        clips: one batch, `(N, C, T, H, W)`, uint8, one tensor an input.
    """
    network = deepcopy(network).train()  # batch normalisation by the batch: there is no other yet
    device = next(network.parameters()).device
    inputs = [to_input(clip, device) for clip in clips]
    for normalization, clip in zip(network.normalizations, inputs, strict=True):
        statistics = clip.mean((0, 2, 3, 4)), clip.std((0, 2, 3, 4))
        cast(Normalization, normalization).set_statistics(*statistics)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad(), _Codes(len(clips[0])) as codes:
        torch.manual_seed(0)  # of dropout
        network(*inputs)
    kernel = codes.agreements + torch.eye(len(clips[0]), dtype=torch.float64)
    return float(torch.linalg.slogdet(kernel).logabsdet)


class _Codes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts for every two clips the units that are active for both or for neither."""

    def __init__(self, clips: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.agreements = torch.zeros(clips, clips, dtype=torch.float64)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _ACTIVATIONS:
            active = (args[0] > 0).reshape(len(self.agreements), -1)  # clips come before frames
            signs = active.float() * 2 - 1
            self.agreements += ((signs @ signs.T + active.shape[1]) / 2).double().cpu()
        return func(*args, **(kwargs or {}))
