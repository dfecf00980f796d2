"""What an architecture promises as a value, and what it builds."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from vidnas.families import Architecture, create_network, diagram_of

_TOLERANCE = 1e-4
"""Of the largest logit: what the order of additions changes."""


def check_architecture(architecture: Architecture) -> None:
    """Check that it is a frozen value that survives JSON and pickle, and has a canonical form.

    Raises:
        AssertionError: a promise is broken.
    """
    genes = json.loads(architecture.to_json())
    assert genes.pop("family") == architecture.family
    for again in (
        type(architecture).model_validate(genes),
        pickle.loads(pickle.dumps(architecture)),
    ):
        assert again == architecture
        assert hash(again) == hash(architecture)
        assert again.digest == architecture.digest
    canonical = architecture.canonical()
    assert canonical.canonical() == canonical
    assert canonical.digest == architecture.digest
    assert architecture.model_config.get("frozen")
    _check_diagram(architecture)


def _check_diagram(architecture: Architecture) -> None:
    diagram = diagram_of(architecture)
    names = [box.name for box in diagram.boxes]
    assert len(set(names)) == len(names)
    assert {box.column for box in diagram.boxes} == set(range(len(diagram.columns)))
    assert {end for edge in diagram.edges for end in (edge.source, edge.target)} <= set(names)


def check_network(architecture: Architecture) -> None:
    """Check that it builds without weights, takes any batch, and equals its canonical form.

    Raises:
        AssertionError: a promise is broken.
    """
    with torch.device("meta"):
        network = create_network(architecture, num_classes=11).eval()
        clips = [torch.empty(spec.shape(batch=2)) for spec in architecture.inputs]
        canonical = create_network(architecture.canonical(), num_classes=11)
    with _NoStridedPointwise(), _NothingFromTheHost():  # type: ignore[no-untyped-call]
        assert network(*clips).shape == (2, 11)
    assert network.architecture == architecture
    assert network.num_classes == 11
    assert len(network.normalizations) == len(architecture.inputs)
    same = {name: tensor.shape for name, tensor in canonical.state_dict().items()}
    assert {name: tensor.shape for name, tensor in network.state_dict().items()} == same


def check_canonical(architecture: Architecture) -> None:
    """Check that its network computes what that of its canonical form does, with any weights.

    Raises:
        AssertionError: a promise is broken.
    """
    if architecture == architecture.canonical():
        return
    network, canonical = (
        create_network(one, num_classes=11).eval()
        for one in (architecture, architecture.canonical())
    )
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            # Fresh norms let pass what trained ones do not, and zero ones nothing at all.
            if tensor.dim() == 1 and not name.startswith("normalizations."):
                tensor.uniform_(0.5, 1.5)
    canonical.load_state_dict(network.state_dict())
    with torch.inference_mode():
        clips = [torch.rand(spec.shape(batch=1)) for spec in architecture.inputs]
        logits, expected = network(*clips), canonical(*clips)
    difference = float((logits - expected).abs().max() / expected.abs().max())
    assert difference < _TOLERANCE, "its canonical form computes something else"


class _NoStridedPointwise(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Rejects strided 1x1 convolutions: see `vidnas.layers.convolution.subsample`."""

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if operator is torch.ops.aten.convolution.default:
            kernel, stride = args[1].shape[2:], args[3]
            assert math.prod(kernel) > 1 or math.prod(stride) == 1, "a strided 1x1 convolution"
        return operator(*args, **(kwargs or {}))


class _NothingFromTheHost(TorchFunctionMode):
    """Rejects tensors made from numbers of Python: a GPU waits until such a tensor is copied, and
    no CUDA graph captures the copy."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made_from_numbers = (torch.tensor, torch.as_tensor, torch.Tensor.new_tensor)
        assert function not in made_from_numbers, "a tensor from the host"
        return function(*args, **(kwargs or {}))
