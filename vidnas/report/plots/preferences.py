"""What evolution preferred: the values of genes among the newborn, from the first to the last."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from vidnas.evolution.trial import Trial
from vidnas.report.plots.style import label, styled
from vidnas.report.study import StudyReport

_PARTS, _MOST_GENES, _MOST_VALUES, _FEWEST = 6, 6, 6, 12
_SHADES = ("#8fbee6", "#3d7fc1", "#7e3cac", "#d9822b", "#44a392", "#c9403a", "#8b94a3")
_NAMES = frozenset(("family", "name", "level"))
"""Keys that say which block it is, or that no search changes."""


def preferences(report: StudyReport) -> go.Figure | None:
    """Plot, for the genes that changed most, which values the newborn had as time went by.

    The candidates within the limits, in the order of their birth, are cut into parts of equal
    number; a gene of blocks counts once for each block. Return None for a study that is too short.
    """
    born = [one for one in report.trials if one.evaluation.status == "ok"]
    if len(born) < _FEWEST:
        return None
    parts = min(_PARTS, len(born) // (_FEWEST // 2))
    cuts = [len(born) * part // parts for part in range(parts + 1)]
    counted = [values_of(born[a:b]) for a, b in pairwise(cuts)]
    chosen = _most_changed(counted)
    if not chosen:
        return None
    figure = make_subplots(
        rows=(len(chosen) + 1) // 2, cols=2, subplot_titles=[label(gene) for gene in chosen],
        vertical_spacing=0.28 / ((len(chosen) + 1) // 2), horizontal_spacing=0.1,
    )  # fmt: skip
    x = [f"{born[a].number}-{born[b - 1].number}" for a, b in pairwise(cuts)]
    for place, gene in enumerate(chosen):
        _add(figure, gene, [part[gene] for part in counted], x, place)
    figure.update_yaxes(tickformat=".0%", range=[0, 1])
    figure.update_layout(barmode="stack", bargap=0.15, showlegend=False)
    return styled(figure, height=120 + 200 * ((len(chosen) + 1) // 2))


def values_of(trials: Sequence[Trial]) -> defaultdict[str, Counter[str]]:
    """Return how often each gene has each value, a gene of a block once for every block."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for trial in trials:
        for gene, value in _genes(json.loads(trial.architecture.to_json()), ""):
            found[gene][value] += 1
    return found


def _genes(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _NAMES:
                yield from _genes(inner, key.replace("_", " "))
    elif isinstance(value, list):
        yield f"number of {name}", str(len(value))
        if name != "inputs":  # which nodes they are is no preference
            for inner in value:
                yield from _genes(inner, name)
    elif isinstance(value, bool):
        yield name, "on" if value else "off"
    elif isinstance(value, float):
        yield name, f"{value:.1g}"
    elif value is not None:
        yield name, str(value)


def _most_changed(counted: Sequence[Mapping[str, Counter[str]]]) -> list[str]:
    """Return the genes whose values differ most between the first part and the last."""
    changes = {}
    for gene in {gene for part in counted for gene in part}:
        first, last = counted[0].get(gene), counted[-1].get(gene)
        if not first or not last:
            continue
        values = {*first, *last}
        changes[gene] = sum(
            abs(first[value] / first.total() - last[value] / last.total()) for value in values
        )
    ranked = sorted(changes, key=lambda gene: (-changes[gene], gene))
    return [gene for gene in ranked if changes[gene] > 0][:_MOST_GENES]


def _add(
    figure: go.Figure, gene: str, counts: Sequence[Counter[str]], x: Sequence[str], place: int
) -> None:
    every: Counter[str] = sum(counts, Counter())
    common = sorted((value for value, _ in every.most_common(_MOST_VALUES)), key=_by_value)
    shown = [*common, *(["others"] if len(every) > len(common) else [])]
    for at, value in enumerate(shown):
        own = [
            part.total() - sum(part[one] for one in common) if value == "others" else part[value]
            for part in counts
        ]
        shares = [count / max(part.total(), 1) for count, part in zip(own, counts, strict=True)]
        figure.add_bar(
            x=list(x), y=shares, name=label(value), marker={"color": _SHADES[at]},
            text=[label(value) if share > 0.12 else "" for share in shares],
            textposition="inside", insidetextanchor="middle", textangle=0, cliponaxis=False,
            hovertemplate=f"{label(gene)} <b>{label(value)}</b>: "
            "%{y:.0%} of those born as trial %{x}<extra></extra>",
            row=place // 2 + 1, col=place % 2 + 1,
        )  # fmt: skip


def _by_value(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value
