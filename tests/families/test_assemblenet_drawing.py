"""AssembleNets as diagrams: what the boxes say, and which edges join them."""

from __future__ import annotations

from typing import Any

from vidnas.core import Box, Diagram
from vidnas.families import create_network, diagram_of, find_architecture
from vidnas.families.assemblenet import AssembleNet, Block, Stem


def network(**changes: Any) -> AssembleNet:
    """Four kinds of streams; block 6 leads nowhere, and level 3 has no blocks."""
    genes: dict[str, Any] = {
        "frames": 8,
        "frame_stride": 2,
        "size_px": 64,
        "stems": (
            Stem(kind="rgb", dilation=4),
            Stem(kind="flow"),
            Stem(kind="precomputed_flow", dilation=2),
            Stem(kind="objects"),
        ),
        "blocks": (
            Block(level=0, inputs=(0, 1), filters=32, dilation=8, edge_weights=(0.25, 0.75)),
            Block(level=0, inputs=(1, 2), filters=32, name="twin"),
            Block(level=1, inputs=(0, 5), filters=64, edge_weights=(0.4, 0.6)),
            Block(level=3, inputs=(3, 4, 5), filters=512),
        ),
        "repeats": (2, 2, 2, 1),
        "width": 0.25,
    }
    return AssembleNet(**{**genes, **changes})


def boxes(diagram: Diagram) -> dict[str, Box]:
    return {box.name: box for box in diagram.boxes}


def weights(diagram: Diagram) -> dict[str, float]:
    return {f"{edge.source}->{edge.target}": edge.weight for edge in diagram.edges}


def test_levels_run_from_left_to_right() -> None:
    diagram = diagram_of(network())
    assert diagram.columns == (
        "", "streams", "level 1\n2 modules", "level 2\n2 modules", "level 4\n1 module", ""
    )  # fmt: skip
    placed = {name: box.column for name, box in boxes(diagram).items()}
    assert placed == {
        "RGB clip": 0, "flow clip": 0, "object maps": 0, "0": 1, "1": 1, "2": 1, "3": 1,
        "4": 2, "twin": 2, "6": 3, "7": 4, "classifier": 5,
    }  # fmt: skip


def test_boxes_say_their_stream_and_what_reaches_them() -> None:
    found = boxes(diagram_of(network()))
    assert found["RGB clip"].detail == "rgb 8 x 64 px, stride 2"
    streams = [(found[name].label, found[name].detail) for name in "0123"]
    assert streams == [
        ("0: RGB", "dilation 4"),
        ("1: flow", "dilation 1"),
        ("2: precomputed flow", "dilation 2"),
        ("3: objects", ""),
    ]
    assert (found["4"].label, found["twin"].label) == ("block 4", "twin")
    assert found["4"].detail == "8 filters, dilation 8\nsees RGB + flow"
    assert found["twin"].detail == "8 filters, dilation 1\nsees flow"
    assert found["7"].detail == "128 filters, dilation 1\nsees RGB + flow + objects"
    assert [found[name].kind for name in ("0", "4", "twin", "7")] == [
        "RGB", "RGB + flow", "flow", "RGB + flow + objects"
    ]  # fmt: skip


def test_edges_have_the_weights_that_the_architecture_fixes() -> None:
    assert weights(diagram_of(network())) == {
        "RGB clip->0": 1, "RGB clip->1": 1, "flow clip->2": 1, "object maps->3": 1,
        "0->4": 0.25, "1->4": 0.75, "1->twin": 1, "2->twin": 1,
        "0->6": 0, "twin->6": 0, "3->7": 1, "4->7": 1, "twin->7": 1, "7->classifier": 1,
    }  # fmt: skip


def test_a_block_that_reaches_no_head_is_marked() -> None:
    pruned = diagram_of(network())
    assert [box.name for box in pruned.boxes if box.kind == "pruned"] == ["6"]
    kept = diagram_of(network(rules="published"))
    assert boxes(kept)["6"].kind == "reaches no head"
    assert (weights(kept)["0->6"], weights(kept)["twin->6"]) == (0.4, 0.6)


def test_a_stream_that_reaches_no_head_takes_no_clip() -> None:
    genes = network()
    blocks = (*genes.blocks[:3], genes.blocks[3].model_copy(update={"inputs": (4, 5)}))
    diagram = diagram_of(network(blocks=blocks))
    assert "object maps" not in boxes(diagram)
    assert boxes(diagram)["3"].kind == "pruned"
    assert not [edge for edge in weights(diagram) if edge.endswith("->3")]


def test_edge_names_are_those_of_the_connection_weights() -> None:
    for rules in ("corrected", "published"):
        architecture = network(rules=rules)
        learned = create_network(architecture, num_classes=3).connection_weights()
        assert learned and set(learned) <= set(weights(diagram_of(architecture)))


def test_attention_and_the_published_structures() -> None:
    assert diagram_of(network()).note == ""
    assert "Self attention" in diagram_of(network(attention="self")).note
    plus = diagram_of(find_architecture("assemblenet_plus_50_object"))
    assert "Peer attention" in plus.note
    assert len(plus.edges) == 45 + 5 + 1
    assert len(diagram_of(find_architecture("assemblenet_50")).edges) == 30 + 4 + 1
    lite = boxes(diagram_of(find_architecture("assemblenet_plus_lite")))
    assert lite["10"].detail == "432-432-192, dilation 2\nsees RGB + flow"
