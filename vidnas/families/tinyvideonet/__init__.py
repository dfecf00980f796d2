"""Tiny Video Networks: small 2D, 1D, pooling and gating layers on few frames."""

from vidnas.families.family import Family
from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.block import Block
from vidnas.families.tinyvideonet.diagram import draw
from vidnas.families.tinyvideonet.network import TinyVideoNetwork
from vidnas.families.tinyvideonet.original import from_official, official_variables, to_official
from vidnas.families.tinyvideonet.published import PUBLISHED
from vidnas.families.tinyvideonet.space import space

__all__ = ["FAMILY", "Block", "TinyVideoNet", "from_official", "to_official"]

FAMILY = Family(
    name="tinyvideonet",
    architecture=TinyVideoNet,
    network=TinyVideoNetwork,
    diagram=draw,
    official_variables=official_variables,
    space=space,
    published=PUBLISHED,
)
