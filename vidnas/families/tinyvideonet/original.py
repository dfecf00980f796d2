"""The original format of Tiny Video Networks and the variables of the original code.

Both as in google-research/tiny_video_nets (Apache-2.0).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from pydantic import ValidationError
from torch import nn

from vidnas.core import ClipSpec, UserError
from vidnas.families.original import OfficialVariable, norm_variables, permuted, vector
from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.block import Block
from vidnas.families.tinyvideonet.network import TinyVideoNetwork, TinyVideoUnit
from vidnas.layers.convolution import ConvNorm

_CLIP_GENES = {"image_size": "size_px", "num_frames": "frames", "frame_stride": "frame_stride"}
_RENAMED = {"inv-bottle": "inverted_bottleneck"}
_ACTS = ("act", "spatial_act", "temporal_act")
_INFORMATIONAL = {"current_size", "input_size", "output_size", "inputs"}


def from_official(genome: Mapping[str, Any] | str) -> TinyVideoNet:
    """Read a genome in the original format: a dict, or the same as a JSON string.

    Raises:
        UserError: it is not such a genome, or has several input streams or branches, which
            `vidnas.families.tinystreams.from_official` reads.
    """
    with reading_genome():
        genome = json.loads(genome) if isinstance(genome, str) else genome
        _reject_branches(genome)
        return TinyVideoNet(
            **read_clip(genome["input_streams"][0] if "input_streams" in genome else genome),
            blocks=tuple(read_block(block) for block in genome["blocks"]),
            rules="published",
        )


def to_official(architecture: TinyVideoNet) -> dict[str, Any]:
    """Write a genome in the original format, sizes recomputed; mobile form where it is needed.

    The format has no room for dropout and the kind of head: these are arguments there.

    Raises:
        UserError: the original code would build another network, because a skip, the input or the
            order of time differs.
    """
    if architecture.modality != "rgb":
        raise UserError(
            "This architecture takes optical flow, and the original format only knows RGB; "
            "write it with to_json() instead."
        )
    if architecture.canonical().causal:
        raise UserError(
            "This architecture is causal, which the original code does not build; write it with "
            "to_json() instead."
        )
    published = architecture.model_copy(update={"rules": "published"})
    if published.units != architecture.units:
        raise UserError(
            "This architecture has skips as the identity or across temporal strides, which the "
            "original format cannot express; write it with to_json() instead."
        )
    mobile = any(
        block.inverted_bottleneck or {getattr(block, act) for act in _ACTS} != {"relu"}
        for block in architecture.blocks
    )
    blocks = [
        {**write_block(block, mobile=mobile), "current_size": [entry.size_px, entry.frames]}
        for block, entry in zip(architecture.blocks, architecture.entries, strict=True)
    ]
    if architecture.centres_clips:
        raise UserError(
            "The original format has no word for clips that are normalised by themselves; give the "
            "architecture the normalization data, or keep it in the format of vidnas."
        )
    clip = write_clip(architecture.inputs[0])
    if not mobile:
        return {**clip, "num_blocks": len(blocks), "blocks": blocks, "total_layers": 0}
    return {
        "input_streams": [{**clip, "current_size": blocks[0]["current_size"]}],
        "blocks": [{**block, "inputs": [index]} for index, block in enumerate(blocks)],
    }


@contextmanager
def reading_genome() -> Iterator[None]:
    """Turn what goes wrong in reading a genome into an error for people."""
    try:
        yield
    except (json.JSONDecodeError, KeyError, TypeError, IndexError, ValidationError) as error:
        raise UserError(
            f"This is not a Tiny Video Network in its original format: {error!r}; pass a dict with "
            "image_size, num_frames, frame_stride and blocks, or with input_streams and blocks."
        ) from error


def read_clip(genome: Mapping[str, Any]) -> dict[str, Any]:
    """Read the genes of a clip."""
    return {gene: genome[key] for key, gene in _CLIP_GENES.items()}


def write_clip(spec: ClipSpec) -> dict[str, Any]:
    """Write the genes of a clip.

    Raises:
        UserError: its frames are spread evenly, which the format cannot say.
    """
    if spec.sampling != "dense":
        raise UserError(
            f"The original format has no word for clips of {spec}; give the architecture a frame "
            "stride and the sampling dense, or keep it in the format of vidnas."
        )
    sizes = (spec.size_px, spec.frames, spec.frame_stride)
    return dict(zip(_CLIP_GENES, sizes, strict=True))


def read_block(genome: Mapping[str, Any]) -> Block:
    """Read one block; spatial and temporal activations count only where `act` is given."""
    genes = {_RENAMED.get(key, key): genome[key] for key in genome.keys() - _INFORMATIONAL}
    if "act" not in genome:
        genes = {key: value for key, value in genes.items() if key not in _ACTS}
    return Block(**genes)


def write_block(block: Block, *, mobile: bool) -> dict[str, Any]:
    """Write one block; only the mobile form has activations and inverted bottlenecks."""
    genes = block.model_dump()
    inverted = genes.pop("inverted_bottleneck")
    acts = {act: genes.pop(act) for act in _ACTS}
    genes |= {flag: int(genes[flag]) for flag in ("skip", "context_gate")}
    return {**genes, **acts, "inv-bottle": int(inverted)} if mobile else genes


def _reject_branches(genome: Mapping[str, Any]) -> None:
    chained = all(
        block.get("inputs", [index]) == [index] for index, block in enumerate(genome["blocks"])
    )
    if len(genome.get("input_streams", [None])) != 1 or not chained:
        raise UserError(
            "The genome has several input streams or branches, which a chain of blocks cannot "
            "have; read it with vidnas.families.tinystreams.from_official, which fuses them."
        )


def official_variables(network: TinyVideoNetwork) -> dict[str, OfficialVariable]:
    """The variables of the original code by name, and where they go."""
    variables: dict[str, OfficialVariable] = {}
    for unit in cast(Iterable[TinyVideoUnit], network.units):
        variables.update(unit_variables(unit, unit.unit.name))
    dense = network.head.dense
    variables["dense/kernel"] = OfficialVariable(
        dense.weight, (dense.in_features, dense.out_features), lambda array: array.T
    )
    variables["dense/bias"] = vector(dense.bias)
    return variables


def unit_variables(unit: TinyVideoUnit, scope: str) -> Iterator[tuple[str, OfficialVariable]]:
    """Yield the variables of one repeat of a block by name."""
    temporal = unit.temporal.layer if unit.temporal is not None else None
    scopes: dict[str, Sequence[nn.Module | None]] = {
        f"{scope}/STConvs/Expand": [unit.widen],
        f"{scope}/STConvs": [*unit.spatial, temporal],
        f"{scope}/Expand": [unit.expand],
        f"{scope}/SqueezeExcite": _dense_layers(unit.squeeze_excite),
        f"{scope}/ContextGate": _dense_layers(unit.context_gate),
        scope: [unit.narrow],
        f"{scope}/Residual": [unit.skip],
    }
    for name, layers in scopes.items():
        yield from _scope_variables(name, layers)


def _dense_layers(gate: nn.Module | None) -> list[nn.Module | None]:
    return [] if gate is None else list(gate.children())


def _scope_variables(
    scope: str, layers: Sequence[nn.Module | None]
) -> Iterator[tuple[str, OfficialVariable]]:
    """Number the layers of one scope as the default names of the original code do."""
    convolutions = norms = 0
    for layer in layers:
        if isinstance(layer, nn.Linear):
            name = f"{scope}/conv2d{_suffix(convolutions)}"
            convolutions += 1
            shape = (1, 1, layer.in_features, layer.out_features)
            yield f"{name}/kernel", OfficialVariable(layer.weight, shape, lambda a: a[0, 0].T)
            yield f"{name}/bias", vector(layer.bias)
        elif isinstance(layer, ConvNorm):
            if layer.depthwise:
                name, order = f"{scope}/depthwise_kernel", (2, 3, 0, 1)
            else:
                name, order = f"{scope}/conv2d{_suffix(convolutions)}/kernel", (3, 2, 0, 1)
                convolutions += 1
            yield name, permuted(layer.conv.weight, order)
            yield from norm_variables(f"{scope}/batch_normalization{_suffix(norms)}", layer.norm)
            norms += 1


def _suffix(number: int) -> str:
    return f"_{number}" if number else ""
