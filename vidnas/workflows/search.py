"""A search over anyone's space with anyone's evaluator, and what every search shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vidnas.core import UserError
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.engine import run_search
from vidnas.evolution.evaluator import (
    ClimbingEvaluator,
    Evaluate,
    Evaluator,
    FunctionEvaluator,
)
from vidnas.evolution.events import Event
from vidnas.evolution.executors import Executor, InlineExecutor
from vidnas.evolution.limits import Limits
from vidnas.evolution.strategies import Strategy, TournamentEvolution
from vidnas.evolution.study import Study
from vidnas.families import Family, Space, families


def search(
    space: Space,
    evaluator: Evaluator | Evaluate,
    *,
    limits: Limits | Sequence[str] = (),
    strategy: Strategy | None = None,
    evaluations: int | None = None,
    budget_s: float | None = None,
    folder: Path | str = "study",
    storage: str | None = None,
    executor: Executor | None = None,
    deadline_s: float | None = None,
    classes: Sequence[str] = (),
    depends_on: Mapping[str, Any] | None = None,
    seed: int = 0,
    deterministic: bool = False,
    designs: bool = True,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Study:
    """Search a space, or resume the search in the folder.

    Args:
        space: what to search; its architectures' family becomes known to this process.
        evaluator: an `Evaluator`, or a function with the signature of its `evaluate`. A cost in the
            evaluation that breaks a limit makes the candidate rejected.
        limits: such as `["latency=40ms"]`.
        strategy: a fresh one; tournament evolution by default.
        evaluations: number of evaluated candidates to end at.
        budget_s: search time to end at; give one of the two, or both.
        folder: of the study; one that exists must be of the same search, and is resumed.
        storage: URL of a PostgreSQL or MySQL database to keep the trials in; if unset, where they
            are, and for a new study `study.db` in its folder.
        executor: where evaluations run, shut down by the caller; by default this process, one after
            the other.
        deadline_s: seconds that an evaluation may take, handed to the evaluator.
        classes: needed where limits are counted from networks.
        depends_on: what a plain function depends on besides the architecture, as JSON-ready values,
            such as a data set's version: a study is resumed only with the same.
        seed: of the proposals and, with each architecture's digest, of the evaluations.
        deterministic: see `run_search`.
        designs: whether the designs of the space, if it has any, are tried first.
        on_event: see `run_search`.

    Returns:
        The study, its folder free for others; `study.fittest(1)` is the best trial.

    Raises:
        UserError: limits are counted and there are no classes; and as `run_search` and
            `Study.create_or_resume`.
        KeyboardInterrupt: Ctrl-C was pressed; what was finished is kept.
    """
    sample = space.random(np.random.default_rng(seed))
    known = families().get(sample.family)
    if known is None or known.architecture is not type(sample):
        Family(sample.family, type(sample))  # constructing it registers it
    bounds = limits if isinstance(limits, Limits) else Limits.parse(limits)
    if bounds.counted and sample.inputs and not classes:
        raise UserError(
            f"The limit {bounds} cannot be counted for networks without classes; pass the names of "
            "the classes as well."
        )
    if not isinstance(evaluator, Evaluator):
        evaluator = FunctionEvaluator(evaluator, depends_on or {})
    elif depends_on:
        raise UserError(
            "depends_on is for plain functions, and this evaluator describes itself; add to its "
            "describe() what else its results depend on."
        )
    strategy = strategy or TournamentEvolution()
    study = open_study(
        Path(folder),
        space,
        evaluator,
        strategy,
        family=sample.family,
        limits=bounds,
        classes=classes,
        seed=seed,
        deterministic=deterministic,
        designs=designs,
        storage=storage,
    )
    with study:
        run_search(
            study,
            space,
            evaluator,
            strategy,
            executor or InlineExecutor(),
            evaluations=evaluations,
            budget_s=budget_s,
            deadline_s=deadline_s,
            on_event=on_event,
        )
    return study


def open_study(
    folder: Path,
    space: Space,
    evaluator: Evaluator,
    strategy: Strategy,
    *,
    family: str,
    limits: Limits,
    classes: Sequence[str] = (),
    data_fingerprint: str = "",
    seed: int = 0,
    deterministic: bool = False,
    designs: bool = True,
    storage: str | None = None,
) -> Study:
    """Open the study of a search, a new one or that in the folder, and lock it until it is closed.

    All parts of the search describe themselves in its config.

    Raises:
        UserError: the folder holds a study of another search; and as `Study.create_or_resume`.
    """
    config = StudyConfig(
        family=family,
        space=space.describe(),
        classes=tuple(classes),
        data_fingerprint=data_fingerprint,
        limits=limits,
        strategy=strategy.describe(),
        evaluator=evaluator.describe(),
        seed=seed,
        deterministic=deterministic,
        rungs=evaluator.rungs if isinstance(evaluator, ClimbingEvaluator) else 1,
        designs=designs,
    )
    return Study.create_or_resume(folder, config, storage)
