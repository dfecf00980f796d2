"""The published architectures, as released in google-research/evanet (Apache-2.0).

The RGB and optical flow networks of the published ensemble differ in their `modality` alone.
"""

from __future__ import annotations

from collections.abc import Callable

from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.module import Branch, ConvKind, Module

_POINTWISE = Branch(kind="1x1")


def _pool(time: int) -> Branch:
    return Branch(kind="maxpool", time=time)


def _conv(conv: ConvKind, time: int) -> Branch:
    return Branch(kind="conv", conv=conv, time=time)


def _conv2(conv: ConvKind, time: int, conv2: ConvKind, time2: int) -> Branch:
    return Branch(kind="conv2", conv=conv, time=time, conv2=conv2, time2=time2)


def _evanet_a() -> EvaNet:
    return EvaNet(
        pool_times=(1, 1, 1, 9),
        modules=(
            Module(repeats=2, branches=(_conv("3d", 1), _pool(7))),
            Module(
                repeats=4,
                branches=(_pool(3), _POINTWISE, _conv("3d", 1), _POINTWISE, _conv("3d", 5)),
            ),
            Module(repeats=5, branches=(_pool(7), _POINTWISE, _conv("itgm", 11), _pool(11))),
            Module(repeats=3, branches=(_pool(11), _conv("3d", 1), _conv("itgm", 3))),
        ),
    )


def _evanet_b() -> EvaNet:
    return EvaNet(
        pool_times=(1, 1, 3, 9),
        modules=(
            Module(
                repeats=2,
                branches=(
                    _pool(1), _pool(3), _conv2("itgm", 1, "2+1d", 9), _pool(1), _POINTWISE,
                ),
            ),
            Module(
                repeats=3,
                branches=(
                    _pool(1), _pool(7), _conv2("2+1d", 5, "3d", 1),
                    _conv2("itgm", 1, "2+1d", 11), _POINTWISE, _conv2("2+1d", 11, "3d", 1),
                ),
            ),
            Module(repeats=5, branches=(_pool(5), _POINTWISE, _pool(9))),
            Module(repeats=4, branches=(_conv("2+1d", 1), _pool(5))),
        ),
    )  # fmt: skip


PUBLISHED: dict[str, Callable[[], EvaNet]] = {"evanet_a": _evanet_a, "evanet_b": _evanet_b}
