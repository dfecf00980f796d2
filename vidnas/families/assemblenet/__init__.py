"""AssembleNet, AssembleNet++ and ++lite: evolves how streams connect."""

from vidnas.families.assemblenet.architecture import AssembleNet, Block, Stem
from vidnas.families.assemblenet.published import PUBLISHED, from_official, to_official
from vidnas.families.assemblenet.space import AssembleNetSpace, space
from vidnas.families.base import EvolutionDefaults, Family

__all__ = [
    "FAMILY",
    "AssembleNet",
    "AssembleNetSpace",
    "Block",
    "Stem",
    "from_official",
    "to_official",
]

FAMILY = Family(
    name="assemblenet",
    architecture=AssembleNet,
    space=space,
    published=PUBLISHED,
    # Every child exchanges connections besides.
    evolution=EvolutionDefaults(population=20, tournament=5, mutations=1),
    fitness=("top1", "top5"),
)
