"""Durations as people write them: "90s", "30m", "1h30m"."""

from __future__ import annotations

import re

from vidnas.core import UserError

_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_NUMBER = r"(\d+(?:\.\d+)?)"
_PATTERN = re.compile("".join(rf"(?:{_NUMBER}{unit})?" for unit in _SECONDS))


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as "1h30m".

    Raises:
        UserError: the text is not a duration, has no unit, or is zero.
    """
    compact = "".join(text.lower().split())
    if re.fullmatch(_NUMBER, compact):
        raise UserError(f"{text!r} has no unit; write {compact}s, {compact}m or {compact}h.")
    match = _PATTERN.fullmatch(compact)
    parts = match.groups(default="0") if match else ()
    seconds = sum(float(part) * unit for part, unit in zip(parts, _SECONDS.values(), strict=False))
    if seconds <= 0:
        raise UserError(f'{text!r} is not a duration; write "90s", "30m" or "1h30m".')
    return seconds


def format_duration(seconds: float) -> str:
    """Return a duration in at most two units: "1h 05m", "12m 30s", "8.2s"."""
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m"


def format_moment(seconds: float) -> str:
    """Return a moment of a video: "0:05.2", "1:02:05.2"."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{minutes}:{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{text.rjust(7, '0')}" if hours else text
