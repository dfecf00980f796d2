"""The last step of a search: which finished network is its answer, measured and exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.data.cache import ClipCache
from vidnas.deploy.card import ModelCard
from vidnas.deploy.checks import Answers
from vidnas.deploy.export import export_model
from vidnas.deploy.finalists import MODELS_FOLDER
from vidnas.deploy.model import MODEL_FILE, Model, load_card, save_model
from vidnas.evolution.study import Study
from vidnas.layers.window import CannotStream
from vidnas.profiling.cost import measure_cost, with_frame_latency
from vidnas.profiling.engines import in_onnxruntime
from vidnas.profiling.runtimes import measured_in
from vidnas.training import TimeUse, measure_time_use
from vidnas.workflows.examination import examine
from vidnas.workflows.listener import Listener
from vidnas.workflows.page import BEST_FOLDER
from vidnas.workflows.reference import study_reference
from vidnas.workflows.request import SearchRequest

ONNX_FILE = "model.onnx"


@dataclass(frozen=True)
class Delivery:
    """From the finished networks of a study to its answer. What is there already stays as it is."""

    request: SearchRequest
    study: Study
    cache: ClipCache
    listener: Listener

    def answer(self, finished: Sequence[Model]) -> ModelCard:
        """Save the best that keeps the limits at rest; if none does, the best.

        Args:
            finished: the best first.
        """
        folder = self.study.folder / BEST_FOLDER
        chosen = self._choose(finished)
        if (folder / MODEL_FILE).is_file() and (folder / ONNX_FILE).is_file():
            card = load_card(folder)
            if (card.training_runs, card.cost) == (chosen.card.training_runs, chosen.card.cost):
                return card
        time_use = self._time_use(chosen)
        folder.mkdir(exist_ok=True)
        check = export_model(chosen, folder / ONNX_FILE)
        real = Answers.of(chosen, self.cache, "val").compare(in_onnxruntime(folder / ONNX_FILE))
        self.listener.say(f"{folder / ONNX_FILE}, checked on {real}.")
        found = {"export_difference": check.largest_difference, "time_use": time_use}
        card = chosen.card.model_copy(update=found)
        save_model(replace(chosen, card=card), folder)
        examine(chosen, self.cache, folder, self.listener, threads=self.request.latency_threads)
        return card

    def _choose(self, finished: Sequence[Model]) -> Model:
        best: Model | None = None
        for model in map(self._at_rest, finished):
            if model.card.within_limits:
                return model
            best = best or model
        assert best is not None  # there is a finished network
        return best

    def _at_rest(self, model: Model) -> Model:
        """Measure a finished network as candidates were, once, and note it on its card."""
        runtime, threads = self.request.runtime, self.request.latency_threads
        card, folder = model.card, self.study.folder
        latency = card.cost and card.cost.latency
        known = latency and measured_in(latency.protocol, runtime, threads)
        if known and card.within_limits is not None:
            return model
        reference = study_reference(
            folder, runtime=runtime, threads=threads, target=self.request.target
        )
        cost = measure_cost(model.network, runtime=runtime, threads=threads, reference=reference)
        limits, streams = self.study.config.limits, True
        if limits.frame_latency_ms is not None:
            try:
                cost = with_frame_latency(cost, model.network, threads=threads, reference=reference)
            except CannotStream as error:  # it was trained under other limits
                streams = False
                self.listener.remark(f"Trial {card.trial} cannot stream: {error}.")
        if cost.latency and cost.latency.doubt:
            self.listener.remark(f"Latency of trial {card.trial}: {cost.latency.doubt}.")
        held = streams and limits.judge(cost) is None
        card = card.model_copy(update={"cost": cost, "within_limits": held})
        measured = replace(model, card=card)
        save_model(measured, folder / MODELS_FOLDER / f"trial-{card.trial}")
        return measured

    def _time_use(self, model: Model) -> TimeUse | None:
        """Measure whether the network uses time, and say so where it does not."""
        time_use = measure_time_use(
            model.network,
            self.cache,
            "test",
            clips_per_video=CLIPS_PER_VIDEO,
            rng=np.random.default_rng(self.request.seed),
            task=model.card.task,
        )
        test = model.card.test
        if time_use and test and (warning := time_use.warning(test.headline_share)):
            self.listener.remark(warning)
        return time_use
