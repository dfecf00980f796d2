"""Hand-designed networks to hold evolved ones against; not searched."""

from vidnas.families.baselines.architecture import R2Plus1D
from vidnas.families.baselines.diagram import draw
from vidnas.families.baselines.network import R2Plus1DNetwork
from vidnas.families.baselines.published import PUBLISHED
from vidnas.families.family import Family

__all__ = ["FAMILY", "R2Plus1D"]

FAMILY = Family(
    name="baselines",
    architecture=R2Plus1D,
    network=R2Plus1DNetwork,
    diagram=draw,
    published=PUBLISHED,
)
