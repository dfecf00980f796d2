"""Calibrated networks as boxes and arrows."""

from __future__ import annotations

from vidnas.core import Diagram
from vidnas.families.calibrated.architecture import Calibrated
from vidnas.families.registry import diagram_of


def draw(architecture: Calibrated) -> Diagram:
    """Draw the network, and say that it is calibrated."""
    diagram = diagram_of(architecture.network)
    return diagram.model_copy(update={"title": f"{diagram.title}, calibrated"})
