"""The whole of `vidnas ensemble`: pool, full training, selection, test, model, report."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from vidnas.cli.console import messages
from vidnas.core import UserError
from vidnas.core.durations import format_duration
from vidnas.data.cache import ClipCache
from vidnas.deploy.ensemble import Candidate, Predictions, assemble, choose_pool, require_same_data
from vidnas.deploy.finalists import train_finalists
from vidnas.deploy.model import MODEL_FILE, Model, load_architecture, load_model, save_model
from vidnas.evolution.executors import LocalExecutor
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Trial
from vidnas.families.ensemble import Ensemble
from vidnas.report.study import EnsembleMember, EnsembleReport, EnsembleStep, TopByAccuracy
from vidnas.training import Metrics, TrainingSettings
from vidnas.workflows.clips import open_clips
from vidnas.workflows.page import ENSEMBLE_FILE, write_page, write_record
from vidnas.workflows.request import SearchRequest
from vidnas.workflows.search_clips import cost_at_rest

_RECORD_NAME = Path(ENSEMBLE_FILE).name


def make_ensemble(
    folders: Sequence[Path],
    *,
    top: int,
    pool: int,
    train_s: float | None,
    workers: int | None,
    clips: Path | None,
    out: Path,
) -> EnsembleReport:
    """Train a pool of candidates, select an ensemble, test it and save it as a model.

    The models of the pool stay in the studies; one that is there already is not trained again.

    Raises:
        UserError: a folder is not a finished study, the studies do not belong together, or the
            output folder holds another model.
    """
    if (out / MODEL_FILE).exists() and not isinstance(load_architecture(out), Ensemble):
        raise UserError(f"{out} holds another model; choose another folder for --out.")
    requests = [SearchRequest.read(folder) for folder in folders]
    with ExitStack() as stack:
        # Nothing else may train in the folders: they are opened as a search would.
        studies = [
            stack.enter_context(Study.create_or_resume(folder, Study.read(folder).config))
            for folder in folders
        ]
        require_same_data(studies)
        candidates: list[Candidate] = []
        chosen = choose_pool(studies, pool)
        with LocalExecutor(workers) as executor:
            for study, request, trials in zip(studies, requests, chosen, strict=True):
                cache = open_cache(study, request, clips or request.clips)
                candidates += _train(study, trials, cache, executor, train_s)
        model, report = _select(candidates, requests[0], top)
        save_model(model, out)
        write_record(report, out / _RECORD_NAME)
        for study, request in zip(studies, requests, strict=True):
            if out.resolve() == (study.folder / ENSEMBLE_FILE).parent.resolve():
                write_page(study, request.title)
    return report


def open_cache(study: Study, request: SearchRequest, clips: Path) -> ClipCache:
    """Open the clips of a study, which must be what they were."""
    cache = open_clips(
        clips,
        size_px=request.size_px,
        seed=request.seed,
        modalities=request.input,
        flow_method=study.config.training.get("flow_method"),
    )
    if cache.fingerprint != study.config.data_fingerprint:
        raise UserError(
            f"{clips} holds other clips than those that {study.folder} was searched on; name the "
            "right ones with --clips."
        )
    return cache


def _train(
    study: Study,
    trials: Sequence[Trial],
    cache: ClipCache,
    executor: LocalExecutor,
    train_s: float | None,
) -> list[Candidate]:
    if not trials:
        return []
    settings = _settings(study, train_s)
    rounds = math.ceil(len(trials) / executor.slots)
    numbers = ", ".join(str(trial.number) for trial in trials)
    budget = f", {format_duration(settings.budget_s)} each" if settings.budget_s else ""
    messages.print(f"{study.folder}: trials {numbers} trained in full{budget}; done ones are kept.")
    with Progress(
        TextColumn("Training"), BarColumn(), TimeRemainingColumn(), console=messages, transient=True
    ) as progress:
        task = progress.add_task("", total=settings.budget_s and rounds * settings.budget_s)
        began = time.monotonic()
        finalists = train_finalists(
            trials,
            cache,
            settings,
            executor,
            study.folder / "finalists",
            seed=study.config.seed,
            on_tick=lambda: progress.update(task, completed=time.monotonic() - began),
        )
    trained = {finalist.trial.number for finalist in finalists}
    for lost in (trial.number for trial in trials if trial.number not in trained):
        messages.print(f"[yellow]Note:[/] trial {lost} could not be trained in full; left out.")
    return [
        Candidate(study.folder, finalist.trial, load_model(finalist.folder), cache)
        for finalist in finalists
    ]


def _settings(study: Study, train_s: float | None) -> TrainingSettings:
    """The recipe of the study's finalists, so that these need not be trained again.

    Raises:
        UserError: the search has not come to its end.
    """
    recipe = load_model(study.folder).card.settings
    known = {name: recipe[name] for name in TrainingSettings.model_fields if name in recipe}
    settings = TrainingSettings.model_validate(known)
    return settings.model_copy(update={"budget_s": train_s}) if train_s else settings


def _select(
    candidates: Sequence[Candidate], request: SearchRequest, top: int
) -> tuple[Model, EnsembleReport]:
    """Choose on the validation clips, then look at the test clips once."""
    messages.print(f"Selecting {top} of {len(candidates)} networks on the validation clips ...")
    validation = Predictions.of(candidates, "val")
    votes, alone = validation.select(top), validation.most_accurate(top)
    members = list(dict.fromkeys(votes))
    needed = list(dict.fromkeys([*members, *alone]))
    test = Predictions.of([candidates[index] for index in needed], "test")

    def tested(chosen: Sequence[int]) -> Metrics:
        return test.score([needed.index(index) for index in chosen])

    model = assemble(candidates, votes)
    cost, names = cost_at_rest(model.network, request), _names(candidates)
    reached = [validation.score(votes[:step]) for step in range(1, top + 1)]
    report = EnsembleReport(
        members=tuple(
            EnsembleMember(
                name=names[index],
                architecture=candidates[index].model.architecture,
                weight=votes.count(index),
                validation_top1=validation.score([index]).top1,
                test_top1=tested([index]).top1,
                cost=cost_at_rest(candidates[index].model.network, request),
            )
            for index in members
        ),
        steps=tuple(
            EnsembleStep(
                member=members.index(vote),
                validation_top1=metrics.top1,
                validation_loss=metrics.loss,
            )
            for vote, metrics in zip(votes, reached, strict=True)
        ),
        disagreement=tuple(
            tuple(validation.disagreement(one, other) for other in members) for one in members
        ),
        pool=len(candidates),
        by_accuracy=TopByAccuracy(
            names=tuple(names[index] for index in alone),
            validation_top1=validation.score(alone).top1,
            test_top1=tested(alone).top1,
        ),
        test=tested(votes),
        cost=cost,
    )
    seen = {"validation": reached[-1], "test": report.test, "cost": cost}
    card = model.card.model_copy(update=seen)
    return Model(model.network, model.classes, card), report


def _names(candidates: Sequence[Candidate]) -> list[str]:
    """Trials by their numbers, with the study where there are several."""
    folders = {candidate.study for candidate in candidates}
    if len(folders) == 1:
        return [f"trial {candidate.trial.number}" for candidate in candidates]
    unique = len({folder.name for folder in folders}) == len(folders)
    return [
        f"{candidate.study.name if unique else candidate.study} trial {candidate.trial.number}"
        for candidate in candidates
    ]
