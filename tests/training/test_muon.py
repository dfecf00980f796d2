"""Muon: what it steps, and how far."""

import pytest
import torch
from torch import nn

from vidnas.layers.itgm import ITGMConv
from vidnas.training import TrainingSettings
from vidnas.training.muon import Muon, orthogonalized
from vidnas.training.optimizer import build_optimizer


@pytest.mark.parametrize("shape", [(3, 8, 20), (3, 20, 8), (1, 8, 8), (2, 2, 500)])
def test_singular_values_come_close_to_one_and_their_vectors_stay(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalized(matrices)
    u, _, vt = torch.linalg.svd(matrices, full_matrices=False)
    in_their_basis = u.mT @ found @ vt.mT
    values = in_their_basis.diagonal(dim1=1, dim2=2)
    assert values.min() > 0.2 and values.max() < 1.25
    assert (in_their_basis - torch.diag_embed(values)).abs().max() < 1e-3


@pytest.mark.parametrize("shape", [(2, 130, 300), (1, 300, 130)])
def test_blocks_of_a_long_side_are_orthogonal_each_for_itself(shape):
    found = orthogonalized(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    assert found.shape == shape
    rows = found if shape[1] < shape[2] else found.mT
    for block in rows.split(44, dim=1):  # 130 in three, the last of them two rows short
        values = torch.linalg.svdvals(block)
        assert values.min() > 0.4 and values.max() < 1.25


def test_nothing_becomes_of_no_gradient():
    assert torch.equal(orthogonalized(torch.zeros(1, 4, 6)), torch.zeros(1, 4, 6))


def test_kernels_go_the_way_of_torchs_own_muon():
    torch.manual_seed(0)
    kernel, matrix = nn.Parameter(torch.randn(16, 3, 2, 2)), nn.Parameter(torch.zeros(16, 12))
    matrix.data.copy_(kernel.data.flatten(1))
    ours = Muon([kernel], kernel_step=0.4, lr=1e-2, weight_decay=0.0, fused=True)
    # Its steps are computed in bfloat16, and half as long.
    torchs = torch.optim.Muon([matrix], lr=2e-2, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        gradient = torch.randn(kernel.shape)
        before = matrix.detach().clone()
        kernel.grad, matrix.grad = gradient, gradient.flatten(1)
        ours.step()
        torchs.step()
        longest = (matrix - before).abs().max()
        assert (kernel.flatten(1) - matrix).abs().max() < 0.05 * longest
        kernel.data.copy_(matrix.data.view(kernel.shape))


def test_kernels_of_one_shape_are_stepped_as_each_alone():
    torch.manual_seed(0)
    values = [torch.randn(6, 4, 3, 3) for _ in range(2)]
    gradients = [torch.randn(6, 4, 3, 3), 100 * torch.randn(6, 4, 3, 3)]
    together = [nn.Parameter(value.clone()) for value in values]
    apart = [nn.Parameter(value.clone()) for value in values]
    optimizers = [
        Muon(group, kernel_step=0.4, lr=1e-2) for group in (together, apart[:1], apart[1:])
    ]
    for parameter, gradient in zip([*together, *apart], [*gradients, *gradients], strict=True):
        parameter.grad = gradient.clone()
    for optimizer in optimizers:
        optimizer.step()
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one, other)


def test_adamw_steps_what_mixes_no_channels():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(16, 5),
        ITGMConv(4, 6, (3, 3, 3), (1, 1, 1)),
    )
    start = {name: value.clone() for name, value in network.state_dict().items()}
    found = {}
    for name in ("muon", "adamw"):
        network.load_state_dict(start)
        settings = TrainingSettings(epochs=1, optimizer=name)
        optimizer = build_optimizer(network, settings)
        torch.manual_seed(0)
        for _ in range(2):
            optimizer.zero_grad()
            for parameter in network.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()
        found[name] = {key: value.clone() for key, value in network.named_parameters()}
    differ = {
        key for key, value in found["muon"].items() if not torch.equal(value, found["adamw"][key])
    }
    assert differ == {"0.weight", "5.weight"}


def test_the_settings_say_how_long_a_step_is():
    layer = nn.Conv2d(16, 16, 3, bias=False)
    start, gradient = layer.weight.detach().clone(), torch.randn_like(layer.weight)
    for step in (0.5, 2.0):
        settings = TrainingSettings(
            epochs=1, learning_rate=0.01, kernel_step=step, weight_decay=0.0
        )
        layer.weight.data.copy_(start)
        layer.weight.grad = gradient.clone()
        build_optimizer(layer, settings).step()
        size = (layer.weight.detach() - start).square().mean().sqrt().item()
        assert size == pytest.approx(0.01 * step, rel=0.2)  # singular values are about 1


def test_states_in_which_mixtures_were_kernels_are_gone_on_from():
    layer = ITGMConv(4, 6, (3, 3, 3), (1, 1, 1))
    first, second = (Muon(layer.parameters(), kernel_step=0.4, lr=1e-2) for _ in range(2))

    def step(optimizer: Muon) -> None:
        for parameter in layer.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()

    step(first)
    state = first.state_dict()
    place = [name for name, _ in layer.named_parameters()].index("mixture")
    as_kernel = {"step": torch.zeros(()), "momentum": torch.zeros_like(layer.mixture)}
    second.load_state_dict({**state, "state": {**state["state"], place: as_kernel}})
    assert second.state[layer.weight]["momentum"].any()
    before = layer.mixture.detach().clone()
    step(second)
    assert not torch.equal(layer.mixture, before)


def test_kernels_decay_towards_zero():
    kernel = nn.Parameter(torch.ones(2, 2, 3, 3))
    kernel.grad = torch.zeros_like(kernel)
    Muon([kernel], kernel_step=0.4, lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(kernel.detach(), torch.full((2, 2, 3, 3), 0.95))
