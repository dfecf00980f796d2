"""EvaNet's networks as boxes and arrows: parallel branches between the layers that join them."""

from __future__ import annotations

from vidnas.core import Box, ClipSpec, Diagram, Edge, tensor_size
from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.inception import EvaNetInception
from vidnas.families.evanet.modular import Place
from vidnas.families.evanet.module import CONV_NAMES, Module, layers

_KINDS = {"1x1": "1x1 conv", **{name: f"{name} conv" for name in CONV_NAMES.values()}}


def draw(architecture: EvaNet) -> Diagram:
    """Draw one column per stage."""
    spec, (first, *pools) = architecture.inputs[0], architecture.pool_times
    drawing = _Drawing(spec)
    drawing.becomes(architecture.stem_channels, over_time=2, over_space=2)
    drawing.convolution(CONV_NAMES[architecture.stem_conv], 7, architecture.stem_time)
    drawing.becomes(over_time=2, over_space=2)
    drawing.pool(3, first)
    for index, (place, stage) in enumerate(
        zip(architecture.places, architecture.modules, strict=True)
    ):
        if index:
            drawing.becomes(over_space=2)
            drawing.pool(2, pools[index - 1])
        drawing.becomes(architecture.module_filters[index] * len(stage.branches))
        drawing.module(place, stage, "concatenate, add shortcut")
    repeated = any(
        branch.without_time() != branch
        for stage in architecture.modules
        if stage.repeats > 1
        for branch in stage.branches
    )
    note = "Convolutions of every second repeat have t = 1." if repeated else ""
    return drawing.finish("EvaNet, ResNet-like", note)


def draw_inception(architecture: EvaNetInception) -> Diagram:
    """Draw one column per module."""
    spec, pools = architecture.inputs[0], architecture.pool_times
    stem = CONV_NAMES[architecture.stem_conv]
    first, middle, last = architecture.stem_channels
    drawing = _Drawing(spec)
    drawing.becomes(first, over_time=2, over_space=2)
    drawing.convolution(stem, 7, architecture.stem_time)
    drawing.becomes(over_space=2)
    drawing.pool(3, pools[0])
    drawing.becomes(middle)
    drawing.bar("1x1 conv", "1x1")
    drawing.becomes(last)
    drawing.convolution(stem, 3, architecture.stem_time)
    drawing.becomes(over_space=2)
    drawing.pool(3, pools[1])
    for index, (place, module) in enumerate(
        zip(architecture.places, architecture.modules, strict=True)
    ):
        if index in architecture.group_pools:
            drawing.becomes(over_time=2, over_space=2)
            drawing.pool(*architecture.group_pools[index])
        drawing.becomes(architecture.module_filters[index] * len(module.branches))
        drawing.module(place, module, "concatenate")
    return drawing.finish("EvaNet, Inception-like")


class _Drawing:
    """Columns of parallel branches, and columns of bars between them."""

    def __init__(self, spec: ClipSpec) -> None:
        self.columns: list[str] = []
        self.boxes: list[Box] = []
        self.edges: list[Edge] = []
        self.open: list[str] = []
        """Boxes that lead to the next layer."""
        self.channels, self.frames, self.size_px = spec.channels, spec.frames, spec.size_px
        """What the next bar hands on."""
        self.said = ""
        """The size that was written last."""
        self.bar("input", str(spec))

    def becomes(
        self, channels: int | None = None, *, over_time: int = 1, over_space: int = 1
    ) -> None:
        """The next bar changes the size by these strides, with SAME padding."""
        self.channels = channels or self.channels
        self.frames = -(-self.frames // over_time)
        self.size_px = -(-self.size_px // over_space)

    def bar(self, kind: str, label: str) -> None:
        """A layer on everything before it."""
        if not (self.boxes and self.boxes[-1].upright):
            self.columns.append("")
        size = tensor_size(self.channels, self.frames, self.size_px)
        changed, self.said = size if size != self.said else "", size
        self._join(self._add(kind, label, lane=0, upright=True, size=changed))

    def convolution(self, name: str, kernel: int, time: int) -> None:
        """A convolution of the stem."""
        self.bar(_KINDS[name], f"{name} {kernel}x{kernel}, t = {time}")

    def pool(self, kernel: int, time: int) -> None:
        """A max-pool between modules."""
        self.bar("max-pool", f"max-pool {kernel}x{kernel}, t = {time}")

    def module(self, place: Place, module: Module, joint: str) -> None:
        """The branches of a module side by side, and the layers that join them."""
        repeats = f", {module.repeats}x" if module.repeats > 1 else ""
        self.columns.append(f"{place.name}{repeats}")
        entry, ends = self.open, []
        for lane, branch in enumerate(module.branches):
            self.open = entry
            for name, time in layers(branch):
                detail = f"t = {time}" if name != "1x1" else ""
                self._join(self._add(_KINDS.get(name, name), name, detail, lane=lane))
            ends += self.open
        self.open = ends
        self.bar("concatenation", joint)
        if module.non_local:
            self.bar("non-local", "non-local")

    def finish(self, title: str, note: str = "") -> Diagram:
        """The diagram, with the classifier at its end."""
        self._join(self._add("classifier", "mean over clip, classifier", lane=0, upright=True))
        return Diagram(
            title=title,
            columns=tuple(self.columns),
            boxes=tuple(self.boxes),
            edges=tuple(self.edges),
            note=note,
        )

    def _add(
        self, kind: str, label: str, detail: str = "", *, lane: int, upright: bool = False,
        size: str = "",
    ) -> str:  # fmt: skip
        name, column = f"box {len(self.boxes)}", len(self.columns) - 1
        self.boxes.append(
            Box(name=name, column=column, lane=lane, upright=upright, kind=kind, label=label,
                detail=detail, size=size)
        )  # fmt: skip
        return name

    def _join(self, name: str) -> None:
        self.edges += [Edge(source=source, target=name) for source in self.open]
        self.open = [name]
