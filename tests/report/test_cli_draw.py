"""`vidnas draw`."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from vidnas.cli import draw
from vidnas.core import UserError
from vidnas.families import find_architecture

app = typer.Typer()
app.command()(draw.command)


def test_the_picture_is_named_after_the_architecture(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["tvn1"], catch_exceptions=False)
    assert result.exit_code == 0 and result.output.strip() == "tvn1.svg"
    assert "squeeze-excite" in (tmp_path / "tvn1.svg").read_text()


def test_an_architecture_file_becomes_a_png(tmp_path) -> None:
    source = tmp_path / "mine.json"
    source.write_text(find_architecture("tvn4").to_json())
    out = tmp_path / "mine.png"
    CliRunner().invoke(app, [str(source), "--out", str(out)], catch_exceptions=False)
    assert out.read_bytes()[:4] == b"\x89PNG"


def test_unknown_architectures_are_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="neither a published architecture"):
        CliRunner().invoke(app, ["tvn9"], catch_exceptions=False)
