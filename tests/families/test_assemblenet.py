"""AssembleNet networks: published sizes, rules, streams, and the original format."""

from __future__ import annotations

import json
from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from vidnas.core import UserError
from vidnas.families import create_network, official_variables
from vidnas.families.assemblenet import AssembleNet, Block, Stem
from vidnas.families.assemblenet.modules import ClipStem
from vidnas.families.assemblenet.network import AssembleNetwork
from vidnas.families.assemblenet.original import from_official, to_official
from vidnas.families.assemblenet.published import PUBLISHED
from vidnas.layers.representation_flow import RepresentationFlow
from vidnas.profiling.counting import count_cost, count_parameters
from vidnas.profiling.onnx import export_onnx

RGB, FLOW, OBJECTS = Stem(kind="rgb", dilation=2), Stem(kind="flow"), Stem(kind="objects")
GRAPH = (
    Block(level=0, inputs=(0,), filters=8, stride=1, name="first"),
    Block(level=0, inputs=(0, 1), filters=16, dilation=2, stride=1),
    Block(level=1, inputs=(1, 2, 3), filters=16, dilation=4),
    Block(level=2, inputs=(0, 3), filters=16),
    Block(level=3, inputs=(2, 4, 5), filters=8),
    Block(level=3, inputs=(0, 4), filters=8, stride=1),
)
INVERTED = tuple(block.model_copy(update={"filters": (12, 10, 8)}) for block in GRAPH)


def small(*stems: Stem, blocks: tuple[Block, ...] = GRAPH, **genes: Any) -> AssembleNet:
    kept = {"frames": 4, "size_px": 32, "repeats": (2, 2, 2, 2), "width": 0.5}
    return AssembleNet(stems=stems, blocks=blocks, **{**kept, **genes})


def changed(name: str, **genes: Any) -> AssembleNet:
    return AssembleNet.model_validate({**PUBLISHED[name]().model_dump(), **genes})


def all_parameters(architecture: AssembleNet, num_classes: int = 339) -> int:
    with torch.device("meta"):
        return sum(
            weight.numel() for weight in create_network(architecture, num_classes).parameters()
        )


def clips_of(architecture: AssembleNet, batch: int = 2) -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.rand(spec.shape(batch)) for spec in architecture.inputs]


def perturbed(architecture: AssembleNet) -> AssembleNetwork:
    """A network none of whose weights is zero, in evaluation mode."""
    torch.manual_seed(0)
    network = create_network(architecture, 5).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    return network


def pruned() -> AssembleNet:
    """AssembleNet++50 without block 9, with the stems of the published code."""
    corrected = changed("assemblenet_plus_50_object", attention="none", rules="corrected")
    return corrected.canonical().model_copy(update={"rules": "published"})


@pytest.mark.parametrize(
    ("architecture", "num_classes", "parameters", "edges", "gmacs"),
    [
        (changed("assemblenet_50"), 339, 37_273_903, 28, 250.5),
        (changed("assemblenet_50"), 157, 36_900_985, 28, None),
        (changed("assemblenet_101"), 339, 53_309_487, 28, 397.2),
        (changed("assemblenet_101"), 157, 53_122_937, 28, None),
        (changed("assemblenet_plus_50_object", attention="none"), 339, 38_543_212, 45, 274.3),
        (changed("assemblenet_plus_50_object", attention="none"), 157, 38_170_294, 45, None),
        (pruned(), 339, 37_934_948, 37, 256.9),
        (changed("assemblenet_plus_lite", attention="none"), 339, 50_340_103, 44, 188.4),
    ],
)
def test_published_sizes(
    architecture: AssembleNet, num_classes: int, parameters: int, edges: int, gmacs: float | None
) -> None:
    assert all_parameters(architecture, num_classes) == parameters
    cost = count_cost(architecture, num_classes)
    assert cost.parameters == parameters - edges  # weights of published connections are fixed
    assert gmacs is None or cost.macs / 1e9 == pytest.approx(gmacs, abs=0.06)


@pytest.mark.parametrize("size_px", [224, 256])
def test_fused_widths_may_follow_the_width_of_the_picture(size_px: int) -> None:
    blocks = [block.model_dump() for block in PUBLISHED["assemblenet_plus_lite"]().blocks]
    for block in blocks:
        block["fused"] = size_px // 2 if block["level"] < 3 else size_px // 16
    lite = changed("assemblenet_plus_lite", attention="none", blocks=blocks)
    assert all_parameters(lite) == {224: 50_406_295, 256: 50_425_255}[size_px]


@pytest.mark.parametrize(
    ("name", "peer", "own"),
    [
        ("assemblenet_50", 7_661_204, 2_607_008),
        ("assemblenet_101", 5_396_116, 1_688_992),
        ("assemblenet_plus_50_object", 9_883_924, 3_123_228),
        ("assemblenet_plus_lite", 75_440, 28_368),
    ],
)
def test_sizes_of_attention(name: str, peer: int, own: int) -> None:
    def size(part: str, attention: str) -> int:
        network = create_network(changed(name, attention=attention), 2)
        parts = [getattr(block.attention, part) for _, block in network.blocks()]
        return sum(weight.numel() for part in parts for weight in part.parameters())

    with torch.device("meta"):
        mixtures = sum(
            block.attention.mixture.numel()
            for _, block in create_network(changed(name, attention="peer"), 2).blocks()
        )
        assert size("values", "peer") + size("gates", "peer") + mixtures == peer
        assert size("gates", "self") == own
        # The published code keeps the values of peer attention, which nothing uses.
        assert size("values", "self") == size("values", "peer")


def test_corrected_rules() -> None:
    published, corrected = (
        create_network(changed("assemblenet_plus_50_object", rules=rules), 2).eval()
        for rules in ("published", "corrected")
    )
    stems = {
        name: [stem.time for stem in network.nodes if isinstance(stem, ClipStem)]
        for name, network in (("published", published), ("corrected", corrected))
    }
    assert [time is None for time in stems["published"]] == [False, False, True, True]
    assert None not in stems["corrected"]
    assert len(published.nodes) == len(corrected.nodes) + 1  # block 9 reaches no head


@pytest.mark.parametrize("module", ["bottleneck", "inverted"])
@pytest.mark.parametrize("attention", ["none", "peer", "self"])
@pytest.mark.parametrize("stems", [(RGB, FLOW), (FLOW, FLOW), (RGB, OBJECTS)])
def test_networks_train(module: str, attention: str, stems: tuple[Stem, ...]) -> None:
    blocks = GRAPH if module == "bottleneck" else INVERTED
    architecture = small(*stems, blocks=blocks, module=module, attention=attention)
    with torch.device("meta"):  # sizes are checked without weights
        clips = [torch.empty(spec.shape()) for spec in architecture.inputs]
        assert create_network(architecture, 3)(*clips).shape == (1, 3)
    torch.manual_seed(0)
    network = create_network(architecture, 3).train()
    loss = nn.functional.cross_entropy(network(*clips_of(architecture)), torch.tensor([0, 2]))
    loss.backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and torch.isfinite(weight.grad).all(), name


@pytest.mark.parametrize("module", ["bottleneck", "inverted"])
@pytest.mark.parametrize("shape", [(1, 7, 45, 37), (2, 1, 33, 64), (3, 5, 20, 90), (1, 3, 9, 9)])
def test_clips_of_any_size(module: str, shape: tuple[int, int, int, int]) -> None:
    blocks = GRAPH if module == "bottleneck" else INVERTED
    architecture = small(RGB, FLOW, blocks=blocks, module=module, attention="peer")
    network, (batch, frames, height, width) = perturbed(architecture), shape
    with torch.inference_mode():
        logits = network(torch.rand(batch, 3, frames, height, width))
    assert logits.shape == (batch, 5)
    assert torch.isfinite(logits).all()


def test_clips_of_a_batch_do_not_see_each_other() -> None:
    architecture = small(RGB, FLOW, attention="peer", frames=8)
    network, (clips,) = perturbed(architecture), clips_of(architecture)
    clips[1] *= 0.5
    with torch.inference_mode():
        together = network(clips)
        alone = torch.cat([network(clip[None]) for clip in clips])
        batched = network(clips.flip(0)).flip(0)
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(together, batched, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("module", ["bottleneck", "inverted"])
@pytest.mark.parametrize("attention", ["none", "peer", "self"])
def test_export(module: str, attention: str) -> None:
    blocks = GRAPH if module == "bottleneck" else INVERTED
    architecture = small(
        RGB, OBJECTS, blocks=blocks, module=module, attention=attention, frames=7, size_px=36
    )
    network = perturbed(architecture)
    graph = export_onnx(network, architecture.inputs)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    clips = clips_of(architecture, batch=3)
    feed = zip((spec.modality for spec in architecture.inputs), clips, strict=True)
    (actual,) = session.run(None, {name: clip.numpy() for name, clip in feed})
    with torch.inference_mode():
        expected = network(*clips)
    torch.testing.assert_close(torch.from_numpy(actual), expected, rtol=1e-3, atol=1e-4)


def test_flow_is_computed_once_from_the_clip_as_it_is() -> None:
    architecture = small(FLOW, RGB, FLOW)
    network, (clip,) = perturbed(architecture), clips_of(architecture)
    seen: list[Tensor] = []
    assert isinstance(network.flow, RepresentationFlow)
    network.flow.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.normalizations[0].set_statistics(torch.full((3,), 0.4), torch.full((3,), 0.2))  # type: ignore[operator]
    network(clip)
    assert len(seen) == 1
    assert torch.equal(seen[0], clip)


def test_streams_get_their_own_clips() -> None:
    precomputed = Stem(kind="precomputed_flow", dilation=2)
    blocks = (GRAPH[0].model_copy(update={"inputs": (0, 1, 2)}),)
    blocks += tuple(Block(level=level, inputs=(level + 2,), filters=8) for level in (1, 2, 3))
    architecture = small(OBJECTS, precomputed, RGB, blocks=blocks)
    assert [spec.modality for spec in architecture.inputs] == ["rgb", "flow", "objects"]
    network, clips = perturbed(architecture), clips_of(architecture)
    assert network.flow is None
    with torch.inference_mode():
        logits = network(*clips)
        for index, clip in enumerate(clips):
            others = [clip.flip(3) if i == index else c for i, c in enumerate(clips)]
            assert (network(*others) - logits).abs().max() > 1e-6


def test_object_maps_do_not_widen_what_they_are_fused_with() -> None:
    network = create_network(small(RGB, OBJECTS), 2)
    block = next(module for node, module in network.blocks() if node == 3)
    assert [conv.out_channels for conv in block.fusion.projections.children()] == [32]


def test_connection_weights() -> None:
    fixed = (*GRAPH[:1], GRAPH[1].model_copy(update={"edge_weights": (0.2, 0.9)}), *GRAPH[2:])
    architecture = small(RGB, FLOW, blocks=fixed)
    weights = create_network(architecture, 2).connection_weights()
    assert weights["0->first"] == 1
    assert weights["0->3"] == pytest.approx(0.2)
    assert weights["1->3"] == pytest.approx(0.9)
    assert 0.48 < weights["first->4"] < 0.52
    edges = sum(len(block.inputs) for block in fixed)
    assert len(weights) == edges
    assert count_parameters(create_network(architecture, 2)) + 2 == all_parameters(architecture, 2)


def test_the_head_takes_the_mean_of_the_last_level() -> None:
    architecture = small(RGB, FLOW)
    network, (clip,) = perturbed(architecture), clips_of(architecture)
    outputs: list[Tensor] = []
    for node in architecture.heads:
        module = network.nodes[architecture.built.index(node)]
        module.register_forward_hook(lambda _, __, output: outputs.append(output))
    with torch.inference_mode():
        logits = network(clip)
        assert [output.shape[2] for output in outputs] == [2, 4]
        features = torch.stack([output.mean((2, 3)) for output in outputs]).mean(0)
        clip_features = features.unflatten(0, (-1, architecture.frames)).mean(1)
        expected = network.head.classifier.dense(clip_features)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)


def test_released_lists_are_read() -> None:
    structure = [
        [-1, 4],
        [-2, 1],
        *([level, [level and level + 1], 8, 2, 1, 0] for level in (0, 1)),
    ]
    structure += [[2, [0, 2], 8, 1, 2, 0], [3, [3, 4], 8, 1, 2, 0]]
    weights: list[Any] = [[], [], [], [], [[0.25, 0.75]], []]
    architecture = from_official(structure, weights, repeats=(2, 2, 2, 2), attention="peer")
    assert architecture.blocks[2].edge_weights == (0.25, 0.75)
    assert architecture.blocks[3].edge_weights is None
    assert architecture.rules == "published"
    assert architecture.attention == "peer"
    assert json.dumps(to_official(architecture)) == json.dumps([structure, weights])


@pytest.mark.parametrize(
    ("structure", "weights", "reason"),
    [
        ([], [], "list index out of range"),
        ("nonsense", [], "not enough|index"),
        ([[-4, 1], [0, [0], 8, 1, 1, 0]], [], "-4"),
        ([[-1, 1], [3, [0], 8, 1, 1]], [], "not enough values"),
        ([[-1, 1], [3, [1], 8, 1, 1, 0]], [], "lower level"),
        ([[-1, 1], [7, [0], 8, 1, 1, 0]], [], "less than 4"),
        ([[-1, 1], [3, [0], 8, 1, 1, 0]], [[]], "1 lists of weights for 2 nodes"),
        ([[-1, 1], [-1, 1], [3, [0, 1], 8, 1, 1, 0]], [[], [], [[0.5]]], "1 edge weights"),
        ([[-1, 1], [-1, 1], [3, [0, 1], 8, 1, 1, 0]], [[], [], [[0.5, 1.5]]], "less than 1"),
    ],
)
def test_what_is_no_structure_is_said(structure: Any, weights: Any, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        from_official(structure, weights)


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        (small(Stem(kind="precomputed_flow"), RGB, width=1), "precomputed flow"),
        (small(RGB, FLOW), "width 0.5"),
        (small(RGB, RGB, normalization="clip"), "clips that are normalised by themselves"),
        (small(RGB, FLOW, width=1), "over time in stems of flow"),
        (small(RGB, RGB, width=1, attention="self"), "self attention"),
        (small(RGB, RGB, width=1, module="inverted", blocks=INVERTED), "a head on 2 blocks"),
        (small(RGB, OBJECTS, width=1, module="inverted", blocks=INVERTED), "objects"),
        (changed("assemblenet_plus_50_object", rules="corrected"), "reach no head"),
    ],
)
def test_what_the_original_format_cannot_say(architecture: AssembleNet, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        to_official(architecture)
    with pytest.raises(UserError, match=reason), torch.device("meta"):
        official_variables(create_network(architecture, 2))


def test_names_do_not_enter_the_original_format() -> None:
    architecture = small(RGB, RGB, width=1)
    structure, weights = to_official(architecture)
    assert weights == []
    assert from_official(structure).blocks[0] == GRAPH[0].model_copy(update={"name": ""})
