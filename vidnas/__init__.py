"""vidnas evolves neural networks for video.

result = vidnas.search_clips("clips/", out="study", limits=["latency=40ms"], budget="30m")
model = vidnas.load(result.model)

network = vidnas.create_network("tvn1", num_classes=10)
logits = network(clip)  # clip: (N, C, T, H, W), float in [0, 1]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidnas import official as official
    from vidnas.core.version import VERSION as __version__
    from vidnas.deploy import load_model as load
    from vidnas.deploy import load_model as load_model
    from vidnas.families import create_network as create_network
    from vidnas.families import list_architectures as list_architectures
    from vidnas.workflows.ensemble import ensemble_studies as ensemble_studies
    from vidnas.workflows.search import search as search
    from vidnas.workflows.search_clips import search_clips as search_clips
    from vidnas.workflows.train import train_clips as train_clips

_ROOMS = {
    "create_network": "vidnas.families",
    "ensemble_studies": "vidnas.workflows.ensemble",
    "list_architectures": "vidnas.families",
    "load": "vidnas.deploy",
    "load_model": "vidnas.deploy",
    "search": "vidnas.workflows.search",
    "search_clips": "vidnas.workflows.search_clips",
    "train_clips": "vidnas.workflows.train",
}
_SHORT = {"load": "load_model"}
__all__ = [
    "__version__",
    "create_network",
    "ensemble_studies",
    "list_architectures",
    "load",
    "load_model",
    "official",
    "search",
    "search_clips",
    "train_clips",
]


def __getattr__(name: str) -> Any:
    # Torch takes a second, pydantic a tenth: `vidnas --help` and the start of a worker do without.
    if name == "__version__":
        return import_module("vidnas.core.version").VERSION
    if name == "official":
        return import_module("vidnas.official")
    if name in _ROOMS:
        return getattr(import_module(_ROOMS[name]), _SHORT.get(name, name))
    raise AttributeError(f"module 'vidnas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
