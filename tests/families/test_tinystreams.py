"""Streams and nodes as a value and as a network; the original mobile format."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vidnas.core import UserError
from vidnas.families import create_network, diagram_of
from vidnas.families.tinystreams import Node, Stream, TinyStreams, from_official, to_official
from vidnas.families.tinyvideonet import Block, TinyVideoNet, original, published
from vidnas.report.drawing import draw_svg


def block(**genes: Any) -> Block:
    return Block(**{"filters": 4, "spatial_kernel": 3, **genes})


def node(*inputs: int, name: str = "", **genes: Any) -> Node:
    return Node(block=block(**genes), inputs=inputs, name=name)


# Odd sizes and lengths that do not divide each other; node c reaches no head.
NETWORK = TinyStreams(
    streams=(
        Stream(size_px=33, frames=7, name="still"),
        Stream(modality="flow", size_px=20, frames=5, frame_stride=2, name="motion"),
        Stream(size_px=16, frames=3, name="unused"),
    ),
    nodes=(
        node(0, name="a", spatial_stride=2, temporal_kernel=2, temporal_stride=2),
        node(1, name="b", filters=6, repeats=2, temporal_kernel=3, skip=True),
        node(1, 2, 3, name="c"),
        node(0, 1, 3, 4, name="d", filters=5, squeeze=0.5, spatial_stride=3),
    ),
    dropout=0.0,
)


def clips_of(architecture: TinyStreams, batch: int = 2) -> list[torch.Tensor]:
    return [torch.rand(spec.shape(batch)) for spec in architecture.inputs]


def test_what_reaches_no_head_is_not_built() -> None:
    assert NETWORK.live == {"still", "motion", "a", "b", "d"}
    assert [spec.modality for spec in NETWORK.inputs] == ["rgb", "flow"]
    pruned = NETWORK.pruned()
    assert pruned.node_names == ("still", "motion", "a", "b", "d")
    assert [node.inputs for node in pruned.nodes] == [(0,), (1,), (0, 1, 2, 3)]
    assert NETWORK.digest == pruned.digest
    assert len(create_network(NETWORK, 3).nodes) == 3  # type: ignore[arg-type]


def test_nodes_take_the_shortest_and_smallest_of_their_inputs() -> None:
    entry = NETWORK.units[-1][0].entry
    assert (entry.frames, entry.size_px, entry.channels) == (4, 17, 6)
    assert NETWORK.depths == (0, 0, 0, 1, 1, 2, 2)


def test_streams_of_the_same_clip_share_it() -> None:
    clip = Stream(size_px=16, frames=1, frame_stride=2)
    same = clip.model_copy(update={"frame_stride": 3})  # which one frame does not have
    network = TinyStreams(streams=(clip, same), nodes=(node(0, 1),))
    assert len(network.inputs) == 1
    assert create_network(network, 3)(*clips_of(network)).shape == (2, 3)


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        ({"nodes": (node(0, 1),)}, r"node 1: inputs \[1\] do not come before 1"),
        ({"nodes": (node(0), node(1, 0))}, r"node 2: inputs \(1, 0\) are not ascending"),
        ({"nodes": (node(0, 0),)}, "are not ascending"),
        ({"nodes": (node(0, name="x"), node(1, name="x"))}, "not all different"),
        ({"nodes": (node(0, name="0"),)}, "not all different"),
        ({"nodes": (node(0, name="classifier"),)}, "'classifier'"),
        ({"nodes": (node(0, expand=0),)}, "node 1: expand is 0"),
        ({"nodes": (node(0, temporal_stride=2),)}, "node 1: temporal kernel 1"),
        ({"nodes": ()}, "at least 1 item"),
    ],
)
def test_invalid_graphs_are_named(genes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TinyStreams(streams=(Stream(size_px=8, frames=2),), **genes)


SIZES = [((7, 33, 33), (5, 20, 20)), ((1, 9, 5), (8, 4, 31)), ((16, 40, 24), (3, 11, 64))]


@pytest.mark.parametrize(("rgb", "flow"), SIZES)
def test_networks_take_other_sizes_and_frame_counts(
    rgb: tuple[int, int, int], flow: tuple[int, int, int]
) -> None:
    network = create_network(NETWORK, 3).eval()
    assert network(torch.rand(3, 3, *rgb), torch.rand(3, 2, *flow)).shape == (3, 3)


def test_gradients_reach_every_parameter_and_every_clip() -> None:
    torch.manual_seed(0)
    network, clips = create_network(NETWORK, 3).train(), clips_of(NETWORK, batch=4)
    clips = [clip.requires_grad_() for clip in clips]
    torch.nn.functional.cross_entropy(network(*clips), torch.tensor([0, 1, 2, 0])).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    assert all(clip.grad is not None and clip.grad.any() for clip in clips)


def test_connections_learn_their_weights() -> None:
    torch.manual_seed(0)
    network = create_network(NETWORK, 2).train()
    before = network.connection_weights()
    names = ["still->a", "motion->b", "still->d", "motion->d", "a->d", "b->d"]
    assert list(before) == names
    assert before["still->a"] == before["motion->b"] == 1.0
    assert all(abs(before[name] - 0.5) < 0.01 for name in names[2:])
    # Flow tells the classes apart, and the picture is noise.
    still, motion = clips_of(NETWORK, batch=8)
    classes = torch.arange(8) % 2
    motion = motion * 0.1 + classes.view(8, 1, 1, 1, 1) * 0.8
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(still, motion), classes).backward()
        optimizer.step()
    after = network.connection_weights()
    assert after["still->a"] == 1.0
    assert all(after[name] != before[name] for name in names[2:])
    assert after["motion->d"] - after["still->d"] > 0.05
    assert after["b->d"] - after["a->d"] > 0.05


def test_the_diagram_takes_learned_weights() -> None:
    diagram = diagram_of(NETWORK)
    assert {box.name: box.kind for box in diagram.boxes if box.kind == "pruned"} == {
        "unused": "pruned",
        "c": "pruned",
    }
    assert {box.name: box.column for box in diagram.boxes} == {
        "still": 0, "motion": 0, "unused": 0, "a": 1, "b": 1, "c": 2, "d": 2, "classifier": 3
    }  # fmt: skip
    weights = create_network(NETWORK, 3).connection_weights()
    edges = {f"{edge.source}->{edge.target}": edge.weight for edge in diagram.edges}
    assert weights.keys() <= edges.keys()
    assert edges["a->c"] == 0.0
    weighted = diagram.weighted({"a->d": 0.25})
    assert [edge.weight for edge in weighted.edges if edge.source == "a"] == [0.0, 0.25]
    assert "5 x 4 x 6 x 6" in draw_svg(weighted)


blocks = st.builds(
    Block,
    repeats=st.integers(1, 2),
    spatial_type=st.sampled_from(["std", "1std", "depth", "maxpool", "avgpool"]),
    spatial_kernel=st.integers(1, 4),
    spatial_stride=st.integers(1, 3),
    temporal_type=st.sampled_from(["1d", "maxpool", "avgpool"]),
    temporal_kernel=st.integers(1, 3),
    temporal_stride=st.integers(1, 3),
    filters=st.integers(1, 6),
    expand=st.integers(1, 3),
    inverted_bottleneck=st.booleans(),
    skip=st.booleans(),
    squeeze=st.sampled_from([0.0, 0.37]),
    context_gate=st.booleans(),
)
streams = st.builds(
    Stream,
    modality=st.sampled_from(["rgb", "flow"]),
    size_px=st.integers(1, 9),
    frames=st.integers(1, 5),
    frame_stride=st.integers(1, 3),
)


@st.composite
def architectures(draw: st.DrawFn) -> TinyStreams:
    entering = draw(st.lists(streams, min_size=1, max_size=3))
    nodes = []
    for index in range(len(entering), len(entering) + draw(st.integers(1, 4))):
        inputs = draw(st.sets(st.integers(0, index - 1), min_size=1))
        name = draw(st.sampled_from(["", f"n{index}"]))
        nodes.append({"block": draw(blocks), "inputs": sorted(inputs), "name": name})
    try:
        return TinyStreams(
            streams=tuple(entering),
            nodes=tuple(Node.model_validate(genes) for genes in nodes),
            max_pool_predictions=draw(st.booleans()),
        )
    except ValidationError:
        assume(False)
        raise


@settings(max_examples=50, deadline=None)
@given(architectures())
def test_canonical_form_builds_the_same_network(architecture: TinyStreams) -> None:
    assert TinyStreams.model_validate(json.loads(architecture.model_dump_json())) == architecture
    canonical = architecture.canonical()
    assert TinyStreams.model_validate(canonical.model_dump()) == canonical  # still valid
    assert canonical.canonical() == canonical
    assert canonical.inputs == architecture.inputs
    network, same = create_network(architecture, 3).eval(), create_network(canonical, 3).eval()
    same.load_state_dict(network.state_dict())
    clips = clips_of(architecture)
    with torch.inference_mode():
        torch.testing.assert_close(network(*clips), same(*clips))


@settings(max_examples=50, deadline=None)
@given(architectures())
def test_features_are_as_large_as_the_genes_say(architecture: TinyStreams) -> None:
    network = create_network(architecture, 3).eval()
    seen = []
    for module in network.nodes:  # type: ignore[union-attr]
        module.register_forward_hook(lambda _, __, output: seen.append(output))  # type: ignore[union-attr]
    network(*clips_of(architecture))
    for units, (x, frames) in zip(architecture.pruned().units, seen, strict=True):
        end = units[-1].exit
        assert (frames, *x.shape[1:]) == (end.frames, end.channels, end.size_px, end.size_px)


def mobile(*, streams: int = 1) -> dict[str, Any]:
    genome = original.to_official(published.PUBLISHED["tvn_mobile_1"]())
    genome["input_streams"] *= streams
    return genome


def test_a_chain_on_one_clip_is_what_tiny_video_networks_build() -> None:
    torch.manual_seed(0)
    genome = mobile()
    chain: TinyVideoNet = original.from_official(genome)
    small = {"size_px": 32, "frames": 3}
    network = create_network(chain.model_copy(update=small), 4).eval()
    graph = from_official(genome)
    stream = graph.streams[0].model_copy(update=small)
    same = create_network(graph.model_copy(update={"streams": (stream,)}), 4).eval()
    weights = zip(same.state_dict(), network.state_dict().values(), strict=True)
    same.load_state_dict(dict(weights))
    clip = torch.rand(chain.model_copy(update=small).inputs[0].shape(2))
    with torch.inference_mode():
        torch.testing.assert_close(same(clip), network(clip))


def test_several_streams_and_branches_round_trip() -> None:
    genome = mobile(streams=2)
    genome["input_streams"][1] = {"image_size": 112, "num_frames": 8, "frame_stride": 2}
    for block, inputs in zip(genome["blocks"], ([0], [1, 2]), strict=True):
        block["inputs"] = inputs
    with pytest.raises(UserError, match=r"tinystreams\.from_official"):
        original.from_official(genome)
    network = from_official(json.dumps(genome))
    assert [stream.frames for stream in network.streams] == [2, 8]
    assert [node.inputs for node in network.nodes] == [(0,), (1, 2)]
    written = to_official(network)
    assert from_official(written) == network
    assert [stream["current_size"] for stream in written["input_streams"]] == [[224, 2], [112, 8]]
    assert written["blocks"][1]["current_size"] == [56, 2]
    assert written["blocks"][1]["inputs"] == [1, 2]


@pytest.mark.parametrize("genome", ["{", {}, {"input_streams": [], "blocks": []}])
def test_what_is_no_original_genome_is_refused(genome: Any) -> None:
    with pytest.raises(UserError, match="original format"):
        from_official(genome)


def test_the_original_format_knows_no_flow() -> None:
    with pytest.raises(UserError, match="optical flow"):
        to_official(NETWORK)
