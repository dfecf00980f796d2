"""The values that every floor speaks of: clips, costs, evaluations, diagrams, errors for people."""

from vidnas.core.clip import Channels, ClipSpec, Modality, modality_of
from vidnas.core.cost import Cost, Latency, LatencyProtocol
from vidnas.core.diagram import Box, Diagram, Edge
from vidnas.core.errors import UserError
from vidnas.core.evaluation import Evaluation, Status

__all__ = [
    "Box",
    "Channels",
    "ClipSpec",
    "Cost",
    "Diagram",
    "Edge",
    "Evaluation",
    "Latency",
    "LatencyProtocol",
    "Modality",
    "Status",
    "UserError",
    "modality_of",
]
