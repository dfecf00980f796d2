"""A space of small real networks and evaluators that need no training, importable by workers."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor, nn

from vidnas.core import ClipSpec, Evaluation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.limits import Limits
from vidnas.evolution.strategies import Strategy, TournamentEvolution
from vidnas.families import Architecture, Family, Network, Space
from vidnas.profiling.counting import count_cost

CLASSES = ("left", "right")


class Toy(Architecture):
    """A stack of point-wise convolutions; `label` is a dead gene."""

    family = "toy"
    widths: tuple[int, ...]
    label: str = ""

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        return (ClipSpec(frames=2, frame_stride=1, size_px=8),)

    def canonical(self) -> Toy:
        return self.model_copy(update={"label": ""})


class ToyNetwork(Network):
    def __init__(self, architecture: Toy, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        channels = (3, *architecture.widths, num_classes)
        self.layers = nn.Sequential(*(nn.Conv3d(a, b, 1) for a, b in pairwise(channels)))

    def forward(self, clip: Tensor) -> Tensor:
        return self.layers(self.normalizations[0](clip)).mean((2, 3, 4))


@dataclass(frozen=True)
class ToySpace(Space):
    depth: int = 4
    most: int = 32

    def random(self, rng: np.random.Generator) -> Toy:
        return Toy(widths=tuple(rng.integers(1, self.most + 1, self.depth).tolist()))

    def mutate(
        self,
        parent: Architecture,
        rng: np.random.Generator,
        evaluation: Evaluation | None = None,
        strength: int = 1,
    ) -> tuple[Toy, tuple[str, ...]]:
        assert isinstance(parent, Toy)
        widths, phrases = list(parent.widths), []
        for _ in range(strength):
            layer = int(rng.integers(self.depth))
            width = int(rng.integers(1, self.most + 1))
            phrases.append(f"layer {layer}: width {widths[layer]} -> {width}")
            widths[layer] = width
        return Toy(widths=tuple(widths)), tuple(phrases)

    def contains(self, architecture: Architecture) -> bool:
        return isinstance(architecture, Toy) and len(architecture.widths) == self.depth

    def describe(self) -> dict[str, Any]:
        return {"depth": self.depth, "most": self.most}


FAMILY = Family("toy", Toy, network=ToyNetwork, space=ToySpace)


class Following(ToySpace):
    """The last width is how a toy sees its clips."""

    def designs(self) -> tuple[Architecture, ...]:
        widths = (1, 1, 1, 1), (1, 1, 1, 9), (2, 2, 2, 1), (2, 2, 2, 9), (4, 4, 4, 4), (5, 5, 5, 5)
        return tuple(Toy(widths=one) for one in widths)

    def follow(self, design: Architecture, better: Architecture) -> Architecture:
        assert isinstance(design, Toy) and isinstance(better, Toy)
        return Toy(widths=(*design.widths[:3], better.widths[3]))


@dataclass(frozen=True)
class ToyEvaluator:
    """Fitness: the mean width, in [0, 1]."""

    seconds: float = 0.0

    def describe(self) -> dict[str, Any]:
        return {}

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        assert isinstance(architecture, Toy)
        time.sleep(self.seconds)
        fitness = sum(architecture.widths) / (32 * len(architecture.widths))
        return Evaluation(status="ok", fitness=fitness, seconds=self.seconds)


@dataclass(frozen=True)
class ToyLadder:
    """Fitness: the mean width beside luck, which counts for less on every rung."""

    rungs: int = 3
    rung: int = 0
    seconds: float = 0.0
    """How long every rung takes."""
    ledger: Path | None = None
    """Where each rung that is climbed leaves a line."""

    def describe(self) -> dict[str, Any]:
        return {}

    def at_rung(self, rung: int) -> ToyLadder:
        return replace(self, rung=rung)

    def seconds_at(self, rung: int) -> float | None:
        return 1.5 * self.seconds or None  # the most: recording takes time, too

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        found = ToyEvaluator(self.seconds).evaluate(architecture, seed, deadline_s)
        assert found.fitness is not None
        if self.ledger is not None:
            with self.ledger.open("a") as lines:
                lines.write(f"{architecture.digest} {self.rung}\n")
        if seed % 7 == 0 and self.rung == seed % 3:
            raise ZeroDivisionError
        luck = seed % 101 / 101 / (1 + self.rung)
        cost = count_cost(architecture, len(CLASSES))
        return found.model_copy(update={"fitness": found.fitness + luck, "cost": cost})


Accident = Literal["exit", "hang", "raise", "memory", "nan"]


@dataclass(frozen=True)
class ClumsyEvaluator:
    """Has one kind of accident with every architecture that `is_clumsy` picks."""

    accident: Accident

    def describe(self) -> dict[str, Any]:
        return {"accident": self.accident}

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        if is_clumsy(architecture):
            have_accident(self.accident)
        return ToyEvaluator().evaluate(architecture, seed, deadline_s)


def is_clumsy(architecture: Architecture) -> bool:
    assert isinstance(architecture, Toy)
    return sum(architecture.widths) % 2 == 0


def have_accident(accident: Accident) -> None:
    if accident == "exit":
        os._exit(3)
    if accident == "hang":
        time.sleep(3600)
    if accident == "raise":
        raise ZeroDivisionError("the candidate divided by zero")
    if accident == "memory":
        bytearray(1 << 40)
    if accident == "nan":
        Evaluation(status="ok", fitness=float("nan"))


def toy_config(
    limits: Limits | None = None, strategy: Strategy | None = None, seed: int = 0, **others: Any
) -> StudyConfig:
    settings = {
        "family": "toy",
        "space": ToySpace().describe(),
        "classes": CLASSES,
        "data_fingerprint": "none",
        "limits": limits or Limits(),
        "strategy": (strategy or TournamentEvolution()).describe(),
        "evaluator": {},
        "seed": seed,
    }
    return StudyConfig.model_validate({**settings, **others})


SEARCHED_LIMITS = Limits(parameters=1500)


def search_and_print(
    folder: Path, evaluations: int, seconds: float, storage_url: str | None = None
) -> None:
    """A real search in workers that says on standard output what is finished."""
    from vidnas.evolution.engine import run_search
    from vidnas.evolution.events import Event
    from vidnas.evolution.executors import LocalExecutor
    from vidnas.evolution.study import Study

    def say(event: Event) -> None:
        if event.trial is not None:
            print(event.trial.number, event.trial.architecture.digest, event.kind, flush=True)

    config = toy_config(SEARCHED_LIMITS)
    study = Study.create_or_resume(folder, config, storage_url)
    with study, LocalExecutor(workers=2) as executor:
        run_search(
            study,
            ToySpace(),
            ToyEvaluator(seconds),
            TournamentEvolution(),
            executor,
            evaluations=evaluations,
            on_event=say,
        )
        print("ended", flush=True)


if __name__ == "__main__":
    import sys

    search_and_print(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
