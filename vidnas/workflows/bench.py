"""Networks in every runtime, timed in turns: what each costs there, and what it answers."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vidnas.core import Latency, UserError
from vidnas.core.files import replacing
from vidnas.core.text import cause_of, counted
from vidnas.core.value import Value
from vidnas.data.cache import ClipCache
from vidnas.deploy.checks import MOST_CHECKED, Answers, TrainingClips
from vidnas.deploy.model import Model, load_model
from vidnas.deploy.real_check import RealCheck
from vidnas.deploy.resolving import is_folder, resolve_network
from vidnas.families import Network
from vidnas.profiling.counting import count_cost
from vidnas.profiling.latency import Reference, calibrate, measure_in_turns
from vidnas.profiling.peak import PEAK_INPUTS, PEAK_MACS, PeakNetwork
from vidnas.profiling.quantizing import CalibrationClips
from vidnas.profiling.runtimes import RUNTIMES, Prepared, dtype_of, engine_of, prepare
from vidnas.workflows.listener import Listener
from vidnas.workflows.model_clips import open_model_clips

TABLE_RUNTIMES = ("torch", *(name for name in RUNTIMES if name != "torch"))
_PEAK = "convolution peak"


class BenchRow(Value):
    """One network in one runtime."""

    network: str
    runtime: str
    status: str
    """ "ok", or why it does not run there."""
    size_bytes: int | None = None
    """Of the file that it is there."""
    metric: str | None = None
    """Which accuracy the next one is."""
    accuracy: float | None = None
    """On test videos, `MOST_CHECKED` of them at most."""
    lost: float | None = None
    """What of the accuracy in torch is lost there."""
    latency: Latency | None = None
    peak_share: float | None = None
    """The rate of multiplications as a share of the fastest that 3x3 convolutions of many channels
    reached in the same run, in any runtime that computes in the same type."""


@dataclass(frozen=True)
class _Subject:
    """A network, with the clips that it can be asked on, if it is trained."""

    network: Network
    answers: Answers | None
    calibration: CalibrationClips | None
    macs: int

    def answers_in(self, runtime: str) -> Answers | None:
        """Return what the network is compared with in a runtime. Int8 without clips to calibrate it
        on takes as long as any, but its answers tell nothing of the network."""
        told = self.calibration is not None or dtype_of(runtime) != "int8"
        return self.answers if told else None


def bench_all(
    names: Sequence[str],
    listener: Listener,
    *,
    clips: Path | None = None,
    threads: int = 1,
    repeats: int = 30,
    num_classes: int = 10,
) -> list[BenchRow]:
    """Measure networks in all runtimes, interleaved in one run.

    Args:
        names: published names, architecture files, or folders of models or studies.
        listener: is told how it goes.
        clips: labelled clips of the models; None for those of their studies.
        threads: on which latency is measured.
        repeats: timed runs of each.
        num_classes: of networks that are not trained.

    Returns:
        A row for each network in each runtime.

    Raises:
        UserError: a network or the clips cannot be used.
    """
    rows: dict[tuple[str, str], BenchRow] = {}
    running: dict[tuple[str, str], Prepared] = {}
    macs = {_PEAK: PEAK_MACS}
    for name in names:
        subject = _subject(name, clips, num_classes, listener)
        macs[name] = subject.macs
        for runtime in TABLE_RUNTIMES:
            listener.say(f"Preparing {name} in {runtime} ...")
            row, prepared = _prepare(name, runtime, subject, threads)
            rows[name, runtime] = row
            if prepared is not None:
                running[name, runtime] = prepared
    used = dict.fromkeys(runtime for _, runtime in running)
    for runtime in used:
        running[_PEAK, runtime] = prepare(
            PeakNetwork().eval(), PEAK_INPUTS, runtime=runtime, device="cpu", threads=threads
        )
    listener.say(f"Timing {counted(len(running), 'network')} in turns ...")
    latencies = _timed(running, threads, repeats)
    rates = {key: macs[key[0]] / latency.p50_ms for key, latency in latencies.items()}
    peaks: dict[str, float] = {}
    for (name, runtime), rate in rates.items():
        if name == _PEAK:
            dtype = running[name, runtime].dtype
            peaks[dtype] = max(rate, peaks.get(dtype, 0.0))
    for key, row in rows.items():
        if key in latencies:
            share = rates[key] / peaks[running[key].dtype]
            rows[key] = row.model_copy(update={"latency": latencies[key], "peak_share": share})
    return list(rows.values())


def write_csv(rows: Sequence[BenchRow], path: Path) -> None:
    """Write the table as CSV, times in milliseconds."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = [flat(row) for row in rows]
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


def flat(row: BenchRow) -> dict[str, object]:
    """Return a row without nesting: its latency by parts, and how it was measured."""
    latency = row.latency
    parts = ("p50_ms", "p90_ms", "spread", "wall_p50_ms", "wall_p90_ms", "cpu_p50_ms", "slowdown")
    protocol = latency.protocol.model_dump() if latency else {}
    return {
        **row.model_dump(exclude={"latency"}),
        **{part: latency and getattr(latency, part) for part in parts},
        **{
            name: protocol.get(name)
            for name in ("device", "threads", "dtype", "repeats", "reference")
        },
    }


def _subject(name: str, clips: Path | None, num_classes: int, listener: Listener) -> _Subject:
    if not is_folder(name):
        network = resolve_network(name, num_classes).eval()
        return _Subject(network, None, None, count_cost(network.architecture, num_classes).macs)
    model = load_model(name)
    cache = open_model_clips(model, Path(name), clips, listener)
    answers = None if cache is None else _answers(model, cache, name, listener)
    trained = cache is not None and len(cache.videos("train")) > 0
    if answers is not None and not trained:
        listener.remark(
            f"int8 is calibrated on clips that a model was trained on, and none of those of {name} "
            "are here: its accuracy in int8 is left out."
        )
    return _Subject(
        model.network,
        answers,
        TrainingClips(model, cache) if cache is not None and trained else None,
        count_cost(model.architecture, len(model.classes)).macs,
    )


def _answers(model: Model, cache: ClipCache, name: str, listener: Listener) -> Answers | None:
    """Ask a model on test videos; those that chose it would tell too much of it."""
    count = min(len(cache.videos("test")), MOST_CHECKED)
    if not count:
        listener.remark(f"None of these clips tests {name}: its accuracy is left out.")
        return None
    listener.say(f"Asking {name} about {counted(count, 'test video')} ...")
    return Answers.of(model, cache, "test", most=MOST_CHECKED)


def _prepare(
    name: str, runtime: str, subject: _Subject, threads: int
) -> tuple[BenchRow, Prepared | None]:
    """Load a network into a runtime and ask it on the clips; say why where that fails."""
    try:
        with _plain_errors():
            prepared = prepare(
                subject.network,
                subject.network.architecture.inputs,
                runtime=runtime,
                device="cpu",
                threads=threads,
                calibration=subject.calibration,
            )
            prepared.run()
            check: RealCheck | None = None
            answers = subject.answers_in(runtime)
            if answers is not None:
                check = answers.compare(prepared.predict)
            size = prepared.size_bytes()
    except UserError as error:
        return BenchRow(network=name, runtime=runtime, status=str(error)), None
    row = BenchRow(
        network=name,
        runtime=runtime,
        status="ok",
        size_bytes=size,
        metric=check.metric if check else None,
        accuracy=check.accuracy if check else None,
        lost=check.lost if check else None,
    )
    return row, prepared


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # whatever a runtime meets in a graph
        raise UserError(cause_of(error)) from error


def _timed(
    running: Mapping[tuple[str, str], Prepared], threads: int, repeats: int
) -> dict[tuple[str, str], Latency]:
    references: dict[str, Reference] = {}
    for _, runtime in running:
        if engine_of(runtime) not in references:
            references[engine_of(runtime)] = calibrate(runtime=runtime, threads=threads)
    return measure_in_turns(
        running,
        {key: references[engine_of(key[1])] for key in running},
        threads=threads,
        repeats=repeats,
    )
