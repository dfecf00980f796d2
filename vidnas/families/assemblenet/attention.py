"""Attention of AssembleNet++ (arXiv 2008.08072): scales the channels of each input of a block."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vidnas.layers.head import dense


class PeerAttention(nn.Module):
    """A mixture of all nodes of lower levels gates each input, frame by frame.

    The mean features of a node k become v_k = W_k mean_k, as wide as the widest node; an input e
    is gated by `sigmoid(W_e sum_k softmax(b_e)_k v_k)` (published code, assemblenet_plus.py).
    """

    def __init__(self, peers: Sequence[int], inputs: Sequence[int]) -> None:
        """For peers and inputs of so many channels."""
        super().__init__()
        self.values = nn.ModuleList(dense(channels, max(peers)) for channels in peers)
        self.mixture = nn.Parameter(torch.empty(len(inputs), len(peers)))
        self.gates = nn.ModuleList(dense(max(peers), channels) for channels in inputs)
        nn.init.trunc_normal_(self.mixture, std=0.01, a=-0.02, b=0.02)

    def forward(self, peers: Sequence[Tensor]) -> list[Tensor]:
        """Mean features of the peers, `(N * T, C_k)`, to gates of the inputs, `(N * T, C_e)`."""
        values = torch.stack(
            [layer(x) for layer, x in zip(self.values, peers, strict=True)], dim=-1
        )
        mixed = (values @ torch.softmax(self.mixture, dim=1).T).unbind(-1)
        return [torch.sigmoid(gate(x)) for gate, x in zip(self.gates, mixed, strict=True)]


class SelfAttention(nn.Module):
    """The mean features of an input gate it, frame by frame: `sigmoid(W_e mean_e)`."""

    def __init__(self, inputs: Sequence[int], unused_peers: Sequence[int] = ()) -> None:
        """For inputs of so many channels; the published code has unused layers for the peers."""
        super().__init__()
        self.values = nn.ModuleList(dense(channels, max(unused_peers)) for channels in unused_peers)
        self.gates = nn.ModuleList(dense(channels, channels) for channels in inputs)

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Mean features of the inputs, `(N * T, C_e)`, to their gates of the same shape."""
        return [torch.sigmoid(gate(x)) for gate, x in zip(self.gates, inputs, strict=True)]
