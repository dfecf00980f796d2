"""The best candidates of a search, trained on from where they stand and cooled down; validation
picks the winner.

Nothing starts again: a finalist goes on from what it learned on the ladder. There is one in each
niche of the limited cost, so that the user can choose along it; those that may win have most of the
time.
"""

from __future__ import annotations

import heapq
import math
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import torch

from vidnas.core import UserError, WorkerLost
from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.core.files import replacing
from vidnas.data.cache import ClipCache
from vidnas.data.splits import JUDGED
from vidnas.deploy.card import ModelCard
from vidnas.deploy.kept_logits import keep_logits
from vidnas.deploy.model import MODEL_FILE, Model, load_card, load_model, save_model
from vidnas.deploy.seen_videos import SeenVideos
from vidnas.deploy.shipping import remove_files
from vidnas.deploy.tried_runs import forget_tried, note_tried, was_tried
from vidnas.evolution.executors import Executor
from vidnas.evolution.launcher import evaluation_seed
from vidnas.evolution.niches import Niches
from vidnas.evolution.pairs import Pairs
from vidnas.evolution.states import StateFolder
from vidnas.evolution.study import STATES_FOLDER, Study, plain_file_errors
from vidnas.evolution.trial import Trial
from vidnas.families import Family, Network, create_network, family_of
from vidnas.training import TrainingRun, TrainingSettings, task_of, train
from vidnas.training.errors import UnusableCheckpoint
from vidnas.training.evaluation import labels_of, predict_logits, require_labels
from vidnas.training.loop import TrainingReport
from vidnas.training.settings import COOLDOWN

MODELS_FOLDER = "models"
_CHECKPOINT = "training.checkpoint"
_TICK_S = 0.5
_MOST_RIVALS = 4
_OTHERS_SHARE = 0.1
"""The most of the time that goes to those that keep a niche and are not expected to win."""
_COOL_SHARE = 0.3
"""What such a cool-down takes, as a share of the training before it."""
_LEAST_S = 3.0
_Call = tuple[ClipCache, Trial, TrainingRun, Path, Path, Family]
"""What `train_finalist` takes."""


@dataclass(frozen=True)
class Finalist:
    """A candidate, and the time in which it is finished."""

    trial: Trial
    budget_s: float

    @property
    def cooldown(self) -> float:
        """Last share of that time in which the learning rate falls: as much of all the training of
        the candidate as in a run from scratch."""
        training_s = trained_s(self.trial) + self.budget_s
        return min(COOLDOWN * training_s / self.budget_s, 1.0)


def choose_finalists(study: Study, budget_s: float, workers: int) -> list[Finalist]:
    """Return the best candidates, as many as there are workers, and the best of each other niche.

    What stands on the lowest rung is not worth finishing where others climbed: it has seen too
    little to be offered.

    Args:
        study: a search that has ended.
        budget_s: time for all of them, side by side.
        workers: how many are trained at the same time.

    Returns:
        In the order in which they are to be trained: those that keep a niche, the longest first,
        then those that may win. The first workers to be free take the best of these, which all end
        together.
    """
    ranked = study.fittest(len(study.trials))
    rivals, niches = _rivals(study, min(workers, _MOST_RIVALS)), Niches(study.config.limits)
    best: dict[int, Trial] = {}
    for trial in ranked:
        best.setdefault(niches.niche_of(trial), trial)
    climbed = any(trial.rung for trial in rivals)
    others = [one for one in best.values() if one not in rivals and (one.rung or not climbed)]
    asked = [max(_COOL_SHARE * trained_s(trial), _LEAST_S) for trial in others]
    scale = min(_OTHERS_SHARE * budget_s * workers / max(sum(asked), _LEAST_S), 1.0)
    finalists = [
        Finalist(trial, min(scale * seconds, budget_s))
        for trial, seconds in zip(others, asked, strict=True)
    ]
    finalists.sort(key=lambda one: one.budget_s, reverse=True)
    busy_s = [0.0] * workers
    for one in finalists:
        heapq.heapreplace(busy_s, busy_s[0] + one.budget_s)
    free = zip(rivals, sorted(busy_s), strict=False)
    return [*finalists, *(Finalist(trial, budget_s - taken_s) for trial, taken_s in free)]


def _rivals(study: Study, most: int) -> list[Trial]:
    """Return those that may win, the fittest first; the last place is for the design that the
    fittest comes from as it normalises its clips in the other way, where the ladder left open which
    ends higher."""
    rivals = study.fittest(most)
    if len(rivals) < 2:
        return rivals
    twin = Pairs(study.trials).other_way(rivals[0], rivals[0].rung)
    return rivals if twin is None or twin in rivals else [*rivals[:-1], twin]


def trained_s(trial: Trial) -> float:
    """Return how long a candidate was trained on the ladder."""
    return sum(one.metrics.get("training_s", 0.0) for one in trial.evaluations)


def train_finalists(
    finalists: Sequence[Finalist],
    study: Study,
    cache: ClipCache,
    recipe: TrainingSettings,
    executor: Executor,
    *,
    on_tick: Callable[[], None] = lambda: None,
    on_lost: Callable[[Trial, BaseException], None] = lambda trial, error: None,
    on_again: Callable[[Sequence[ModelCard]], None] = lambda cards: None,
) -> list[Model]:
    """Finish candidates, as many at a time as the executor has slots.

    Each is saved as a model in `models/trial-N` of the study. One that is there already is not
    trained again; one that was finished for another time or in another way is, and the better of
    both stays; one that was interrupted resumes, and one whose worker is lost goes on in
    another, once.

    Args:
        finalists: the candidates.
        study: where they come from.
        cache: the clips; what the test split says is recorded and decides nothing.
        recipe: how they were trained on the ladder.
        executor: where they are trained; the caller shuts it down.
        on_tick: called about twice a second while waiting.
        on_lost: called with each that could not be finished, and why.
        on_again: called with what is known of those that are finished again, if there are any.

    Returns:
        The models by their validation metrics, the best first; their cards name their trials.

    Raises:
        UserError: not one of them could be trained, or one met what is no candidate's fault, such
            as a full disk.
    """
    folder = study.folder.resolve()
    states = StateFolder(folder / STATES_FOLDER)
    folders = [finished_folder(folder, one.trial.number) for one in finalists]
    calls: list[_Call] = []
    again: list[ModelCard] = []
    for one, place in zip(finalists, folders, strict=True):
        architecture = one.trial.architecture
        settings = recipe.model_copy(
            update={
                "epochs": None,
                "budget_s": one.budget_s,
                "cooldown": one.cooldown,
                "validations": 0,
            }
        )
        run = TrainingRun(
            settings=settings,
            seed=evaluation_seed(study.config.seed, architecture),
            clips=cache.settings(spec.modality for spec in architecture.inputs),
        )
        state, known = states.file(architecture.digest), _known(place)
        again += [known] if known and not _stays(known, run, cache, state, place) else []
        calls.append((cache, one.trial, run, state, place, family_of(architecture)))
    if again:
        on_again(again)
    errors = _outcomes(calls, executor, on_tick)
    for one, error in zip(finalists, errors, strict=True):
        if isinstance(error, UserError):  # the machine's fault, or the user's
            raise error
        if error is not None:
            on_lost(one.trial, error)
    done = [place for place, error in zip(folders, errors, strict=True) if error is None]
    if not done:
        raise UserError(
            "None of the best candidates could be finished (trial "
            f"{finalists[0].trial.number}: {errors[0]}); run the same command again."
        )
    return ranked_models(done, cache)


def _outcomes(
    calls: Sequence[_Call], executor: Executor, on_tick: Callable[[], None]
) -> list[BaseException | None]:
    """Finish candidates; return what each ended with that is not finished.

    One whose worker is lost goes on from its checkpoint, once, as climbs do.
    """
    errors: list[BaseException | None] = [None] * len(calls)
    running = {executor.submit(train_finalist, *call): place for place, call in enumerate(calls)}
    while running:
        done, _ = wait(running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
        for future in done:
            place, error = running.pop(future), future.exception()
            if isinstance(error, WorkerLost) and errors[place] is None:
                running[executor.submit(train_finalist, *calls[place])] = place
            errors[place] = error
        on_tick()
    return errors


def train_finalist(
    cache: ClipCache,
    trial: Trial,
    run: TrainingRun,
    state: Path,
    folder: Path,
    _: Family,
) -> None:
    """Finish one candidate, ask it about the videos that judge it, and save it as a model.

    Unpickling the family, the last argument, makes it known in a worker.
    """
    known = _known(folder)
    if known and _stays(known, run, cache, state, folder):
        return
    task = task_of(cache, run.settings.class_weights)
    for split in JUDGED:
        require_labels(cache, split, task)
    torch.manual_seed(run.seed)
    network = create_network(trial.architecture, len(cache.classes))
    checkpoint = folder / _CHECKPOINT
    if state.exists() and _written(checkpoint) < _written(state):  # or it has climbed on since
        with plain_file_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(checkpoint) as temporary:
                shutil.copyfile(state, temporary)
    report = _finish(network, cache, run, checkpoint)
    logits = {
        split: predict_logits(network, cache, split, clips_per_video=CLIPS_PER_VIDEO)
        for split in JUDGED
    }
    found = {
        split: task.measure(task.pooled(task.scores(said)), labels_of(cache, split))
        for split, said in logits.items()
    }
    card = ModelCard(
        trial=trial.number,
        training_runs=(run,),
        epochs=report.epochs,
        epochs_kept=min(report.epochs / (_trained_epochs(trial) + report.new_epochs), 1.0),
        data=cache.fingerprint,
        typical_frames=cache.typical_frames,
        multi_label=cache.multi_label,
        validation=found["val"],
        test=found["test"],
        cost=trial.evaluations[0].cost,
    )
    with plain_file_errors(folder):
        if known and _is_no_worse(known, card):
            note_tried(folder, run)
        else:
            remove_files(folder)
            keep_logits(folder, cache, logits)
            save_model(Model(network, cache.classes, card, SeenVideos.of(cache)), folder)
            forget_tried(folder)
        checkpoint.unlink()


def _known(folder: Path) -> ModelCard | None:
    """Return what is known of the network that was finished in a folder, if there is one."""
    return load_card(folder) if (folder / MODEL_FILE).exists() else None


def _stays(known: ModelCard, run: TrainingRun, cache: ClipCache, state: Path, folder: Path) -> bool:
    """Return whether a finished network is not finished again: it was finished as it would be now,
    or this was tried and ended no better, or what to go on from is gone, so that in the same time
    it would start again from nothing."""
    if known.training_runs == (run,) or was_tried(folder, run):
        return True
    goes_on = state.exists() or (folder / _CHECKPOINT).exists()
    return known.data == cache.fingerprint and not goes_on


def _is_no_worse(known: ModelCard, card: ModelCard) -> bool:
    """Return whether the validation of the same clips finds a finished network as good as one that
    would take its place."""
    before, now = known.validation, card.validation
    if before is None or now is None or known.data != card.data:
        return False
    return before.headline == now.headline and before.rank >= now.rank


def _written(file: Path) -> float:
    return file.stat().st_mtime_ns if file.exists() else -math.inf


def finished_folder(study: Path, trial: int) -> Path:
    """Return where a finished network of a study lies."""
    return study / MODELS_FOLDER / f"trial-{trial}"


def finished_models(study: Path) -> list[Path]:
    """Return the folders of the networks that were finished in a study, each alone."""
    return sorted(path.parent for path in (study / MODELS_FOLDER).glob(f"trial-*/{MODEL_FILE}"))


def ranked_models(folders: Sequence[Path], cache: ClipCache) -> list[Model]:
    """Return the networks in these folders that were judged on these clips, the best first."""
    judged = [
        (model.card.validation.rank, model)
        for model in map(load_model, folders)
        if model.card.data == cache.fingerprint and model.card.validation is not None
    ]
    return [model for _, model in sorted(judged, key=itemgetter(0), reverse=True)]


def _trained_epochs(trial: Trial) -> float:
    """Return for how many epochs a candidate was trained on the ladder, those lost included."""
    return sum(one.metrics.get("new_epochs", 0.0) for one in trial.evaluations)


def _finish(
    network: Network, cache: ClipCache, run: TrainingRun, checkpoint: Path
) -> TrainingReport:
    """Cool a network down from its checkpoint, or train it anew where that is gone or damaged."""
    if checkpoint.exists():
        try:
            return train(network, cache, run.settings, seed=run.seed, checkpoint=checkpoint)
        except UnusableCheckpoint:
            checkpoint.unlink()
            torch.manual_seed(run.seed)
            network.load_state_dict(
                create_network(network.architecture, network.num_classes).state_dict()
            )
    anew = run.settings.model_copy(update={"cooldown": COOLDOWN})
    return train(network, cache, anew, seed=run.seed, checkpoint=checkpoint)
