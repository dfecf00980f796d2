from __future__ import annotations

import errno

import pytest

from vidnas.core.text import cause_of, counted, escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("café 日本 שלום 👩‍🚀 [id] :smile: \\", "café 日本 שלום 👩‍🚀 [id] :smile: \\"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\nb\r\tc\x00\x7f\x9b", r"a\nb\r\tc\x00\x7f\x9b"),
        ("\u202egpj.mp4\u2066x\u2069", r"\u202egpj.mp4\u2066x\u2069"),
        ("caf\udce9", r"caf\udce9"),
        ("a\u2028b\uffff", r"a\u2028b\uffff"),
    ],
)
def test_what_is_no_text_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown
    assert escaped(shown) == shown


def test_causes() -> None:
    assert cause_of(OSError(errno.ENOSPC, "No space left on device")) == "No space left on device"
    assert cause_of(ValueError("first\nsecond\x1b.")) == r"first second\x1b"
    assert cause_of(MemoryError()) == "MemoryError"


def test_one_is_not_counted_as_several() -> None:
    assert [counted(n, "clip") for n in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]
    assert counted(1, "study is", "studies are") == "1 study is"
    assert counted(1200, "study is", "studies are") == "1,200 studies are"
