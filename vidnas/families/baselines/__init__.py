"""Hand-designed networks to hold evolved ones against; not searched."""

from vidnas.families.baselines.architecture import R2Plus1D
from vidnas.families.baselines.published import FAMILY

__all__ = ["FAMILY", "R2Plus1D"]
