"""Genes, canonical form, layers of the network, original format, export."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import vidnas
from vidnas.core import ClipSpec, UserError
from vidnas.families import (
    architecture_from_json,
    create_network,
    find_architecture,
    official_variables,
)
from vidnas.families.evanet import Branch, EvaNet, Module, from_official, to_official
from vidnas.families.evanet.network import EvaNetHead, ResidualModule
from vidnas.layers.frames import clip_to_frames
from vidnas.layers.itgm import ITGMConv
from vidnas.profiling.counting import count_cost
from vidnas.profiling.onnx import export_onnx

# families.md section 7: with 400 classes, RGB and flow; GMACs of 64 x 224² RGB.
PUBLISHED = {
    "evanet_a": (32_804_188, 32_804_092, 142.7),
    "evanet_b": (40_296_514, 40_296_418, 101.0),
}
# families.md section 1.3.
SHA256 = {
    "evanet_a": "25665ffc95903cca156a3c8fdd59376b56b5f8d1346e4a79ad361f4446e7964c",
    "evanet_b": "2c4c7b8879373eb0d8db1db14e9390faaca8324691ba564c1572572d6a44f47f",
}

times = st.sampled_from((1, 3, 5, 7, 9, 11))
convs = st.sampled_from(("3d", "itgm", "2+1d"))
branches = st.builds(
    Branch,
    kind=st.sampled_from(("1x1", "conv", "conv2", "maxpool", "avgpool")),
    conv=convs,
    time=times,
    conv2=convs,
    time2=times,
)
modules = st.builds(
    Module,
    branches=st.lists(branches, min_size=1, max_size=6).map(tuple),
    repeats=st.integers(1, 3),
    non_local=st.booleans(),
)
architectures = st.builds(
    EvaNet,
    frames=st.integers(1, 12),
    frame_stride=st.integers(1, 3),
    size_px=st.integers(5, 40),
    modality=st.sampled_from(("rgb", "flow")),
    width=st.sampled_from((0.01, 0.05)),
    stem_conv=convs,
    stem_time=times,
    pool_times=st.tuples(times, times, times, times),
    modules=st.tuples(modules, modules, modules, modules),
    profile=st.sampled_from(("evanet", "cauchy", "gaussian")),
)


def small(branch: Branch | None = None, **genes: Any) -> EvaNet:
    """One branch in the first stage, and pointwise ones elsewhere."""
    pointwise = Module(branches=(Branch(kind="1x1"),))
    first = Module(branches=(branch or Branch(kind="1x1"),), repeats=genes.pop("repeats", 1))
    stages = (first.model_copy(update=genes.pop("module", {})), pointwise, pointwise, pointwise)
    return EvaNet(**{"frames": 8, "size_px": 32, "width": 0.05, "modules": stages, **genes})


def official_small(**genes: Any) -> EvaNet:
    return small(**{"width": 1.0, **genes})


def kernels(architecture: EvaNet) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        network = create_network(architecture, 4)
    return {name: tuple(weight.shape) for name, weight in network.named_parameters()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameters_and_macs(name: str) -> None:
    rgb, flow, gmacs = PUBLISHED[name]
    architecture = find_architecture(name)
    cost = count_cost(architecture, 400)
    assert cost.parameters == rgb
    assert cost.macs / 1e9 == pytest.approx(gmacs, abs=0.05)
    assert count_cost(architecture.model_copy(update={"modality": "flow"}), 400).parameters == flow


def test_flow_is_an_input() -> None:
    with torch.device("meta"):
        network = vidnas.create_network("evanet_a", num_classes=400, modality="flow")
    expected = ClipSpec(modality="flow", frames=64, frame_stride=1, size_px=224)
    assert network.architecture.inputs == (expected,)


@pytest.mark.parametrize("name", PUBLISHED)
def test_original_format_byte_for_byte(name: str) -> None:
    architecture = find_architecture(name)
    assert isinstance(architecture, EvaNet)
    text = to_official(architecture)
    assert hashlib.sha256(text.encode()).hexdigest() == SHA256[name]
    assert from_official(text) == architecture


@settings(max_examples=100, deadline=None)
@given(architectures)
def test_original_format_round_trip_or_a_reason(architecture: EvaNet) -> None:
    try:
        text = to_official(architecture.model_copy(update={"width": 1.0}))
    except UserError as error:
        assert "original code does not build" in str(error)
        return
    again = from_official(text)
    assert to_official(again) == text
    genes = ("stem_conv", "stem_time", "pool_times")
    assert all(getattr(again, gene) == getattr(architecture, gene) for gene in genes)
    assert [stage.canonical() for stage in again.modules] == [
        stage.canonical() for stage in architecture.modules
    ]


@pytest.mark.parametrize(
    ("genes", "reason"),
    [
        ({"branch": Branch(kind="avgpool", time=3)}, "average pooling"),
        ({"module": {"non_local": True}}, "a non-local block"),
        ({"pool_times": (1, 3, 1, 1)}, "a second pool of length 3"),
        ({"width": 0.5}, "width 0.5"),
        ({"normalization": "clip"}, "clips that are normalised by themselves"),
        ({"profile": "cauchy", "stem_conv": "itgm"}, "'cauchy'"),
    ],
)
def test_what_the_original_format_cannot_say_is_refused(genes: dict[str, Any], reason: str) -> None:
    architecture = official_small(**genes)
    with pytest.raises(UserError, match=reason):
        to_official(architecture)
    with torch.device("meta"), pytest.raises(UserError, match=reason):
        official_variables(create_network(architecture, 4))


def test_a_profile_that_nothing_uses_can_be_written() -> None:
    assert to_official(official_small(profile="cauchy")) == to_official(official_small())


def changed(field_and_value: bytes, replacement: bytes) -> str:
    message = base64.b64decode(to_official(official_small(branch=Branch(kind="conv", time=5))))
    assert message.count(field_and_value) == 1
    return base64.b64encode(message.replace(field_and_value, replacement)).decode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no base64!", "not an EvaNet in its original format"),
        ("", "stem_dilation is missing"),
        (base64.b64encode(b"\x08\x03\x10").decode(), "rror parsing"),
        (base64.b64encode(b"\x0d\x00\x00\x00\x00").decode(), "stem_dilation is missing"),
        (changed(b"\x18\x05\x20\x01", b"\x18\x05\x20\x02"), "temporal dilation 2"),
        (changed(b"\x18\x05\x20\x01", b"\x18\x04\x20\x01"), "temporal length 4 is even"),
        (changed(b"\x08\x01\x10\x00\x18\x05", b"\x08\x04\x10\x00\x18\x05"), "type 4 is unknown"),
        (changed(b"\x10\x00\x1a\x08", b"\x10\x01\x1a\x08"), "a non-local block"),
    ],
)
def test_what_is_no_original_genome_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        from_official(text)


@pytest.mark.parametrize("gene", ["stem_time", "pool_times"])
@pytest.mark.parametrize("value", [0, 4, 13])
def test_temporal_lengths_are_odd_and_up_to_11(gene: str, value: int) -> None:
    genes = {"stem_time": value, "pool_times": (1, value, 1, 1)}
    with pytest.raises(UserError, match=gene):
        vidnas.create_network("evanet_a", 4, **{gene: genes[gene]})


@settings(max_examples=40, deadline=None)
@given(architectures)
def test_canonical_form_is_the_same_network(architecture: EvaNet) -> None:
    canonical = architecture.canonical()
    assert canonical.canonical() == canonical
    assert architecture_from_json(architecture.to_json()) == architecture
    torch.manual_seed(0)
    network, same = create_network(architecture, 3), create_network(canonical, 3).eval()
    network.train()(torch.rand(architecture.inputs[0].shape(batch=2)))  # no identity statistics
    same.load_state_dict(network.eval().state_dict())
    clip = torch.rand(architecture.inputs[0].shape(batch=2))
    with torch.inference_mode():
        torch.testing.assert_close(network(clip), same(clip))


def test_genes_that_cannot_matter_do_not_enter_the_digest() -> None:
    def digest(*args: Any, **genes: Any) -> str:
        return small(*args, **genes).digest

    pointwise = Branch(kind="1x1")
    assert digest(Branch(kind="1x1", conv="itgm", time=5, time2=3)) == digest(pointwise)
    assert digest(Branch(kind="maxpool", time=3, conv="2+1d")) == digest(
        Branch(kind="maxpool", time=3)
    )
    assert digest(Branch(kind="conv", conv="itgm")) == digest(Branch(kind="conv", conv="3d"))
    assert digest(Branch(kind="conv", time2=7, conv2="2+1d")) == digest(Branch(kind="conv"))
    assert digest(profile="gaussian") == digest()
    assert digest(stem_conv="itgm", stem_time=1) == digest(stem_conv="3d", stem_time=1)
    assert digest(frames=1, frame_stride=3) == digest(frames=1)
    # Two frames are left after the first pool.
    assert digest(Branch(kind="avgpool", time=11)) == digest(Branch(kind="avgpool", time=3))
    assert digest(pool_times=(9, 9, 9, 9)) == digest(pool_times=(7, 3, 3, 3))


def test_genes_that_matter_enter_the_digest() -> None:
    variants = [
        small(),
        small(frame_stride=2),
        small(modality="flow"),
        small(pool_times=(3, 1, 1, 1)),
        small(stem_conv="3d"),
        small(module={"non_local": True}),
        small(repeats=2),
        small(stem_conv="itgm"),
        small(stem_conv="itgm", profile="cauchy"),
        small(Branch(kind="conv", conv="itgm", time=3)),
        small(Branch(kind="conv", conv="itgm", time=3), profile="cauchy"),
        small(Branch(kind="conv", conv="2+1d")),
        small(Branch(kind="conv")),
        small(Branch(kind="maxpool")),
        small(Branch(kind="avgpool")),
        small(module={"branches": (Branch(kind="conv"), Branch(kind="1x1"))}),
        small(module={"branches": (Branch(kind="1x1"), Branch(kind="conv"))}),
    ]
    assert len({variant.digest for variant in variants}) == len(variants)


def test_widths_are_multiplied_and_shared_evenly() -> None:
    three = Module(branches=(Branch(kind="1x1"),) * 3)
    six = Module(branches=(Branch(kind="conv2"),) * 6)
    architecture = EvaNet(width=0.25, modules=(three, six, three, three))
    assert architecture.stem_channels == 16
    assert architecture.module_filters == (64 // 3, 128 // 6, 256 // 3, 512 // 3)
    shapes = kernels(architecture)
    assert shapes["stages.1.0.shortcut.conv.weight"] == (21 * 6, 21 * 3, 1, 1)
    branch = "stages.1.0.branches.branches.5"
    assert shapes[f"{branch}.pointwise.conv.weight"][0] == 21 // 4
    assert shapes[f"{branch}.convs.0.conv.weight"] == (21 // 2, 21 // 4, 1, 3, 3)
    assert shapes[f"{branch}.convs.1.conv.weight"] == (21, 21 // 2, 1, 3, 3)


def test_odd_repeats_convolve_without_time_and_pool_with_it() -> None:
    branch = Branch(kind="conv2", conv="3d", time=5, conv2="itgm", time2=3)
    stage = Module(branches=(branch, Branch(kind="maxpool", time=7)), repeats=3)
    network = create_network(small(module=dict(stage)), 4)
    lengths, pools = [], []
    for module in network.stages[0].children():  # type: ignore[operator]
        conv, pool = module.branches.branches
        lengths.append([layer.conv.weight.shape[2:] for layer in conv.convs])
        pools.append(pool.pool.time.layer.kernel)
        assert isinstance(conv.convs[1].conv, ITGMConv) == (len(pools) != 2)
    assert [shapes[0] for shapes in lengths] == [(5, 3, 3), (1, 3, 3), (5, 3, 3)]
    assert pools == [(7, 1)] * 3


def test_a_repeat_adds_its_branches_to_a_shortcut() -> None:
    torch.manual_seed(0)
    module = Module(branches=(Branch(kind="1x1"), Branch(kind="maxpool", time=3)), repeats=2)
    first, second = (ResidualModule(module, 6, 3, "evanet", repeat).eval() for repeat in (0, 1))
    x = torch.randn(8, 6, 5, 5)
    with torch.no_grad():
        pointwise, pooled = (branch(x, 4) for branch in first.branches.branches)
        expected = torch.relu(torch.cat([pointwise, pooled], 1) + first.shortcut(x))
        torch.testing.assert_close(first(x, 4), expected)
        assert pointwise.min() < 0  # no ReLU of its own
        torch.testing.assert_close(second(x, 4), torch.relu(second.branches(x, 4) + x))


def test_non_local_block_follows_the_last_repeat() -> None:
    names = kernels(small(repeats=3, module={"non_local": True}))
    repeats = {name.split(".")[2] for name in names if "non_local" in name}
    assert repeats == {"2"}


@pytest.mark.parametrize("extent", [(1, 2, 2), (2, 4, 3), (3, 3, 5), (5, 1, 1)])
def test_head_is_that_of_the_published_code(extent: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    frames, height, width = extent
    head = EvaNetHead(6, 7, dropout=0.5).eval()
    clip = torch.randn(2, 6, *extent)
    side = min(height, width)
    pooled = F.avg_pool3d(clip, (min(frames, 2), side, side), stride=1)
    logits = F.conv3d(pooled, head.dense.weight[..., None, None, None], head.dense.bias)
    torch.testing.assert_close(head(clip_to_frames(clip), frames), logits.mean((2, 3, 4)))


def test_any_clip_and_every_parameter_learns() -> None:
    torch.manual_seed(0)
    architecture = small(
        module={
            "branches": (
                Branch(kind="conv", conv="itgm", time=3),
                Branch(kind="conv2", conv="2+1d", time=3, conv2="3d", time2=3),
                Branch(kind="avgpool", time=3),
            ),
            "non_local": True,
        },
        stem_conv="itgm",
        dropout=0.0,
    )
    network = create_network(architecture, 3)
    for shape in [(2, 3, 8, 32, 32), (1, 3, 5, 40, 56), (3, 3, 2, 33, 17), (2, 3, 1, 20, 20)]:
        assert network.eval()(torch.rand(shape)).shape == (shape[0], 3)
    # A new non-local block is the identity: what precedes its last scale learns a step later.
    for _ in range(2):
        network.train().zero_grad()
        network(torch.rand(4, 3, 8, 32, 32)).square().sum().backward()
        with torch.no_grad():
            for weight in network.parameters():
                assert weight.grad is not None
                weight.sub_(0.01 * weight.grad)
    silent = [name for name, weight in network.named_parameters() if not weight.grad.any()]  # type: ignore[union-attr]
    assert not silent


def test_exported_network_is_folded_and_agrees_for_any_batch() -> None:
    torch.manual_seed(0)
    everything = Module(
        branches=(
            Branch(kind="conv", conv="itgm", time=11),
            Branch(kind="conv2", conv="2+1d", time=5, conv2="3d", time2=9),
            Branch(kind="conv2", conv="3d", time=3, conv2="itgm", time2=5),
            Branch(kind="maxpool", time=7),
            Branch(kind="avgpool", time=3),
        ),
        repeats=2,
    )
    pointwise = Module(branches=(Branch(kind="1x1"),))
    architecture = EvaNet(
        frames=9, size_px=41, width=0.04, stem_conv="itgm", stem_time=5, pool_times=(3, 1, 5, 9),
        modules=(everything, pointwise, everything, pointwise),
    )  # fmt: skip
    network = create_network(architecture, 5).train()
    network(torch.rand(architecture.inputs[0].shape(batch=4)))
    content = export_onnx(network.eval(), architecture.inputs)
    operators = {node.op_type for node in onnx.load_from_string(content).graph.node}
    assert not operators & {"Softmax", "Exp", "Tanh", "MatMul"}
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        clip = torch.rand(architecture.inputs[0].shape(batch))
        with torch.inference_mode():
            expected = network(clip).numpy()
        (logits,) = session.run(None, {"rgb": clip.numpy()})
        assert np.abs(logits - expected).max() / np.abs(expected).max() < 1e-5
