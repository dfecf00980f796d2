"""How families become known: by being constructed, here and in workers."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest
import torch
from torch import Tensor, nn

from vidnas.core import ClipSpec, UserError
from vidnas.core.workers import WorkerPool
from vidnas.families import (
    Architecture,
    Family,
    Network,
    architecture_from_json,
    create_network,
    diagram_of,
    families,
    family_of,
    official_variables,
)
from vidnas.families.family import REGISTERED

PATIENCE_S = 120.0


class Mean(Architecture):
    family = "mean"
    frames: int = 2

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        return (ClipSpec(frames=self.frames, frame_stride=1, size_px=4),)


class MeanNetwork(Network):
    def __init__(self, architecture: Mean, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        self.dense = nn.Linear(3, num_classes)

    def forward(self, clip: Tensor) -> Tensor:
        return self.dense(clip.mean((2, 3, 4)))


@pytest.fixture
def family() -> Iterator[Family]:
    """Constructed here and not at import, so that no worker constructs it by importing this."""
    yield Family("mean", Mean, network=MeanNetwork, published={"mean_2": Mean})
    REGISTERED.pop("mean", None)


def logits_of(family: Family, architecture: Architecture) -> list[float]:
    """What a worker does: it was sent a family, and finds it by the architecture."""
    assert family_of(architecture) == family
    torch.manual_seed(0)
    network = create_network(architecture_from_json(architecture.to_json()), 2)
    return network(torch.ones(architecture.inputs[0].shape())).flatten().tolist()


def known(name: str) -> bool:
    return name in families()


def test_constructing_registers(family: Family) -> None:
    assert families()["mean"] is family
    assert isinstance(create_network("mean_2", 3), MeanNetwork)
    assert family_of(Mean()).architecture is Mean


def test_a_family_that_travels_to_a_worker_is_known_there(family: Family) -> None:
    pool = WorkerPool(1)
    try:
        assert not pool.submit(known, "mean").result(PATIENCE_S)
        there = pool.submit(logits_of, family, Mean(frames=3)).result(PATIENCE_S)
    finally:
        pool.shutdown()
    assert there == pytest.approx(logits_of(family, Mean(frames=3)))


def test_a_family_of_classes_by_value_is_known_in_a_worker() -> None:
    """As Ray sends what was defined in a script or a notebook."""
    cloudpickle = pytest.importorskip("ray.cloudpickle")
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(SCRIPT, namespace)
    sent = cloudpickle.dumps((namespace["FAMILY"], namespace["ARCHITECTURE"]))
    pool = WorkerPool(1)
    try:
        assert pool.submit(build_sent, sent).result(PATIENCE_S) == ("ScriptNetwork", 5)
    finally:
        pool.shutdown()
        REGISTERED.pop("script", None)


SCRIPT = """
from torch import nn
from vidnas.families import Architecture, Family, Network

class Script(Architecture):
    family = "script"
    width: int = 1

class ScriptNetwork(Network):
    def __init__(self, architecture, num_classes):
        super().__init__(architecture, num_classes)
        self.dense = nn.Linear(architecture.width, num_classes)

FAMILY = Family("script", Script, network=ScriptNetwork)
ARCHITECTURE = Script(width=4)
"""


def build_sent(sent: bytes) -> tuple[str, int]:
    _, architecture = pickle.loads(sent)
    network = create_network(architecture, 5)
    return type(network).__name__, len(network.get_parameter("dense.bias"))


def test_pickles_and_equal_constructions_change_nothing(family: Family) -> None:
    again = pickle.loads(pickle.dumps(family))
    assert again == family
    assert Family("mean", Mean, network=MeanNetwork, published={"mean_2": Mean}) == family


@pytest.mark.parametrize("name", [point.name for point in entry_points(group="vidnas.families")])
def test_installed_families_can_be_pickled(name: str) -> None:
    installed = families()[name]
    again = pickle.loads(pickle.dumps(installed))
    assert (again.name, again.architecture) == (name, installed.architecture)
    assert families()[name] is again


def test_a_class_that_is_defined_again_replaces(family: Family) -> None:
    """As one does that was pickled by value, or whose notebook cell was run again."""
    again = type("Mean", (Architecture,), {"__module__": Mean.__module__, "family": "mean"})
    replaced = Family("mean", again)
    assert families()["mean"] is replaced


def test_a_name_that_is_taken_is_rejected(family: Family) -> None:
    class Impostor(Architecture):
        family = "mean"

    with pytest.raises(UserError, match=r"'mean' is taken by .*\.Mean; give .*Impostor another"):
        Family("mean", Impostor)
    assert families()["mean"] is family


def test_without_a_network_there_is_a_box_of_genes() -> None:
    Family("mean", Mean)
    try:
        assert "frames 7" in diagram_of(Mean(frames=7)).boxes[0].label
        with pytest.raises(UserError, match="mean have no network"):
            create_network(Mean(), 2)
        with pytest.raises(UserError, match="no original implementation"):
            official_variables(MeanNetwork(Mean(), 2))
    finally:
        del REGISTERED["mean"]


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(UserError, match=r"'mean' is not known in this process.*Family\('mean'"):
        create_network(Mean(), 2)
