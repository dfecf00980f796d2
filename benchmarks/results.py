"""What every benchmark does with its results: options, raw lines as they come, tables."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import as_completed
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import vidnas
from vidnas.evolution import Executor

FOLDER = Path(__file__).parent / "results"
LIBRARIES = ("torch", "onnxruntime")
Line = dict[str, Any]


def options(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser that says what a benchmark measures: the first line of its module."""
    return argparse.ArgumentParser(description=(doc or "").splitlines()[0])


def environment() -> Line:
    """Return the machine and the versions that figures depend on."""
    return {
        "machine": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "vidnas": vidnas.__version__,
        **{name: _version(name) for name in LIBRARIES},
    }


def print_environment() -> None:
    """Print the line that belongs to every figure."""
    print("; ".join(f"{name} {value}" for name, value in environment().items()), flush=True)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


class Log:
    """Lines of JSON in a file, each on disk as soon as it is measured; None keeps them nowhere."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        known = path.read_text(encoding="utf-8") if path and path.exists() else ""
        self.lines: list[Line] = [json.loads(line) for line in known.splitlines()]

    def add(self, **line: Any) -> Line:
        """Append a line."""
        self.lines.append(line)
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, default=str) + "\n")
        return line

    def find(self, **key: Any) -> Line | None:
        """Return the line with these entries, or None."""
        return next((line for line in self.lines if key.items() <= line.items()), None)

    def measure(self, measure: Callable[[], Line], **key: Any) -> Line:
        """Return the line of this key; measure and append it if it is new."""
        return self.find(**key) or self.add(**key, **measure())

    def measure_all(
        self, executor: Executor, jobs: Iterable[tuple[Line, Callable[..., Line], tuple[Any, ...]]]
    ) -> list[Line]:
        """Return the lines of these jobs: a key each, a function and its arguments.

        New ones are measured side by side, and appended and printed in the order in which they are
        finished.
        """
        jobs = list(jobs)
        pending = {
            executor.submit(measure, *arguments): key
            for key, measure, arguments in jobs
            if not self.find(**key)
        }
        for future in as_completed(pending):
            self.show(self.add(**pending[future], **future.result()))
        return [self.measure(dict, **key) for key, _, _ in jobs]

    @staticmethod
    def show(line: Line) -> None:
        """Print what of a line is short."""
        shown = {name: value for name, value in line.items() if not isinstance(value, list | dict)}
        print(json.dumps(shown, default=str), flush=True)


class Results(Log):
    """The raw results of one benchmark, in `results/NAME.jsonl` once it is finished.

    The first line of each run states options and environment, the last line is the summary. The
    same command resumes where it stopped; other options, or a finished benchmark, start anew.
    """

    def __init__(self, name: str, options: argparse.Namespace, *, keep: bool = True) -> None:
        self.finished = FOLDER / f"{name}.jsonl"
        super().__init__(self.finished.with_suffix(".partial") if keep else None)
        asked = json.loads(json.dumps(vars(options), default=str))
        if self.lines and self.lines[0]["options"] != asked and self.path:
            self.path.unlink()
            self.lines = []
        print_environment()
        self.add(benchmark=name, options=asked, environment=environment())

    def finish(self, *lines: Line, **summary: Any) -> None:
        """Append what was measured elsewhere and the summary, and put the file in place."""
        for line in lines:
            self.add(**line)
        self.add(summary=summary)
        if self.path:
            self.path.replace(self.finished)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table as Markdown, aligned, with everything but the first column to the right."""
    cells = [list(columns), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    for first, *others in cells:
        aligned = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        print("|", " | ".join([f"{first:{widths[0]}}", *aligned]), "|", flush=True)


def over_seeds(values: Sequence[float], form: str = ".1f") -> str:
    """Return mean, minimum and maximum over seeds, such as "66.3 (63.5 to 69.0)"."""
    mean, low, high = (format(f(values), form) for f in (statistics.mean, min, max))
    return f"{mean} ({low} to {high})"


def difference(values: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """Return the mean of differences in pairs, and its standard error; NaN where there is one."""
    pairs = [one - other for one, other in zip(values, others, strict=True)]
    if len(pairs) < 2:
        return statistics.mean(pairs), math.nan
    return statistics.mean(pairs), statistics.stdev(pairs) / math.sqrt(len(pairs))


def points(values: Sequence[float], others: Sequence[float]) -> str:
    """Return a difference of shares in percentage points, such as "+1.2 (standard error 0.4)"."""
    mean, error = difference(values, others)
    return f"{100 * mean:+.1f}" + (
        "" if math.isnan(error) else f" (standard error {100 * error:.1f})"
    )


def percent_by_seed(values: Sequence[float], form: str = ".1f") -> tuple[str, str]:
    """Format the mean and each value of some shares in percent."""
    percent = [100 * value for value in values]
    return format(statistics.mean(percent), form), ", ".join(format(p, form) for p in percent)
