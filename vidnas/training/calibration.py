"""How honest scores are, and the temperature that makes them so.

Guo et al.: On Calibration of Modern Neural Networks, ICML 2017, arXiv 1706.04599. The share of
wrong answers that so many videos may have missed is that of Platt: Probabilistic Outputs for
Support Vector Machines, 1999, section 2.2.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vidnas.training.tasks import Task

_BINS = 15
_COLDEST, _HOTTEST = 0.05, 20.0
_STEPS, _ROUNDS = 20, 4
_TINY = 1e-300


def calibration_error(scores: Tensor, labels: Tensor, task: Task) -> float:
    """Return by how much scores differ from how often they are right: the expected calibration
    error in 15 bins of equal width.

    Args:
        scores: of videos, `(N, num_classes)`. Where there is one class to tell, the highest of each
            video counts; where there may be several, all do.
        labels: as the cache has them, `(N,)` or `(N, num_classes)`.
        task: what they answer.
    """
    shown = task.targets(labels, scores.shape[1])
    if task.multi_label:
        sure, right = scores.flatten(), shown.flatten()
    else:
        sure, answers = scores.max(dim=1)
        right = shown.gather(1, answers[:, None])[:, 0]
    bins = (sure * _BINS).long().clamp(max=_BINS - 1)
    gaps = torch.zeros(_BINS, dtype=torch.float64).index_add(0, bins, (sure - right).double())
    return gaps.abs().sum().item() / len(sure)


def fit_temperature(logits: Tensor, labels: Tensor, task: Task) -> float:
    """Return the temperature with which the scores of videos have the smallest loss.

    The scores of the clips of a video are pooled, so that the loss need not have one minimum alone:
    it is looked for on a grid over two and a half decades, and then on finer ones around the best.
    N videos do not tell a share of wrong answers from one in N + 2: the loss is that of labels
    which are wrong as often, or else a network that is right about all N could be sure of anything.

    Args:
        logits: `(N, clips, num_classes)`.
        labels: as the cache has them.
        task: of the network.
    """
    shown = task.targets(labels, logits.shape[2])
    missed = 1 / (len(labels) + 2)
    others = 1 if task.multi_label else max(logits.shape[2] - 1, 1)
    told = shown * (1 - missed) + (1 - shown) * missed / others

    def loss(log: float) -> float:
        scores = task.pooled(task.scores(logits.double() / math.exp(log)))
        if task.multi_label:
            return F.binary_cross_entropy(scores, told.double()).item()
        return -(told * scores.clamp(min=_TINY).log()).sum(dim=1).mean().item()

    low, high = math.log(_COLDEST), math.log(_HOTTEST)
    for _ in range(_ROUNDS):
        step = (high - low) / _STEPS
        best = min((low + step * number for number in range(_STEPS + 1)), key=loss)
        low, high = max(best - step, low), min(best + step, high)
    return math.exp(best)
