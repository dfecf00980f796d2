"""Multi-stream Tiny Video Networks: small networks that fuse clips of several sizes and paces."""

from vidnas.families.family import Family
from vidnas.families.tinystreams.architecture import Node, Stream, TinyStreams
from vidnas.families.tinystreams.diagram import draw
from vidnas.families.tinystreams.network import TinyStreamsNetwork
from vidnas.families.tinystreams.original import from_official, to_official
from vidnas.families.tinystreams.space import space

__all__ = ["FAMILY", "Node", "Stream", "TinyStreams", "from_official", "to_official"]

FAMILY = Family(
    name="tinystreams",
    architecture=TinyStreams,
    network=TinyStreamsNetwork,
    diagram=draw,
    space=space,
)
