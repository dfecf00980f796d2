"""Candidates as networks: timed, trained on clips rung by rung, scored on the validation split."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, PositiveInt, ValidationError
from typing_extensions import Self

from vidnas.core import Cost, Evaluation, UserError
from vidnas.core.value import Value
from vidnas.data.cache import ClipCache, ClipSettings
from vidnas.data.flow import FlowMethod
from vidnas.data.stored_frames import CacheDamaged
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.ladder import ETA
from vidnas.evolution.limits import Limits
from vidnas.evolution.states import StateFolder
from vidnas.evolution.trial import FLOOR, Proposal, Trial
from vidnas.families import Architecture, Family, Network, create_network
from vidnas.layers.window import CannotStream
from vidnas.profiling.cost import measure_cost, with_frame_latency
from vidnas.profiling.latency import Reference
from vidnas.training.errors import UnusableCheckpoint
from vidnas.training.inheritance import inherit
from vidnas.training.loop import train
from vidnas.training.metrics import AnyMetrics
from vidnas.training.settings import RecordedSettings, TrainingSettings
from vidnas.training.tasks import Fitness

_BESIDES = 1.1  # validation, and writing the state
_MEASURING_S = 2.0
_LEARNED = 0.15
"""Share of what there is to learn below which candidates are not told apart: on twelve generated
motions, the design that was first after 150 steps was once last after 50."""
MOST_VALIDATED = 512
"""Videos on which a rung is judged: more would take longer than training, and tell little more."""


class ClipEvaluation(Value):
    """How candidates are evaluated on clips: the settings that a study is resumed with."""

    name: Literal["clips"] = "clips"
    training: RecordedSettings
    """The recipe, and how far the first rung trains: by epochs, by time, or by both."""
    rungs: PositiveInt = 1
    """How many rungs there are; each trains three times as far as the one below."""
    clips: ClipSettings
    fitness: tuple[Fitness, ...] = Field(default=("likelihood",), min_length=1)
    """The validation metrics whose sum is the fitness."""
    inherit: bool = False
    """Whether children start from the weights of their parents."""

    @classmethod
    def of_study(cls, config: StudyConfig) -> Self:
        """Read the settings back from the config of a study.

        Raises:
            UserError: the study's candidates are not evaluated on clips.
        """
        try:
            return cls.model_validate(config.evaluator)
        except ValidationError as error:
            raise UserError(
                "The candidates of this study are not evaluated on clips; give the folder of a "
                "study that vidnas search made."
            ) from error

    def fitness_of(self, validation: AnyMetrics) -> float:
        """Return the fitness of a network with these validation metrics."""
        return float(sum(getattr(validation, name) for name in self.fitness))

    def floor(self, classes: int) -> float | None:
        """Return the fitness of a network whose loss is little lower than that of guessing; None
        where the fitness is no likelihood."""
        if not {"likelihood", "balanced_likelihood"}.issuperset(self.fitness):
            return None
        return float(classes ** (_LEARNED - 1))


@dataclass(frozen=True)
class ClipEvaluator:
    """Measures the latency, trains on cached clips as far as the rung asks, and scores the averaged
    weights, calibrated, on the validation split.

    With a folder for states, a candidate goes on from what it learned on the rungs below; without
    one, or where its state is gone or cannot be used, it is trained from scratch.

    Raises:
        UserError: children are to inherit weights, and there is no folder of states.
    """

    cache_directory: Path | str
    settings: ClipEvaluation
    limits: Limits
    family: Family
    """The family of the candidates; unpickling it makes it known in a worker."""
    reference: Reference | None = None
    """Calibrated on the idle machine: keeps latencies steady while other workers train."""
    runtime: str = "onnxruntime"
    latency_device: str = "cpu"
    threads: int = 1
    """Threads of the latency measurement."""
    device: str = "cpu"
    """Where candidates are trained."""
    states: StateFolder | None = None
    """What candidates have learned."""
    rung: int = 0
    parent: Architecture | None = None
    """Of the candidate."""

    def __post_init__(self) -> None:
        if self.settings.inherit and self.states is None:
            raise UserError("Candidates that inherit weights need a folder of states; pass states.")

    @property
    def rungs(self) -> int:
        """How many rungs there are."""
        return self.settings.rungs

    def at_rung(self, rung: int) -> ClipEvaluator:
        """Return the evaluator of a rung, 0 being the lowest."""
        return replace(self, rung=rung)

    def seconds_at(self, rung: int) -> float | None:
        """Return about the most that climbing a rung takes; None where candidates train by epochs
        alone."""
        budget_s = self.settings.training.budget_s
        if budget_s is None:
            return None
        return _BESIDES * budget_s * _climb(rung) + (_MEASURING_S if rung == 0 else 0.0)

    def describe(self) -> dict[str, Any]:
        """Return the settings; `ClipEvaluation.of_study` reads them back."""
        return self.settings.model_dump(mode="json")

    def for_candidate(self, proposal: Proposal, trials: Sequence[Trial]) -> ClipEvaluator:
        """Return the evaluator with the candidate's parent."""
        parent = None if proposal.parent is None else trials[proposal.parent].architecture
        return replace(self, parent=parent)

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        """Reject a candidate that breaks a limit before any training; record why one failed.

        Raises:
            UserError: something is wrong that is no candidate's fault, such as a damaged cache or a
                full disk.
        """
        started = time.monotonic()
        deadline = None if deadline_s is None else started + deadline_s
        cost: Cost | None = None
        rejected: Evaluation | None = None
        try:
            clips = _open_cache(Path(self.cache_directory), self.settings.clips.flow_method)
            torch.manual_seed(seed)
            network = create_network(architecture, len(clips.classes))
            if self.rung == 0:
                cost, rejected = self._measure(network)
            outcome = rejected or self._train(network, clips, seed, deadline)
        except CacheDamaged:
            _open_cache.cache_clear()  # it can be repaired while this process lives
            raise
        except UserError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise UserError(
                    f"A candidate could not be evaluated because of this machine ({error}); mend "
                    "that, and run the same command again."
                ) from error
            outcome = Evaluation.failed_by(error)
        seconds = time.monotonic() - started
        return outcome.model_copy(update={"cost": cost, "seconds": seconds})

    def _measure(self, network: Network) -> tuple[Cost, Evaluation | None]:
        """Return the cost of a candidate, and its evaluation if that rejects it."""
        cost = measure_cost(
            network,
            runtime=self.runtime,
            device=self.latency_device,
            threads=self.threads,
            reference=self.reference,
            give_up_ms=self.limits.latency_ms,
        )
        rejected = self.limits.judge(cost)
        if rejected is not None or self.limits.frame_latency_ms is None:
            return cost, rejected
        try:
            cost = with_frame_latency(
                cost,
                network,
                threads=self.threads,
                reference=self.reference,
                give_up_ms=self.limits.frame_latency_ms,
            )
        except CannotStream as error:
            reason = f"cannot stream: {error}"
            return cost, Evaluation(
                status="rejected", cost=cost, reason=reason, broken_limit="frame_latency"
            )
        return cost, self.limits.judge(cost)

    def _train(
        self, network: Network, clips: ClipCache, seed: int, deadline: float | None
    ) -> Evaluation:
        file = self.states.file(network.architecture.digest) if self.states else None
        begins = file is None or not file.exists()
        # A birth that was killed goes on from its state, which takes the place of what is inherited
        # here: only the share that was is asked again.
        notes = self._inherit(network, clips) if self.rung == 0 else {}
        try:
            report = train(
                network,
                clips,
                self._settings(begins),
                seed=seed,
                device=self.device,
                deadline=deadline,
                checkpoint=file,
            )
        except UnusableCheckpoint:
            assert self.states is not None  # what it is about
            self.states.set_aside(network.architecture.digest)
            torch.manual_seed(seed)
            anew = create_network(network.architecture, network.num_classes)
            return self._train(anew, clips, seed, deadline)
        found = report.validation
        if found is None:
            raise UserError(
                f"{clips.directory} has no validation clips to score candidates on; "
                "give some videos the split val."
            )
        notes |= {
            "epochs": report.epochs,
            "new_epochs": report.new_epochs,
            "training_s": report.seconds,
            "validation_s": report.validation_s,
        }
        if (floor := self.settings.floor(network.num_classes)) is not None:
            notes[FLOOR] = floor
        return Evaluation(
            status="ok",
            fitness=self.settings.fitness_of(found),
            metrics=found.recorded | notes,
            headline=found.headline,
            connection_weights=network.connection_weights(),
        )

    def _settings(self, begins: bool) -> TrainingSettings:
        """Return how far to train: to the rung, in the time of this climb or of all up to it."""
        first = self.settings.training
        times = ETA**self.rung if begins else _climb(self.rung)
        return first.model_copy(
            update={
                "epochs": first.epochs and first.epochs * ETA**self.rung,
                "budget_s": first.budget_s and first.budget_s * times,
                "validated": MOST_VALIDATED,
                "calibrated": True,
            }
        )

    def _inherit(self, network: Network, clips: ClipCache) -> dict[str, float]:
        if not self.settings.inherit or self.states is None:
            return {}
        data = clips.fingerprint
        learned = self.states.weights(self.parent.digest, data) if self.parent else {}
        if self.parent is None or not learned:
            return {"inherited": 0.0}
        with torch.device("meta"):  # for the names alone
            parent = create_network(self.parent, network.num_classes)
        return {"inherited": inherit(network, learned, parent)}


def _climb(rung: int) -> int:
    """Return how much longer than the first rung the way from the rung below is."""
    return ETA**rung - ETA ** (rung - 1) if rung else 1


@cache  # once per process: workers are persistent
def _open_cache(directory: Path, flow_method: FlowMethod | None) -> ClipCache:
    return ClipCache(directory, flow_method)
