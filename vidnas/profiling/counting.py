"""Parameters, MACs and activation memory of an architecture, without allocating a weight."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from vidnas.core import Cost
from vidnas.families import Architecture, Network, create_network

_BATCH_NORM = torch.ops.aten.native_batch_norm.default
_KEEP_SHAPE = {
    torch.ops.aten.relu.default,
    torch.ops.aten.hardswish.default,
    torch.ops.aten.sigmoid.default,
}
_IN_PLACE = {torch.ops.aten.relu_.default, torch.ops.aten.hardswish_.default}


def count_cost(architecture: Architecture, num_classes: int) -> Cost:
    """Count what the network costs for one clip, on the meta device, in tens of milliseconds.

    MACs are those of convolutions and matrix products, for inference. The activation memory is the
    peak of the live tensors, the clip included and views not counted twice, when eager PyTorch runs
    the network in float32 at batch 1; a runtime that fuses layers needs less.
    """
    return count_network(network_without_weights(architecture, num_classes))


def network_without_weights(architecture: Architecture, num_classes: int) -> Network:
    """Build a network on the meta device: its tensors have shapes and take no memory."""
    with torch.device("meta"):
        return create_network(architecture, num_classes).eval()


def count_network(network: Network) -> Cost:
    """Count what a network on the meta device costs; see `count_cost`."""
    clips = tuple(torch.empty(s.shape(), device="meta") for s in network.architecture.inputs)
    with torch.no_grad(), _Counter(network, clips) as counted:
        network(*clips)
    return Cost(
        parameters=count_parameters(network),
        macs=counted.flops // 2,
        activation_bytes=counted.peak_bytes,
    )


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the FLOPs and follows which storages are alive, weights left out, while a network
    runs.

    The formulas are those of torch's `FlopCounterMode`; its per-module bookkeeping, which nobody
    reads here, would double the time.
    """

    def __init__(self, network: nn.Module, clips: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._weights = [t.untyped_storage() for t in (*network.parameters(), *network.buffers())]
        self._known = {storage._cdata for storage in self._weights}
        self.flops = self._live_bytes = self.peak_bytes = 0
        self._enter(clips)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result: Any
        # Two thirds of a run on meta are the decompositions of these, which keep the shape.
        if func is _BATCH_NORM:
            result = (torch.empty_like(args[0]), *torch.empty(2, 0, device="meta"))
        elif func in _KEEP_SHAPE:
            result = torch.empty_like(args[0])
        elif func in _IN_PLACE:
            result = args[0]
        else:
            result = func(*args, **(kwargs or {}))
            if formula := flop_registry.get(func.overloadpacket):
                self.flops += formula(*args, **(kwargs or {}), out_val=result)
        self._enter(result if isinstance(result, (tuple, list)) else (result,))
        return result

    def _enter(self, values: Iterable[Any]) -> None:
        for tensor in values:
            if not isinstance(tensor, Tensor):
                continue
            storage = tensor.untyped_storage()
            if storage._cdata not in self._known:
                self._known.add(storage._cdata)
                self._live_bytes += storage.nbytes()
                self.peak_bytes = max(self.peak_bytes, self._live_bytes)
                weakref.finalize(storage, self._leave, storage._cdata, storage.nbytes())

    def _leave(self, key: int, size_bytes: int) -> None:
        self._known.discard(key)
        self._live_bytes -= size_bytes
