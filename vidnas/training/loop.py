"""The training loop: one network, one data set, one budget; weights and metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from vidnas.core.value import Value
from vidnas.data.cache import ClipCache
from vidnas.data.resident import cutter
from vidnas.data.sampling import train_batches
from vidnas.families import Network
from vidnas.families.network import Normalization
from vidnas.layers.frames import use_channels_last
from vidnas.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from vidnas.training.device import mixed_precision, usable_device
from vidnas.training.errors import DeadlineExceeded, NotFinite
from vidnas.training.metrics import Metrics, evaluate, to_input
from vidnas.training.settings import TrainingSettings


class EpochReport(Value):
    """The outcome of one epoch; the last may be part of one."""

    epoch: float
    """Epochs done."""
    fraction: float
    """Share of the budget used up, at most 1."""
    train_loss: float
    """Mean of the loss that was minimised, with its smoothing and weights."""
    learning_rate: float
    validation: Metrics | None = None
    """Metrics on the validation split, where this epoch measured them."""
    seconds: float
    """Time since training began, over all resumptions."""
    clips_per_s: float
    """Pace of training alone, validation not counted."""


class TrainingReport(Value):
    """The outcome of a finished training run."""

    epochs: float
    spent: float
    """Share of the budget used up: 1, unless the run was stopped at a rung."""
    seconds: float
    validation: Metrics | None
    """Metrics of the weights that were kept; None where the data has no validation split."""
    history: tuple[EpochReport, ...]


def train(
    network: Network,
    cache: ClipCache,
    settings: TrainingSettings,
    *,
    seed: int,
    device: str = "cpu",
    checkpoint: Path | str | None = None,
    deadline: float | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    continues: Callable[[Metrics], bool] = lambda validation: True,
) -> TrainingReport:
    """Train a network in place, briefly or in full, and leave it in evaluation mode.

    Torch's generator is seeded at every epoch, from `seed` and the epoch's number.

    Args:
        network: fresh from `build`; its normalisation takes the statistics of the training clips.
        cache: clips to train and to validate on.
        settings: the recipe and its budget.
        seed: decides the order of the clips, their augmentation and dropout.
        device: "cpu", "cuda", "cuda:1".
        checkpoint: file to save to after every epoch. Where it exists, training resumes from it and
            reaches the same weights, bit for bit, if the budget is in epochs.
        deadline: reading of `time.monotonic()` at which to give up.
        on_epoch: called after every epoch.
        continues: called with the validation metrics at every rung of the settings, one after the
            other; False ends training there. A run that continues is the same as one without rungs,
            but for the time that they take.

    Raises:
        NotFinite: a loss, gradient or prediction became infinite or not a number.
        DeadlineExceeded: the deadline passed.
        UserError: the device does not exist, or the checkpoint is damaged or of another run.
    """
    run = _Run(
        network, cache, settings, seed=seed, device=device, deadline=deadline, continues=continues
    )
    checkpoint = None if checkpoint is None else Path(checkpoint)
    if checkpoint is not None and checkpoint.exists():
        run.resume(checkpoint)
    while run.state.spent < 1 and not run.stopped:
        report = run.epoch()
        if checkpoint is not None:
            run.save(checkpoint)
        if on_epoch is not None:
            on_epoch(report)
    return run.finish()


class _Run:
    """A training run: its parts, and how far it is."""

    def __init__(
        self,
        network: Network,
        cache: ClipCache,
        settings: TrainingSettings,
        *,
        seed: int,
        device: str,
        deadline: float | None,
        continues: Callable[[Metrics], bool],
    ) -> None:
        self.clock_zero = time.monotonic()
        self.deadline = math.inf if deadline is None else deadline
        self.device = usable_device(device)
        self.network, self.cache = network.to(self.device), cache
        self.settings, self.seed = settings, seed
        self.continues = continues
        self.stopped: Metrics | None = None
        """The metrics at the rung where the run was stopped."""
        self.rungs_s = 0.0
        self.steps_per_epoch = math.ceil(len(cache.videos("train")) / settings.batch_size)
        use_channels_last(network)
        inputs = network.architecture.inputs
        for normalization, spec in zip(network.normalizations, inputs, strict=True):
            statistics = cache.statistics(spec.modality)
            cast(Normalization, normalization).set_statistics(*statistics)
        self.optimizer = build_optimizer(network, settings)
        self.loss = nn.CrossEntropyLoss(
            weight=balanced_weights(cache) if settings.class_weights == "balanced" else None,
            label_smoothing=settings.label_smoothing,
        ).to(self.device)
        self.autocast = mixed_precision(settings.precision, self.device)
        self.state = TrainingState()
        self.history: list[EpochReport] = []
        self.identity = {
            "architecture": network.architecture.digest,
            "settings": settings.model_dump_json(),
            "data": cache.fingerprint,
            "seed": str(seed),
            "clips": cache.settings(spec.modality for spec in inputs).model_dump_json(),
        }

    def resume(self, checkpoint: Path) -> None:
        self.state = load_checkpoint(checkpoint, self.identity, self.network, self.optimizer)
        self.history = [EpochReport.model_validate_json(text) for text in self.state.history]
        self.clock_zero -= self.state.seconds

    def save(self, checkpoint: Path) -> None:
        save_checkpoint(checkpoint, self.identity, self.state, self.network, self.optimizer)

    def epoch(self) -> EpochReport:
        """Train until the epoch or the budget ends; validate if that is due."""
        began, spent_before = time.monotonic() - self.rungs_s, self.state.spent
        losses, clips_seen = self._pass()
        clips_per_s = clips_seen / (time.monotonic() - self.rungs_s - began)
        parts = self.settings.validations
        due = math.floor(self.state.spent * parts) > math.floor(spent_before * parts)
        validation = self.stopped
        if due and validation is None and len(self.cache.videos("val")):
            validation = self._validate()
        if validation is not None:
            self._keep_best(validation)
        self.state.seconds = time.monotonic() - self.clock_zero
        report = EpochReport(
            epoch=self.state.epochs,
            fraction=self.state.spent,
            train_loss=sum(losses) / len(losses),
            learning_rate=self.optimizer.param_groups[0]["lr"],
            validation=validation,
            seconds=self.state.seconds,
            clips_per_s=clips_per_s,
        )
        self.history.append(report)
        self.state.history.append(report.model_dump_json())
        return report

    def _pass(self) -> tuple[list[float], int]:
        """Pass over the training clips once, or over what the budget allows."""
        epoch = int(self.state.epochs)
        rng = np.random.default_rng((self.seed, epoch))
        torch.manual_seed(int(rng.integers(2**63)))
        self.network.train()
        losses: list[float] = []
        clips_seen = 0
        inputs = self.network.architecture.inputs
        batches = train_batches(
            self.cache,
            inputs,
            batch_size=self.settings.batch_size,
            rng=rng,
            augmentation=self.settings.augmentation,
            cut=cutter(self.cache, "train", inputs, self.device),
        )
        for batch, (clips, labels) in enumerate(batches, start=1):
            if len(labels) > 1:  # batch normalisation needs two
                losses.append(self._step(clips, labels))
                clips_seen += len(labels)
            self.state.epochs = epoch + batch / self.steps_per_epoch
            seconds = time.monotonic() - self.clock_zero
            before = self.state.spent
            self.state.spent = min(self.settings.spent(self.state.epochs, seconds), 1.0)
            spent = self.state.spent
            if reached := sum(before < rung <= spent < 1 for rung in self.settings.rungs):
                self._stop_or_continue(reached)
            if spent == 1 or self.stopped:
                break
        return losses, clips_seen

    def _step(self, clips: tuple[Tensor, ...], labels: Tensor) -> float:
        if time.monotonic() > self.deadline:
            raise DeadlineExceeded("The deadline passed during training.")
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate_at(self.state.spent)
        with self.autocast:
            logits = self.network(*(to_input(clip, self.device) for clip in clips))
        loss: Tensor = self.loss(logits.float(), labels.to(self.device))
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        limit = self.settings.clip_norm or math.inf
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        if not (loss.isfinite() and norm.isfinite()):
            raise NotFinite(f"The loss is {loss.item()}, its gradient's norm {norm.item()}.")
        self.optimizer.step()
        return loss.item()

    def _stop_or_continue(self, reached: int) -> None:
        """Measure at a rung, or at several that one slow step reached, and ask whether to stop."""
        began = time.monotonic()
        found = self._validate()
        if not all(self.continues(found) for _ in range(reached)):
            self.stopped = found
        self.rungs_s += time.monotonic() - began

    def _validate(self) -> Metrics:
        return evaluate(self.network, self.cache, "val", device=str(self.device))

    def _keep_best(self, found: Metrics) -> None:
        earlier = [report.validation for report in self.history if report.validation]
        if self.settings.keep == "best" and all(found.rank >= best.rank for best in earlier):
            self.state.best_weights = deepcopy(self.network.state_dict())

    def finish(self) -> TrainingReport:
        measured = [report.validation for report in self.history if report.validation]
        if self.state.best_weights is not None:
            self.network.load_state_dict(self.state.best_weights)
            measured.sort(key=lambda metrics: metrics.rank)
        self.network.eval()
        return TrainingReport(
            epochs=self.state.epochs,
            spent=self.state.spent,
            seconds=self.state.seconds,
            validation=measured[-1] if measured else None,
            history=tuple(self.history),
        )


def build_optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Make SGD with Nesterov momentum or AdamW; kernels decay, biases, gates and norms do not."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(
            groups, lr=settings.learning_rate, betas=(settings.momentum, 0.999)
        )
    return torch.optim.SGD(
        groups,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
    )


def balanced_weights(cache: ClipCache) -> Tensor:
    """Return weights `(num_classes,)` that make up for the unequal sizes of the classes."""
    labels = torch.from_numpy(cache.labels[cache.videos("train")])
    counts = torch.bincount(labels, minlength=len(cache.classes))
    return len(labels) / (len(cache.classes) * counts.clamp(min=1))
