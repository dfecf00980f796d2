"""Designs: networks that people drew or published, where a search begins."""

from __future__ import annotations

from collections.abc import Sequence

from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.inception import EvaNetInception
from vidnas.families.evanet.module import Branch, ConvKind, Module
from vidnas.families.evanet.published import PUBLISHED

_POINTWISE = Branch(kind="1x1")
_POOL = Branch(kind="maxpool", time=3)


def _conv(conv: ConvKind, time: int = 3) -> Branch:
    return Branch(kind="conv", conv=conv, time=time)


def _inception(conv: ConvKind) -> tuple[Branch, ...]:
    """The layers of I3D, whose convolutions are 3D, or of S3D, whose are (2+1)D."""
    return (_POINTWISE, _conv(conv), _conv(conv), _POOL)


def _staged(branches: Sequence[Branch], repeats: Sequence[int] = (1, 1, 1, 1)) -> tuple[Module, ...]:
    return tuple(Module(branches=tuple(branches), repeats=times) for times in repeats)


def _published(name: str, frames: int, size_px: int) -> EvaNet:
    clip = {"frames": frames, "size_px": size_px, "frame_stride": 1}
    return PUBLISHED[name]().model_copy(update=clip)


_R2PLUS1D, _I3D, _S3D = (_conv("2+1d"),), _inception("3d"), _inception("2+1d")

DESIGNS: tuple[EvaNet, ...] = (
    EvaNet(frames=16, size_px=64, modules=_staged(_R2PLUS1D, (1, 2, 2, 1))),
    EvaNet(frames=16, size_px=64, modules=_staged(_I3D)),
    _published("evanet_a", frames=16, size_px=64),
    EvaNet(frames=8, frame_stride=2, size_px=64, modules=_staged(_R2PLUS1D)),
    EvaNet(frames=16, size_px=48, modules=_staged(_S3D)),
    EvaNet(frames=8, frame_stride=2, size_px=48, modules=_staged((_conv("3d"), _POOL))),
    EvaNet(frames=8, frame_stride=2, size_px=32, modules=_staged((_POINTWISE, _POOL))),
    _published("evanet_b", frames=16, size_px=64),
    EvaNet(frames=16, size_px=96, modules=_staged(_R2PLUS1D, (2, 2, 2, 2))),
    EvaNet(frames=32, size_px=96, modules=_staged(_I3D, (2, 2, 2, 2))),
)


def _inflated(
    branches: Sequence[Branch], frames: int, size_px: int, frame_stride: int = 1
) -> EvaNetInception:
    return EvaNetInception(
        frames=frames,
        size_px=size_px,
        frame_stride=frame_stride,
        stem_conv=branches[1].conv,
        modules=_staged(branches, (1,) * len(EvaNetInception.places)),
    )


INCEPTION_DESIGNS: tuple[EvaNetInception, ...] = (
    _inflated(_I3D, 16, 64),
    _inflated(_S3D, 16, 64),
    _inflated(_I3D, 8, 64, 2),
    _inflated(_S3D, 8, 64, 2),
    _inflated(_I3D, 8, 48, 2),
    _inflated(_S3D, 8, 32, 2),
    _inflated(_S3D, 16, 96),
    _inflated(_I3D, 32, 96),
)
