"""Candidates an hour from the search, and from the obvious way; each step between them alone.

    python -m benchmarks.obvious [--candidates 8] [--epochs 3] [--clips FOLDER_OR_CSV]

The obvious way starts a fresh process a candidate, decodes the videos at every use and trains in
float32, for as many epochs. Both are given the same candidates, latency measurement, both cores and
the same clips, those of `vidnas data demo` if not told; of the obvious way's two variants, one
process after the other on all cores and one process a core on one thread, the faster one counts.
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
from itertools import islice
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
    parser.add_argument("--epochs", type=int, default=3)
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
        rates = compare(draw(options.candidates), cache.directory, clips, options.epochs)
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


def compare(texts: list[str], cache: Path, clips: Path, epochs: int) -> dict[str, float]:
    """Candidates an hour of each way, from the obvious one to the search."""
    cores = len(os.sched_getaffinity(0))
    paths = ["--cache", str(cache), "--clips", str(clips), "--epochs", str(epochs)]
    decoding = [*paths, "--decode"]
    ways: dict[str, Callable[[], Any]] = {
        "one process after the other, all cores": partial(fresh, texts, decoding, 1, cores),
        "one process a core": partial(fresh, texts, decoding, cores, 1),
        "+ every video decoded once": partial(fresh, texts, paths, cores, 1),
        "+ lasting workers that keep their memory": partial(
            search, texts, cache, epochs, "float32"
        ),
        "+ bfloat16: the search": partial(search, texts, cache, epochs, "auto"),
    }
    rates = {}
    for name, way in ways.items():
        began = time.perf_counter()
        way()
        rates[name] = 3600 * len(texts) / (time.perf_counter() - began)
        print(f"{name:42} {rates[name]:8.0f} candidates an hour", flush=True)
    return rates


def fresh(texts: list[str], flags: list[str], at_once: int, threads: int) -> None:
    """Evaluate each architecture in a process of its own."""

    def run(text: str) -> None:
        command = [sys.executable, "-m", "benchmarks.obvious", "--one", text, *flags]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        subprocess.run(command, check=True, env=environment)

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(run, texts))


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


def search(texts: list[str], cache: Path, epochs: int, precision: str) -> None:
    """The search itself, its workers' start and its storage included, over these candidates."""
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
        study = vidnas.search(
            Given(),
            clip_evaluator(cache, epochs, precision),
            strategy=RandomSearch(),
            executor=executor,
            evaluations=len(texts),
            folder=Path(folder) / "study",
        )
    if {trial.evaluation.status for trial in study.trials} != {"ok"}:
        raise SystemExit("a candidate failed")


def report(rates: dict[str, float], options: argparse.Namespace) -> None:
    names = list(rates)
    obvious, best = max(rates[names[0]], rates[names[1]]), rates[names[-1]]
    steps = [obvious, *(rates[name] for name in names[2:])]
    for name, before, after in zip(names[2:], steps, steps[1:], strict=False):
        print(f"{name:42} {after / before:8.2f} times as many")
    print(f"the search: {best / obvious:.1f} to 1 (wanted: {WANTED:g} to 1), load {load()}")
    record = {
        "clips": options.clips.stem if options.clips else "generated",
        "candidates": options.candidates,
        "epochs": options.epochs,
        "candidates_an_hour": {name: round(rate, 1) for name, rate in rates.items()},
        "ratio": round(best / obvious, 2),
    }
    RESULTS.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
