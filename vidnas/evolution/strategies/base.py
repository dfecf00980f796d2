"""What a strategy promises: it learns from trials and proposes what to try next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from vidnas.evolution.niches import Niches
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Space


@dataclass
class Strategy(ABC):
    """A dataclass whose fields are its settings.

    Everything else that it knows follows from the trials that it observed, in the order in which
    they were recorded, so that replaying a study's history restores it.
    """

    name: ClassVar[str]
    climbs: ClassVar[bool] = True
    """Whether candidates climb the ladder; if not, there is only its lowest rung."""
    niches = Niches()
    """Those of the search, which sets them; a strategy may look for parents in all of them."""

    def describe(self) -> dict[str, Any]:
        """Return name and settings as JSON-ready values: a study compares them when it is resumed,
        and `read_strategy` reads them back."""
        settings = {one.name: getattr(self, one.name) for one in fields(self)}
        lists = {name: [*value] for name, value in settings.items() if isinstance(value, tuple)}
        return {"name": self.name, **settings, **lists}

    @abstractmethod
    def observe(self, trial: Trial) -> None:
        """Learn from a recorded trial, whatever became of it: from a new one, and again from one
        that climbed a rung."""

    @abstractmethod
    def propose(self, space: Space, rng: np.random.Generator) -> Proposal:
        """Propose a candidate; it may turn out to have been tried before."""
