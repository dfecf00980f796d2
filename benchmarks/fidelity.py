"""How well cheap evaluations rank tiny networks, compared with training them in full.

    python -m benchmarks.fidelity --out FOLDER

Networks of the tiny space, every other one a child of an earlier one, are trained in full on
generated clips and tested on unseen ones. Each cheap evaluation is a training run of its own, with
its own seed, as in a search. Everything runs on one thread, one after the other, and is counted in
seconds of CPU time, which a busy neighbouring core hardly changes. What is finished is recorded in
FOLDER/evaluations.jsonl and skipped when the same command is given again.
`benchmarks.fidelity_table` compares the rankings.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import Log, options, print_environment
from benchmarks.timing import use_threads
from vidnas.families import create_network

CLASSES, SIZE_PX, FRAMES = 8, 64, 16
CLIPS_PER_CLASS = {"train": 42, "val": 25, "test": 100}
"""As many for training as `vidnas data demo` makes; more to measure on, so that ties are few."""
CANDIDATES, EPOCHS = 24, 40
PARTS = (40, 20, 13, 10, 8, 6, 5)
"""A brief training run lasts one of these fractions of a full one."""
INHERITED = (40, 20, 10)
"""Those that are also measured with inherited weights."""
MACS, MEMORY_BYTES = 40_000_000, 1_600_000
"""Limits that keep a full training run to about a minute."""
MUTATIONS, RECENT = 2, 8
"""A parent is one of the latest eight: many have children, and some children do."""
TEST_CLIPS = 3
RECORD = "evaluations.jsonl"

_Measure = Callable[["Candidate"], dict[str, Any]]


@dataclass(frozen=True)
class Candidate:
    """An architecture, and its parent if it has one."""

    number: int
    architecture: Any
    parent: Candidate | None


def candidates(count: int) -> list[Candidate]:
    """Draw the architectures to compare: even numbers at random, odd ones by mutation."""
    from benchmarks.searching import space_of
    from vidnas.evolution.limits import Limits
    from vidnas.profiling.counting import count_cost

    space = space_of("tinyvideonet", max_size_px=SIZE_PX, max_frames=FRAMES)
    limits = Limits(macs=MACS, memory_bytes=MEMORY_BYTES)
    rng = np.random.default_rng(0)
    found: dict[str, Candidate] = {}
    while len(found) < count:
        parent = None
        if len(found) % 2:
            parent = list(found.values())[-int(rng.integers(1, min(len(found), RECENT) + 1))]
            architecture, _ = space.mutate(parent.architecture, rng, strength=MUTATIONS)
        else:
            architecture = space.random(rng)
        held = limits.judge(count_cost(architecture, CLASSES)) is None
        # No single frame reveals a class, so networks that see one would only add noise.
        if held and architecture.inputs[0].frames > 1 and architecture.digest not in found:
            found[architecture.digest] = Candidate(len(found), architecture, parent)
    return list(found.values())


def clips(folder: Path) -> Any:
    """Generate the clips, or find them."""
    from vidnas.data.cache import build_cache
    from vidnas.data.datasets import load_dataset
    from vidnas.data.demo import MOTIONS, write_clips

    names = list(MOTIONS)[:CLASSES]
    source = folder / "clips"
    source.mkdir(parents=True, exist_ok=True)
    for seed, (split, count) in enumerate(CLIPS_PER_CLASS.items()):
        if not (source / split).exists():
            write_clips(source / split, classes=names, clips_per_class=count, seed=seed)
    return build_cache(load_dataset(source), size_px=SIZE_PX, directory=folder / "cache")


class TrainingRuns:
    """The training runs recorded in one folder."""

    def __init__(self, folder: Path) -> None:
        self.cache = clips(folder)
        self.weights = folder / "weights"
        self.weights.mkdir(exist_ok=True)
        self.log = Log(folder / RECORD)

    def run(self, name: str, candidate: Candidate, measure: Callable[[], dict[str, Any]]) -> None:
        """Measure and record at once, unless that was done before."""
        key = {"evaluation": name, "digest": candidate.architecture.digest}
        if self.log.find(**key):
            return
        line = self.log.add(**key, candidate=candidate.number, **measure())
        shown = {key: value for key, value in line.items() if key not in ("curve", "architecture")}
        print(json.dumps(shown), flush=True)

    def full(self, candidate: Candidate, epochs: int, seed: int) -> dict[str, Any]:
        """Train in full and test."""
        from vidnas.training import TrainingSettings, evaluate

        network, line = self._train(candidate, TrainingSettings.full(epochs=epochs), seed)
        test = evaluate(network, self.cache, "test", clips_per_video=TEST_CLIPS)
        parent = candidate.parent
        return line | {
            "architecture": json.loads(candidate.architecture.to_json()),
            "parent": parent and parent.number,
            "test_top1": test.top1,
            "test_loss": test.loss,
        }

    def brief(self, kind: str, part: int, candidate: Candidate, epochs: int) -> dict[str, Any]:
        """Train briefly, as a search does, but validate after each epoch.

        A child that inherits starts from the weights of its parent's run of the same kind.
        """
        import torch

        from vidnas.training import TrainingSettings

        weights = None
        if kind == "inherited" and candidate.parent:
            of = "inherited" if candidate.parent.parent else "brief"
            weights = torch.load(self._weights_file(of, part, candidate.parent), weights_only=True)
        settings = TrainingSettings(epochs=epochs, validations=epochs)
        # Not the seed of the full run, which a search does not know either.
        network, line = self._train(candidate, settings, 1000 + candidate.number, weights)
        torch.save(network.state_dict(), self._weights_file(kind, part, candidate))
        return line

    def count(self, candidate: Candidate) -> dict[str, Any]:
        """Count the costs."""
        from vidnas.profiling.counting import count_cost

        began = time.process_time()
        cost = count_cost(candidate.architecture, CLASSES)
        cpu_s = time.process_time() - began
        return {"macs": cost.macs, "parameters": cost.parameters, "cpu_s": cpu_s}

    def _weights_file(self, kind: str, part: int, candidate: Candidate) -> Path:
        return self.weights / f"{kind}-1-{part}-{candidate.number}.pt"

    def _train(
        self,
        candidate: Candidate,
        settings: Any,
        seed: int,
        weights: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        import torch

        from vidnas.training import evaluate, train

        began = time.process_time()
        curve: list[dict[str, float]] = []

        def keep(report: Any) -> None:
            point = report.model_dump(include={"epoch", "train_loss"})
            if report.validation is not None:
                point |= report.validation.model_dump(include={"top1", "loss"})
            curve.append(point | {"cpu_s": time.process_time() - began})

        torch.manual_seed(seed)
        network = create_network(candidate.architecture, CLASSES)
        line: dict[str, Any] = {}
        if weights is not None:
            from vidnas.training.inheritance import inherit

            line["inherited"] = inherit(network, weights)
        train(network, self.cache, settings, seed=seed, on_epoch=keep)
        line["cpu_s"] = time.process_time() - began
        began = time.process_time()
        evaluate(network, self.cache, "val")
        line["validation_cpu_s"] = time.process_time() - began
        return network, line | {"curve": curve}


def evaluations(study: TrainingRuns, epochs: int) -> Iterator[tuple[str, _Measure]]:
    """Yield every evaluation by name, in the order in which they are run."""
    yield "full", lambda one: study.full(one, epochs, seed=one.number)
    yield "counts", study.count
    for part in PARTS:
        for kind in ("brief", "inherited") if part in INHERITED else ("brief",):
            brief = partial(study.brief, kind, part, epochs=epochs // part)
            yield f"{kind} 1/{part}", brief


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--candidates", type=int, default=CANDIDATES)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()
    use_threads(1)
    print_environment()
    study = TrainingRuns(arguments.out)
    chosen = candidates(arguments.candidates)
    for name, measure in evaluations(study, arguments.epochs):
        for candidate in chosen:
            if name.startswith("inherited") and candidate.parent is None:
                continue  # there is nothing to inherit
            study.run(name, candidate, partial(measure, candidate))


if __name__ == "__main__":
    main()
