"""The values that every floor speaks of: clips, costs, evaluations, diagrams, errors for people."""

from vidnas.core.clip import ClipSpec, Modality
from vidnas.core.cost import Cost, Latency, LatencyProtocol
from vidnas.core.diagram import Box, Diagram, Edge, tensor_size
from vidnas.core.errors import NotFinite, UserError, WorkerKilled, WorkerLost
from vidnas.core.evaluation import Evaluation, Status

__all__ = [
    "Box",
    "ClipSpec",
    "Cost",
    "Diagram",
    "Edge",
    "Evaluation",
    "Latency",
    "LatencyProtocol",
    "Modality",
    "NotFinite",
    "Status",
    "UserError",
    "WorkerKilled",
    "WorkerLost",
    "tensor_size",
]
