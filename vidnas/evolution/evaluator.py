"""What evolution learns of a candidate: the one seam between the search and what it searches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from vidnas.core import Cost, Evaluation, UserError
from vidnas.data.cache import ClipCache
from vidnas.evolution.halving import bars
from vidnas.evolution.limits import Limits
from vidnas.evolution.trial import Proposal, Trial
from vidnas.evolution.weights import WeightFolder
from vidnas.families import Architecture, Network, create_network, families
from vidnas.profiling.cost import measure_cost
from vidnas.profiling.latency import Reference
from vidnas.training.inheritance import inherit
from vidnas.training.loop import train
from vidnas.training.metrics import Metrics
from vidnas.training.settings import TrainingSettings

_METRICS = ("top1", "top5", "mean_class", "loss", "likelihood")


@runtime_checkable
class Evaluator(Protocol):
    """Evaluates candidates in a worker, where it arrives by pickle.

    An exception that it raises is recorded as a failure of the candidate.
    """

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        """Evaluate one candidate.

        Args:
            architecture: the candidate.
            seed: the only source of randomness.
            deadline_s: seconds from now after which to give up.
        """


@runtime_checkable
class Informed(Protocol):
    """An evaluator that takes along to the worker what the study knows by then."""

    def informed(self, proposal: Proposal, trials: Sequence[Trial]) -> Evaluator:
        """The evaluator of one candidate, asked for right before its evaluation is started.

        Args:
            proposal: the candidate and where it came from.
            trials: those recorded so far, by number; to look at some of them only keeps a search
                from slowing down as it grows.
        """


@dataclass(frozen=True)
class ClipEvaluator:
    """Measures the latency, trains briefly on cached clips and scores on the validation split.

    The fitness is the sum of the validation metrics that the family names, mostly the likelihood
    alone. With rungs in the settings, trainings that look hopeless stop there; they keep the
    fitness that they had, and those that went on the best that they had at a rung or at the end. So
    whoever was stopped ranks below all that were ahead at the same rung and went on to the end.
    """

    cache_directory: Path
    settings: TrainingSettings
    limits: Limits
    reference: Reference | None = None
    """Calibrated on the idle machine: keeps latencies steady while other workers train."""
    runtime: str = "onnxruntime"
    latency_device: str = "cpu"
    threads: int = 1
    """Threads of the latency measurement."""
    device: str = "cpu"
    """Where candidates are trained."""
    weights: WeightFolder | None = None
    """Where children find what their parents learned; None trains all from scratch."""
    parent: str | None = None
    """Digest of the candidate's parent."""
    bars: tuple[float, ...] = ()
    """The fitness to go on with at each rung."""

    def informed(self, proposal: Proposal, trials: Sequence[Trial]) -> ClipEvaluator:
        """With the candidate's parent, and the bars of the trials before."""
        parent = None if proposal.parent is None else trials[proposal.parent].architecture.digest
        return replace(self, parent=parent, bars=bars(len(self.settings.rungs), trials))

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        """Reject a candidate that breaks a limit before any training; record why one failed.

        Raises:
            UserError: something is wrong that is no candidate's fault, such as a missing cache.
        """
        started = time.monotonic()
        deadline = None if deadline_s is None else started + deadline_s
        cost: Cost | None = None
        try:
            cache = _open_cache(self.cache_directory)
            torch.manual_seed(seed)
            network = create_network(architecture, len(cache.classes))
            cost = measure_cost(
                network,
                runtime=self.runtime,
                device=self.latency_device,
                threads=self.threads,
                reference=self.reference,
                give_up_ms=self.limits.latency_ms,
            )
            outcome = self.limits.judge(cost) or self._train(network, cache, seed, deadline)
        except UserError:
            raise
        except Exception as error:
            outcome = Evaluation.failed_by(error)
        seconds = time.monotonic() - started
        return outcome.model_copy(update={"cost": cost, "seconds": seconds})

    def _train(
        self, network: Network, cache: ClipCache, seed: int, deadline: float | None
    ) -> Evaluation:
        seen: list[Metrics] = []

        def goes_on(validation: Metrics) -> bool:
            seen.append(validation)
            return not self.bars or _fitness(network, validation) >= self.bars[len(seen) - 1]

        notes = self._inherit(network)
        report = train(
            network,
            cache,
            self.settings,
            seed=seed,
            device=self.device,
            deadline=deadline,
            goes_on=goes_on,
        )
        if report.validation is None:
            raise UserError(
                f"{cache.directory} has no validation clips to score candidates on; "
                "give some videos the split val."
            )
        curve = tuple(_fitness(network, one) for one in seen)
        found = report.validation
        if self.settings.rungs:
            notes["trained"] = report.spent
        if report.spent == 1:
            found = max([found, *seen], key=lambda one: _fitness(network, one))
        if self.weights:
            self.weights.write(network.architecture.digest, network)
        return Evaluation(
            status="ok",
            fitness=_fitness(network, found),
            metrics={name: getattr(found, name) for name in _METRICS} | notes,
            curve=curve,
            connection_weights=network.connection_weights(),
        )

    def _inherit(self, network: Network) -> dict[str, float]:
        if self.weights is None:
            return {}
        learned = self.weights.read(self.parent) if self.parent else {}
        return {"inherited": inherit(network, learned)}


def _fitness(network: Network, validation: Metrics) -> float:
    summands = families()[network.architecture.family].fitness
    return float(sum(getattr(validation, name) for name in summands))


@cache
def _open_cache(directory: Path) -> ClipCache:
    """Once a process: workers are persistent."""
    return ClipCache(directory)
