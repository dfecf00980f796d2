"""One network, one data set -> weights and metrics."""

from vidnas.training.errors import DeadlineExceeded, NotFinite
from vidnas.training.loop import EpochReport, TrainingReport, train
from vidnas.training.metrics import Metrics, evaluate
from vidnas.training.settings import TrainingRun, TrainingSettings

__all__ = [
    "DeadlineExceeded",
    "EpochReport",
    "Metrics",
    "NotFinite",
    "TrainingReport",
    "TrainingRun",
    "TrainingSettings",
    "evaluate",
    "train",
]
