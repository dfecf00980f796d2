"""EvaNet: modules of parallel space-time layers, in two meta-architectures."""

from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.diagram import draw, draw_inception
from vidnas.families.evanet.inception import EvaNetInception
from vidnas.families.evanet.inception_network import EvaNetInceptionNetwork
from vidnas.families.evanet.module import Branch, Module
from vidnas.families.evanet.network import EvaNetNetwork
from vidnas.families.evanet.original import from_official, official_variables, to_official
from vidnas.families.evanet.published import PUBLISHED
from vidnas.families.evanet.space import inception_space, space
from vidnas.families.family import EvolutionDefaults, Family

__all__ = [
    "FAMILY",
    "INCEPTION",
    "Branch",
    "EvaNet",
    "EvaNetInception",
    "Module",
    "from_official",
    "to_official",
]

# "Many mutations early, one late" is the paper's; the numbers are defaults, not the paper's.
_EVOLUTION = EvolutionDefaults(population=50, tournament=25, mutations=5, mutation_decay=20)

FAMILY = Family(
    name="evanet",
    architecture=EvaNet,
    network=EvaNetNetwork,
    diagram=draw,
    official_variables=official_variables,
    space=space,
    published=PUBLISHED,
    evolution=_EVOLUTION,
)

INCEPTION = Family(
    name="evanet_inception",
    architecture=EvaNetInception,
    network=EvaNetInceptionNetwork,
    diagram=draw_inception,
    space=inception_space,
    evolution=_EVOLUTION,
)
