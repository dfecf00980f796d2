"""The whole cost of a network: what can be counted, and its latency."""

from __future__ import annotations

from vidnas.core import Cost
from vidnas.families import Network
from vidnas.profiling.counting import count_cost
from vidnas.profiling.latency import Reference, measure_latency


def measure_cost(
    network: Network,
    *,
    runtime: str = "onnxruntime",
    device: str = "cpu",
    threads: int = 1,
    repeats: int = 60,
    reference: Reference | None = None,
    give_up_ms: float | None = None,
) -> Cost:
    """Count a network's parameters, MACs and memory, and time it on one clip.

    The keywords are those of `measure_latency`.

    Raises:
        UserError: the runtime or the device cannot be used.
    """
    latency = measure_latency(
        network,
        runtime=runtime,
        device=device,
        threads=threads,
        repeats=repeats,
        reference=reference,
        give_up_ms=give_up_ms,
    )
    counted = count_cost(network.architecture, network.num_classes)
    return counted.model_copy(update={"latency": latency})
