"""What the server says, as values: the OpenAPI description follows from them."""

from __future__ import annotations

from typing import Literal

from vidnas.core import ClipSpec
from vidnas.core.value import Value


class ClassScore(Value):
    """A class and how likely it is."""

    name: str
    score: float
    """In [0, 1]."""


class Prediction(Value):
    """What a model sees in a video."""

    scores: tuple[ClassScore, ...]
    """Every class, the most likely first."""
    decoding_ms: float
    network_ms: float


class ServedModel(Value):
    """What is served, and within which limits."""

    classes: tuple[str, ...]
    multi_label: bool
    """Whether a video may show several of the classes."""
    inputs: tuple[ClipSpec, ...]
    max_upload_bytes: int
    max_duration_s: float
    vidnas: str
    """The version."""


class Health(Value):
    """That the server answers."""

    status: Literal["ok"] = "ok"


class Refusal(Value):
    """Why there is no prediction: what is wrong, and what to do."""

    detail: str
