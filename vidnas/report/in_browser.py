"""What a page holds that runs the network itself: the exported network, the runtime, the clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from vidnas.report.packing import packed_bytes, packed_json


@dataclass(frozen=True)
class InBrowser:
    """A network that a page runs."""

    network: bytes
    """As ONNX."""
    script: str
    """The module of ONNX Runtime for browsers."""
    wasm: bytes
    """The program that it runs."""
    clips: Mapping[str, Any]
    """How videos become clips, and logits scores: `classes`, `inputs`, `rate_fps`,
    `clips_per_video`, `activation`."""

    @property
    def parts(self) -> dict[str, Markup]:
        """The contents of the page's script elements by their names."""
        return {
            "packed-network": packed_bytes(self.network),
            "packed-ort": packed_bytes(self.script.encode()),
            "packed-wasm": packed_bytes(self.wasm),
            "packed-clips": packed_json(dict(self.clips)),
        }
