"""Architecture families, each a folder: its value, network, space, published architectures."""

from vidnas.families.base import (
    Architecture,
    EvolutionDefaults,
    Family,
    Network,
    OfficialVariable,
    Space,
)
from vidnas.families.registry import (
    AnyArchitecture,
    architecture_from_json,
    create_network,
    families,
    find_architecture,
    list_architectures,
    register,
)

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
    "families",
    "find_architecture",
    "list_architectures",
    "register",
]
