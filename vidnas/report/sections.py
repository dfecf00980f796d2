"""The page's texts and tables. Whatever comes from files goes through `escape`."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from vidnas.core import Cost, Diagram, Latency
from vidnas.evolution.trial import Trial
from vidnas.report.drawing import draw_svg
from vidnas.report.study import StudyReport, Winner

_MOST_ROWS = 12


def summary(report: StudyReport) -> str:
    """One line: how much was searched."""
    trials = report.trials
    counts = {status: len(report.of_status(status)) for status in ("ok", "rejected", "failed")}
    minutes = max((trial.elapsed_s for trial in trials), default=0.0) / 60
    return (
        f'<div class="quiet">{counts["ok"]} candidates trained, {counts["rejected"]} refused, '
        f"{counts['failed']} failed in {minutes:.1f} minutes · {len(report.classes)} classes</div>"
    )


def headline(report: StudyReport) -> str:
    """The result as cards: accuracy, latency, parameters, multiply-adds, memory."""
    winner = report.winner
    if winner is None:
        best = report.best(1)
        found = (
            f"The best so far is trial {best[0].number} with fitness {best[0].fitness:.4g}."
            if best
            else "No candidate has been trained yet."
        )
        return (
            '<p class="pending"><b>No network has been trained in full yet.</b> '
            f"{found} The same command goes on where the search stopped.</p>"
        )
    limits, cost = report.limits, winner.cost
    cards = [
        _accuracy_card(winner),
        _latency_card(cost.latency, limits.latency_ms),
        card("Parameters", short(cost.parameters), _held(cost.parameters, limits.parameters)),
        card("Multiply-adds a clip", short(cost.macs), _held(cost.macs, limits.macs)),
        card(
            "Activation memory",
            f"{cost.activation_bytes / 1e6:.3g} MB",
            _held(cost.activation_bytes, limits.memory_bytes, unit=" B"),
        ),
    ]
    return f'<div class="cards">{"".join(cards)}</div>'


def cost_note(report: StudyReport) -> str:
    """How to read the plot, and who is not in it."""
    failed = len(report.of_status("failed"))
    unmeasured = sum(
        trial.evaluation.cost is None or trial.evaluation.cost.latency is None
        for trial in report.of_status("rejected")
    )
    notes = ["Each point is a candidate after its brief training; point at it for its mutations."]
    if unmeasured:
        notes.append(f"{unmeasured} refused before a latency was measured are not shown.")
    if failed:
        notes.append(f"Failed, and so without an accuracy: {failed}.")
    return f'<p class="quiet">{" ".join(notes)}</p>'


def lineage(report: StudyReport, number: int) -> str:
    """A trial's ancestors, each with its fitness and the mutations that made it."""
    rows = [
        f"<li><span>trial {trial.number}</span><b>{trial.fitness:.4g}</b>"
        f"<span>{_origin(trial)}</span></li>"
        for trial in report.lineage(number)
    ]
    return f'<ol class="lineage">{"".join(rows)}</ol>'


def best_candidates(report: StudyReport) -> str:
    """The fittest trials as a table."""
    rows = []
    best = report.best(_MOST_ROWS)
    for trial in best:
        cost = trial.evaluation.cost
        rows.append(
            (
                str(trial.number),
                f"{trial.fitness:.4g}",
                f"{top1:.1%}" if (top1 := trial.evaluation.metrics.get("top1")) is not None else "",
                milliseconds(cost),
                short(cost.parameters) if cost else "",
                short(cost.macs) if cost else "",
                f"{trial.evaluation.seconds:.1f} s",
                _origin(trial),
            )
        )
    names = (
        "Trial", "Fitness", "Top-1", "Latency", "Parameters", "Multiply-adds", "Took", "Came from"
    )  # fmt: skip
    chosen = [bool(report.winner and trial.number == report.winner.number) for trial in best]
    return table(names, rows, numbers=range(7), chosen=chosen, empty="No candidate was trained.")


def refusals(report: StudyReport) -> str:
    """Refused and failed trials by why, with one example each."""
    groups: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], Trial] = {}
    for trial in report.trials:
        status, reason = trial.evaluation.status, trial.evaluation.reason
        if status == "ok":
            continue
        # A refusal's reason begins with the name of the limit; a failure's is the sentence.
        key = ("refused", reason.split(" ")[0]) if status == "rejected" else ("failed", reason)
        groups[key] += 1
        examples.setdefault(key, trial)
    rows = [
        (
            str(count),
            outcome,
            escape(why),
            f"trial {examples[outcome, why].number}: "
            f"{escape(examples[outcome, why].evaluation.reason)}",
        )
        for (outcome, why), count in groups.most_common(_MOST_ROWS)
    ]
    names = ("Count", "Outcome", "Because of", "For example")
    more = ""
    if len(groups) > _MOST_ROWS:
        rest = sum(groups.values()) - sum(count for _, count in groups.most_common(_MOST_ROWS))
        more = f'<p class="quiet">{rest} more for other reasons.</p>'
    return (
        table(names, rows, numbers=range(1), empty="Nothing was refused and nothing failed.") + more
    )


def usage(report: StudyReport) -> str:
    """How to use the model, from a shell and from Python."""
    folder = shlex.quote(report.folder)
    shell = f"vidnas predict {folder} clip.mp4\nvidnas export {folder} model.onnx"
    python = (
        "from pathlib import Path\n"
        "from vidnas.deploy import load_model, predict_video\n\n"
        f"model = load_model(Path({report.folder!r}))\n"
        'for name, probability in predict_video(model, Path("clip.mp4")):\n'
        '    print(f"{probability:6.1%}  {name}")'
    )
    winner = report.winner
    checked = ""
    if winner and winner.export_difference is not None:
        checked = (
            '<p class="quiet">The exported ONNX graph gives the logits of torch within '
            f"{winner.export_difference:.1e}.</p>"
        )
    return f"<h2>Use it</h2><pre>{escape(shell)}</pre><pre>{escape(python)}</pre>{checked}"


def settings(report: StudyReport) -> str:
    """What was asked, and the versions of what did it."""
    rows = [*_flat(report.config), *((f"version: {k}", str(v)) for k, v in report.versions.items())]
    escaped = [(f"<code>{escape(name)}</code>", escape(value)) for name, value in rows]
    return table(("Setting", "Value"), escaped, numbers=(), empty="Nothing was recorded.")


def short(count: float) -> str:
    """A count in thousands, millions or milliards of at most three digits: 1.23 M."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:g}"


def _accuracy_card(winner: Winner) -> str:
    if winner.test is None:
        return card("Test accuracy", "none", "There is no test split.", kind=" wide first")
    test = winner.test
    top5 = f"; top-5 {test.top5:.1%}" if len(test.confusion) > 5 else ""
    note = f"top-1 on {test.clips} clips that the search never saw{top5}"
    return card("Test accuracy", f"{test.top1:.1%}", note, kind=" wide first")


def _latency_card(latency: Latency | None, limit_ms: float | None) -> str:
    if latency is None:
        return card("Latency", "none", "not measured")
    p = latency.protocol
    note = (
        f"{_held(latency.p50_ms, limit_ms, unit=' ms')}<br>median of {p.repeats}, "
        f"90 % within {latency.p90_ms:.3g} ms; batch {p.batch}, {p.threads} "
        f"thread{'s' if p.threads != 1 else ''}, {escape(p.dtype)}, {escape(p.runtime)}, "
        f"{escape(p.device)}"
    )
    return card(
        "Latency a clip", f"{latency.p50_ms:.3g} ms", note.removeprefix("<br>"), kind=" wide"
    )


def _held(value: float, limit: float | None, *, unit: str = "") -> str:
    if limit is None:
        return ""
    bound = f"limit {limit:g}{unit}" if unit == " ms" else f"limit {short(limit)}{unit}"
    if value <= limit:
        return f'<span class="met">✓ met</span>, {bound}'
    return f'<span class="broken">✗ not met</span>, {bound}'


def drawing(diagram: Diagram) -> str:
    """A diagram that shrinks with the page, until it would be too small to read."""
    svg = draw_svg(diagram)
    width = svg.partition(' width="')[2].partition('"')[0]
    return f'<div class="drawing" style="--natural: {width}px">{svg}</div>'


def card(name: str, value: str, note: str, *, kind: str = "") -> str:
    """One figure of the result, with what there is to say about it."""
    return (
        f'<div class="card{kind}"><div class="name">{name}</div>'
        f'<div class="value">{value}</div><div class="note">{note}</div></div>'
    )


def milliseconds(cost: Cost | None) -> str:
    """The median latency, or nothing where it was not measured."""
    return f"{cost.latency.p50_ms:.3g} ms" if cost and cost.latency else ""


def _origin(trial: Trial) -> str:
    if trial.proposal.parent is None:
        return '<span class="quiet">random start</span>'
    phrases = "; ".join(escape(phrase) for phrase in trial.proposal.mutations)
    return f'<span class="quiet">from {trial.proposal.parent}:</span> {phrases}'


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)):
            yield f"{prefix}{name}", ", ".join(map(str, value))
        else:
            yield f"{prefix}{name}", str(value)


def table(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Container[int],
    empty: str = "", chosen: Sequence[bool] = (),
) -> str:  # fmt: skip
    """A table of cells that are HTML already; `numbers` are the columns to align right."""
    if not rows:
        return f'<p class="quiet">{empty}</p>'
    kinds = ['class="number"' if index in numbers else "" for index in range(len(names))]
    head = "".join(f"<th {kind}>{name}</th>" for kind, name in zip(kinds, names, strict=True))
    body = []
    for index, row in enumerate(rows):
        mark = ' class="chosen"' if index < len(chosen) and chosen[index] else ""
        cells = "".join(f"<td {kind}>{cell}</td>" for kind, cell in zip(kinds, row, strict=True))
        body.append(f"<tr{mark}>{cells}</tr>")
    return (
        f'<div class="table"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )
