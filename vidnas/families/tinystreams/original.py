"""Networks of several streams or branches in the original format of Tiny Video Networks.

The mobile form of google-research/tiny_video_nets (Apache-2.0).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vidnas.core import UserError
from vidnas.families.tinystreams.architecture import Node, Stream, TinyStreams
from vidnas.families.tinyvideonet.original import (
    read_block,
    read_clip,
    reading_genome,
    write_block,
    write_clip,
)


def from_official(genome: Mapping[str, Any] | str) -> TinyStreams:
    """Read a genome in the original mobile format: a dict, or the same as a JSON string.

    The original code cannot build more than a chain of blocks on one clip, which
    `tinyvideonet.from_official` reads. Here blocks fuse all of their inputs by a weighted sum, and
    skips are the identity where the shape allows.

    Raises:
        UserError: it is not such a genome, or has kernels of one that stride.
    """
    with reading_genome():
        genome = json.loads(genome) if isinstance(genome, str) else genome
        return TinyStreams(
            streams=tuple(Stream(**read_clip(stream)) for stream in genome["input_streams"]),
            nodes=tuple(
                Node(block=read_block(block), inputs=tuple(sorted(set(block["inputs"]))))
                for block in genome["blocks"]
            ),
        )


def to_official(architecture: TinyStreams) -> dict[str, Any]:
    """Write a genome in the original mobile format, sizes recomputed.

    The format has no room for names, dropout and the kind of head.

    Raises:
        UserError: a stream is of optical flow.
    """
    if any(stream.modality != "rgb" for stream in architecture.streams):
        raise UserError(
            "This architecture takes optical flow, and the original format only knows RGB; "
            "write it with to_json() instead."
        )
    blocks = []
    for node, (first, *_) in zip(architecture.nodes, architecture.units, strict=True):
        size = [first.entry.size_px, first.entry.frames]
        block = write_block(node.block, mobile=True)
        blocks.append({**block, "current_size": size, "inputs": list(node.inputs)})
    streams = [
        {**write_clip(stream.spec), "current_size": [stream.size_px, stream.frames]}
        for stream in architecture.streams
    ]
    return {"input_streams": streams, "blocks": blocks}
