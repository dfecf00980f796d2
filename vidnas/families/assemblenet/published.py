"""The published architectures, and their original format: nested lists.

Structures and edge weights as released in google-research/assemblenet (Apache-2.0). A stem is
`[kind, dilation]`, a block `[level, [inputs], filters, dilation, stride, 0]`; the weights of a node
are `[]` (learned) or `[[w1, w2, ...]]`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError

from vidnas.core import UserError
from vidnas.families.assemblenet.architecture import DEPTHS, AssembleNet, Block, Stem, StemKind

_STEMS: dict[int, StemKind] = {-1: "rgb", -2: "flow", -3: "objects"}
_STEM_NUMBERS = {kind: number for number, kind in _STEMS.items()}
_LITE_REPEATS = (3, 5, 11, 7)


def from_official(
    structure: Sequence[Any],
    edge_weights: Sequence[Any] = (),
    *,
    repeats: tuple[int, int, int, int] | None = None,
    **genes: Any,
) -> AssembleNet:
    """Read a structure and the weights of its connections; no weights are learned ones.

    Args:
        structure: one list a node.
        edge_weights: one list a node, or none at all.
        repeats: modules of a block on each level, see `DEPTHS`; by default those of depth 50, and
            of ++lite where blocks have three numbers of filters.
        genes: of the architecture that the format has no room for, such as `attention`.

    Raises:
        UserError: these are not such lists, or genes that no network can have.
    """
    try:
        if edge_weights and len(edge_weights) != len(structure):
            raise ValueError(f"{len(edge_weights)} lists of weights for {len(structure)} nodes")
        weights = edge_weights or [[]] * len(structure)
        stems = [node for node in structure if len(node) == 2]
        blocks = list(zip(structure, weights, strict=True))[len(stems) :]
        lite = isinstance(structure[-1][2], (list, tuple))
        fixed: dict[str, Any] = {"module": "inverted", "flow_iterations": 20} if lite else {}
        return AssembleNet(
            stems=tuple(Stem(kind=_STEMS[kind], dilation=dilation) for kind, dilation in stems),
            blocks=tuple(_read_block(*block) for block in blocks),
            repeats=repeats or (_LITE_REPEATS if lite else DEPTHS[50]),
            **{"rules": "published", **fixed, **genes},
        )
    except (ValueError, TypeError, KeyError, IndexError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else repr(error)
        raise UserError(
            f"This is not an AssembleNet in its original format ({reason}); pass stems "
            "[kind, dilation], then blocks [level, [inputs], filters, dilation, stride, 0]."
        ) from error


def to_official(architecture: AssembleNet) -> tuple[list[Any], list[Any]]:
    """Write the structure and the weights of the connections.

    The format has no room for names, for what `from_official` takes as genes, and for the fused
    widths of ++lite, which the published code takes from the width of the picture.

    Raises:
        UserError: the published code would build another network.
    """
    _refuse_others(architecture)
    stems = [[_STEM_NUMBERS[stem.kind], stem.dilation] for stem in architecture.stems]
    blocks = [_write_block(block) for block in architecture.blocks]
    weights = [[list(b.edge_weights)] if b.edge_weights else [] for b in architecture.blocks]
    learned = not any(weights)
    return [*stems, *blocks], [] if learned else [*([] for _ in stems), *weights]


def _read_block(node: Sequence[Any], weights: Sequence[Any]) -> Block:
    level, inputs, filters, dilation, stride, _ = node
    return Block(
        level=level,
        inputs=tuple(inputs),
        filters=tuple(filters) if isinstance(filters, list) else filters,
        dilation=dilation,
        stride=stride,
        edge_weights=tuple(weights[0]) if weights else None,
    )


def _write_block(block: Block) -> list[Any]:
    filters = list(block.filters) if isinstance(block.filters, tuple) else block.filters
    return [block.level, list(block.inputs), filters, block.dilation, block.stride, 0]


def _refuse_others(architecture: AssembleNet) -> None:
    """Refuse what the published code builds otherwise or not at all."""
    bottleneck = architecture.module == "bottleneck"
    kinds = {stem.kind for stem in architecture.stems}
    published = architecture.model_copy(update={"rules": "published"})
    if "precomputed_flow" in kinds:
        _refuse("a stem of precomputed flow")
    if "objects" in kinds and not bottleneck:
        _refuse("a stem of objects before inverted modules")
    if architecture.width != 1:
        _refuse(f"width {architecture.width:g}")
    fused = [b.fused for b in architecture.canonical().blocks if b.fused is not None]
    if bottleneck and fused:
        _refuse(f"inputs fused to {fused[0]} channels")
    if architecture.rules == "corrected":
        if published.built != architecture.built:
            _refuse("blocks that reach no head and are left out")
        if published.heads != architecture.heads:
            _refuse(f"a head on {len(architecture.heads)} blocks")
        if bottleneck and "flow" in kinds:
            _refuse("convolutions over time in stems of flow")
        if architecture.attention == "self":
            _refuse("self attention without the layers of peer attention")


def _refuse(what: str) -> None:
    raise UserError(
        f"This architecture has {what}, which the published code does not build; keep it as JSON "
        "(to_json) instead."
    )


# fmt: off
_ASN50: list[Any] = [
    [-1, 4],
    [-1, 4],
    [-2, 1],
    [-2, 1],
    [0, [1], 32, 1, 1, 0],
    [0, [0], 32, 4, 1, 0],
    [0, [0, 1, 2, 3], 32, 1, 1, 0],
    [0, [2, 3], 32, 2, 1, 0],
    [1, [0, 4, 5, 6, 7], 64, 2, 2, 0],
    [1, [0, 2, 4, 7], 64, 1, 2, 0],
    [1, [0, 5, 7], 64, 4, 2, 0],
    [1, [0, 5], 64, 1, 2, 0],
    [2, [4, 8, 10, 11], 256, 1, 2, 0],
    [2, [8, 9], 256, 4, 2, 0],
    [3, [12, 13], 512, 2, 2, 0],
]
_ASN50_WEIGHTS: list[Any] = [
    [], [], [], [], [], [],
    [[0.13810564577579498, 0.8465337157249451, 0.3072969317436218, 0.2867436408996582]],
    [[0.5846117734909058, 0.6066334843635559]],
    [[0.16382087767124176, 0.8852924704551697, 0.4039595425128937,
      0.6823437809944153, 0.5331538319587708]],
    [[0.028569204732775688, 0.10333596915006638, 0.7517264485359192, 0.9260114431381226]],
    [[0.28832191228866577, 0.7627848982810974, 0.404977947473526]],
    [[0.23474831879138947, 0.7841425538063049]],
    [[0.27616503834724426, 0.9514784812927246, 0.6568767428398132, 0.9547983407974243]],
    [[0.5047007203102112, 0.8876819610595703]],
    [[0.9892204403877258, 0.8454614877700806]],
]
_ASNP50: list[Any] = [
    [-1, 2],
    [-1, 4],
    [-2, 2],
    [-2, 1],
    [-3, 4],
    [0, [0, 1, 2, 3, 4], 32, 1, 1, 0],
    [0, [0, 1, 4], 32, 4, 1, 0],
    [0, [2, 3, 4], 32, 8, 1, 0],
    [0, [2, 3, 4], 32, 1, 1, 0],
    [1, [0, 1, 2, 4, 5, 6, 7, 8], 64, 4, 2, 0],
    [1, [2, 3, 4, 7, 8], 64, 1, 2, 0],
    [1, [0, 4, 5, 6, 7], 128, 8, 2, 0],
    [2, [4, 11], 256, 8, 2, 0],
    [2, [2, 3, 4, 5, 6, 7, 8, 10, 11], 256, 4, 2, 0],
    [3, [12, 13], 512, 2, 2, 0],
]
_ASNP50_WEIGHTS: list[Any] = [
    [], [], [], [], [],
    [[0.6143830418586731, 0.7111759185791016, 0.19351491332054138,
      0.1701001077890396, 0.7178536653518677]],
    [[0.5755624771118164, 0.5644599795341492, 0.7128658294677734]],
    [[0.26563042402267456, 0.3033692538738251, 0.8244096636772156]],
    [[0.07013848423957825, 0.07905343919992447, 0.8767927885055542]],
    [[0.5008697509765625, 0.5020178556442261, 0.49819135665893555, 0.5015180706977844,
      0.4987695813179016, 0.4990265369415283, 0.499239057302475, 0.4974501430988312]],
    [[0.47034338116645813, 0.4694305658340454, 0.767791748046875,
      0.5539310574531555, 0.4520096182823181]],
    [[0.2769702076911926, 0.8116549253463745, 0.597356915473938,
      0.6585626602172852, 0.5915306210517883]],
    [[0.501274824142456, 0.5016682147979736]],
    [[0.0866393893957138, 0.08469288796186447, 0.9739039540290833, 0.058271341025829315,
      0.08397126197814941, 0.10285478830337524, 0.18506969511508942, 0.23874442279338837,
      0.9188644886016846]],
    [[0.4174623489379883, 0.5844835638999939]],
]
_LITE: list[Any] = [
    [-1, 1],
    [-2, 1],
    [0, [0, 1], [27, 27, 12], 1, 2, 0],
    [0, [0, 1], [27, 27, 12], 4, 2, 0],
    [1, [0, 1, 2, 3], [54, 54, 24], 2, 2, 0],
    [1, [0, 1, 2, 3], [54, 54, 24], 1, 2, 0],
    [1, [0, 1, 2, 3], [54, 54, 24], 4, 2, 0],
    [1, [0, 1, 2, 3], [54, 54, 24], 1, 2, 0],
    [2, [0, 1, 2, 3, 4, 5, 6, 7], [152, 152, 68], 1, 2, 0],
    [2, [0, 1, 2, 3, 4, 5, 6, 7], [152, 152, 68], 4, 2, 0],
    [3, [2, 3, 4, 5, 6, 7, 8, 9], [432, 432, 192], 2, 2, 0],
]
_LITE_WEIGHTS: list[Any] = [
    [], [],
    [[0.19914183020591736, 0.9278576374053955]],
    [[0.010816320776939392, 0.888792097568512]],
    [[0.9473835825920105, 0.6303419470787048, 0.1704932451248169, 0.05950307101011276]],
    [[0.9560931324958801, 0.7898273468017578, 0.36138781905174255, 0.07344610244035721]],
    [[0.9213919043540955, 0.13418640196323395, 0.8371981978416443, 0.07936054468154907]],
    [[0.9441559910774231, 0.9435100555419922, 0.7253988981246948, 0.13498817384243011]],
    [[0.9964852333068848, 0.8427878618240356, 0.8895476460456848, 0.11014710366725922,
      0.6270533204078674, 0.44782018661499023, 0.61344975233078, 0.44898226857185364]],
    [[0.9970942735671997, 0.7105681896209717, 0.5078442096710205, 0.0951600968837738,
      0.624282717704773, 0.8527252674102783, 0.8105692863464355, 0.7857823967933655]],
    [[0.6180334091186523, 0.11882413923740387, 0.06102970987558365, 0.04484326392412186,
      0.05602221190929413, 0.052324872463941574, 0.9969874024391174, 0.9987731575965881]],
]
# fmt: on


def _asn101() -> AssembleNet:
    """AssembleNet-50 with more modules, of fewer filters on levels 2 and 3."""
    filters = {2: 192, 3: 256}
    structure = [
        [level, inputs, filters.get(level, width), *rest]
        for level, inputs, width, *rest in _ASN50[4:]
    ]
    return from_official([*_ASN50[:4], *structure], _ASN50_WEIGHTS, repeats=DEPTHS[101])


PUBLISHED: dict[str, Callable[[], AssembleNet]] = {
    "assemblenet_50": partial(from_official, _ASN50, _ASN50_WEIGHTS),
    "assemblenet_101": _asn101,
    "assemblenet_plus_50": partial(from_official, _ASN50, _ASN50_WEIGHTS, attention="peer"),
    "assemblenet_plus_50_object": partial(
        from_official, _ASNP50, _ASNP50_WEIGHTS, attention="peer"
    ),
    "assemblenet_plus_lite": partial(from_official, _LITE, _LITE_WEIGHTS, attention="peer"),
}
"""AssembleNet++50 has the structure of AssembleNet-50 in the published script, and one of its own
with a stream of objects."""
