"""How wide a text is, and how it is broken into lines."""

from __future__ import annotations

from functools import lru_cache

LINE = 1.3
"""Line height in font sizes."""

# Advance widths of DejaVu Sans in ems, the widest of the usual sans-serif fonts: a text that fits
# in it fits in all of them.
_EM = {
    **dict.fromkeys("ijlI.,:;'|! ", 0.34),
    **dict.fromkeys("frt()[]-/", 0.42),
    **dict.fromkeys("mwMW%@+<>=", 0.92),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ&", 0.74),
}
_OTHER_EM, _WIDE_EM, _BOLD = 0.63, 1.05, 1.1
_KEPT = 1 << 14
"""Texts whose width is remembered: the boxes of a study's candidates say the same few things."""


@lru_cache(_KEPT)
def text_width(text: str, size_px: float, *, bold: bool = False) -> float:
    """Return the width of a text, rather too large than too small."""
    ems = sum(_EM.get(sign, _OTHER_EM if sign.isascii() else _WIDE_EM) for sign in text)
    return ems * size_px * (_BOLD if bold else 1.0)


def shortened(text: str, size_px: float, width_px: float) -> str:
    """Return a text that fits in a width: its beginning, where it is longer."""
    if text_width(text, size_px) <= width_px:
        return text
    length = 0
    while length < len(text) and text_width(f"{text[: length + 1]}…", size_px) <= width_px:
        length += 1
    return f"{text[:length]}…"


@lru_cache(_KEPT)
def wrap(text: str, size_px: float, width_px: float, *, bold: bool = False) -> tuple[str, ...]:
    """Break each line of a text, at commas where it can be, into lines of at most that width.

    The lines become about equally long; a word that is longer stays whole.
    """
    broken: list[str] = []
    for line in text.splitlines():
        parts: list[str] = []
        for phrase in line.replace(", ", ",\n").splitlines():
            fits = text_width(phrase, size_px, bold=bold) <= width_px
            parts += [phrase] if fits else phrase.split()
        broken += _balance(parts, size_px, width_px, bold)
    return tuple(broken)


def _balance(words: list[str], size_px: float, width_px: float, bold: bool) -> list[str]:
    fewest = _fill(words, size_px, width_px, bold)
    for narrower_px in range(int(width_px), 0, -6):
        lines = _fill(words, size_px, narrower_px, bold)
        if len(lines) > len(fewest):
            break
        fewest = lines
    return fewest


def _fill(words: list[str], size_px: float, width_px: float, bold: bool) -> list[str]:
    lines: list[str] = []
    for word in words:
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(joined, size_px, bold=bold) <= width_px:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines
