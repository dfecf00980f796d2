"""README and documentation as text: their commands and snippets."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
COMMANDS = (
    "", "search", "status", "watch", "compare", "page", "ensemble", "train", "eval", "calibrate",
    "predict", "serve", "bench", "agent", "export", "import-tf", "models", "draw",
    "data check", "data show", "data flow", "data cache", "data demo", "study fork", "study merge",
)  # fmt: skip
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(vidnas [^`]+)`")


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in these languages."""
    text = page.read_text(encoding="utf-8")
    return [block for language, block in FENCE.findall(text) if language in languages]


def shell_lines(page: Path) -> list[str]:
    """The lines of its blocks of commands, each whole."""
    return "\n".join(blocks(page, "", "bash")).replace("\\\n", " ").splitlines()


def named() -> list[tuple[str, str]]:
    """Every page with every `vidnas ...` on it, in fenced blocks and within sentences."""
    found = []
    for page in PAGES:
        lines = [line for line in shell_lines(page) if line.startswith("vidnas ")]
        rest = FENCE.sub("", page.read_text(encoding="utf-8"))
        lines += [" ".join(line.split()) for line in _INLINE.findall(rest)]
        found += [(page.name, line) for line in dict.fromkeys(lines)]
    return found
