"""Figures as people read them: "26.0 M", "4.31 G", "12.0 MB"."""

from __future__ import annotations

_PREFIXES = ("", "k", "M", "G", "T")


def format_count(number: float) -> str:
    """Three digits and a decimal prefix."""
    step = 0
    while abs(number) >= 999.5 and step < len(_PREFIXES) - 1:
        number /= 1000
        step += 1
    if step == 0:
        return f"{number:g}"
    decimals = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{decimals}f} {_PREFIXES[step]}"


def format_bytes(number: float) -> str:
    """Bytes with a decimal prefix: 1 MB is 1,000,000 bytes."""
    text = format_count(number)
    return f"{text}B" if " " in text else f"{text} B"
