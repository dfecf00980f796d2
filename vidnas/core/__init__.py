"""The values that every floor speaks of: clips, costs, evaluations, diagrams, errors for people."""

from vidnas.core.clip import Channels, ClipSpec, Modality, channels_of, modality_of
from vidnas.core.cost import Cost, Latency, LatencyProtocol
from vidnas.core.diagram import Box, Diagram, Edge
from vidnas.core.errors import UserError, WorkerLost
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
    "WorkerLost",
    "channels_of",
    "modality_of",
]
