"""What climbing a rung says of a candidate: the only thing that evolution learns from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from vidnas.core.cost import Cost
from vidnas.core.errors import UserError, WorkerLost
from vidnas.core.faults import is_out_of_memory, machine_fault
from vidnas.core.text import escaped
from vidnas.core.value import Value

Status = Literal["ok", "rejected", "failed"]

_LONGEST_REASON = 300


class Evaluation(Value):
    """The outcome of one candidate; all three outcomes are recorded and none stops a search.

    `ok` has a fitness; `rejected` broke a limit before any training; `failed` crashed, ran out of
    memory or time, or produced numbers that are not finite.
    """

    status: Status
    fitness: float | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    headline: str = "top1"
    """The metric that people are shown first, where it is among the metrics: a share of 1."""
    cost: Cost | None = None
    reason: str = ""
    """Why a candidate was rejected or failed, in one short sentence."""
    broken_limit: str | None = None
    """The name of the limit that a rejected candidate broke, such as "latency"."""
    connection_weights: dict[str, float] = Field(default_factory=dict)
    """Learned weights of the architecture's connections by name, where a family has them."""
    seconds: float = 0.0

    @model_validator(mode="after")
    def _facts_go_with_the_status(self) -> Evaluation:
        if (self.fitness is not None) != (self.status == "ok"):
            raise ValueError(f"an evaluation that is {self.status} has fitness {self.fitness}")
        if self.broken_limit is not None and self.status != "rejected":
            raise ValueError(f"an evaluation that is {self.status} broke {self.broken_limit}")
        return self

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        yield "status", self.status
        facts = ("fitness", self.fitness), ("reason", self.reason), ("seconds", self.seconds)
        yield from ((name, value) for name, value in facts if value)

    @property
    def headline_share(self) -> float | None:
        """That metric, between 0 and 1; None where it is not known."""
        return self.metrics.get(self.headline)

    @classmethod
    def failed_by(cls, error: BaseException, cost: Cost | None = None) -> Evaluation:
        """Return the evaluation of a candidate that an exception ended.

        Raises:
            UserError: the machine failed, and not the candidate.
        """
        if fault := machine_fault(error):
            raise UserError(
                f"The machine failed, and not the candidate that was trained ({fault}); mend that, "
                "and run the same command again, which goes on from here."
            ) from error
        reason = escaped(" ".join(f"{type(error).__name__}: {error}".split()))[:_LONGEST_REASON]
        if isinstance(error, WorkerLost):
            reason = str(error)
        if is_out_of_memory(error):
            reason = "out of memory"
        return cls(status="failed", reason=reason, cost=cost)
