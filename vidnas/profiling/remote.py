"""Latency on a target: the protocol of this machine, run by the agent there.

What the link takes is in no number: the agent times, and sends what its clocks showed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vidnas.core import Latency, UserError
from vidnas.families import Network
from vidnas.profiling.latency import CALIBRATION, Reference, latency_of, protocol_of
from vidnas.profiling.onnx import export_onnx
from vidnas.profiling.pairing import Pair, Series, Stopwatch, Times
from vidnas.profiling.reference import REFERENCE_INPUTS, reference_network
from vidnas.profiling.target import Connection, ask

RUNTIME = "onnxruntime"
"""The one that an agent has."""


class TargetFailure(Exception):
    """The target cannot run a network; the message says why."""


def calibrate_target(name: str, *, threads: int = 1) -> Reference:
    """Time the reference network on a target that nothing else disturbs.

    Raises:
        UserError: the target does not answer, lacks something or cannot run the network.
    """
    network = export_onnx(reference_network(), REFERENCE_INPUTS)
    blocks, repeats = CALIBRATION

    def question(connection: Connection) -> Reference:
        asked = {"do": "calibrate", "threads": threads, "blocks": blocks, "repeats": repeats}
        found = _answer(connection, asked, network)["blocks"]
        return Reference(
            latency_ms=min(float(np.median(block)) for block in found),
            protocol=protocol_of(_Place(connection), threads, 1, blocks * repeats),
            target=name,
        )

    try:
        return ask(name, question)
    except TargetFailure as error:
        raise UserError(
            f"The target {name} cannot run the reference network ({error}); install a newer "
            "onnxruntime there."
        ) from error
