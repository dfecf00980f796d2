"""Networks of somebody else: what they would cost is known before any memory is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from vidnas.core import Cost, UserError, bounds
from vidnas.core.quantities import format_bytes, format_count
from vidnas.families import Architecture, Network
from vidnas.profiling.counting import count_network, network_without_weights


def affordable_network(architecture: Architecture, num_classes: int) -> Network:
    """Build a network of any origin on the meta device, without weights.

    Raises:
        UserError: it cannot be built, or costs more to build or run than any ordinary network.
    """
    return _counted(architecture, num_classes)[0]


def affordable_cost(architecture: Architecture, num_classes: int) -> Cost:
    """Count what a network of any origin costs, as `count_cost` does.

    Raises:
        UserError: it cannot be built, or costs more to build or run than any ordinary network.
    """
    return _counted(architecture, num_classes)[1]


def _counted(architecture: Architecture, num_classes: int) -> tuple[Network, Cost]:
    with _plain_errors(), _Operations(bounds.OPERATIONS):
        network = network_without_weights(architecture, num_classes)
        cost = count_network(network)
    _require_affordable(cost, sum(one.numel() for one in network.state_dict().values()))
    return network, cost


def _require_affordable(cost: Cost, numbers: int) -> None:
    asked = (
        (numbers, bounds.PARAMETERS, "parameters", format_count),
        (cost.activation_bytes, bounds.ACTIVATION_BYTES, "of memory for one clip", format_bytes),
        (cost.macs, bounds.MACS, "MACs for one clip", format_count),
    )
    for value, most, unit, written in asked:
        if value > most:
            raise UserError(
                f"The network would have {written(value)} {unit}, more than {written(most)}, which "
                "is refused; choose a smaller architecture."
            )


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # whatever torch or a family says of sizes that cannot be
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"The network cannot be built ({reason}); check its genes.") from error


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Ends what would take more operations on tensors than any ordinary network."""

    def __init__(self, most: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._left = most

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        self._left -= 1
        if self._left < 0:
            raise UserError(
                f"The network would take more than {bounds.OPERATIONS} operations, which is "
                "refused; choose a smaller architecture."
            )
        return func(*args, **(kwargs or {}))
