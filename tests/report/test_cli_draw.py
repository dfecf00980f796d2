"""`vidnas draw`."""

from __future__ import annotations

import torch
from commands import call

from vidnas.deploy import Model, ModelCard, save_model
from vidnas.families import create_network, find_architecture
from vidnas.families.assemblenet import AssembleNet, Block, Stem
from vidnas.report.palette import shade


def test_the_picture_is_named_after_the_architecture(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call("draw", "tvn1")
    assert result.returncode == 0 and result.stdout.strip() == "tvn1.svg"
    assert "squeeze-excite" in (tmp_path / "tvn1.svg").read_text()


def test_an_architecture_file_becomes_a_png(tmp_path) -> None:
    source = tmp_path / "mine.json"
    source.write_text(find_architecture("tvn4").to_json())
    out = tmp_path / "mine.png"
    call("draw", source, "--out", out)
    assert out.read_bytes()[:4] == b"\x89PNG"


def test_a_model_folder_is_drawn_with_what_its_edges_learned(tmp_path) -> None:
    architecture = AssembleNet(
        frames=2,
        size_px=32,
        stems=(Stem(kind="rgb"), Stem(kind="flow")),
        blocks=(Block(level=3, inputs=(0, 1), filters=8),),
        repeats=(1, 1, 1, 1),
    )
    network = create_network(architecture, num_classes=2)
    fusion = network.get_parameter("nodes.2.fusion.logits")
    with torch.no_grad():
        fusion.copy_(torch.tensor([-2.0, 1.0]))
    save_model(Model(network, ("a", "b"), ModelCard()), tmp_path / "model")
    out = tmp_path / "model.svg"
    call("draw", tmp_path / "model", "--out", out)
    svg = out.read_text()
    assert "edge weight 0" in svg
    for weight in torch.sigmoid(fusion).tolist():
        assert f'stroke="{shade(weight)}"' in svg


def test_unknown_architectures_are_rejected() -> None:
    failed = call("draw", "tvn9")
    assert failed.returncode == 2
    assert "neither a published architecture" in failed.stderr
