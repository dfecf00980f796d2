"""Designs: networks that people drew or published, where a search begins."""

from __future__ import annotations

from vidnas.families.clips import seen_both_ways
from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.inception import EvaNetInception
from vidnas.families.evanet.module import Branch, ConvKind, Module
from vidnas.families.evanet.published import PUBLISHED

_POINTWISE = Branch(kind="1x1")
_POOL = Branch(kind="maxpool", time=3)


def _conv(conv: ConvKind) -> Branch:
    return Branch(kind="conv", conv=conv, time=3)


def _inception(conv: ConvKind) -> tuple[Branch, ...]:
    """The layers of I3D, whose convolutions are 3D, or of S3D, whose are (2+1)D."""
    return (_POINTWISE, _conv(conv), _conv(conv), _POOL)


def _modules(branches: tuple[Branch, ...], *repeats: int) -> tuple[Module, ...]:
    """The same parallel layers at each place, repeated so often."""
    return tuple(Module(branches=branches, repeats=times) for times in repeats)


_R2PLUS1D, _I3D, _S3D = (_conv("2+1d"),), _inception("3d"), _inception("2+1d")
_CONV_AND_POOL, _POOLED = (_conv("3d"), _POOL), (_POINTWISE, _POOL)


def _residual(frames: int, frame_stride: int, size_px: int, modules: tuple[Module, ...]) -> EvaNet:
    return EvaNet(frames=frames, frame_stride=frame_stride, size_px=size_px, modules=modules)


def _published(name: str, frames: int, frame_stride: int, size_px: int) -> EvaNet:
    clip = {"frames": frames, "frame_stride": frame_stride, "size_px": size_px}
    return PUBLISHED[name]().model_copy(update=clip)


DESIGNS: tuple[EvaNet, ...] = (
    *seen_both_ways(_residual(8, 2, 64, _modules(_R2PLUS1D, 1, 1, 1, 1))),
    *seen_both_ways(_residual(8, 2, 32, _modules(_CONV_AND_POOL, 1, 1, 1, 1))),
    _residual(16, 1, 64, _modules(_I3D, 1, 1, 1, 1)),
    _residual(16, 1, 48, _modules(_S3D, 1, 1, 1, 1)),
    _residual(8, 2, 32, _modules(_POOLED, 1, 1, 1, 1)),
    _residual(16, 1, 64, _modules(_R2PLUS1D, 1, 2, 2, 1)),
    _published("evanet_a", 16, 1, 64),
    _published("evanet_b", 16, 1, 64),
    _residual(16, 1, 96, _modules(_CONV_AND_POOL, 1, 2, 2, 1)),
    _residual(32, 1, 96, _modules(_I3D, 2, 2, 2, 2)),
)


def _inflated(
    frames: int, frame_stride: int, size_px: int, branches: tuple[Branch, ...]
) -> EvaNetInception:
    return EvaNetInception(
        frames=frames,
        frame_stride=frame_stride,
        size_px=size_px,
        stem_conv=branches[1].conv,
        modules=_modules(branches, *[1] * len(EvaNetInception.places)),
    )


INCEPTION_DESIGNS: tuple[EvaNetInception, ...] = (
    *seen_both_ways(_inflated(16, 1, 64, _I3D)),
    *seen_both_ways(_inflated(8, 2, 32, _S3D)),
    _inflated(16, 1, 64, _S3D),
    _inflated(8, 2, 64, _I3D),
    _inflated(8, 2, 64, _S3D),
    _inflated(8, 2, 48, _I3D),
    _inflated(16, 1, 96, _S3D),
    _inflated(32, 1, 96, _I3D),
)
