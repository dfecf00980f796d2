"""What benchmarks search: the default space of a family, and candidates trained on clips."""

from __future__ import annotations

from typing import Any

from vidnas.data.cache import ClipCache
from vidnas.evolution import ClipEvaluator, Limits
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.families import families
from vidnas.training import TrainingSettings


def space_of(family: str, *, max_size_px: int, max_frames: int) -> Any:
    """Return the default space of a family for such clips."""
    make = families()[family].space
    assert make is not None
    return make(max_size_px=max_size_px, max_frames=max_frames)


def evaluator_of(
    family: str,
    cache: ClipCache,
    training: TrainingSettings,
    limits: Limits | None = None,
    device: str = "cpu",
) -> ClipEvaluator:
    """Return what evaluates candidates as `vidnas search` does."""
    known = families()[family]
    settings = ClipEvaluation(
        training=training, clips=cache.settings(("rgb",)), fitness=known.fitness
    )
    return ClipEvaluator(cache.directory, settings, limits or Limits(), known, device=device)
