"""What evaluating a candidate briefly told us: the only thing evolution learns from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from vidnas.core.cost import Cost
from vidnas.core.value import Value

Status = Literal["ok", "rejected", "failed"]


class Evaluation(Value):
    """The outcome of one candidate; all three outcomes are recorded and none stops a search.

    `ok` has a fitness; `rejected` broke a limit before any training; `failed` crashed, ran out of
    memory or time, or produced numbers that are not finite. `reason` says which.
    """

    status: Status
    fitness: float | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    cost: Cost | None = None
    reason: str = ""
    curve: tuple[float, ...] = ()
    """The fitness at the rungs that the training reached, in their order."""
    connection_weights: dict[str, float] = Field(default_factory=dict)
    """Learned weights of the architecture's connections by name, where a family has them."""
    seconds: float = 0.0

    @model_validator(mode="after")
    def _fitness_goes_with_ok(self) -> Evaluation:
        if (self.fitness is not None) != (self.status == "ok"):
            raise ValueError(f"an evaluation that is {self.status} has fitness {self.fitness}")
        return self
