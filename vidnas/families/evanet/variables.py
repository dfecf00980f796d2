"""The variables of the published code (google-research/evanet), and where they go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import TypeAlias, cast

from torch import Tensor, nn

from vidnas.families.base import OfficialVariable
from vidnas.families.evanet.network import (
    EvaNetNetwork,
    ParallelBranch,
    ResidualModule,
    SpaceTimeConvNorm,
)
from vidnas.families.evanet.wire import to_official
from vidnas.families.variables import norm_variables, permuted, vector
from vidnas.layers.convolution import ConvNorm
from vidnas.layers.itgm import ITGMConv
from vidnas.layers.spacetime import TwoPlusOneConv

_ROOT = "VidIncRes"
_Variables: TypeAlias = Iterator[tuple[str, OfficialVariable]]
_Layer: TypeAlias = ConvNorm | SpaceTimeConvNorm


def network_variables(network: EvaNetNetwork) -> _Variables:
    """Yield all variables by name.

    Raises:
        UserError: the published code cannot build this architecture.
    """
    to_official(network.architecture)
    yield from _scope(_ROOT, [("Conv2d_1a_7x7", network.stem)])
    for number, stage in enumerate(network.stages, start=2):
        for repeat, module in enumerate(cast(Iterable[ResidualModule], stage)):
            block = f"Block_{repeat}" if repeat else "BaseBlock"
            scope = f"{_ROOT}/res_block_{number}/{block}/res_block_{number}"
            if repeat == 0:
                yield from _scope(scope, [("shortcut", cast(ConvNorm, module.shortcut))])
            branches = cast(Iterable[ParallelBranch], module.branches.branches)
            for index, branch in enumerate(branches):
                yield from _scope(f"{scope}/Branch_{index}", _named(branch))
    dense = network.head.dense
    yield f"{_ROOT}/Logits/Conv/weights", _kernel(dense.weight[..., None, None, None])
    yield f"{_ROOT}/Logits/Conv/biases", vector(dense.bias)


def _named(branch: ParallelBranch) -> list[tuple[str, _Layer]]:
    """The convolutions of a branch with the names that they have in its scope."""
    if branch.pool is not None:
        return [("Conv2d_0b_1x1", branch.pointwise)]
    names = ("Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_0c_3x3")
    return list(zip(names, [branch.pointwise, *branch.convs], strict=False))


def _scope(scope: str, layers: Iterable[tuple[str, _Layer]]) -> _Variables:
    """Number the batch norms of one scope as the default names of the original code do."""
    norms = count()
    for name, layer in layers:
        yield from _conv_norm(scope, name, layer, norms)


def _conv_norm(
    scope: str, name: str, layer: _Layer, norms: Iterator[int], *, over_time: bool = False
) -> _Variables:
    conv = layer.conv
    if isinstance(conv, TwoPlusOneConv):
        temporal = cast(ConvNorm, conv.time.layer)
        yield from _conv_norm(scope, name, temporal, norms, over_time=True)
        name, conv = f"{name}s", conv.space
    yield from conv_variables(f"{scope}/{name}", conv, over_time=over_time)
    number = next(norms)
    yield from norm_variables(f"{scope}/BatchNorm{f'_{number}' if number else ''}", layer.norm)


def conv_variables(scope: str, conv: nn.Module, *, over_time: bool = False) -> _Variables:
    """Yield the variables of one convolution; `over_time` tells a `(t, 1)` kernel from `(h, w)`."""
    weight = cast(Tensor, conv.weight)
    if weight.dim() == 4:
        weight = weight[..., None] if over_time else weight[:, :, None]
    yield f"{scope}/weights", _kernel(weight)
    if isinstance(conv, ITGMConv):
        yield f"{scope}/soft-attn", _mixture(conv.mixture)
        yield f"{scope}/tgm-f/tgm-f/tgm-center", vector(conv.center)
        yield f"{scope}/tgm-f/tgm-f/tgm-gamma", vector(conv.gamma)


def _kernel(weight: Tensor) -> OfficialVariable:
    """A kernel `(out, in, t, h, w)`, which is `(t, h, w, in, out)` in the original."""
    return permuted(weight, (4, 3, 0, 1, 2))


def _mixture(weight: Tensor) -> OfficialVariable:
    """Mixing weights `(out, profiles, in)`, which are `(in * out, profiles)` in the original."""
    out, profiles, channels = weight.shape
    return OfficialVariable(
        weight,
        (channels * out, profiles),
        lambda array: array.reshape(channels, out, profiles).permute(1, 2, 0),
    )
