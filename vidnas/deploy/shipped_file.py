"""The file that a search ships: the network as it runs where it was searched for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vidnas.core.quantities import format_bytes
from vidnas.core.value import Value
from vidnas.deploy.real_check import RealCheck
from vidnas.profiling.int8_layers import Int8Layers


class ShippedFile(Value):
    """A file beside a model, of the runtime in which the candidates of its search were timed."""

    name: Annotated[str, Field(pattern=r"^[\w-]+\.\w+$")]
    runtime: str
    """What runs it, by the name that people type: "openvino-int8"."""
    size_bytes: int
    """Of the file and what belongs to it."""
    float32_bytes: int
    """Of the same network as ONNX in float32."""
    layers: Int8Layers | None = None
    """None where none are quantised."""
    checks: tuple[RealCheck, ...] = ()
    """On validation and test clips, as far as there are any; the latency is in the card's cost."""

    @property
    def facts(self) -> str:
        """What runs it, how large it is, and what was kept in float, in one phrase."""
        size = format_bytes(self.size_bytes)
        if self.size_bytes != self.float32_bytes:
            size += f" (ONNX in float32: {format_bytes(self.float32_bytes)})"
        return ", ".join([self.runtime, size, *([str(self.layers)] if self.layers else [])])

    @property
    def export(self) -> str:
        """What `vidnas export` is asked for to get such a file of another network."""
        return f"{self.name} --precision int8" if self.layers else self.name

    @property
    def answers(self) -> list[str]:
        """How accurate it is beside the network in torch, in one phrase for each split."""
        return [
            f"{check.accuracies} on {check.where}, {check.agreement:.1%} of the answers agree"
            for check in self.checks
        ]
