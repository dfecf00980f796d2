"""New studies from old ones: a fork begins with another's trials, a merger with those of several.

Trials can be compared where all that a fitness depends on is the same: the space, the data and the
evaluator. Limits, strategy and seed only decide where to look, so these may change.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from vidnas.core import Evaluation, UserError
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.limits import Limits
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Trial


def fork_study(
    source: Study,
    folder: Path | str,
    config: StudyConfig | None = None,
    *,
    trials: int | None = None,
    storage_url: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Make a study that begins with the trials of another.

    Under other limits every trial is judged anew: one that breaks them is rejected, and one that
    was rejected though it keeps them is left out, so that it may be tried.

    Args:
        source: the other study, which stays as it is.
        folder: the new folder, or an empty one; the study appears whole or not at all.
        config: the source's config with other limits, strategy, seed or determinism; if unset, the
            same.
        trials: how many to take, from the first; if unset, all.
        storage_url: where to keep the trials, as in `Study.create_or_resume`.
        on_progress: called with the numbers of trials done and in all.

    Returns:
        The number of trials that it begins with.

    Raises:
        UserError: the folder holds something, or the config differs in what trials depend on.
    """
    config = config or source.config
    folder = Path(folder)
    _require_comparable(source, config, str(folder))
    taken = _Union(config.limits)
    taken.add(source.trials[:trials])
    return _write(taken.trials, folder, config, storage_url, on_progress)


def merge_studies(
    sources: Sequence[Study],
    folder: Path | str,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Make a study of the trials of several, with the limits, strategy and seed of the first.

    Trials are numbered anew, parents with them. An architecture that occurs twice is kept once,
    with the first evaluation that is ok; the search times add up.

    Args:
        sources: studies of the same space, data and evaluator; they stay as they are.
        folder: the new folder, or an empty one; the study appears whole or not at all.
        on_progress: called with the numbers of trials done and in all.

    Returns:
        The number of trials that it begins with.

    Raises:
        UserError: the folder holds something, or the studies cannot be compared.
    """
    folder, config = Path(folder), sources[0].config
    union = _Union(config.limits)
    for source in sources:
        _require_comparable(source, config, str(sources[0].folder))
        union.add(source.trials)
    return _write(union.trials, folder, config, None, on_progress)


def _require_comparable(source: Study, config: StudyConfig, other: str) -> None:
    free = {name: getattr(config, name) for name in ("limits", "strategy", "seed", "deterministic")}
    differing = source.config.model_copy(update=free).differences(config)
    if differing:
        raise UserError(
            f"The trials of {source.folder} do not fit into {other}: {differing}; only limits, "
            "strategy and seed may differ."
        )


class _Union:
    """Trials of several studies as one sequence, each architecture once."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.trials: list[Trial] = []
        self._numbers: dict[str, int] = {}

    def add(self, trials: Sequence[Trial]) -> None:
        began_s = self.trials[-1].elapsed_s if self.trials else 0.0
        renumbered: dict[int | None, int] = {}
        for trial in trials:
            evaluation = _judged(trial.evaluation, self.limits)
            if evaluation is None:
                continue
            digest = trial.architecture.digest
            number = self._numbers.setdefault(digest, len(self.trials))
            renumbered[trial.number] = number
            if number == len(self.trials):
                parent = renumbered.get(trial.proposal.parent)
                proposal = replace(trial.proposal, parent=parent)
                self.trials.append(Trial(number, proposal, evaluation, began_s + trial.elapsed_s))
            elif self.trials[number].evaluation.status != "ok" and evaluation.status == "ok":
                self.trials[number] = replace(self.trials[number], evaluation=evaluation)


def _judged(evaluation: Evaluation, limits: Limits) -> Evaluation | None:
    """Return the evaluation under these limits, or None where it would have to be made."""
    if evaluation.status == "rejected" and not (evaluation.cost and limits.judge(evaluation.cost)):
        return None
    return limits.judge_again(evaluation)


def _write(
    trials: Sequence[Trial],
    folder: Path,
    config: StudyConfig,
    storage_url: str | None,
    on_progress: Callable[[int, int], None],
) -> int:
    """Write a study beside its folder, then put it in place."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists already; choose a new or empty folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        made = Path(temporary) / folder.name
        with Study.create_or_resume(made, config, storage_url) as study:
            for trial in trials:
                study.record(trial.proposal, trial.evaluation, trial.elapsed_s)
                on_progress(len(study.trials), len(trials))
        made.replace(folder)
    return len(trials)
