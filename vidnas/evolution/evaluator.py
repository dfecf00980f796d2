"""What evolution learns of a candidate: the one seam between the search and what it searches."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from vidnas.core import Cost, Evaluation, UserError
from vidnas.data.cache import ClipCache
from vidnas.evolution.failures import failure_reason
from vidnas.evolution.limits import Limits
from vidnas.families import Architecture, Network, families
from vidnas.profiling.counting import count_cost
from vidnas.profiling.latency import Reference, measure_latency
from vidnas.training.loop import train
from vidnas.training.settings import TrainingSettings


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


@dataclass(frozen=True)
class ClipEvaluator:
    """Measures the latency, trains briefly on cached clips and scores on the validation split.

    The fitness is the sum of the validation metrics that the family names, mostly top-1 alone.
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
            network = architecture.build(len(cache.classes))
            cost = self._measure(network)
            if broken := self.limits.broken_by(cost):
                outcome = Evaluation(status="rejected", reason=broken)
            else:
                metrics = self._train(network, cache, seed, deadline)
                summands = families()[architecture.family].fitness
                outcome = Evaluation(
                    status="ok",
                    fitness=sum(metrics[name] for name in summands),
                    metrics=metrics,
                    connection_weights=network.connection_weights(),
                )
        except UserError:
            raise
        except Exception as error:
            outcome = Evaluation(status="failed", reason=failure_reason(error))
        seconds = time.monotonic() - started
        return outcome.model_copy(update={"cost": cost, "seconds": seconds})

    def _measure(self, network: Network) -> Cost:
        latency = measure_latency(
            network,
            runtime=self.runtime,
            device=self.latency_device,
            threads=self.threads,
            reference=self.reference,
            give_up_ms=self.limits.latency_ms,
        )
        counted = count_cost(network.architecture, network.num_classes)
        return counted.model_copy(update={"latency": latency})

    def _train(
        self, network: Network, cache: ClipCache, seed: int, deadline: float | None
    ) -> dict[str, float]:
        report = train(
            network, cache, self.settings, seed=seed, device=self.device, deadline=deadline
        )
        if report.validation is None:
            raise UserError(
                f"{cache.directory} has no validation clips to score candidates on; "
                "give some videos the split val."
            )
        return report.validation.model_dump(include={"top1", "top5", "mean_class", "loss"})


@cache
def _open_cache(directory: Path) -> ClipCache:
    """Once a process: workers are persistent."""
    return ClipCache(directory)
