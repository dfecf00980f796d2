"""vidnas evolves neural networks for video.

network = vidnas.create_network("tvn1", num_classes=10)
logits = network(clip)  # clip: (N, C, T, H, W), float in [0, 1]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidnas import official as official
    from vidnas.families import create_network as create_network
    from vidnas.families import list_architectures as list_architectures
    from vidnas.workflows.search import search as search

__version__ = "0.1.0"
__all__ = ["create_network", "list_architectures", "official", "search"]

_ROOMS = {
    "create_network": "vidnas.families",
    "list_architectures": "vidnas.families",
    "search": "vidnas.workflows.search",
}


def __getattr__(name: str) -> Any:
    # Importing torch takes a second: `vidnas --help` and worker start-up should not pay for it.
    if name == "official":
        return import_module("vidnas.official")
    if name in _ROOMS:
        return getattr(import_module(_ROOMS[name]), name)
    raise AttributeError(f"module 'vidnas' has no attribute {name!r}")
