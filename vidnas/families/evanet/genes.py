"""Which genes each kind of branch uses, and what its layers are called."""

from __future__ import annotations

from vidnas.families.evanet.module import Branch, BranchKind, ConvKind

LAYER_GENES: dict[BranchKind, tuple[tuple[str | None, str], ...]] = {
    "1x1": (),
    "conv": (("conv", "time"),),
    "conv2": (("conv", "time"), ("conv2", "time2")),
    "maxpool": ((None, "time"),),
    "avgpool": ((None, "time"),),
}
"""Of each layer with a temporal length: the gene of its type, if it has one, and of its length."""

CONV_NAMES: dict[ConvKind, str] = {"3d": "3D", "itgm": "iTGM", "2+1d": "(2+1)D"}
_KIND_NAMES: dict[BranchKind, str] = {"1x1": "1x1", "maxpool": "max-pool", "avgpool": "avg-pool"}


def layer_name(branch: Branch, conv_gene: str | None) -> str:
    """What people call a layer: the type of its convolution, or the kind of the branch."""
    return CONV_NAMES[getattr(branch, conv_gene)] if conv_gene else _KIND_NAMES[branch.kind]


def layers(branch: Branch) -> list[tuple[str, int]]:
    """Name and temporal length of the layers of a branch that it is known by."""
    timed = [
        (layer_name(branch, conv_gene), int(getattr(branch, time_gene)))
        for conv_gene, time_gene in LAYER_GENES[branch.kind]
    ]
    return timed or [(layer_name(branch, None), 1)]
