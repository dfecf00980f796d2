"""The members side by side, and the mean of their logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import Self

from vidnas.core import UserError
from vidnas.families.ensemble.architecture import Ensemble
from vidnas.families.network import Network
from vidnas.families.registry import create_network


class EnsembleNetwork(Network):
    """Gives each member its clips and averages the logits, each as often as the member counts.

    Always in evaluation mode. Every member normalises its clips with the statistics that it was
    trained with; the ensemble's own normalisations stay the identity and are not applied.
    """

    architecture: Ensemble

    def __init__(self, architecture: Ensemble, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        values = [member.architecture for member in architecture.members]
        self.members = nn.ModuleList(create_network(value, num_classes) for value in values)
        place = {spec: index for index, spec in enumerate(architecture.inputs)}
        self._inputs = [tuple(place[spec] for spec in value.inputs) for value in values]
        self._shares = [member.weight / architecture.size for member in architecture.members]
        self.eval()

    def forward(self, *clips: Tensor) -> Tensor:
        """One `(N, C, T, H, W)` per input to logits `(N, num_classes)`."""
        votes = [
            share * member(*(clips[index] for index in inputs))
            for member, inputs, share in zip(self.members, self._inputs, self._shares, strict=True)
        ]
        return torch.stack(votes).sum(dim=0)

    @property
    def carries_past(self) -> bool:
        """Whether all members do."""
        return all(member.carries_past for member in self.members)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode.

        Raises:
            UserError: training mode is asked for; members are trained one by one, since only their
                differences make an ensemble.
        """
        if mode:
            raise UserError(
                "An ensemble is not trained as a whole; train its members and put them together "
                "with vidnas ensemble."
            )
        return super().train(mode)
