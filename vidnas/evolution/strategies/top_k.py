"""Top-k: many candidates on one rung, of which the best are finished: a strong simple rival.

Egele, Mohr, Viering, Balaprakash: The Unreasonable Effectiveness of Early Discarding After One
Epoch in Neural Network Hyperparameter Optimization, Neurocomputing 2024 (arXiv 2404.04111).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vidnas.evolution.strategies.random_search import RandomSearch


@dataclass
class TopK(RandomSearch):
    """Draws every candidate at random, after the designs; none climbs above the lowest rung."""

    name: ClassVar[str] = "top-k"
    climbs: ClassVar[bool] = False
