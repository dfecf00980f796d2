"""The training loop: one network, one data set, one run; weights and metrics."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vidnas.core import NotFinite
from vidnas.core.value import Value
from vidnas.data.augmentation import mix, vary
from vidnas.data.cache import ClipCache
from vidnas.data.resident import cutter
from vidnas.data.sampling import train_batches
from vidnas.families import Network
from vidnas.families.network import Normalization
from vidnas.layers.frames import use_channels_last
from vidnas.training.averaging import averaged, settle
from vidnas.training.checkpoint import (
    TrainingState,
    load_checkpoint,
    plain_checkpoint_errors,
    save_checkpoint,
)
from vidnas.training.device import mixed_precision, usable_device
from vidnas.training.errors import DeadlineExceeded
from vidnas.training.evaluation import evaluate, to_input
from vidnas.training.generators import set_states, states_of
from vidnas.training.loss import TrainingLoss
from vidnas.training.metrics import AnyMetrics
from vidnas.training.optimizer import build_optimizer
from vidnas.training.settings import TrainingSettings
from vidnas.training.tasks import task_of

_SAVE_EVERY_S = 10.0
"""Between passes over the clips."""
_SAVE_WITHIN_S = 60.0
"""Within a pass, which may take hours."""
_SETTLED_ON = 128
"""Clips of which averaged weights take their batch statistics; three times as many did no better on
four sets, and 256 took a quarter of the time of a rung of five seconds."""


class EpochReport(Value):
    """The outcome of one pass over the clips; the last may be part of one."""

    epoch: float
    """Epochs done."""
    fraction: float
    """Share of the run that is done, at most 1."""
    train_loss: float
    """Mean of the loss that was minimised, with its smoothing, mixing and weights."""
    learning_rate: float
    validation: AnyMetrics | None = None
    """Metrics on the validation split, where this pass measured them."""
    seconds: float
    """Time since the run began, over all resumptions."""
    validation_s: float = 0.0
    """What of it this pass spent on validation."""
    clips_per_s: float
    """Pace of training alone, validation not counted."""


class TrainingReport(Value):
    """The outcome of a finished training run."""

    epochs: float
    """Those of the network, over all its runs."""
    new_epochs: float
    """Those of this run, over all resumptions."""
    seconds: float
    """Time of this run, over all resumptions."""
    validation_s: float
    """What of it was validation."""
    validation: AnyMetrics | None
    """Metrics of the weights that were kept; None where the data has no validation split, or none
    is asked for."""
    history: tuple[EpochReport, ...]
    """One report per pass of this run."""


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
) -> TrainingReport:
    """Train a network in place; leave it in evaluation mode, with its averaged weights.

    Torch's generator is seeded at every pass over the clips, from `seed` and the steps before it.

    Args:
        network: fresh from `build`; its normalisation takes the statistics of the training clips.
        cache: clips to train and to validate on.
        settings: the recipe, and how far to train.
        seed: decides the order of the clips, their augmentation and dropout.
        device: "cpu", "cuda", "cuda:1".
        checkpoint: file of what the network has learned. Where it exists, a run that was stopped
            resumes, and reaches the same weights, bit for bit, if it ends by epochs; and one that
            goes further with the same recipe goes on from it.
        deadline: reading of `time.monotonic()` at which to give up.
        on_epoch: called after every pass over the clips.

    Raises:
        NotFinite: a loss, gradient or prediction became infinite or not a number.
        DeadlineExceeded: the deadline passed.
        UnusableCheckpoint: the checkpoint is damaged, or of another network or recipe.
        UserError: the device does not exist, or the checkpoint cannot be written.
    """
    run = _Run(network, cache, settings, seed=seed, device=device, deadline=deadline)
    if checkpoint is not None:
        run.keep_in(Path(checkpoint))
    while run.state.spent < 1:
        report = run.epoch()
        run.save_after(_SAVE_EVERY_S if run.state.spent < 1 else -math.inf, time.monotonic())
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
    ) -> None:
        self.clock_zero = time.monotonic()
        self.deadline = math.inf if deadline is None else deadline
        self.device = usable_device(device)
        self.network, self.cache = network.to(self.device), cache
        self.settings, self.seed = settings, seed
        self.steps_per_epoch = math.ceil(len(cache.videos("train")) / settings.batch_size)
        use_channels_last(network)
        self.inputs = network.architecture.inputs
        for normalization, spec in zip(network.normalizations, self.inputs, strict=True):
            statistics = cache.statistics(spec.modality)
            cast(Normalization, normalization).set_statistics(*statistics)
        network.train()  # what layers keep for evaluation is nothing to average
        self.average = averaged(network, settings.averaging)
        self.optimizer = build_optimizer(network, settings)
        self.task = task_of(cache, settings.class_weights)
        self.loss = TrainingLoss(self.task, settings, cache).to(self.device)
        self.autocast = mixed_precision(settings.precision, self.device)
        self.run = json.dumps(settings.run)
        self.state = TrainingState(run=self.run)
        self.history: list[EpochReport] = []
        self.checkpoint: Path | None = None
        self.saved = -math.inf
        """When the checkpoint was written, or found."""
        self.generators: Mapping[str, Any] = {}
        """States of the generators within the pass in which the run was stopped."""
        self.identity = {
            "architecture": network.architecture.digest,
            "settings": json.dumps(settings.recipe),
            "data": cache.fingerprint,
            "seed": str(seed),
            "clips": cache.settings(spec.modality for spec in self.inputs).model_dump_json(),
        }

    def keep_in(self, checkpoint: Path) -> None:
        """Save there from now on. Where there is one, go on with a run that was stopped, or begin
        one where another ended.

        Raises:
            UnusableCheckpoint: it is damaged, or of another network or recipe; the network may have
                changed by then.
        """
        self.checkpoint = checkpoint
        if checkpoint.exists():
            self._resume(checkpoint)
        self.saved = time.monotonic()

    def _resume(self, checkpoint: Path) -> None:
        self.state, learned = load_checkpoint(checkpoint, self.identity)
        with plain_checkpoint_errors(checkpoint):
            self.network.load_state_dict(learned["network"])
            self.optimizer.load_state_dict(learned["optimizer"])
            self.average.module.load_state_dict(learned["average"])
            if self.state.pass_began is not None:
                self.generators = learned["generators"]
                set_states(self.generators, np.random.default_rng(), self.device)
        if self.state.run != self.run:
            self.generators = {}
            steps = self.state.steps
            self.state = TrainingState(steps=steps, run=self.run, began=steps)
            self.state.spent = min(self.settings.spent(self.epochs, 0, began=self.epochs), 1.0)
        self.history = [EpochReport.model_validate_json(text) for text in self.state.history]
        self.clock_zero -= self.state.seconds

    def save_after(
        self, seconds: float, now: float, within: np.random.Generator | None = None
    ) -> None:
        """Save if the last time is longer ago; within a pass, with the state of its generator."""
        if self.checkpoint is None or now - self.saved <= seconds:
            return
        learned: dict[str, Any] = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.module.state_dict(),
        }
        if within is not None:
            learned["generators"] = states_of(within, self.device)
        save_checkpoint(self.checkpoint, self.identity, self.state, learned)
        self.saved = time.monotonic()

    @property
    def epochs(self) -> float:
        """Those of the network, over all its runs."""
        return self.state.steps / self.steps_per_epoch

    def epoch(self) -> EpochReport:
        """Pass over the clips until they or the run end; validate if that is due."""
        began, spent_before = time.monotonic(), self.state.spent
        losses, clips_seen = self._pass()
        clips_per_s = clips_seen / (time.monotonic() - began)
        parts = self.settings.validations
        due = math.floor(self.state.spent * parts) > math.floor(spent_before * parts)
        if due or self.state.spent == 1:
            self._settle()
        trained = time.monotonic()
        validation = self._validate() if due else None
        validation_s = time.monotonic() - trained
        self.state.seconds = time.monotonic() - self.clock_zero
        report = EpochReport(
            epoch=self.epochs,
            fraction=self.state.spent,
            train_loss=sum(losses) / max(len(losses), 1),
            learning_rate=self.optimizer.param_groups[0]["lr"],
            validation=validation,
            seconds=self.state.seconds,
            validation_s=validation_s,
            clips_per_s=clips_per_s,
        )
        self.history.append(report)
        self.state.history.append(report.model_dump_json())
        return report

    def _pass(self) -> tuple[list[float], int]:
        """Pass over the training clips once, or over as many as the run, or a pass in which it was
        stopped, has left."""
        if self.state.pass_began is None:
            self.state.pass_began = self.state.steps
        rng = np.random.default_rng((self.seed, self.state.pass_began))
        torch.manual_seed(int(rng.integers(2**63)))
        done = (self.state.steps - self.state.pass_began) * self.settings.batch_size
        order = rng.permutation(self.cache.videos("train"))[done:]
        if self.generators:
            set_states(self.generators, rng, self.device)
            self.generators = {}
        self.network.train()
        clips_seen = 0
        began = self.state.began / self.steps_per_epoch
        for clips, labels in self._batches(order, rng):
            if len(labels) > 1:  # batch normalisation needs two
                self.state.losses.append(self._step(clips, labels, rng))
                clips_seen += len(labels)
            self.state.steps += 1
            now = time.monotonic()
            self.state.seconds = now - self.clock_zero
            spent = self.settings.spent(self.epochs, self.state.seconds, began=began)
            self.state.spent = min(spent, 1.0)
            if self.state.spent == 1:
                break
            self.save_after(_SAVE_WITHIN_S, now, within=rng)
        losses, self.state.losses = self.state.losses, []
        self.state.pass_began = None
        return losses, clips_seen

    def _batches(
        self, order: NDArray[np.int64], rng: np.random.Generator
    ) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        return train_batches(
            self.cache,
            self.inputs,
            batch_size=self.settings.batch_size,
            rng=rng,
            augmentation=self.settings.augmentation,
            cut=cutter(self.cache, "train", self.inputs, self.device),
            order=order,
        )

    def _step(self, cut: tuple[Tensor, ...], labels: Tensor, rng: np.random.Generator) -> float:
        if time.monotonic() > self.deadline:
            raise DeadlineExceeded("The deadline passed during training.")
        for group in self.optimizer.param_groups:
            rate = self.settings.learning_rate_at(self.state.steps, self.state.spent)
            group["lr"] = rate
        clips = self._varied(cut, rng)
        targets = self.task.targets(labels.to(self.device), len(self.cache.classes))
        if alpha := self.settings.augmentation.mixup:
            clips, targets = mix(clips, targets, rng, alpha)
        with self.autocast:
            logits = self.network(*clips).float()
        loss: Tensor = self.loss(logits, targets)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        limit = self.settings.clip_norm or math.inf
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        if not (loss.isfinite() and norm.isfinite()):
            raise NotFinite(f"The loss is {loss.item()}, its gradient's norm {norm.item()}.")
        with self.autocast:  # products of matrices, in Muon
            self.optimizer.step()
        self.average.n_averaged.fill_(self.state.steps)
        self.average.update_parameters(self.network)
        return loss.item()

    def _varied(self, cut: tuple[Tensor, ...], rng: np.random.Generator) -> tuple[Tensor, ...]:
        clips = [to_input(clip, self.device) for clip in cut]
        modalities = [spec.modality for spec in self.inputs]
        return vary(clips, modalities, rng, self.settings.augmentation)

    def _settle(self) -> None:
        """Let the averaged weights gather their own batch statistics, of clips as in training."""
        rng = np.random.default_rng((self.seed, self.state.steps))
        order = rng.permutation(self.cache.videos("train"))[:_SETTLED_ON]
        size = self.settings.batch_size
        whole = len(order) // size * size or len(order)  # all batches count alike
        if whole > 1:
            batches = self._batches(order[:whole], rng)
            with self.autocast:
                settle(self.average.module, (self._varied(cut, rng) for cut, _ in batches))

    def _validate(self) -> AnyMetrics | None:
        if not len(self.cache.videos("val")) or not self.settings.validations:
            return None
        return evaluate(
            cast(Network, self.average.module),
            self.cache,
            "val",
            task=self.task,
            most=self.settings.validated,
            calibrated=self.settings.calibrated,
            device=str(self.device),
        )

    def finish(self) -> TrainingReport:
        self.network.load_state_dict(self.average.module.state_dict())
        self.network.eval()
        measured = [report.validation for report in self.history if report.validation]
        return TrainingReport(
            epochs=self.epochs,
            new_epochs=(self.state.steps - self.state.began) / self.steps_per_epoch,
            seconds=self.state.seconds,
            validation_s=sum(report.validation_s for report in self.history),
            validation=measured[-1] if measured else self._validate(),
            history=tuple(self.history),
        )
