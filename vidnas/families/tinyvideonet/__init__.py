"""Tiny Video Networks: small 2D, 1D, pooling and gating layers on few frames."""

from vidnas.families.base import Family
from vidnas.families.tinyvideonet.architecture import Block, TinyVideoNet
from vidnas.families.tinyvideonet.published import PUBLISHED, from_official, to_official
from vidnas.families.tinyvideonet.space import space

__all__ = ["FAMILY", "Block", "TinyVideoNet", "from_official", "to_official"]

FAMILY = Family(name="tinyvideonet", architecture=TinyVideoNet, space=space, published=PUBLISHED)
