"""Hand-designed networks to hold evolved ones against."""

from __future__ import annotations

from collections.abc import Callable

from vidnas.families.baselines.architecture import R2Plus1D

PUBLISHED: dict[str, Callable[[], R2Plus1D]] = {"r2plus1d_18": R2Plus1D}
