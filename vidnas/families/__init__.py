"""Architecture families, each a folder: value, network, diagram, space, published architectures."""

from vidnas.families.architecture import Architecture
from vidnas.families.family import EvolutionDefaults, Family
from vidnas.families.network import Network
from vidnas.families.original import OfficialVariable
from vidnas.families.registry import (
    AnyArchitecture,
    architecture_from_json,
    create_network,
    diagram_of,
    families,
    family_of,
    find_architecture,
    list_architectures,
    official_variables,
)
from vidnas.families.space import Space

__all__ = [
    "AnyArchitecture",
    "Architecture",
    "EvolutionDefaults",
    "Family",
    "Network",
    "OfficialVariable",
    "Space",
    "architecture_from_json",
    "create_network",
    "diagram_of",
    "families",
    "family_of",
    "find_architecture",
    "list_architectures",
    "official_variables",
]
