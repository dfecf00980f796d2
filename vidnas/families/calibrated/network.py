"""The network, and the division of its logits."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import Self

from vidnas.core import UserError
from vidnas.families.calibrated.architecture import Calibrated
from vidnas.families.network import Network
from vidnas.families.registry import create_network


class CalibratedNetwork(Network):
    """Divides the logits of a network by its temperature, 1 until it is set.

    Always in evaluation mode. The network normalises its clips as it was trained to; the
    normalisations around it stay the identity and are not applied.
    """

    architecture: Calibrated
    temperature: Tensor

    def __init__(self, architecture: Calibrated, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        self.network = create_network(architecture.network, num_classes)
        self.register_buffer("temperature", torch.ones(()))
        self.eval()

    def forward(self, *clips: Tensor) -> Tensor:
        """One `(N, C, T, H, W)` per input to logits `(N, num_classes)`."""
        logits: Tensor = self.network(*clips)
        return logits / self.temperature

    @property
    def carries_past(self) -> bool:
        """Whether the network does."""
        return self.network.carries_past

    def connection_weights(self) -> dict[str, float]:
        """Return those of the network."""
        return self.network.connection_weights()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode.

        Raises:
            UserError: training mode is asked for; other weights would need another temperature.
        """
        if mode:
            raise UserError(
                "A calibrated network is not trained; train the network that it is made of, and "
                "calibrate it again with vidnas calibrate."
            )
        return super().train(mode)
