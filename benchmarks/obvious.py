"""Candidates an hour from the search, and from the obvious way; each step between them alone.

    python -m benchmarks.obvious [--candidates 8] [--clips FOLDER_OR_CSV]

The obvious way starts a fresh process a candidate, one a core on one thread, decodes the videos at
every use, trains in float32 and judges by top-1, after as many epochs as that takes to rank with
the tau which the search reaches with its few epochs and the likelihood (docs/fidelity.md). Both are
given the same candidates, latency measurement, both cores and the same clips, those of `vidnas data
demo` if not told. The workers of the search evaluate one candidate before the clock starts: they
start once, however long it takes.
"""

from __future__ import annotations

import argparse
import json
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
from typing import Any

from vidnas.data.demo import MOTIONS

RESULTS = Path(__file__).parent / "results" / "obvious.json"
SIZE_PX = 64
EXTENT = {"max_size_px": SIZE_PX, "max_frames": 16}
MOST_MACS = 40_000_000
CLASSES = tuple(MOTIONS)[:8]
WANTED = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=3, help="of the search")
    parser.add_argument("--by-top1", type=int, default=5, help="epochs by top-1, as good a ranking")
    parser.add_argument("--clips", type=Path, help="labelled clips; generated ones by default")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--decode", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        evaluate_one(options)
        return

    from vidnas.data.cache import build_cache
    from vidnas.data.datasets import load_dataset
    from vidnas.data.demo import write_clips

    with tempfile.TemporaryDirectory() as folder:
        clips = options.clips
        if clips is None:
            clips = Path(folder) / "clips"
            write_clips(clips, classes=CLASSES, clips_per_class=60)
        began = time.perf_counter()
        cache = build_cache(load_dataset(clips), size_px=SIZE_PX, directory=Path(folder) / "cache")
        print(
            f"cache of {len(cache)} videos, once: {time.perf_counter() - began:.1f} s", flush=True
        )
        texts = draw(options.candidates)
        rates = compare(texts, cache.directory, clips, options.epochs, options.by_top1)
    report(rates, options)


def draw(candidates: int) -> list[str]:
    """Random architectures of the tiny space, as JSON, within a limit on multiply-adds."""
    import numpy as np

    from vidnas.families import families
    from vidnas.profiling.counting import count_cost

    rng, space = np.random.default_rng(0), families()["tinyvideonet"].space(**EXTENT)
    drawn = (space.random(rng) for _ in range(100 * candidates))
    small = (one.to_json() for one in drawn if count_cost(one, len(CLASSES)).macs <= MOST_MACS)
    return list(islice(small, candidates))


def compare(
    texts: list[str], cache: Path, clips: Path, epochs: int, by_top1: int
) -> dict[str, float]:
    """Candidates an hour of each way, from the obvious one to the search."""
    cores = len(os.sched_getaffinity(0))
    paths = ["--cache", str(cache), "--clips", str(clips), "--epochs", str(by_top1)]
    decoding = [*paths, "--decode"]
    ways: dict[str, Callable[[], float]] = {
        "a process a candidate, decoding": partial(fresh, texts, decoding, cores),
        "+ every video decoded once": partial(fresh, texts, paths, cores),
        "+ lasting workers that keep their memory": partial(
            search, texts, cache, by_top1, "float32"
        ),
        "+ bfloat16": partial(search, texts, cache, by_top1, "auto"),
        "+ judged by the loss: the search": partial(search, texts, cache, epochs, "auto"),
    }
    rates = {}
    for name, way in ways.items():
        rates[name] = 3600 * len(texts) / way()
        print(f"{name:42} {rates[name]:8.0f} candidates an hour", flush=True)
    return rates


def fresh(texts: list[str], flags: list[str], at_once: int) -> float:
    """Evaluate each architecture in a process of its own; the seconds that takes."""

    def run(text: str) -> None:
        command = [sys.executable, "-m", "benchmarks.obvious", "--one", text, *flags]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, env=environment)

    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(run, texts))
    return time.perf_counter() - began


def evaluate_one(options: argparse.Namespace) -> None:
    """What each fresh process does."""
    from vidnas.data.cache import ClipCache
    from vidnas.data.datasets import load_dataset
    from vidnas.data.decoding import decode
    from vidnas.evolution import evaluator
    from vidnas.families import architecture_from_json

    dataset = load_dataset(options.clips)
    index = json.loads((options.cache / "index.json").read_text(encoding="utf-8"))
    videos = [dataset.videos[entry["number"]] for entry in index["videos"]]

    class Decoding(ClipCache):
        """Decodes a video, or its labelled span, at every use."""

        def frames(self, video: int, modality: str = "rgb") -> Any:
            return decode(videos[video], SIZE_PX)[0]

    if options.decode:
        evaluator._open_cache = Decoding
    evaluate = clip_evaluator(options.cache, options.epochs, "float32").evaluate
    outcome = evaluate(architecture_from_json(options.one), 0, None)
    if outcome.status != "ok":
        raise SystemExit(outcome.reason)


def clip_evaluator(cache: Path, epochs: int, precision: str) -> Any:
    from vidnas.evolution import ClipEvaluator, Limits
    from vidnas.training import TrainingSettings

    settings = TrainingSettings(epochs=epochs, precision=precision)
    return ClipEvaluator(cache, settings, Limits())


def search(texts: list[str], cache: Path, epochs: int, precision: str) -> float:
    """The seconds of the search itself, its storage included, over these candidates."""
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
        evaluator = clip_evaluator(cache, epochs, precision)
        first = architecture_from_json(texts[0])
        warm = [executor.submit(evaluator.evaluate, first, 1, None) for _ in range(executor.slots)]
        for future in warm:
            future.result()
        began = time.perf_counter()
        study = vidnas.search(
            Given(),
            evaluator,
            strategy=RandomSearch(),
            executor=executor,
            evaluations=len(texts),
            folder=Path(folder) / "study",
        )
        seconds = time.perf_counter() - began
    if {trial.evaluation.status for trial in study.trials} != {"ok"}:
        raise SystemExit("a candidate failed")
    return seconds


def report(rates: dict[str, float], options: argparse.Namespace) -> None:
    names = list(rates)
    obvious, best = rates[names[0]], rates[names[-1]]
    for before, after in pairwise(names):
        print(f"{after:42} {rates[after] / rates[before]:8.2f} times as many")
    print(f"the search: {best / obvious:.1f} to 1 (wanted: {WANTED:g} to 1), load {load()}")
    record = {
        "clips": options.clips.stem if options.clips else "generated",
        "candidates": options.candidates,
        "epochs": {"by top-1": options.by_top1, "by the loss": options.epochs},
        "candidates_an_hour": {name: round(rate, 1) for name, rate in rates.items()},
        "ratio": round(best / obvious, 2),
    }
    RESULTS.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
