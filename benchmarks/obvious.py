"""Candidates per hour from the search and from the obvious way, with each step between them.

    python -m benchmarks.obvious [--candidates 8] [--clips FOLDER_OR_CSV]

The obvious way starts a fresh process per candidate, one per core on one thread, decodes the videos
at every use, trains in float32 and judges by top-1, after as many epochs as it needs to rank with
the tau that the search reaches with its few epochs and the likelihood (docs/fidelity.md). Both have
the same candidates, latency measurement, cores and clips, by default those of `vidnas data demo`.
The workers of the search start only once: they evaluate one candidate before the clock starts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Literal

from benchmarks.results import Line, Results, options, print_table
from vidnas.data.demo import MOTIONS

SIZE_PX = 64
FAMILY = "tinyvideonet"
MOST_MACS = 40_000_000
CLASSES = tuple(MOTIONS)[:8]
WANTED = 10.0
Precision = Literal["auto", "float32"]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=3, help="of the search")
    parser.add_argument("--by-top1", type=int, default=5, help="epochs to rank as well by top-1")
    parser.add_argument("--clips", type=Path, help="labelled clips; generated ones by default")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--decode", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        evaluate_one(arguments)
        return

    from benchmarks.clips import temporary_cache

    results = Results("obvious", arguments)
    given = temporary_cache(arguments.clips, classes=CLASSES, clips_per_class=60, size_px=SIZE_PX)
    with given as (dataset, cache):
        rates = compare(results, cache.directory, dataset.source, arguments)
    report(rates)
    results.finish()


def draw(candidates: int) -> list[str]:
    """Draw random architectures of the tiny space, as JSON, within a limit on MACs."""
    import numpy as np

    from benchmarks.searching import space_of
    from vidnas.profiling.counting import count_cost

    rng, space = np.random.default_rng(0), space_of(FAMILY, max_size_px=SIZE_PX, max_frames=16)
    drawn = (space.random(rng) for _ in range(100 * candidates))
    small = (one.to_json() for one in drawn if count_cost(one, len(CLASSES)).macs <= MOST_MACS)
    return list(islice(small, candidates))


def compare(
    results: Results, cache: Path, clips: Path, arguments: argparse.Namespace
) -> dict[str, float]:
    """Return the candidates per hour of each way, from the obvious one to the search."""
    texts, by_top1 = draw(arguments.candidates), arguments.by_top1
    cores = len(os.sched_getaffinity(0))
    paths = ["--cache", str(cache), "--clips", str(clips), "--epochs", str(by_top1)]
    decoding = [*paths, "--decode"]
    ways: dict[str, Callable[[], Line]] = {
        "a process per candidate, decoding": partial(fresh, texts, decoding, cores),
        "+ every video decoded once": partial(fresh, texts, paths, cores),
        "+ lasting workers that keep their memory": partial(
            search, texts, cache, by_top1, "float32"
        ),
        "+ bfloat16": partial(search, texts, cache, by_top1, "auto"),
        "+ judged by the loss: the search": partial(search, texts, cache, arguments.epochs, "auto"),
    }
    rates = {}
    for name, way in ways.items():
        rates[name] = 3600 * len(texts) / results.measure(way, way=name)["seconds"]
        print(f"{name:42} {rates[name]:8.0f} candidates per hour", flush=True)
    return rates


def fresh(texts: list[str], flags: list[str], at_once: int) -> Line:
    """Evaluate each architecture in a process of its own; return the seconds that takes."""

    def run(text: str) -> None:
        command = [sys.executable, "-m", "benchmarks.obvious", "--one", text, *flags]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, env=environment)

    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(run, texts))
    return {"seconds": time.perf_counter() - began}


def evaluate_one(arguments: argparse.Namespace) -> None:
    """Do what each fresh process does."""

    from vidnas.data.cache import ClipCache
    from vidnas.data.cache_writer import INDEX
    from vidnas.data.datasets import load_dataset
    from vidnas.data.frame_table import read_index
    from vidnas.evolution import clip_evaluator
    from vidnas.families import architecture_from_json

    dataset = load_dataset(arguments.clips)
    head, _ = read_index(arguments.cache / INDEX)
    videos = [dataset.videos[number] for number in head["numbers"]]

    class Decoding(ClipCache):
        """Decodes a video, or its labelled span, at every use."""

        def frames(self, video: int, modality: str = "rgb", used: Any = None) -> Any:
            return videos[video].decode(SIZE_PX)

    if arguments.decode:
        clip_evaluator._open_cache = Decoding  # type: ignore[assignment]
    evaluate = evaluator(arguments.cache, arguments.epochs, "float32").evaluate
    outcome = evaluate(architecture_from_json(arguments.one), 0, None)
    if outcome.status != "ok":
        raise SystemExit(outcome.reason)


def evaluator(cache: Path, epochs: int, precision: Precision) -> Any:
    from benchmarks.searching import evaluator_of
    from vidnas.data.cache import ClipCache
    from vidnas.training import TrainingSettings

    settings = TrainingSettings(epochs=epochs, precision=precision)
    return evaluator_of(FAMILY, ClipCache(cache), settings)


def search(texts: list[str], cache: Path, epochs: int, precision: Precision) -> Line:
    """Return the seconds of the search itself over these candidates, with its storage."""
    import vidnas
    from vidnas.evolution import LocalExecutor, RandomSearch
    from vidnas.families import Space, architecture_from_json

    class Given(Space):
        def random(self, rng: Any) -> Any:
            return architecture_from_json(texts[int(rng.integers(len(texts)))])

        def mutate(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError  # random search does not mutate

        def contains(self, architecture: Any) -> bool:
            return architecture.to_json() in texts

        def describe(self) -> dict[str, Any]:
            return {"architectures": texts}

    with tempfile.TemporaryDirectory() as folder, LocalExecutor() as executor:
        clips = evaluator(cache, epochs, precision)
        first = architecture_from_json(texts[0])
        warm = [executor.submit(clips.evaluate, first, 1, None) for _ in range(executor.slots)]
        for future in warm:
            future.result()
        began = time.perf_counter()
        study = vidnas.search(
            Given(),
            clips,
            strategy=RandomSearch(),
            executor=executor,
            evaluations=len(texts),
            folder=Path(folder) / "study",
        )
        seconds = time.perf_counter() - began
    if {trial.evaluation.status for trial in study.trials} != {"ok"}:
        raise SystemExit("a candidate failed")
    return {"seconds": seconds}


def report(rates: dict[str, float]) -> None:
    print_table(
        ("step", "times as many"),
        ((after, f"{rates[after] / rates[before]:.2f}") for before, after in pairwise(rates)),
    )
    first, *_, last = rates.values()
    print(f"the search: {last / first:.1f} to 1 (wanted: {WANTED:g} to 1)")


if __name__ == "__main__":
    main()
