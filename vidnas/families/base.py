"""The promises every family keeps: an architecture is a value, a network is what it builds."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from typing_extensions import Self

from vidnas.core import Box, ClipSpec, Diagram, Evaluation, Modality, UserError
from vidnas.core.value import Value


class Architecture(Value):
    """A network described as a frozen, comparable value that reads from and writes to JSON.

    What is only looked up in a table or sent to a simulator needs nothing but `family` and its
    genes; what is trained on clips has `inputs`, `build` and `diagram` as well.
    """

    family: ClassVar[str]

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        """The clips that the network eats, in the order of `forward`'s arguments; of none without a
        network."""
        return ()

    def build(self, num_classes: int) -> Network:
        """Build the network with fresh weights, drawn from torch's current generator.

        Raises:
            UserError: architectures of this family have no network.
        """
        raise UserError(f"Architectures of the family {self.family} have no network to be built.")

    def canonical(self) -> Self:
        """The same network with every gene that cannot matter set to its neutral value."""
        return self

    def diagram(self) -> Diagram:
        """The network as boxes and arrows for people to look at; here one box with the genes."""
        genes = ", ".join(f"{name} {value}" for name, value in self)
        box = Box(name="genes", column=0, kind="input", label=genes)
        return Diagram(title=self.family, columns=("",), boxes=(box,))

    @property
    def digest(self) -> str:
        """Hash of the canonical form: equal for two values that build the same network."""
        return hashlib.sha256(self.canonical().to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """One line of JSON with sorted keys and the family's name."""
        return json.dumps({"family": self.family, **self.model_dump(mode="json")}, sort_keys=True)


class Normalization(nn.Module):
    """Channel statistics inside the network, so that what is exported takes the same clip.

    The identity until `set_statistics` is called with those of the training clips.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Take the mean and standard deviation of each channel, `(C,)` each, in [0, 1]."""
        self.mean.copy_(mean)
        self.std.copy_(std)

    def forward(self, clip: Tensor) -> Tensor:
        """`(N, C, T, H, W)` in [0, 1] to the same shape, normalised."""
        shape = (1, -1, 1, 1, 1)
        return (clip - self.mean.view(shape)) / self.std.view(shape)


class Network(nn.Module, ABC):
    """An `nn.Module` built from an architecture.

    `forward(*clips)` takes one tensor `(N, C, T, H, W)` an input, float in [0, 1], and returns
    logits `(N, num_classes)`. Sub-classes call `self.normalizations[i]` on input i.
    """

    def __init__(self, architecture: Architecture, num_classes: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.num_classes = num_classes
        self.normalizations = nn.ModuleList(
            Normalization(spec.channels) for spec in architecture.inputs
        )

    def connection_weights(self) -> dict[str, float]:
        """Learned weights of the architecture's connections, `source->target` by the names of the
        diagram's boxes; empty where a family has none."""
        return {}

    def official_variables(self) -> dict[str, OfficialVariable]:
        """The original implementation's variable names, and where their arrays go.

        Raises:
            UserError: no original implementation with named variables exists.
        """
        raise UserError(
            f"The family {self.architecture.family} has no original implementation whose variables "
            "could be loaded; train the network, or load a model that vidnas saved."
        )


@dataclass(frozen=True)
class OfficialVariable:
    """Where one variable of the original TensorFlow code goes: `target = permute(array)`."""

    target: Tensor
    shape: tuple[int, ...]
    """The shape in the original code."""
    convert: Callable[[Tensor], Tensor]
    """From the original layout to the target's."""


class Space(ABC):
    """The architectures that a search may visit. Randomness comes from the generator handed in."""

    @abstractmethod
    def random(self, rng: np.random.Generator) -> Architecture:
        """Draw a random architecture of the space."""

    @abstractmethod
    def mutate(
        self,
        parent: Architecture,
        rng: np.random.Generator,
        evaluation: Evaluation | None = None,
        strength: int = 1,
    ) -> tuple[Architecture, tuple[str, ...]]:
        """Apply `strength` mutations to the parent.

        Args:
            parent: an architecture of this space.
            rng: the only source of randomness.
            evaluation: the parent's, for mutations guided by what its training learned.
            strength: how many mutations, besides those that every child gets.

        Returns:
            A child of this space that differs from its parent in its canonical form, and one short
            phrase a mutation ("block 2: filters 32 -> 64") for people to read.
        """

    @abstractmethod
    def contains(self, architecture: Architecture) -> bool:
        """Whether the architecture is valid and within the bounds."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The bounds as JSON-ready values: a study compares them when it is resumed."""


def single_modality(modalities: tuple[Modality, ...]) -> Literal["rgb", "flow"]:
    """The modality that a search is for, of a family whose networks take one clip.

    Raises:
        UserError: it is for several, or for object maps.
    """
    if modalities == ("rgb",):
        return "rgb"
    if modalities == ("flow",):
        return "flow"
    raise UserError(
        f"The family takes one kind of clip, rgb or flow, and not {' and '.join(modalities)}; "
        "choose one of the two, or a family with several input streams."
    )


def scaled(channels: int, width: float) -> int:
    """Channels of a layer in a network of this width."""
    return max(round(width * channels), 1)


class EvolutionDefaults(Value):
    """Settings of an evolution for a family, unless others are asked for.

    Children get `max(ceil(d - i / r), 1)` mutations: `mutations` is d and `mutation_decay` r. The
    papers do not state all of their settings; these are defaults for a small machine and some
    hundred evaluations, chosen on NAS-Bench-201 (`benchmarks/nasbench.py`).
    """

    population: PositiveInt = 20
    tournament: PositiveInt = 10
    mutations: PositiveInt = 1
    mutation_decay: PositiveFloat = 20.0


@dataclass(frozen=True)
class Family:
    """What a family registers under the entry point group `vidnas.families`."""

    name: str
    architecture: type[Architecture]
    space: Callable[..., Space] | None = None
    """`space(max_size_px=..., max_frames=..., modalities=("rgb",))`: the default space for such
    clips; a `UserError` where its networks do not take these modalities.

    None for families that are not searched.
    """
    published: Mapping[str, Callable[[], Architecture]] = field(default_factory=dict)
    """Published architectures by the name that `create_network` takes."""
    evolution: EvolutionDefaults = field(default_factory=EvolutionDefaults)
    fitness: tuple[Literal["likelihood", "top1", "top5", "mean_class"], ...] = ("likelihood",)
    """The validation metrics whose sum is the fitness of a candidate trained on clips.

    After a brief training the likelihood ranks better than top-1 (`docs/fidelity.md`)."""
