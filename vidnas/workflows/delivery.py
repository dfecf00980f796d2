"""The last step of a search: which finished network is its answer, measured and exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from vidnas.core import Cost
from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.core.files import making
from vidnas.data.cache import ClipCache
from vidnas.data.splits import JUDGED
from vidnas.deploy.card import ModelCard
from vidnas.deploy.ensemble import Candidate, Predictions, assemble
from vidnas.deploy.export import export_model
from vidnas.deploy.finalists import MODELS_FOLDER, finished_folder
from vidnas.deploy.formats import format_of
from vidnas.deploy.kept_logits import keep_logits, kept_logits
from vidnas.deploy.model import MODEL_FILE, SEEN_FILE, Model, load_card, save_model
from vidnas.deploy.readme import README_FILE, write_readme
from vidnas.deploy.shipped_file import ShippedFile
from vidnas.deploy.shipping import ONNX_FILE, RUNTIME_FILES, remove_files, ship_file
from vidnas.deploy.voting import choose_votes, sets_within
from vidnas.evolution.study import Study
from vidnas.layers.window import CannotStream
from vidnas.profiling.cost import measure_cost, with_frame_latency
from vidnas.profiling.latency import Reference
from vidnas.profiling.quantizing import CannotQuantize
from vidnas.profiling.remote import TargetFailure
from vidnas.profiling.runtimes import measured_in
from vidnas.training import TimeUse, measure_time_use
from vidnas.workflows.examination import BLOCKS_FILE, MISTAKES_FILE, examine
from vidnas.workflows.listener import Listener
from vidnas.workflows.page import BEST_FOLDER
from vidnas.workflows.reference import study_reference
from vidnas.workflows.request import SearchRequest

_VOTES_TRIED = 3
"""What networks take together at rest is about, not quite, what they took in the search."""


@dataclass(frozen=True)
class Delivery:
    """From the finished networks of a study to its answer. What is there already stays as it is."""

    request: SearchRequest
    study: Study
    cache: ClipCache
    listener: Listener

    def answer(self, finished: Sequence[Model]) -> ModelCard:
        """Save the networks whose vote keeps the limits at rest, or else the one that does, with
        the file of the searched runtime; if none does, the best.

        Args:
            finished: the best first.
        """
        folder = self.study.folder / BEST_FOLDER
        self.listener.say(
            "Choosing the answer among the finished networks; checking and testing it."
        )
        chosen = self._vote(finished) or self._choose(finished)
        shipped = chosen.card.shipped
        names = {MODEL_FILE, ONNX_FILE, *([shipped.name] if shipped else [])}
        if all((folder / name).is_file() for name in names):
            card = load_card(folder)
            if (card.training_runs, card.cost) == (chosen.card.training_runs, chosen.card.cost):
                return card
        time_use = self._time_use(chosen)
        with making(folder) as made:  # an earlier answer stays until this one is ready
            difference = self._export(chosen, made)
            found = {"export_difference": difference, "time_use": time_use}
            card = chosen.card.model_copy(update=found)
            examine(
                chosen,
                self.cache,
                made,
                self.listener,
                finished=self._folder_of(chosen),
                threads=self.request.latency_threads,
            )
            save_model(replace(chosen, card=card), made)
            _put_in_place(made, folder)
        return card

    @cached_property
    def _reference(self) -> Reference:
        request = self.request
        return study_reference(
            self.study.folder,
            self.listener.remark,
            runtime=request.runtime,
            threads=request.latency_threads,
            target=request.target,
        )

    def _choose(self, finished: Sequence[Model]) -> Model:
        best: Model | None = None
        for model in map(self._at_rest, finished):
            if model.card.within_limits:
                return model
            best = best or model
        assert best is not None  # there is a finished network
        return best

    def _vote(self, finished: Sequence[Model]) -> Model | None:
        """Return the networks that are better together than the best alone and keep the limits at
        rest, if there are such; without a limit nothing says how many may vote."""
        limits = self.study.config.limits
        costs = [model.card.cost for model in finished]
        if not sets_within(limits, costs):
            return None
        candidates = [Candidate(self.study.folder, model, self.cache) for model in finished]
        validation = Predictions.of(candidates, "val")
        for voters in choose_votes(validation, costs, limits)[:_VOTES_TRIED]:
            together = [candidates[index] for index in voters]
            model = self._at_rest(self._together(together))
            if model.card.within_limits:
                return model
        return None

    def _together(self, voters: Sequence[Candidate]) -> Model:
        """Return networks as one that votes, with what was measured of it if it was here before."""
        model = assemble(voters, range(len(voters)))
        numbers = tuple(one.model.card.trial for one in voters)
        card = model.card.model_copy(update={"trial": numbers[0], "voters": numbers})
        model = replace(model, card=card)
        folder = self._folder_of(model)
        if (folder / MODEL_FILE).exists():
            known = load_card(folder)
            if known.training_runs == card.training_runs:
                return replace(model, card=known)
        said, everyone = [Predictions.of(voters, split) for split in JUDGED], range(len(voters))
        validation, test = (one.score(everyone) for one in said)
        found = {"validation": validation, "test": test}
        model = replace(model, card=card.model_copy(update=found))
        remove_files(folder)
        votes = (one.vote(everyone) for one in said)
        keep_logits(folder, self.cache, dict(zip(JUDGED, votes, strict=True)))
        save_model(model, folder)
        return model

    def _at_rest(self, model: Model) -> Model:
        """Measure a finished network as it ships, once, and note it on its card."""
        card = model.card
        if self._is_known(model):
            return model
        try:
            shipped = self._ship(model)
            cost, streams = self._measured(model, shipped)
        except (CannotQuantize, TargetFailure) as error:  # it may be too large for the target
            self.listener.remark(
                f"{card.name.capitalize()} does not run in {self.request.runtime}: {error}"
            )
            return replace(model, card=card.model_copy(update={"within_limits": False}))
        if cost.latency and cost.latency.doubt:
            self.listener.remark(f"Latency of {card.name}: {cost.latency.doubt}.")
        held = streams and self.study.config.limits.judge(cost) is None
        found = {"cost": cost, "within_limits": held, "shipped": shipped}
        measured = replace(model, card=card.model_copy(update=found))
        save_model(measured, self._folder_of(model))
        return measured

    def _measured(self, model: Model, shipped: ShippedFile | None) -> tuple[Cost, bool]:
        """Return the cost of what ships, and whether it streams, where a limit asks for that."""
        threads = self.request.latency_threads
        cost = measure_cost(
            model.network,
            runtime=self.request.runtime,
            threads=threads,
            reference=self._reference,
            file=self._folder_of(model) / shipped.name if shipped else None,
        )
        if self.study.config.limits.frame_latency_ms is None:
            return cost, True
        try:
            cost = with_frame_latency(
                cost, model.network, threads=threads, reference=self._reference
            )
        except CannotStream as error:  # it was trained under other limits
            self.listener.remark(f"{model.card.name.capitalize()} cannot stream: {error}.")
            return cost, False
        return cost, True

    def _is_known(self, model: Model) -> bool:
        """Return whether a finished network was measured as it would be now."""
        request, card = self.request, model.card
        latency = card.cost and card.cost.latency
        if card.within_limits is None or not latency:
            return False
        if not measured_in(latency.protocol, request.runtime, self._reference.protocol):
            return False
        if request.runtime not in RUNTIME_FILES:
            return True
        return card.shipped is not None and (self._folder_of(model) / card.shipped.name).is_file()

    def _ship(self, model: Model) -> ShippedFile | None:
        """Write the file of the searched runtime beside a network; PyTorch needs none."""
        request, folder = self.request, self._folder_of(model)
        if request.runtime not in RUNTIME_FILES:
            return None
        shipped = ship_file(
            model, folder, request.runtime, self.cache, threads=request.latency_threads
        )
        checks = "; on ".join(map(str, shipped.checks))
        self.listener.say(f"{folder / shipped.name} ({shipped.facts}), checked on {checks}.")
        return shipped

    def _export(self, model: Model, folder: Path) -> float:
        """Write the answer as ONNX, and the file of the searched runtime if that is another; return
        the largest difference of a logit between the graph and torch."""
        shipped = model.card.shipped
        if shipped is not None:
            path = folder / shipped.name
            format_of(path).copy(self._folder_of(model) / shipped.name, path)
            if shipped.name == ONNX_FILE and shipped.checks:
                return max(check.largest_difference for check in shipped.checks)
        return export_model(model, folder / ONNX_FILE).largest_difference

    def _folder_of(self, model: Model) -> Path:
        card = model.card
        if not card.voters:
            return finished_folder(self.study.folder, card.trial or 0)
        return self.study.folder / MODELS_FOLDER / "-".join(["vote", *map(str, card.voters)])

    def _time_use(self, model: Model) -> TimeUse | None:
        """Measure whether the network uses time, and say so where it does not."""
        time_use = measure_time_use(
            model.network,
            self.cache,
            "test",
            clips_per_video=CLIPS_PER_VIDEO,
            rng=np.random.default_rng(self.request.seed),
            task=model.card.task,
            said=kept_logits(model, self.cache, "test", self._folder_of(model)),
        )
        test = model.card.test
        if time_use and test and (warning := time_use.warning(test.headline_share)):
            self.listener.remark(warning)
        return time_use


def _put_in_place(made: Path, folder: Path) -> None:
    """Put all that is made of an answer in the place of an earlier one, of which nothing stays.

    What describes the earlier one goes first, and what describes this one comes last: an answer
    that is there is whole. A README of somebody's own stays.
    """
    folder.mkdir(exist_ok=True)
    for name in (MODEL_FILE, SEEN_FILE, MISTAKES_FILE, BLOCKS_FILE):
        (folder / name).unlink(missing_ok=True)
    remove_files(folder)
    readme = made / README_FILE
    write_readme(folder, readme.read_text(encoding="utf-8"))
    readme.unlink()
    for path in sorted(made.iterdir(), key=lambda one: one.name == MODEL_FILE):
        path.replace(folder / path.name)
