"""Several of the networks that searches found, as one model that votes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vidnas.core import Cost, UserError
from vidnas.data.cache import ClipCache
from vidnas.data.datasets import load_dataset
from vidnas.deploy.card import ModelCard
from vidnas.deploy.ensemble import Candidate, Predictions, assemble, choose_pool, require_same_data
from vidnas.deploy.finalists import Finalist, finished_models, train_finalists
from vidnas.deploy.model import Model, load_architecture, load_card, save_model
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.executors import LocalExecutor
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Trial
from vidnas.families import Network
from vidnas.families.ensemble import Ensemble
from vidnas.profiling.cost import measure_cost
from vidnas.profiling.counting import count_cost
from vidnas.profiling.latency import Reference
from vidnas.profiling.remote import TargetFailure
from vidnas.report.study import EnsembleMember, EnsembleReport, EnsembleStep, TopByAccuracy
from vidnas.training import AnyMetrics
from vidnas.workflows.clips import open_clips
from vidnas.workflows.listener import Listener, clock
from vidnas.workflows.outputs import require_free
from vidnas.workflows.page import ENSEMBLE_FILE, try_page
from vidnas.workflows.records import write_record
from vidnas.workflows.reference import study_reference
from vidnas.workflows.request import EnsembleRequest, SearchRequest
from vidnas.workflows.study_clips import changes_since

_RECORD_NAME = Path(ENSEMBLE_FILE).name


@dataclass(frozen=True)
class EnsembleResult:
    """What the selection of an ensemble came to."""

    folder: Path
    """Of the model; `vidnas.load` reads it."""
    report: EnsembleReport = field(repr=False)


def ensemble_studies(
    studies: Sequence[Path | str], *, listener: Listener | None = None, **settings: Any
) -> EnsembleResult:
    """Make an ensemble of the networks of finished studies: what `vidnas ensemble` does.

    Args:
        studies: folders of studies of the same clips.
        listener: is told how it goes.
        settings: fields of `EnsembleRequest`; the defaults are those of the command.

    Raises:
        UserError: a folder is not a finished study, the studies do not belong together, or the
            output folder holds another model.
    """
    asked = {"studies": studies, **settings}
    return run(EnsembleRequest.model_validate(asked), listener or Listener())


def run(request: EnsembleRequest, listener: Listener) -> EnsembleResult:
    """Finish a pool of candidates, select an ensemble, test it and save it as a model.

    The models of the pool stay in the studies; one that exists already is not trained again.

    Raises:
        UserError: a folder is not a finished study, the studies do not belong together, or the
            output folder holds another model.
    """
    folders = list({folder.resolve(): folder for folder in request.studies}.values())
    out = request.out or folders[0] / "ensemble"
    require_free(out, _is_ensemble)
    searches = [SearchRequest.read(folder) for folder in folders]
    with ExitStack() as stack:
        # Nothing else may train in the folders: they are opened as a search would.
        studies = [
            stack.enter_context(Study.create_or_resume(folder, Study.read(folder).config))
            for folder in folders
        ]
        require_same_data(studies)
        candidates: list[Candidate] = []
        chosen = choose_pool(studies, request.pool or 2 * request.votes)
        with LocalExecutor(request.workers) as executor:
            for study, search, trials in zip(studies, searches, chosen, strict=True):
                moved = {"clips": request.clips, "video_folder": request.video_folder}
                found = {name: path for name, path in moved.items() if path}
                cache = open_cache(study, search.model_copy(update=found), listener)
                candidates += _finish(
                    study,
                    trials,
                    cache,
                    executor=executor,
                    train_s=request.train_time_s,
                    listener=listener,
                )
        listener.say(
            f"Selecting {request.votes} of {len(candidates)} networks on the validation clips ..."
        )
        search = searches[0]
        reference = study_reference(
            folders[0],
            listener.remark,
            runtime=search.runtime,
            threads=search.latency_threads,
            target=search.target,
        )
        model, report = _select(candidates, search, request.votes, reference, listener)
        save_model(model, out)
        write_record(report, out / _RECORD_NAME)
        for study, search in zip(studies, searches, strict=True):
            if out.resolve() == (study.folder / ENSEMBLE_FILE).parent.resolve():
                try_page(study, search.title, listener)
    return EnsembleResult(out, report)


def _is_ensemble(folder: Path) -> bool:
    """Return whether a model is one of those made here; the answer of a search may be a vote."""
    return isinstance(load_architecture(folder), Ensemble) and load_card(folder).trial is None


def open_cache(study: Study, search: SearchRequest, listener: Listener) -> ClipCache:
    """Open the clips of a study, which must be what they were.

    Raises:
        UserError: they are others.
    """
    asked = ClipEvaluation.of_study(study.config).clips
    dataset = load_dataset(
        search.clips, seed=search.seed, format=search.format, video_folder=search.video_folder
    )
    cache = open_clips(
        dataset,
        listener,
        size_px=asked.size_px,
        modalities=search.input,
        flow_method=asked.flow_method,
        rate_fps=asked.rate_fps,
    )
    if cache.fingerprint != study.config.data_fingerprint:
        raise UserError(
            f"{search.clips} holds other clips than those that {study.folder} was searched on: "
            f"{changes_since(study.folder, dataset)}; name the right ones with --clips."
        )
    return cache


def _finish(
    study: Study,
    trials: Sequence[Trial],
    cache: ClipCache,
    *,
    executor: LocalExecutor,
    train_s: float | None,
    listener: Listener,
) -> list[Candidate]:
    """Finish trials as their study's finalists were, or in another time; those that are finished
    stay as they are.

    Raises:
        UserError: the search has not ended, or none of them could be finished.
    """
    times = {card.trial: _budget_s(card) for card in map(load_card, finished_models(study.folder))}
    longest_s = max(times.values(), default=_budget_s(load_card(study.folder)))
    finalists = [
        Finalist(trial, times.get(trial.number) or train_s or longest_s) for trial in trials
    ]
    if not finalists:
        return []
    total_s = sum(one.budget_s for one in finalists) / executor.slots
    numbers = ", ".join(str(trial.number) for trial in trials)
    listener.say(f"{study.folder}: trials {numbers} are finished; those that were are kept.")
    models = train_finalists(
        finalists,
        study,
        cache,
        ClipEvaluation.of_study(study.config).training,
        executor,
        on_tick=clock(listener, {"Finishing": total_s, "Testing": 0.0}),
    )
    finished = {model.card.trial for model in models}
    for lost in (trial.number for trial in trials if trial.number not in finished):
        listener.remark(f"Trial {lost} could not be finished and is left out.")
    return [Candidate(study.folder, model, cache) for model in models]


def _budget_s(card: ModelCard) -> float:
    return card.training_runs[0].settings.budget_s or 0.0


def _select(
    candidates: Sequence[Candidate],
    request: SearchRequest,
    top: int,
    reference: Reference,
    listener: Listener,
) -> tuple[Model, EnsembleReport]:
    """Choose on the validation clips, then look at the test clips once."""
    validation = Predictions.of(candidates, "val")
    votes, alone = validation.select(top), validation.most_accurate(top)
    members = list(dict.fromkeys(votes))
    needed = list(dict.fromkeys([*members, *alone]))
    test = Predictions.of([candidates[index] for index in needed], "test")

    def tested(chosen: Sequence[int]) -> AnyMetrics:
        return test.score([needed.index(index) for index in chosen])

    model = assemble(candidates, votes)

    def cost_at_rest(name: str, network: Network) -> Cost:
        try:
            return measure_cost(
                network,
                runtime=request.runtime,
                threads=request.latency_threads,
                reference=reference,
            )
        except TargetFailure as error:  # it may be too large there
            listener.remark(f"{name.capitalize()} could not be timed {error}.")
            return count_cost(network.architecture, network.num_classes)

    cost, names = cost_at_rest("the ensemble", model.network), _names(candidates)
    reached = [validation.score(votes[:step]) for step in range(1, top + 1)]
    report = EnsembleReport(
        members=tuple(
            EnsembleMember(
                name=names[index],
                architecture=candidates[index].model.architecture,
                weight=votes.count(index),
                validation_share=validation.score([index]).headline_share,
                test_share=tested([index]).headline_share,
                cost=cost_at_rest(names[index], candidates[index].model.network),
            )
            for index in members
        ),
        steps=tuple(
            EnsembleStep(
                member=members.index(vote),
                validation_share=metrics.headline_share,
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
            validation_share=validation.score(alone).headline_share,
            test_share=tested(alone).headline_share,
        ),
        test=tested(votes),
        cost=cost,
    )
    seen = {"validation": reached[-1], "test": report.test, "cost": cost}
    card = model.card.model_copy(update=seen)
    return replace(model, card=card), report


def _names(candidates: Sequence[Candidate]) -> list[str]:
    """Return the names of trials: their numbers, with the study where there are several."""
    folders = {candidate.study for candidate in candidates}
    if len(folders) == 1:
        return [f"trial {candidate.model.card.trial}" for candidate in candidates]
    unique = len({folder.name for folder in folders}) == len(folders)
    return [
        f"{candidate.study.name if unique else candidate.study} trial {candidate.model.card.trial}"
        for candidate in candidates
    ]
