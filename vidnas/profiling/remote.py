"""Latency on a target: the protocol of this machine, run by the agent there.

What the link takes is in no number: the agent times, and sends what its clocks showed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from vidnas.core import Latency, UserError
from vidnas.families import Network
from vidnas.profiling.latency import CALIBRATION, Reference, latency_of, protocol_of
from vidnas.profiling.onnx import export_onnx
from vidnas.profiling.pairing import Pair, Series, Stopwatch, Times
from vidnas.profiling.reference import REFERENCE_INPUTS, reference_network
from vidnas.profiling.target import Connection, Target, ask

_RUNTIME = "onnxruntime"
"""The one that an agent has."""


class TargetFailure(Exception):
    """The target cannot run a network; the message says why."""


def require_target(name: str, runtime: str) -> None:
    """Reject what cannot be a target, or cannot run there.

    Raises:
        UserError: the name is not one of a target, or the runtime is not ONNX Runtime.
    """
    Target.parse(name)
    if runtime != _RUNTIME:
        raise UserError(
            f"On a target networks run in {_RUNTIME}, not {runtime}; leave --runtime out."
        )


def calibrate_target(name: str, *, runtime: str = _RUNTIME, threads: int = 1) -> Reference:
    """Time the reference network on a target that nothing else disturbs.

    Raises:
        UserError: the target does not answer, lacks something or cannot run the network, or the
            runtime is not ONNX Runtime.
    """
    require_target(name, runtime)
    network = _reference_graph()
    blocks, repeats = CALIBRATION

    def question(connection: Connection) -> Reference:
        asked = {"do": "calibrate", "threads": threads, "blocks": blocks, "repeats": repeats}
        found = _answer(connection, asked, network)["blocks"]
        return Reference(
            latency_ms=min(float(np.median(block)) for block in found),
            protocol=protocol_of(connection, threads, 1, blocks * repeats),
            target=name,
        )

    try:
        return ask(name, question)
    except TargetFailure as error:
        raise UserError(
            f"The target {name} cannot run the reference network ({error}); install a newer "
            "onnxruntime there."
        ) from error


def is_of_target(reference: Reference, name: str, *, threads: int) -> bool:
    """Return whether a reference was timed on this target, as it is now.

    Raises:
        UserError: the target does not answer, or lacks something.
    """
    known = reference.protocol

    def question(connection: Connection) -> bool:
        asked = connection.device, connection.runtime, threads
        return (known.device, known.runtime, known.threads) == asked

    return reference.target == name and ask(name, question)


def measure_on_target(
    network: Network,
    reference: Reference,
    *,
    warmup: int = 3,
    repeats: int = 60,
    give_up_ms: float | None = None,
) -> Latency:
    """Time a network on the target of a reference; see `measure_latency`.

    Raises:
        UserError: the target does not answer, lacks something, or is not as it was.
        TargetFailure: the target cannot run the network.
    """
    assert reference.target is not None  # or it would be timed here
    graph, threads = export_onnx(network, network.architecture.inputs), reference.protocol.threads
    asked = {
        "do": "time",
        "threads": threads,
        "network_bytes": len(graph),
        "warmup": warmup,
        "repeats": repeats,
        "give_up": None if give_up_ms is None else give_up_ms / reference.latency_ms,
    }

    def question(connection: Connection) -> Latency:
        now, then = (
            f"{place.device} in {place.runtime}" for place in (connection, reference.protocol)
        )
        if now != then:
            raise UserError(
                f"The target {reference.target} is now {now}, and latencies were calibrated on "
                f"{then}; start another study for it."
            )
        answer = _answer(connection, asked, graph + _reference_graph())
        series = Series(_nothing, Stopwatch(one_thread=threads == 1), warmup=answer["warmup"])
        series.pairs = [Pair(Times(*own), Times(*beside)) for own, beside in answer["pairs"]]
        return latency_of(series, connection, threads, reference)

    return ask(reference.target, question)


def _answer(connection: Connection, asked: dict[str, Any], data: bytes) -> dict[str, Any]:
    answer = connection.request(asked, data)
    if "failed" in answer:
        raise TargetFailure(f"on the target {answer['failed']}")
    return answer


@cache  # the same for every candidate
def _reference_graph() -> bytes:
    return export_onnx(reference_network(), REFERENCE_INPUTS)


def _nothing() -> None:
    """Run nothing: the runs are over, on another machine."""
