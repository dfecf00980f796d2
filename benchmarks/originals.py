"""The published Tiny Video Networks in each runtime against their original TensorFlow code.

python -m benchmarks.originals CODE --tensorflow PYTHON

CODE is a folder that holds `tiny_video_nets` of github.com/google-research/google-research, PYTHON
one that has tensorflow-cpu and tf_keras (`pip install tensorflow-cpu==2.21.0 tf_keras` in an
environment of its own). The original runs in a process of its own, ours in this one, in turns, one
clip on one thread; what is compared is CPU time, each time after a run that does not count.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.results import Line, Results, options, print_table
from benchmarks.timing import Run, cpu_ms, use_threads

NAMES = ("tvn1", "tvn2", "tvn3", "tvn4")


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("code", type=Path, metavar="CODE")
    parser.add_argument("--tensorflow", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--networks", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    use_threads(1)
    asked = vars(arguments) | {"code": None, "tensorflow": None}
    results = Results("originals", type(arguments)(**asked))
    rows = []
    for name in arguments.networks:
        with original(arguments.tensorflow, arguments.code, name) as ask:
            take = partial(measure, name, ask, arguments.rounds)
            found = results.measure(take, network=name)
        times = found["cpu_ms"]
        shown = (f"{times['TensorFlow'] / own:.2f}" for own in list(times.values())[1:])
        rows.append((name, f"{times['TensorFlow']:.1f}", *shown))
        columns = ("network", "original ms", *list(times)[1:])
    print_table(columns, rows)
    results.finish()


@contextmanager
def original(python: Path, code: Path, name: str) -> Iterator[Callable[[], float]]:
    """Start the original network; yield a function that returns the CPU time of a run in ms."""
    worker = Path(__file__).with_name("original_network.py")
    with subprocess.Popen(
        [python, "-W", "ignore", worker, code, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"},
    ) as process:
        asking, answers = process.stdin, process.stdout
        assert asking is not None and answers is not None
        if answers.readline() != "ready\n":
            raise SystemExit(f"{python} could not build {name} of {code}; its words are above.")

        def ask() -> float:
            print(file=asking, flush=True)
            return float(answers.readline())

        yield ask
        asking.close()


def measure(name: str, ask: Callable[[], float], rounds: int) -> Line:
    """Return medians of the CPU times of a network, one clip on one thread, by runtime."""
    from vidnas.core import UserError
    from vidnas.deploy import resolve_network
    from vidnas.profiling.runtimes import prepare
    from vidnas.workflows.bench import TABLE_RUNTIMES

    network = resolve_network(name, 10).eval()
    inputs = network.architecture.inputs
    runs: dict[str, Run] = {}
    failed = {}
    for runtime in TABLE_RUNTIMES:
        try:
            runs[runtime] = prepare(network, inputs, runtime=runtime, device="cpu", threads=1).run
        except UserError as error:
            failed[runtime] = str(error)
    times: dict[str, list[float]] = {"TensorFlow": [], **{runtime: [] for runtime in runs}}
    for _ in range(rounds):
        times["TensorFlow"].append(ask())
        for runtime, run in runs.items():
            run()
            times[runtime].append(cpu_ms(run))
    return {"cpu_ms": {way: float(np.median(found)) for way, found in times.items()}, **failed}


if __name__ == "__main__":
    main()
