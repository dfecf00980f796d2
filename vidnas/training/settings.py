"""How a network is trained: one frozen recipe, for the brief training run and for the full one."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from typing_extensions import Self

from vidnas.core.value import Value
from vidnas.data.cache import ClipSettings
from vidnas.data.sampling import Augmentation

_FIRST_SHARE = 0.01  # a warm-up from exactly zero would waste its first step


class TrainingSettings(Value):
    """A recipe; the defaults train tiny networks from scratch on a few hundred clips."""

    epochs: PositiveFloat | None = None
    budget_s: PositiveFloat | None = None
    """Wall-clock time of training and validation. Given both limits, the nearer ends the run."""

    batch_size: int = Field(default=16, ge=2)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: PositiveFloat = 4e-3
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Nesterov momentum of SGD; beta 1 of AdamW."""
    weight_decay: NonNegativeFloat = 0.05
    """Decay of convolution and dense kernels; biases, gates and normalisation do not decay."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the budget in which the learning rate rises linearly."""
    clip_norm: PositiveFloat | None = 1.0
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] = "none"
    augmentation: Augmentation = Augmentation()
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 where the chip computes in it (AVX-512 BF16, AMX, CUDA), else float32."""

    validations: PositiveInt = 1
    """How often the validation split is measured, evenly over the budget; the last at its end."""
    rungs: tuple[float, ...] = ()
    """Rising shares of the budget, between 0 and 1, at which the validation split is measured as
    well, within an epoch too, and the run may be stopped."""
    keep: Literal["last", "best"] = "last"
    """Which weights remain: the last, or those of the best validation (by top-1, then by loss)."""

    @model_validator(mode="after")
    def _has_an_end(self) -> TrainingSettings:
        if self.epochs is None and self.budget_s is None:
            raise ValueError("a training run needs an end: set epochs, budget_s or both")
        return self

    @classmethod
    def full(
        cls,
        *,
        epochs: float | None = None,
        budget_s: float | None = None,
        flip: bool = False,
        class_weights: Literal["none", "balanced"] = "none",
    ) -> Self:
        """Return the recipe for a network that will be used: more variety, best weights kept."""
        return cls(
            epochs=epochs,
            budget_s=budget_s,
            class_weights=class_weights,
            augmentation=Augmentation(crop_scale_min=0.7, flip=flip),
            validations=12,
            keep="best",
        )

    def spent(self, epochs: float, seconds: float) -> float:
        """Return the share of the budget that is used up; 1 or more is the end."""
        by_epochs = epochs / self.epochs if self.epochs else 0.0
        by_time = seconds / self.budget_s if self.budget_s else 0.0
        return max(by_epochs, by_time)

    def learning_rate_at(self, spent: float) -> float:
        """Return the rate: linear warm-up, half a cosine to zero (Loshchilov, Hutter 2017)."""
        if spent < self.warmup:
            return self.learning_rate * max(spent / self.warmup, _FIRST_SHARE)
        falling = min((spent - self.warmup) / (1 - self.warmup), 1.0)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * falling))


class TrainingRun(Value):
    """What the weights of a trained network depend on besides its architecture and the videos."""

    settings: TrainingSettings
    seed: int
    clips: ClipSettings
