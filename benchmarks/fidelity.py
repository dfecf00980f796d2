"""How well each cheap evaluation ranks tiny networks as training them in full does.

    python -m benchmarks.fidelity --out FOLDER

Networks of the tiny space, every other one a child of an earlier one, are trained in full on
generated clips and tested on unseen ones. Each cheap evaluation is a training of its own, with its
own seed, as in a search. Everything runs on one thread, one after the other, and is counted in
seconds of CPU time, which a busy core next to it changes little. What is finished stands in
FOLDER/trainings.jsonl and is skipped when the same command is given again.
`benchmarks.fidelity_table` compares the rankings.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vidnas.families import create_network

CLASSES, SIZE_PX, FRAMES = 8, 64, 16
CLIPS_PER_CLASS = {"train": 42, "val": 25, "test": 100}
"""As `vidnas data demo` makes them for training; more to measure on, so that ties are few."""
CANDIDATES, EPOCHS = 24, 40
PARTS = (40, 20, 13, 10, 8, 6, 5)
"""A brief training lasts one of these parts of the full one."""
INHERITED = (40, 20, 10)
"""Those that are also measured with inherited weights."""
MACS, MEMORY_BYTES = 40_000_000, 1_600_000
"""Limits that keep a full training to about a minute."""
MUTATIONS, RECENT = 2, 8
"""A parent is one of the latest eight, so that there are children of many, and of children."""
TEST_CLIPS = 3
SCORED_CLIPS = 32
RECORD = "trainings.jsonl"

_Measure = Callable[["Candidate"], dict[str, Any]]


@dataclass(frozen=True)
class Candidate:
    """An architecture, and the earlier one that it is a child of."""

    number: int
    architecture: Any
    parent: Candidate | None


def candidates(count: int) -> list[Candidate]:
    """Draw the architectures to compare: even numbers at random, odd ones by mutation."""
    from vidnas.evolution.limits import Limits
    from vidnas.families import families
    from vidnas.profiling.counting import count_cost

    space = families()["tinyvideonet"].space(max_size_px=SIZE_PX, max_frames=FRAMES)
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
        held = limits.broken_by(count_cost(architecture, CLASSES)) is None
        # No single frame of a clip tells its class: networks that see one would only add noise.
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


class Trainings:
    """The trainings of one folder."""

    def __init__(self, folder: Path) -> None:
        self.cache = clips(folder)
        self.record = folder / RECORD
        self.weights = folder / "weights"
        self.weights.mkdir(exist_ok=True)
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        self.done = {(line["evaluation"], line["digest"]) for line in map(json.loads, lines)}

    def run(self, name: str, candidate: Candidate, measure: Callable[[], dict[str, Any]]) -> None:
        """Measure and write down at once, unless that was done before."""
        digest = candidate.architecture.digest
        if (name, digest) in self.done:
            return
        line = {"evaluation": name, "candidate": candidate.number, "digest": digest, **measure()}
        with self.record.open("a") as file:
            file.write(json.dumps(line) + "\n")
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

        A child that inherits starts from what its parent's training of this kind ended with.
        """
        import torch

        from vidnas.training import TrainingSettings

        weights = None
        if kind == "inherited" and candidate.parent:
            of = "inherited" if candidate.parent.parent else "brief"
            weights = torch.load(self._weights_file(of, part, candidate.parent), weights_only=True)
        settings = TrainingSettings(epochs=epochs, validations=epochs)
        # Not the seed of the full training: a search knows nothing of that either.
        network, line = self._train(candidate, settings, 1000 + candidate.number, weights)
        torch.save(network.state_dict(), self._weights_file(kind, part, candidate))
        return line

    def score(self, name: str, candidate: Candidate, seed: int) -> dict[str, Any]:
        """Score the untrained network on one batch of the training clips."""
        import torch

        from benchmarks.training_free import SCORES
        from vidnas.data.sampling import Augmentation, train_batches

        inputs = candidate.architecture.inputs
        torch.manual_seed(seed)
        network = create_network(candidate.architecture, CLASSES).train()
        for normalization, spec in zip(network.normalizations, inputs, strict=True):
            normalization.set_statistics(*self.cache.statistics(spec.modality))
        began = time.process_time()
        rng = np.random.default_rng(seed)
        batch, labels = next(
            train_batches(
                self.cache, inputs, batch_size=SCORED_CLIPS, rng=rng, augmentation=Augmentation()
            )
        )
        value = SCORES[name](network, batch, labels)
        return {"value": value, "cpu_s": time.process_time() - began}

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


def evaluations(study: Trainings, epochs: int) -> Iterator[tuple[str, _Measure]]:
    """Every evaluation by name, in the order in which they are run."""
    from benchmarks.training_free import SCORES

    yield "full", lambda one: study.full(one, epochs, seed=one.number)
    yield "counts", study.count
    for score in SCORES:
        yield score, partial(study.score, score, seed=1000)
    for part in PARTS:
        for kind in ("brief", "inherited") if part in INHERITED else ("brief",):
            brief = partial(study.brief, kind, part, epochs=epochs // part)
            yield f"{kind} 1/{part}", brief


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--candidates", type=int, default=CANDIDATES)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()

    from vidnas.core.process import prepare_process

    prepare_process(threads=1)
    import torch

    torch.set_num_threads(1)
    study = Trainings(options.out)
    chosen = candidates(options.candidates)
    for name, measure in evaluations(study, options.epochs):
        for candidate in chosen:
            if name.startswith("inherited") and candidate.parent is None:
                continue  # has nobody to inherit from
            study.run(name, candidate, partial(measure, candidate))


if __name__ == "__main__":
    main()
