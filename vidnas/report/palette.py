"""One colour per kind of layer, the same in every drawing."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

# The common kinds, in the hues of Paul Tol's "muted" scheme, which stay apart under common colour
# vision deficiencies: convolutions cold, pooling warm, gates purple; the lighter of two is in time.
_COMMON = {
    "input": "#8a93a3",
    "1x1 conv": "#a9b1bd",
    "2D conv": "#3b3a9e",
    "2D depthwise conv": "#4d94d6",
    "1D conv": "#44b3c2",
    "3D conv": "#1f5f8b",
    "(2+1)D conv": "#2f9e8f",
    "iTGM conv": "#7d5fd3",
    "max-pool": "#cc6677",
    "avg-pool": "#b8860b",
    "2D max-pool": "#cc6677",
    "2D avg-pool": "#b8860b",
    "1D max-pool": "#e8a0a8",
    "1D avg-pool": "#ddcc77",
    "squeeze-excite": "#aa4499",
    "context gate": "#7a3fa0",
    "non-local": "#882255",
    "skip": "#1f7a3d",
    "concatenation": "#c3c9d2",
    "classifier": "#3d4655",
    # Streams mix as paints do: blue and yellow to green.
    "RGB": "#2f7fc8",
    "flow": "#e0a526",
    "objects": "#d1495b",
    "RGB + flow": "#3a9d5d",
    "RGB + objects": "#7d5fb2",
    "flow + objects": "#dd7a35",
    "RGB + flow + objects": "#7a5c43",
}
UNUSED = "#b4bac4"
"""The grey of boxes that do nothing for the result."""
_OTHERS = (
    "#2f9e8f", "#999933", "#cc6677", "#3b3a9e", "#ddaa33",
    "#882255", "#4d94d6", "#1f7a3d", "#aa4499", "#8a93a3",
)  # fmt: skip


def colours(kinds: Iterable[str]) -> dict[str, str]:
    """Return colours by kind; where two uncommon ones meet, the second takes the next free one."""
    found: dict[str, str] = {}
    present = set(kinds)
    for kind in [*(kind for kind in _COMMON if kind in present), *sorted(present - set(_COMMON))]:
        start = zlib.crc32(kind.encode("utf-8", "surrogatepass"))
        order = [_OTHERS[(start + step) % len(_OTHERS)] for step in range(len(_OTHERS))]
        free = [colour for colour in order if colour not in found.values()]
        found[kind] = _COMMON.get(kind) or (free or order)[0]
    return found


def shade(weight: float) -> str:
    """Return the grey of an arrow with this weight: light at 0, black at 1."""
    return "#" + f"{round(208 - 208 * min(max(weight, 0.0), 1.0)):02x}" * 3
