"""Where the modules of the two meta-architectures sit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a module sits: its name, and by how much the clip has shrunk there."""

    name: str
    frame_stride: int
    pixel_stride: int

    def extent(self, frames: int, size_px: int) -> tuple[int, int]:
        """Frames and side of the features of a clip there, with SAME padding all the way."""
        return -(-frames // self.frame_stride), -(-size_px // self.pixel_stride)


RESNET_LIKE = tuple(Place(f"stage {stage}", 4, 2**stage) for stage in (2, 3, 4, 5))
"""One module a stage."""

INCEPTION_LIKE = (
    *(Place(f"module {name}", 2, 8) for name in ("3b", "3c")),
    *(Place(f"module {name}", 4, 16) for name in ("4b", "4c", "4d", "4e", "4f")),
    *(Place(f"module {name}", 8, 32) for name in ("5b", "5c")),
)
"""With the names of Inception-v1, and strides as in I3D."""
