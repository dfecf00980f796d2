"""AssembleNet, AssembleNet++ and ++lite: evolves how streams connect."""

from vidnas.families.assemblenet.architecture import AssembleNet, Block, Stem
from vidnas.families.assemblenet.diagram import draw
from vidnas.families.assemblenet.network import AssembleNetwork
from vidnas.families.assemblenet.original import from_official, official_variables, to_official
from vidnas.families.assemblenet.published import PUBLISHED
from vidnas.families.assemblenet.space import AssembleNetSpace, space
from vidnas.families.family import EvolutionDefaults, Family

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
    network=AssembleNetwork,
    diagram=draw,
    official_variables=official_variables,
    space=space,
    published=PUBLISHED,
    # Every child exchanges connections besides.
    evolution=EvolutionDefaults(population=20, tournament=5, mutations=1),
    fitness=("top1", "top5"),
)
