"""One network, one data set -> weights and metrics."""

from vidnas.training.errors import DeadlineExceeded
from vidnas.training.evaluation import evaluate
from vidnas.training.loop import EpochReport, TrainingReport, train
from vidnas.training.metrics import AnyMetrics, Metrics, MultiLabelMetrics
from vidnas.training.settings import TrainingRun, TrainingSettings
from vidnas.training.tasks import MultiLabel, SingleLabel, Task, task_of
from vidnas.training.time_use import TimeUse, measure_time_use

__all__ = [
    "AnyMetrics",
    "DeadlineExceeded",
    "EpochReport",
    "Metrics",
    "MultiLabel",
    "MultiLabelMetrics",
    "SingleLabel",
    "Task",
    "TimeUse",
    "TrainingReport",
    "TrainingRun",
    "TrainingSettings",
    "evaluate",
    "measure_time_use",
    "task_of",
    "train",
]
