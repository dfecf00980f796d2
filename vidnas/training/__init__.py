"""One network, one data set -> weights and metrics."""

from vidnas.training.errors import DeadlineExceeded, NotFinite
from vidnas.training.loop import EpochReport, TrainingReport, train
from vidnas.training.metrics import Metrics, evaluate
from vidnas.training.settings import TrainingRun, TrainingSettings
from vidnas.training.time_use import TimeUse, measure_time_use

__all__ = [
    "DeadlineExceeded",
    "EpochReport",
    "Metrics",
    "NotFinite",
    "TimeUse",
    "TrainingReport",
    "TrainingRun",
    "TrainingSettings",
    "evaluate",
    "measure_time_use",
    "train",
]
