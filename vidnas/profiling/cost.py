"""The whole cost of a network: what can be counted, and its latency."""

from __future__ import annotations

from pathlib import Path

from vidnas.core import Cost
from vidnas.families import Network
from vidnas.profiling.counting import count_cost
from vidnas.profiling.latency import Reference, measure_frame_latency, measure_latency
from vidnas.profiling.remote import measure_on_target
from vidnas.profiling.streaming import StreamingStep


def measure_cost(
    network: Network,
    *,
    runtime: str = "onnxruntime",
    device: str = "cpu",
    threads: int = 1,
    repeats: int = 60,
    reference: Reference | None = None,
    give_up_ms: float | None = None,
    file: Path | None = None,
) -> Cost:
    """Count a network's parameters, MACs and memory, and time it on one clip.

    The keywords are those of `measure_latency`. With the reference of a target it is timed there.

    Raises:
        UserError: the runtime or the device cannot be used, or the target does not answer.
        TargetFailure: the target cannot run the network.
    """
    if reference is not None and reference.target is not None:
        latency = measure_on_target(network, reference, repeats=repeats, give_up_ms=give_up_ms)
    else:
        latency = measure_latency(
            network,
            runtime=runtime,
            device=device,
            threads=threads,
            repeats=repeats,
            reference=reference,
            give_up_ms=give_up_ms,
            file=file,
        )
    counted = count_cost(network.architecture, network.num_classes)
    return counted.model_copy(update={"latency": latency})


def with_frame_latency(
    cost: Cost,
    network: Network,
    *,
    threads: int = 1,
    repeats: int = 60,
    reference: Reference | None = None,
    give_up_ms: float | None = None,
) -> Cost:
    """Return a cost with the latency of a streaming step of the network as well, which stays as it
    is.

    The keywords are those of `measure_latency`; the runtime is ONNX Runtime.

    Raises:
        CannotStream: the network has no such step.
        UserError: the reference was calibrated for another engine, device or number of threads.
    """
    was_training = network.training
    try:
        latency = measure_frame_latency(
            StreamingStep(network),
            threads=threads,
            repeats=repeats,
            reference=reference,
            give_up_ms=give_up_ms,
        )
    finally:
        network.train(was_training)
    return cost.model_copy(update={"frame_latency": latency})
