"""A checkpoint is whole, or is said to be of no use: whatever happened to it."""

from __future__ import annotations

import errno
import random
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from vidnas.core import UserError
from vidnas.training.checkpoint import (
    TrainingState,
    learned_weights,
    load_checkpoint,
    save_checkpoint,
)
from vidnas.training.errors import UnusableCheckpoint

IDENTITY = {"data": "clips", "seed": "0"}


@pytest.fixture(scope="module")
def learned() -> dict[str, dict]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 3))
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.rand(2, 3, 10, 10)).mean().backward()
    optimizer.step()
    return {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": network.state_dict(),
    }


@pytest.fixture
def checkpoint(tmp_path: Path, learned) -> Path:
    save_checkpoint(tmp_path / "0.state", IDENTITY, TrainingState(steps=3), learned)
    return tmp_path / "0.state"


def damaged(whole: bytes, rng: random.Random) -> bytes:
    """Return a file as disks, crashes and editors leave it."""
    data, place = bytearray(whole), rng.randrange(len(whole))
    kind = rng.choice(("bits", "end", "cut", "zeros", "insert", "swap"))
    if kind == "bits":
        for _ in range(rng.choice((1, 4, 32))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "end":  # where a zip file says what it holds
        for _ in range(4):
            data[-1 - rng.randrange(2500)] = rng.randrange(256)
    elif kind == "cut":
        del data[place:]
    elif kind == "zeros":
        data[place : place + 512] = bytes(len(data[place : place + 512]))
    elif kind == "insert":
        data[place:place] = rng.randbytes(8)
    else:
        other = rng.randrange(len(whole))
        one, two = data[place : place + 64], data[other : other + 64]
        data[other : other + 64], data[place : place + 64] = one, two
    return bytes(data)


def test_a_damaged_checkpoint_never_raises_past_its_handler(checkpoint: Path, learned) -> None:
    whole, rng, unusable = checkpoint.read_bytes(), random.Random(0), 0
    for _ in range(300):
        checkpoint.write_bytes(damaged(whole, rng))
        try:
            state, found = load_checkpoint(checkpoint, IDENTITY)
        except UnusableCheckpoint:
            unusable += 1
            continue
        # What was hit did not matter: what is read is what was saved.
        assert state.steps == 3
        for name, tensor in learned["average"].items():
            assert torch.equal(found["average"][name], tensor)
    assert unusable > 200


def test_a_checkpoint_is_as_large_as_it_looks(checkpoint: Path) -> None:
    with zipfile.ZipFile(checkpoint) as archive:
        parts = {one.filename: archive.read(one) for one in archive.infolist()}
    with zipfile.ZipFile(checkpoint, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    with pytest.raises(UnusableCheckpoint):
        learned_weights(checkpoint, IDENTITY["data"])


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.EIO, "Input/output error"), UserError),
        (OSError(errno.EMFILE, "Too many open files"), UserError),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), UserError),
        (PermissionError(errno.EACCES, "Permission denied"), UserError),
        (RuntimeError("PytorchStreamReader failed: Too many open files"), UserError),
        (MemoryError(), MemoryError),
        (torch.OutOfMemoryError("CUDA out of memory."), torch.OutOfMemoryError),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), RuntimeError),
    ],
)
def test_a_fault_of_the_machine_says_nothing_of_a_checkpoint(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception]
) -> None:
    def fail(*_: object, **__: object):
        raise error

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(raised) as found:
        load_checkpoint(checkpoint, IDENTITY)
    assert not isinstance(found.value, UnusableCheckpoint)
    if raised is UserError:
        assert "0.state cannot be read (" in str(found.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": {"steps": "many"}},
        {"state": 3},
        {"identity": None},
        {"network": [1]},
        {"average": {"weight": "heavy"}},
    ],
)
def test_a_checkpoint_of_other_things_is_of_no_use(checkpoint: Path, learned, changes) -> None:
    torch.save({"identity": IDENTITY, "state": {"steps": 3}, **learned, **changes}, checkpoint)
    with pytest.raises(UnusableCheckpoint):
        load_checkpoint(checkpoint, IDENTITY)
    with pytest.raises(UnusableCheckpoint):
        learned_weights(checkpoint, IDENTITY["data"])
