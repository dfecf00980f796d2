"""What networks are compared along: the latency of a clip or of a new frame, or MACs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vidnas.core import Cost
from vidnas.core.quantities import format_count, format_ms
from vidnas.evolution.limits import Limits


@dataclass(frozen=True)
class CostKind:
    """One quantity of a cost, and how people read it."""

    name: str
    """As what a slider chooses: "Latency per clip"."""
    axis: str
    """As the title of an axis."""
    tickformat: str
    field: str
    """Of `Limits`: its bound."""
    value: Callable[[Cost], float | None]
    show: Callable[[float], str]

    def of(self, cost: Cost | None) -> float | None:
        """Return this quantity of a cost; None where it is not known."""
        return None if cost is None else self.value(cost)

    def limit(self, limits: Limits) -> float | None:
        """Return its bound; None where there is none."""
        found: float | None = getattr(limits, self.field)
        return found


CLIP_LATENCY = CostKind(
    name="Latency per clip",
    axis="Latency, ms (logarithmic)",
    tickformat="~g",
    field="latency_ms",
    value=lambda cost: cost.latency.p50_ms if cost.latency else None,
    show=format_ms,
)
FRAME_LATENCY = CostKind(
    name="Latency per new frame",
    axis="Latency per new frame, ms (logarithmic)",
    tickformat="~g",
    field="frame_latency_ms",
    value=lambda cost: cost.frame_latency.p50_ms if cost.frame_latency else None,
    show=lambda ms: f"{format_ms(ms)} a frame",
)
MACS = CostKind(
    name="MACs per clip",
    axis="MACs (logarithmic)",
    tickformat="~s",
    field="macs",
    value=lambda cost: float(cost.macs),
    show=lambda macs: f"{format_count(macs)} MACs",
)


def compared(
    limits: Limits, costs: Sequence[Cost | None], known: Callable[[Iterable[bool]], bool]
) -> CostKind:
    """Return what networks are compared along: a latency, that of a frame where it is the one that
    is limited; MACs where it was not measured.

    Args:
        limits: of their search.
        costs: of the networks.
        known: `all` or `any`: of how many of them the latency has to be known.
    """
    by_frame = limits.frame_latency_ms is not None and limits.latency_ms is None
    kinds = (FRAME_LATENCY, CLIP_LATENCY) if by_frame else (CLIP_LATENCY,)
    measured = (one for one in kinds if known(one.of(cost) is not None for cost in costs))
    return next(measured, MACS)
