"""New studies from old ones: a fork begins with another's trials, a merger with those of several.

Trials can be compared where all that a fitness depends on is the same: the space, the data and the
evaluator. Limits, strategy and seed only decide where to look, so these may change.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vidnas.core import UserError
from vidnas.core.files import making
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.limits import Limits
from vidnas.evolution.study import STATES_FOLDER, Study, plain_file_errors, rungs_to_climb
from vidnas.evolution.trial import Proposal, Trial

_FREE = "limits", "strategy", "seed", "deterministic", "designs"


def fork_study(
    source: Study,
    folder: Path | str,
    config: StudyConfig | None = None,
    *,
    trials: int | None = None,
    other_clips: bool = False,
    storage_url: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Make a study that begins with the trials of another.

    Each takes along what it has learned, unless that was from other clips. Under other limits every
    trial is judged anew: one that breaks them is rejected, and one that was rejected though it
    keeps them is left out, so that it may be tried.

    Args:
        source: the other study, which stays as it is.
        folder: the new folder, or an empty one; the study appears whole or not at all.
        config: the source's config with other limits, strategy, seed or determinism; if unset, the
            same.
        trials: how many to take, from the first; if unset, all.
        other_clips: whether the config may be of other clips of the same classes. The trials keep
            the fitness that they had, and leave behind what they learned.
        storage_url: where to keep the trials, as in `Study.create_or_resume`.
        on_progress: called with the numbers of trials done and in all.

    Returns:
        The number of trials that it begins with.

    Raises:
        UserError: the folder holds something, or the config differs in what trials depend on.
    """
    config = config or source.config
    folder = Path(folder)
    free = (*_FREE, "data_fingerprint") if other_clips else _FREE
    _require_comparable(source, config, str(folder), free)
    union = _Union(config)
    union.add(source, trials)
    return _write(union, folder, config, storage_url, on_progress)


def merge_studies(
    sources: Sequence[Study],
    folder: Path | str,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Make a study of the trials of several, with the limits, strategy and seed of the first.

    Trials are numbered anew, parents with them. An architecture that occurs twice is kept once, as
    it is where it did not fail, of these where it climbed highest, on the same rung where it is
    fittest; the search times add up.

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
    union = _Union(config)
    for source in sources:
        _require_comparable(source, config, str(sources[0].folder))
        union.add(source)
    return _write(union, folder, config, None, on_progress)


def _require_comparable(
    source: Study, config: StudyConfig, other: str, free: Sequence[str] = _FREE
) -> None:
    same = {name: getattr(config, name) for name in free}
    differing = source.config.model_copy(update=same).differences(config)
    if differing:
        raise UserError(
            f"The trials of {source.folder} do not fit into {other}: {differing}; only limits, "
            "strategy and seed may differ."
        )


@dataclass(frozen=True)
class _Event:
    """That a candidate of a source reached a rung."""

    digest: str
    rung: int
    elapsed_s: float
    source: Study


@dataclass(frozen=True)
class _Candidate:
    """What is kept of an architecture: its place and origin, and how far it came in which study."""

    proposal: Proposal
    trial: Trial
    source: Study


class _Union:
    """The candidates of several studies with their history, each architecture once."""

    def __init__(self, config: StudyConfig) -> None:
        self._limits = config.limits
        self._rungs = rungs_to_climb(config)
        self._candidates: dict[str, _Candidate] = {}
        """By digest."""
        self._numbers: dict[str, int] = {}
        self._events: list[_Event] = []

    def add(self, source: Study, trials: int | None = None) -> None:
        """Add the candidates of a study, or only so many of them."""
        began_s = self._events[-1].elapsed_s if self._events else 0.0
        reached: dict[str, Trial] = {}
        for trial in source.history:
            judged = _judged(trial, self._limits)
            is_cut = trials is not None and trial.number >= trials
            if judged is None or is_cut or trial.rung >= self._rungs:
                continue
            digest = trial.architecture.digest
            reached[digest] = judged
            self._events.append(_Event(digest, trial.rung, began_s + trial.elapsed_s, source))
        for digest, trial in reached.items():
            known = self._candidates.get(digest)
            if known is None:
                self._candidates[digest] = _Candidate(
                    self._renumbered(trial, source), trial, source
                )
            elif _standing(trial) > _standing(known.trial):
                self._candidates[digest] = replace(known, trial=trial, source=source)

    def history(self) -> Iterator[Trial]:
        """Yield the trials as they are after each event."""
        yielded: set[tuple[str, int]] = set()
        for event in self._events:
            digest, rung = event.digest, event.rung
            kept = self._candidates[digest]
            # Candidates are born where the first study had them, and climb where the best had them.
            if (digest, rung) in yielded or (rung and event.source is not kept.source):
                continue
            yielded.add((digest, rung))
            *earlier, evaluation = kept.trial.evaluations[: rung + 1]
            number, proposal = self._numbers[digest], kept.proposal
            yield Trial(number, proposal, evaluation, event.elapsed_s, tuple(earlier))

    def origins(self) -> dict[str, Study]:
        """Return the study that each candidate is kept from, by digest."""
        return {digest: kept.source for digest, kept in self._candidates.items()}

    def _renumbered(self, trial: Trial, source: Study) -> Proposal:
        """Return how a candidate came up, with the number that its parent has here, if any."""
        parent = trial.proposal.parent
        if parent is not None:
            digest = source.trials[parent].architecture.digest
            parent = self._numbers.get(digest)
        self._numbers[trial.architecture.digest] = len(self._numbers)
        return replace(trial.proposal, parent=parent)


def _standing(trial: Trial) -> tuple[bool, int, float]:
    """Return what decides which of two trials of an architecture is kept, the greater the better:
    a failure on a high rung is worth less than what another study may climb on with."""
    return trial.evaluation.status == "ok", trial.rung, trial.fitness


def _judged(trial: Trial, limits: Limits) -> Trial | None:
    """Return a trial under these limits, or None where its latest rung would have to be climbed
    anew, or was not to be climbed."""
    found = trial.evaluation
    if found.status == "rejected" and not (found.cost and limits.judge(found.cost)):
        return None
    *earlier, evaluation = map(limits.judge_again, trial.evaluations)
    if any(one.status != "ok" for one in earlier):
        return None
    return replace(trial, evaluation=evaluation, earlier=tuple(earlier))


def _write(
    union: _Union,
    folder: Path,
    config: StudyConfig,
    storage_url: str | None,
    on_progress: Callable[[int, int], None],
) -> int:
    """Write a study beside its folder, then put it in place."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists already; choose a new or empty folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with making(folder) as temporary:
        made = temporary / folder.name
        with Study.create_or_resume(made, config, storage_url) as study:
            history = list(union.history())
            for trial in history:
                if trial.earlier:
                    study.climb(trial.number, trial.evaluation, trial.elapsed_s)
                else:
                    study.record(trial.proposal, trial.evaluation, trial.elapsed_s)
                on_progress(len(study.history), len(history))
        with plain_file_errors(made):
            _copy_states(union.origins(), made / STATES_FOLDER, config.data_fingerprint)
        made.replace(folder)
    return len(study.trials)


def _copy_states(origins: Mapping[str, Study], folder: Path, data: str) -> None:
    """Copy what the candidates have learned; one whose state was not kept is trained again.

    What was learned from other clips stays behind: some of these may now be judged by, and a child
    would inherit what its parent knows of them.
    """
    for source in {*origins.values()}:
        if source.config.data_fingerprint != data:
            continue
        states = source.folder / STATES_FOLDER
        for path in states.iterdir() if states.is_dir() and not states.is_symlink() else ():
            digest = path.name.partition(".")[0]
            if origins.get(digest) is source and path.is_file() and not path.is_symlink():
                folder.mkdir(exist_ok=True)
                with suppress(FileNotFoundError):  # a search there has just removed it
                    shutil.copyfile(path, folder / path.name)
