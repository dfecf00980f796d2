"""Ensembles of the best candidates of searches, selected on the validation split.

Greedy forward selection with replacement: Caruana, Niculescu-Mizil, Crew, Ksikes: Ensemble
Selection from Libraries of Models, ICML 2004.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path

import torch
from torch import Tensor
from typing_extensions import Self

from vidnas.core import NotFinite, UserError
from vidnas.data.cache import ClipCache
from vidnas.data.splits import Split
from vidnas.deploy.card import ModelCard
from vidnas.deploy.finalists import finished_folder
from vidnas.deploy.kept_logits import logits_of
from vidnas.deploy.model import Model
from vidnas.deploy.seen_videos import SeenVideos
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Trial
from vidnas.families.ensemble import Ensemble, EnsembleNetwork, Member
from vidnas.training import AnyMetrics, SingleLabel, Task
from vidnas.training.evaluation import labels_of


@dataclass(frozen=True)
class Candidate:
    """A network of a study, trained in full, and the clips that it was trained on."""

    study: Path
    model: Model
    """Its card names the trial."""
    cache: ClipCache

    @property
    def folder(self) -> Path:
        """Where it lies if it was finished in its study."""
        return finished_folder(self.study, self.model.card.trial or 0)


def require_same_data(studies: Sequence[Study]) -> None:
    """Reject studies whose networks cannot vote together or be judged on the same clips.

    Raises:
        UserError: classes, clips, splits or the method of the optical flow differ.
    """
    first = studies[0]
    for study in studies[1:]:
        mine, other = first.config, study.config
        if (mine.classes, mine.data_fingerprint) != (other.classes, other.data_fingerprint):
            raise UserError(
                f"{study.folder} was searched on other classes, clips or splits than "
                f"{first.folder}; give studies of the same clips and the same seed."
            )
    clips = [ClipEvaluation.of_study(study.config).clips for study in studies]
    stored = {(one.size_px, one.rate_fps) for one in clips}
    if len(stored) > 1:
        raise UserError(
            "The studies were searched on frames of different sizes or rates, and an ensemble "
            "reads a video once; give studies of the same clips and the same --size."
        )
    methods = {one.flow_method for one in clips if one.flow_method is not None}
    if len(methods) > 1:
        raise UserError(
            f"The studies were searched on optical flow of different methods "
            f"({', '.join(sorted(methods))}); give studies of the same method."
        )


def choose_pool(studies: Sequence[Study], size: int) -> list[list[Trial]]:
    """Return the fittest candidates of each study, `size` in all, as many from each as possible.

    Fitness is compared within a study only: a network of optical flow may be less accurate than one
    of RGB, and help it most.

    Raises:
        UserError: there are fewer than two candidates.
    """
    turns = zip_longest(*(study.fittest(size) for study in studies))
    chosen = [
        (index, trial)
        for index, trial in chain.from_iterable(enumerate(turn) for turn in turns)
        if trial is not None
    ][:size]
    if len(chosen) < 2:
        raise UserError(
            f"An ensemble needs two candidates to choose from and the pool has {len(chosen)}; "
            "search for longer, or give more studies or a larger --pool."
        )
    return [[trial for at, trial in chosen if at == index] for index in range(len(studies))]


@dataclass(frozen=True)
class Predictions:
    """What several networks predict for the same videos, and the truth."""

    logits: Tensor
    """`(networks, videos, clips, num_classes)`."""
    labels: Tensor
    """As the cache has them: `(videos,)`, or `(videos, num_classes)` where there may be several."""
    task: Task = field(default_factory=SingleLabel)

    @classmethod
    def of(cls, candidates: Sequence[Candidate], split: Split) -> Self:
        """Run each network once over the evenly spaced clips of a split, unless what it says of
        them was kept when it was finished.

        Raises:
            NotFinite: a network predicted numbers that are not finite.
        """
        cache = candidates[0].cache
        return cls(
            logits=torch.stack([_logits(candidate, split) for candidate in candidates]),
            labels=labels_of(cache, split),
            task=candidates[0].model.card.task,
        )

    def score(self, votes: Sequence[int]) -> AnyMetrics:
        """Measure how the mean of the logits of these networks, repeated or not, classifies."""
        return self.task.measure(self._scores(votes), self.labels)

    def select(self, size: int) -> list[int]:
        """Add, `size` times, the network that makes the ensemble most accurate, chosen or not.

        Of equally accurate networks it is the one with the lower loss. The size is what
        was asked for, where the paper returns to the best of the nested ensembles.
        """
        votes: list[int] = []
        for _ in range(size):
            votes.append(
                max(range(len(self.logits)), key=lambda index: self.score([*votes, index]).accuracy)
            )
        return votes

    def most_accurate(self, size: int) -> list[int]:
        """Return the networks that are best alone."""
        alone = [self.score([index]).accuracy for index in range(len(self.logits))]
        return sorted(range(len(alone)), key=alone.__getitem__, reverse=True)[:size]

    def disagreement(self, first: int, second: int) -> float:
        """Return the share of the videos that two networks predict differently; where a video may
        show several classes, of the videos and classes."""
        one, other = (self.task.answers(self._scores([index])) for index in (first, second))
        return (one != other).double().mean().item()

    def _scores(self, votes: Sequence[int]) -> Tensor:
        return self.task.pooled(self.task.scores(self.vote(votes)))

    def vote(self, votes: Sequence[int]) -> Tensor:
        """Return the mean of the logits of these networks, repeated or not: `(videos, clips,
        num_classes)`."""
        mean: Tensor = self.logits[list(votes)].mean(dim=0)
        return mean


def _logits(candidate: Candidate, split: Split) -> Tensor:
    """Return `(videos, clips, num_classes)` of one network, in the order of the split."""
    try:
        return logits_of(candidate.model, candidate.cache, split, candidate.folder)
    except NotFinite as error:
        raise NotFinite(
            f"Trial {candidate.model.card.trial} of {candidate.study} predicts numbers that are "
            "not finite."
        ) from error


def assemble(candidates: Sequence[Candidate], votes: Sequence[int]) -> Model:
    """Put trained networks together: one member for each that has votes, as often as it has."""
    counts = Counter(votes)  # in the order in which they were first selected
    models = [candidates[index].model for index in counts]
    architecture = Ensemble(
        members=tuple(
            Member(architecture=model.architecture, weight=weight)
            for model, weight in zip(models, counts.values(), strict=True)
        )
    )
    network = EnsembleNetwork(architecture, len(models[0].classes))
    for member, model in zip(network.members, models, strict=True):
        member.load_state_dict(model.network.state_dict())
    runs = tuple(run for model in models for run in model.card.training_runs)
    first = models[0].card
    epochs, kept = _epochs([model.card for model in models])
    card = ModelCard(
        training_runs=runs,
        epochs=epochs,
        epochs_kept=kept,
        clips=first.clips,
        typical_frames=first.typical_frames,
        data=first.data,
        multi_label=first.multi_label,
    )
    seen = SeenVideos.of(candidates[0].cache)  # all were trained on the same clips
    return Model(network, models[0].classes, card, seen)


def _epochs(cards: Sequence[ModelCard]) -> tuple[float | None, float | None]:
    """Return the epochs of all members, and which share of them was kept, where each says so."""
    known = [(card.epochs, card.epochs_kept) for card in cards if card.epochs and card.epochs_kept]
    if len(known) < len(cards):
        return None, None
    epochs = sum(own for own, _ in known)
    return epochs, epochs / sum(own / kept for own, kept in known)
