"""A calibrated network as a value: the network that it is."""

from __future__ import annotations

from typing import ClassVar

from vidnas.core import ClipSpec
from vidnas.families.architecture import Architecture
from vidnas.families.registry import AnyArchitecture


class Calibrated(Architecture):
    """A network of any family whose logits are divided by one number, its temperature.

    Temperature scaling (Guo et al.: On Calibration of Modern Neural Networks, ICML 2017, arXiv
    1706.04599): what a network answers stays, how sure it is changes. The temperature is learned
    after the weights, and is one of them.
    """

    family: ClassVar[str] = "calibrated"

    network: AnyArchitecture

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        """The clips of the network."""
        return self.network.inputs

    def canonical(self) -> Calibrated:
        """The same with the canonical network."""
        return Calibrated(network=self.network.canonical())
