"""The latency of one clip, measured so that other busy cores do not change it.

A candidate is timed while other workers train, and neighbours on one machine share caches, memory
and clock: even the CPU time of one network then drifts by tens of per cent. It drifts together with
that of another network that runs in between, so what is kept is the median of the pairwise ratios,
times the latency that the reference network had on the undisturbed machine
(`benchmarks/latency_steadiness.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from vidnas.core import Latency, LatencyProtocol, UserError
from vidnas.core.value import Value
from vidnas.families import Network
from vidnas.profiling.pairing import Series, Stopwatch
from vidnas.profiling.reference import REFERENCE_INPUTS, REFERENCE_NAME, reference_network
from vidnas.profiling.runtimes import (
    Prepared,
    engine_of,
    prepare,
    prepare_file,
    prepare_step,
    require_runtime,
)
from vidnas.profiling.streaming import StreamingStep

CALIBRATION = (10, 20)
"""Blocks of the reference network, and runs of each."""

_Name = TypeVar("_Name")


class Reference(Value):
    """How fast the reference network is on this machine when nothing disturbs it."""

    latency_ms: float
    protocol: LatencyProtocol
    target: str | None = None
    """The target that it was timed on; None for this machine."""

    def fits(self, *, runtime: str, threads: int) -> bool:
        """Return whether it is of this machine, and of the engine of a runtime as it is here.

        Raises:
            UserError: the runtime cannot be used.
        """
        require_runtime(runtime)
        prepared = _prepared_reference(engine_of(runtime), threads)
        known = self.protocol
        return (known.device, known.runtime, known.threads) == (
            prepared.device,
            prepared.runtime,
            threads,
        )


def calibrate(*, runtime: str = "onnxruntime", threads: int = 1, device: str = "cpu") -> Reference:
    """Time the reference network: the best of ten short blocks, by their medians. Takes 1.5 s.

    Args:
        runtime: the reference runs in its engine, in float32.
        threads: on the CPU.
        device: "cpu".

    Raises:
        UserError: the runtime or the device cannot be used, or the device is not the CPU.
    """
    if device != "cpu":
        raise UserError(f"Device {device!r} has no reference network; measure without one.")
    require_runtime(runtime)
    prepared = _prepared_reference(engine_of(runtime), threads)
    watch = Stopwatch(one_thread=threads == 1)
    prepared.run()
    count, repeats = CALIBRATION
    blocks = [[watch.once(prepared.run).own_ms for _ in range(repeats)] for _ in range(count)]
    return Reference(
        latency_ms=min(float(np.median(block)) for block in blocks),
        protocol=protocol_of(prepared, threads, 1, count * repeats),
    )


def measure_latency(
    network: Network,
    *,
    runtime: str = "onnxruntime",
    device: str = "cpu",
    threads: int = 1,
    warmup: int = 3,
    repeats: int = 60,
    reference: Reference | None = None,
    give_up_ms: float | None = None,
    file: Path | None = None,
) -> Latency:
    """Time a network in evaluation mode on one random clip; the network stays as it is.

    Every timed run follows one to four that are not timed, so that it finds the caches warm.

    Args:
        network: any network; its weights do not matter.
        runtime: one of `RUNTIMES`, such as "onnxruntime", "openvino-int8" or "torch".
        device: "cpu"; with "torch" also "cuda" or "cuda:N", with the clip on the device already.
        threads: threads on the CPU. One is compared with the reference by CPU time, more by wall
            time.
        warmup: runs that do not count.
        repeats: runs that count; with a reference fewer, but at least ten, if all took over 3 s.
        reference: from `calibrate`, for a latency that other busy cores do not change; if unset,
            plain wall time is measured.
        give_up_ms: stop early once the network is clearly slower: the fastest of the first n runs
            takes more than `1 + 2 / n` times as long. The protocol records how many runs there
            were.
        file: what the network was exported to, to time that as it is.

    Raises:
        UserError: the runtime or the device cannot be used, or the reference was calibrated for
            another.
    """
    inputs = network.architecture.inputs
    if file is not None:
        prepared = prepare_file(file, inputs, runtime=runtime, threads=threads)
    else:
        prepared = prepare(network, inputs, runtime=runtime, device=device, threads=threads)
    series = _series(
        prepared, threads, reference, warmup=warmup, repeats=repeats, give_up_ms=give_up_ms
    )
    return latency_of(series.take(), prepared, threads, reference)


def measure_frame_latency(
    step: StreamingStep,
    *,
    threads: int = 1,
    warmup: int = 3,
    repeats: int = 60,
    reference: Reference | None = None,
    give_up_ms: float | None = None,
) -> Latency:
    """Time a streaming step in ONNX Runtime: what the newest frame of a video costs.

    The keywords are those of `measure_latency`.

    Raises:
        UserError: the reference was calibrated for another engine, device or number of threads.
    """
    prepared = prepare_step(step, threads=threads)
    series = _series(
        prepared, threads, reference, warmup=warmup, repeats=repeats, give_up_ms=give_up_ms
    )
    return latency_of(series.take(), prepared, threads, reference)


def measure_in_turns(
    networks: Mapping[_Name, Prepared],
    references: Mapping[_Name, Reference],
    *,
    threads: int,
    repeats: int,
    warmup: int = 3,
) -> dict[_Name, Latency]:
    """Time networks in turns, one run of each after the other, each beside its reference.

    What the machine does meanwhile then happens to all of them.

    Raises:
        UserError: a reference was calibrated for another engine, device or number of threads.
    """
    all_series = {
        name: _series(prepared, threads, references[name], warmup=warmup, repeats=repeats)
        for name, prepared in networks.items()
    }
    while running := [series for series in all_series.values() if not series.ended]:
        for series in running:
            series.sample()
    return {
        name: latency_of(series, networks[name], threads, references[name])
        for name, series in all_series.items()
    }


def _series(
    prepared: Prepared,
    threads: int,
    reference: Reference | None,
    *,
    warmup: int,
    repeats: int,
    give_up_ms: float | None = None,
) -> Series:
    if reference is None:  # wall time: a GPU, or a machine that nobody calibrated
        watch = Stopwatch(one_thread=False)
        return Series(prepared.run, watch, warmup=warmup, repeats=repeats, give_up=give_up_ms)
    known, engine = reference.protocol, prepared.runtime.partition(" ")[0]
    asked = (prepared.device, prepared.runtime, threads)
    if (known.device, known.runtime, known.threads) != asked:
        raise UserError(
            f"The reference network was calibrated on {known.device} in {known.runtime} with "
            f"{known.threads} thread(s), not on {asked[0]} in {asked[1]} with {threads}; calibrate "
            "it again."
        )
    return Series(
        prepared.run,
        Stopwatch(one_thread=threads == 1),
        _prepared_reference(engine, threads).run,
        warmup=warmup,
        repeats=repeats,
        give_up=give_up_ms and give_up_ms / reference.latency_ms,
    )


@cache
def _prepared_reference(engine: str, threads: int) -> Prepared:
    return prepare(
        reference_network(), REFERENCE_INPUTS, runtime=engine, device="cpu", threads=threads
    )


class Place(Protocol):
    """Where and in what something was timed."""

    @property
    def device(self) -> str:
        """Name with the model of the chip."""

    @property
    def runtime(self) -> str:
        """Name and version."""

    @property
    def dtype(self) -> str:
        """In which convolutions are computed."""


def latency_of(
    series: Series, prepared: Place, threads: int, reference: Reference | None
) -> Latency:
    """Return what runs amount to, in units of the reference network where there is one."""
    scale_ms = 1.0 if reference is None else reference.latency_ms
    low, p50, high, p90 = (np.quantile(series.ratios, (0.25, 0.5, 0.75, 0.9)) * scale_ms).tolist()
    pairs = series.counted
    wall = np.quantile([pair.own.wall_ms for pair in pairs], (0.5, 0.9)).tolist()
    cpu_ms = [pair.own.cpu_ms for pair in pairs if pair.own.cpu_ms is not None]
    beside_ms = [pair.beside.own_ms for pair in pairs if pair.beside is not None]
    name = None if reference is None else f"{REFERENCE_NAME}, {scale_ms:.3f} ms"
    return Latency(
        p50_ms=p50,
        p90_ms=p90,
        spread=(high - low) / p50,
        protocol=protocol_of(prepared, threads, series.warmup, len(pairs), name),
        wall_p50_ms=wall[0],
        wall_p90_ms=wall[1],
        cpu_p50_ms=float(np.median(cpu_ms)) if cpu_ms else None,
        slowdown=float(np.median(beside_ms)) / scale_ms if beside_ms else None,
    )


def protocol_of(
    prepared: Place, threads: int, warmup: int, repeats: int, reference: str | None = None
) -> LatencyProtocol:
    """Return how one clip at a time was timed."""
    return LatencyProtocol(
        device=prepared.device,
        runtime=prepared.runtime,
        threads=threads,
        dtype=prepared.dtype,
        batch=1,
        warmup=warmup,
        repeats=repeats,
        reference=reference,
    )
