"""The device that a network computes on, and the numbers that it computes in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch

from vidnas.core import UserError


def usable_device(name: str) -> torch.device:
    """Return the device of that name.

    Raises:
        UserError: this machine has none.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(f"The device {name!r} cannot be used ({reason}); use cpu.") from error
    return device


def mixed_precision(
    precision: Literal["auto", "float32", "bfloat16"], device: torch.device
) -> AbstractContextManager[Any]:
    """Return the context in which forward passes run: bfloat16 autocast, or none."""
    if precision == "bfloat16" or (precision == "auto" and _computes_in_bfloat16(device)):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def _computes_in_bfloat16(device: torch.device) -> bool:
    """Return whether the chip computes in bfloat16 and does not merely emulate it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    chip = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(chip.get("avx512_bf16") or chip.get("amx_bf16"))
