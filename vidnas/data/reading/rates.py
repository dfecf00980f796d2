"""The frame rate of a video: what its header states, if its time stamps bear that out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_DEFAULT_FPS = 25.0
"""Where nothing says how long a frame is shown: FFmpeg's own default for raw streams."""
_UNPROVEN_MAX_FPS = 250.0
_PAUSE_S = 1.0
_PAUSE_STEPS = 4

Times = NDArray[np.float64]


def unproven_rate(header_fps: Sequence[float]) -> float:
    """Return a rate of the header that may be one, where there are no stamps."""
    return next((rate for rate in header_fps if rate <= _UNPROVEN_MAX_FPS), _DEFAULT_FPS)


def own_rate(times_s: Times, header_fps: Sequence[float]) -> float:
    """Return the first rate of the header that the stamps bear out, or else theirs.

    Some headers state a rate that is only the unit of their time stamps. The stamps' rate is that
    of their mean distance without pauses, but at most twice the rate with them: frames that were
    recorded in bursts are few.
    """
    distances_s = np.diff(times_s)
    if not len(distances_s):
        return unproven_rate(header_fps)
    median_s = float(np.median(distances_s))
    running = 1 / float(distances_s[distances_s <= _PAUSE_STEPS * median_s].mean())
    pausing = 1 / float(np.minimum(distances_s, max(_PAUSE_S, 2 * median_s)).mean())
    rate = min(running, 2 * pausing)
    plausible = (own for own in header_fps if 0.8 * pausing <= own <= 1.25 * rate)
    return next(plausible, rate)
