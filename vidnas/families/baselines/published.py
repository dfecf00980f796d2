"""Hand-designed networks to hold evolved ones against."""

from __future__ import annotations

from vidnas.families.base import Family
from vidnas.families.baselines.architecture import R2Plus1D

FAMILY = Family(
    name="baselines",
    architecture=R2Plus1D,
    published={"r2plus1d_18": R2Plus1D},
)
