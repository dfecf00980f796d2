"""Hard bounds on the cost of a candidate, and how people write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import PositiveFloat, PositiveInt

from vidnas.core import Cost, Evaluation, UserError
from vidnas.core.names import suggest
from vidnas.core.quantities import format_bytes, format_ms
from vidnas.core.value import Value


class Limits(Value):
    """Hard bounds; a candidate that breaks one is rejected before any training."""

    latency_ms: PositiveFloat | None = None
    """Bound on the median latency of one clip."""
    frame_latency_ms: PositiveFloat | None = None
    """Bound on the median latency of a streaming step, which takes one new frame."""
    parameters: PositiveInt | None = None
    macs: PositiveInt | None = None
    memory_bytes: PositiveInt | None = None
    """Bound on the peak of live activations, at batch 1."""

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Limits:
        """Read limits such as `latency=40ms`, `frame_latency=5ms`, `parameters=2M`, `macs=500M` and
        `memory=64MB`.

        Raises:
            UserError: a limit is unknown, given twice, or has no positive number or no fitting
                unit.
        """
        found: dict[str, float] = {}
        for text in texts:
            name = text.partition("=")[0].strip()
            quantity = _QUANTITIES.get(name)
            if quantity is None:
                cure = suggest(name, _QUANTITIES).rstrip(".")
                raise UserError(f"The limit {text!r} is unknown; {cure}, as in latency=40ms.")
            if quantity.field in found:
                raise UserError(f"The limit {text!r} repeats an earlier one; keep one of them.")
            found[quantity.field] = quantity.read(text)
        return cls.model_validate(found)

    def judge(self, cost: Cost) -> Evaluation | None:
        """Return the evaluation of a candidate that is rejected for its cost, or None if it is not.

        The reason names the first limit that it breaks ("latency 52.1 ms > 40 ms"). A latency that
        was not measured breaks nothing.
        """
        for name, quantity in _QUANTITIES.items():
            limit, value = getattr(self, quantity.field), quantity.value(cost)
            if limit is not None and value is not None and value > limit:
                reason = f"{name} {quantity.show(value)} > {quantity.show(limit)}"
                return Evaluation(status="rejected", cost=cost, reason=reason, broken_limit=name)
        return None

    def judge_again(self, evaluation: Evaluation) -> Evaluation:
        """Return an evaluation as it is under these limits: one whose cost breaks a limit counts as
        rejected, and keeps what else was learned; one that failed stays as it is."""
        rejected = self.judge(evaluation.cost) if evaluation.cost else None
        if rejected is None or evaluation.status == "failed":
            return evaluation
        changed = rejected.model_dump(include={"status", "fitness", "reason", "broken_limit"})
        return evaluation.model_copy(update=changed)

    def share(self, cost: Cost) -> float | None:
        """Return the cost as a share of the limit, of the first quantity that is limited and known:
        latency, that of a frame, then parameters, MACs, memory. None where there is none."""
        for quantity in _QUANTITIES.values():
            limit, value = getattr(self, quantity.field), quantity.value(cost)
            if limit is not None and value is not None:
                return float(value / limit)
        return None

    @property
    def counted(self) -> bool:
        """Whether a limit is set that needs no measurement."""
        return any((self.parameters, self.macs, self.memory_bytes))

    def __str__(self) -> str:
        return " and ".join(
            f"{name} {quantity.show(getattr(self, quantity.field))}"
            for name, quantity in _QUANTITIES.items()
            if getattr(self, quantity.field) is not None
        )

    def least(self, costs: Sequence[Cost]) -> str:
        """Say how near the costs came to each limit ("; the fastest took 3.2 ms")."""
        phrases = []
        for quantity in _QUANTITIES.values():
            values = [value for value in map(quantity.value, costs) if value is not None]
            if values and getattr(self, quantity.field) is not None:
                phrases.append("; " + quantity.least.format(quantity.show(min(values))))
        return "".join(phrases)


@dataclass(frozen=True)
class _Quantity:
    """How one limited quantity is read, found in a cost and shown."""

    field: str
    example: str
    units: Mapping[str, float]
    value: Callable[[Cost], float | None]
    show: Callable[[Any], str]
    least: str
    whole: bool = True

    def read(self, text: str) -> float:
        match = re.fullmatch(
            r"(\d+\.?\d*|\.\d+)\s*([a-zµ]*)", text.partition("=")[2].strip().lower()
        )
        if match is None:
            raise UserError(f"The limit {text!r} has no number; write it like {self.example}.")
        number, unit = match.groups()
        if unit not in self.units:
            wrong = f"the unknown unit {unit!r}" if unit else "no unit"
            raise UserError(f"The limit {text!r} has {wrong}; write it like {self.example}.")
        value = float(number) * self.units[unit]
        value = int(value) if self.whole else value
        if value <= 0:
            raise UserError(
                f"The limit {text!r} is not positive, so no network keeps it; write it like "
                f"{self.example}."
            )
        return value


def _latency_ms(cost: Cost) -> float | None:
    return None if cost.latency is None else cost.latency.p50_ms


def _frame_latency_ms(cost: Cost) -> float | None:
    return None if cost.frame_latency is None else cost.frame_latency.p50_ms


_COUNTS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}
_BYTES = {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_TIMES = {"us": 1e-3, "µs": 1e-3, "ms": 1, "s": 1e3}
_QUANTITIES = {
    "latency": _Quantity(
        field="latency_ms",
        example="latency=40ms",
        units=_TIMES,
        value=_latency_ms,
        show=partial(format_ms, digits=4),
        least="the fastest took {}",
        whole=False,
    ),
    "frame_latency": _Quantity(
        field="frame_latency_ms",
        example="frame_latency=5ms",
        units=_TIMES,
        value=_frame_latency_ms,
        show=partial(format_ms, digits=4),
        least="the fastest took {} a frame",
        whole=False,
    ),
    "parameters": _Quantity(
        field="parameters",
        example="parameters=2M",
        units=_COUNTS,
        value=lambda cost: cost.parameters,
        show="{:,}".format,
        least="the smallest had {} parameters",
    ),
    "macs": _Quantity(
        field="macs",
        example="macs=500M",
        units=_COUNTS,
        value=lambda cost: cost.macs,
        show="{:,}".format,
        least="the cheapest took {} MACs",
    ),
    "memory": _Quantity(
        field="memory_bytes",
        example="memory=64MB",
        units=_BYTES,
        value=lambda cost: cost.activation_bytes,
        show=partial(format_bytes, digits=4),
        least="the most frugal needed {}",
    ),
}


def limited(limit: str, cost: Cost) -> float | None:
    """Return the quantity that a limit of this name bounds; None where it is not known."""
    quantity = _QUANTITIES.get(limit)
    return None if quantity is None else quantity.value(cost)
