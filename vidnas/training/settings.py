"""How a network is trained: one frozen recipe, from the first rung of a search to the last step."""

from __future__ import annotations

import operator
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from typing_extensions import Self

from vidnas.core.value import Value
from vidnas.data.augmentation import Augmentation
from vidnas.data.balance import ClassWeights
from vidnas.data.cache import ClipSettings

_UNNAMED_STEP = 0.4
"""The step of kernels where a recipe does not name it, as before vidnas 0.5.9."""
_is_unnamed = partial(operator.eq, _UNNAMED_STEP)


class TrainingSettings(Value):
    """A recipe, and how far to train with it; the defaults train small networks from scratch on a
    few hundred clips.

    The rate is constant but for the first steps and a cool-down, so that a training run may pause
    at any step and another one go on with the same recipe, as far as it likes (Hägele et al.,
    arXiv 2405.18392).
    """

    epochs: PositiveFloat | None = None
    """Epochs at which the run ends, counted from the network's first."""
    budget_s: PositiveFloat | None = None
    """Wall-clock time of training and validation. Given both limits, the nearer ends the run."""
    cooldown: float = Field(default=0.0, ge=0, le=1)
    """Last share of the run in which the learning rate falls to zero."""
    validations: NonNegativeInt = 1
    """How often the validation split is measured, evenly over the run; the last at its end."""
    validated: PositiveInt | None = None
    """How many of its videos, evenly spread, are measured; None for all."""
    calibrated: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """Whether it is measured at the temperature that suits it best: a network that has learned for
    some seconds is often right, and hardly surer than one that guesses."""

    batch_size: int = Field(default=16, ge=2)
    optimizer: Literal["muon", "adamw", "sgd"] = "muon"
    learning_rate: PositiveFloat = 5e-4
    kernel_step: Annotated[PositiveFloat, Field(exclude_if=_is_unnamed)] = 6.4
    """Root mean square of a kernel's step under Muon, by learning rate. That of AdamW's steps is
    about 0.2 (Liu et al., arXiv 2502.16982, section 2.2); `benchmarks/recipe.py` compares others.
    """
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Nesterov momentum of SGD; beta 1 of AdamW, also where Muon leaves parameters to it."""
    weight_decay: NonNegativeFloat = 0.05
    """Decay of convolution and dense kernels; biases, gates and normalisation do not decay."""
    warmup_steps: NonNegativeInt = 20
    """First steps of a network, in which the learning rate rises linearly."""
    averaging: float = Field(default=0.98, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which is what is validated and kept;
    0 keeps the last ones."""
    clip_norm: PositiveFloat | None = 1.0
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    class_weights: ClassWeights = "auto"
    """What counts alike: every video, every class, or every class where they are imbalanced."""
    augmentation: Augmentation = Augmentation()
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 where the chip computes in it (AVX-512 BF16, AMX, CUDA), else float32."""

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
        class_weights: ClassWeights = "auto",
    ) -> Self:
        """Return the settings of a run that trains a network from scratch and finishes it."""
        return cls(
            epochs=epochs,
            budget_s=budget_s,
            cooldown=COOLDOWN,
            class_weights=class_weights,
            augmentation=AUGMENTATION.model_copy(update={"flip": flip}),
            validations=12,
        )

    @property
    def recipe(self) -> dict[str, Any]:
        """All but how far to train: what the runs of one network have in common."""
        return self.model_dump(mode="json", exclude={*RUN})

    @property
    def run(self) -> dict[str, Any]:
        """How far to train."""
        return self.model_dump(mode="json", include={*RUN})

    def spent(self, epochs: float, seconds: float, *, began: float = 0.0) -> float:
        """Return the share of the run that is done; 1 or more is the end.

        Args:
            epochs: those of the network.
            seconds: since the run began.
            began: epochs of the network when the run began.
        """
        by_time = seconds / self.budget_s if self.budget_s else 0.0
        if self.epochs is None:
            return by_time
        left = self.epochs - began
        return max((epochs - began) / left if left > 0 else 1.0, by_time)

    def learning_rate_at(self, step: int, spent: float) -> float:
        """Return the rate of a step: linear warm-up, constant, and falling with the square root of
        what is done of the cool-down."""
        warm = min((step + 1) / (self.warmup_steps + 1), 1.0)
        left = 1.0
        if self.cooldown:
            done = max(spent - (1 - self.cooldown), 0.0) / self.cooldown
            left = 1 - min(done, 1.0) ** 0.5
        return self.learning_rate * warm * left


RUN = ("epochs", "budget_s", "cooldown", "validations", "validated", "calibrated")
COOLDOWN = 0.3
"""Of a run from scratch."""
AUGMENTATION = Augmentation(crop_scale_min=0.7)
"""Crops alone: each other change made some clips harder to learn (`benchmarks/recipe.py`)."""


def _with_its_step(data: Any) -> Any:
    return {"kernel_step": _UNNAMED_STEP, **data} if isinstance(data, dict) else data


RecordedSettings = Annotated[TrainingSettings, BeforeValidator(_with_its_step)]
"""Settings that were written down, perhaps before they named the step of kernels."""


class TrainingRun(Value):
    """What the weights of a trained network depend on besides its architecture and the videos."""

    settings: RecordedSettings
    seed: int
    clips: ClipSettings

    @model_validator(mode="before")
    @classmethod
    def _read_old(cls, data: Any) -> Any:
        """Models of vidnas 0.3 name the share of a teacher, which none of them had."""
        if isinstance(data, dict) and isinstance(settings := data.get("settings"), dict):
            kept = {name: one for name, one in settings.items() if name != "distillation"}
            return {**data, "settings": kept}
        return data
