import math
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from search_toys import FAMILY, Toy, ToyNetwork, toy_config

from vidnas.core import Evaluation, UserError
from vidnas.evolution.clip_evaluator import ClipEvaluation, ClipEvaluator
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.executors import LocalExecutor
from vidnas.evolution.limits import Limits
from vidnas.families import Family, architecture_from_json, create_network, family_of
from vidnas.families.evanet import EvaNet
from vidnas.families.evanet.module import Branch, Module
from vidnas.testing import EvaluatorContract
from vidnas.training.settings import TrainingSettings

TOY = Toy(widths=(8, 8))


def evaluator_of(cache, limits=None, fitness=("likelihood",), **settings) -> ClipEvaluator:
    training = TrainingSettings(**{"epochs": 1, "batch_size": 4, **settings})
    evaluation = ClipEvaluation(training=training, clips=cache.settings(["rgb"]), fitness=fitness)
    return ClipEvaluator(cache.directory, evaluation, limits or Limits(), FAMILY)


def scores(outcome: Evaluation) -> dict[str, float]:
    """All that does not depend on the machine."""
    return {name: value for name, value in outcome.metrics.items() if not name.endswith("_s")}


def test_a_candidate_is_measured_trained_and_scored(cache):
    first, second = (evaluator_of(cache).evaluate(TOY, seed=3, deadline_s=60) for _ in range(2))
    assert first.status == "ok"
    assert first.fitness == first.metrics["likelihood"] == math.exp(-first.metrics["loss"])
    assert set(first.metrics) == {
        "top1", "top5", "mean_class", "loss", "likelihood", "epochs", "new_epochs",
        "training_s", "validation_s", "floor",
    }  # fmt: skip
    assert 1 / 2 < first.metrics["floor"] == pytest.approx(2**-0.85)
    assert scores(first) == scores(second)
    assert first.cost.parameters == sum(p.numel() for p in create_network(TOY, 2).parameters())
    assert first.cost.latency.protocol.runtime.startswith("onnxruntime")
    assert first.seconds > 0


def test_a_slow_candidate_is_rejected_untrained(cache):
    outcome = evaluator_of(cache, Limits(latency_ms=1e-6)).evaluate(TOY, seed=0, deadline_s=None)
    assert outcome.status == "rejected"
    assert outcome.broken_limit == "latency"
    assert outcome.reason.startswith("latency ")
    assert outcome.metrics == {}
    assert outcome.cost.latency.p50_ms > 1e-6


STREAMING = """{"family": "tinyvideonet", "size_px": 16, "frames": 4, "causal": true, "blocks": [
  {"filters": 8, "spatial_kernel": 3, "temporal_kernel": 3}]}"""


def test_the_latency_of_a_frame_is_limited(cache):
    tiny = architecture_from_json(STREAMING)
    limits = Limits(frame_latency_ms=1000)
    outcome = replace(evaluator_of(cache, limits), family=family_of(tiny)).evaluate(
        tiny, seed=0, deadline_s=None
    )
    assert outcome.status == "ok"
    assert outcome.cost.frame_latency.protocol.runtime.startswith("onnxruntime")
    assert outcome.cost.frame_latency.p50_ms > 0
    tight = evaluator_of(cache, Limits(frame_latency_ms=1e-6))
    outcome = tight.evaluate(tiny, seed=0, deadline_s=None)
    assert (outcome.status, outcome.broken_limit) == ("rejected", "frame_latency")
    assert outcome.cost.frame_latency.p50_ms > 1e-6
    assert evaluator_of(cache).evaluate(tiny, seed=0, deadline_s=None).cost.frame_latency is None


def test_a_candidate_is_trained_as_if_no_frame_had_been_timed(cache):
    """A layer of EvaNet keeps its kernel while it is evaluated, and not while it is trained."""
    modules = (Module(branches=(Branch(kind="1x1"),)),) * 4
    mixing = EvaNet(size_px=16, frames=8, width=1 / 16, stem_conv="itgm", modules=modules)
    limited, free = (
        replace(evaluator_of(cache, limits), family=family_of(mixing)).evaluate(
            mixing, seed=0, deadline_s=None
        )
        for limits in (Limits(frame_latency_ms=1000), Limits())
    )
    assert limited.status == "ok", limited.reason
    assert scores(limited) == scores(free)


def test_a_candidate_that_cannot_stream_is_rejected_with_the_reason(cache):
    limited = evaluator_of(cache, Limits(frame_latency_ms=1000))
    outcome = limited.evaluate(TOY, seed=0, deadline_s=None)
    assert (outcome.status, outcome.broken_limit) == ("rejected", "frame_latency")
    assert outcome.reason == "cannot stream: its layer layers.0 looks at the whole clip first"
    assert outcome.metrics == {}
    assert outcome.cost.latency is not None


class Connected(Toy):
    family = "connected"


class ConnectedNetwork(ToyNetwork):
    def connection_weights(self):
        return {"first->last": self.layers[0].bias.sum().item()}


Family("connected", Connected, network=ConnectedNetwork)


def test_connection_weights_are_those_that_training_left(cache):
    connected = Connected(widths=(8,))
    torch.manual_seed(3)
    untrained = create_network(connected, 2).connection_weights()
    trained = evaluator_of(cache).evaluate(connected, seed=3, deadline_s=60).connection_weights
    assert trained.keys() == {"first->last"}
    assert trained["first->last"] != untrained["first->last"]
    rejected = evaluator_of(cache, Limits(parameters=1)).evaluate(connected, seed=3, deadline_s=60)
    assert (rejected.status, rejected.connection_weights) == ("rejected", {})
    assert evaluator_of(cache).evaluate(TOY, seed=3, deadline_s=60).connection_weights == {}


def test_the_settings_say_which_metrics_are_the_fitness(cache):
    both = evaluator_of(cache, fitness=("top1", "top5"))
    outcome = both.evaluate(TOY, seed=3, deadline_s=60)
    assert outcome.metrics["top5"] == 1.0
    assert outcome.fitness == outcome.metrics["top1"] + 1.0
    assert "floor" not in outcome.metrics


@pytest.mark.parametrize(
    ("settings", "deadline_s", "reason"),
    [({"learning_rate": 1e30}, None, "NotFinite"), ({"epochs": 1000}, 0.5, "DeadlineExceeded")],
)
def test_failures_have_their_reason_and_cost(cache, settings, deadline_s, reason):
    outcome = evaluator_of(cache, **settings).evaluate(TOY, seed=0, deadline_s=deadline_s)
    assert outcome.status == "failed"
    assert outcome.reason.startswith(reason)
    assert outcome.cost.macs > 0


class Greedy(Toy):
    family = "greedy"


def build_greedily(architecture, num_classes):
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 TB")


def test_out_of_memory_is_a_failure(cache):
    Family("greedy", Greedy, network=build_greedily)
    outcome = evaluator_of(cache).evaluate(Greedy(widths=(1,)), seed=0, deadline_s=None)
    assert (outcome.status, outcome.reason) == ("failed", "out of memory")


def test_a_missing_cache_is_no_fault_of_the_candidate(cache, tmp_path):
    evaluator = replace(evaluator_of(cache), cache_directory=tmp_path)
    with pytest.raises(UserError, match="no clip cache"):
        evaluator.evaluate(TOY, seed=0, deadline_s=None)


def test_a_damaged_cache_is_no_fault_of_the_candidate(cache, tmp_path):
    folder = shutil.copytree(cache.directory, tmp_path / cache.directory.name)
    (path, *_) = sorted(folder.glob("rgb-*.raw"), key=lambda one: -one.stat().st_size)
    path.write_bytes(bytes(path.stat().st_size))
    evaluator = replace(evaluator_of(cache), cache_directory=folder)
    with pytest.raises(UserError, match=r"damaged .*; run the same command again"):
        evaluator.evaluate(TOY, 3, 60.0)


def test_runs_the_same_in_a_worker(cache):
    here = evaluator_of(cache).evaluate(TOY, seed=3, deadline_s=60)
    with LocalExecutor(workers=1) as executor:
        there = executor.submit(
            pickle.loads(pickle.dumps(evaluator_of(cache))).evaluate, TOY, 3, 60.0
        ).result(120)
    assert there.status == "ok"
    assert there.cost.macs == here.cost.macs
    assert scores(there) == pytest.approx(scores(here), abs=1e-4)


class TestClipEvaluator(EvaluatorContract):
    @pytest.fixture
    def evaluator(self, cache) -> ClipEvaluator:
        return evaluator_of(cache)

    @pytest.fixture
    def architectures(self) -> list[Toy]:
        return [TOY]


def test_settings_read_back_from_a_study(cache, tmp_path):
    described = evaluator_of(cache, fitness=("top1", "top5"), learning_rate=0.1)
    path = tmp_path / "config.yaml"
    toy_config(evaluator=described.describe()).write(path)
    config = StudyConfig.read(path)
    assert ClipEvaluation.of_study(config) == described.settings
    with pytest.raises(UserError, match="not evaluated on clips"):
        ClipEvaluation.of_study(toy_config())


def test_studies_from_before_kernels_had_a_step_keep_theirs(cache):
    """And say of themselves what they said, so that what was learned in them is gone on from."""
    described = evaluator_of(cache, learning_rate=2e-3).describe()
    del described["training"]["kernel_step"]
    found = ClipEvaluation.of_study(toy_config(evaluator=described))
    assert found.training.kernel_step == 0.4
    assert found.model_dump(mode="json") == described
    assert "kernel_step" not in found.training.recipe


def test_inheriting_needs_a_folder(cache):
    settings = evaluator_of(cache).settings.model_copy(update={"inherit": True})
    with pytest.raises(UserError, match="pass states"):
        ClipEvaluator(cache.directory, settings, Limits(), FAMILY)


SCRIPT = """
import sys
from pathlib import Path
from search_toys import Toy, ToyNetwork, toy_config
from vidnas.data.cache import ClipCache
from vidnas.deploy.finalists import Finalist, train_finalists
from vidnas.evolution import ClipEvaluation, ClipEvaluator, Limits, LocalExecutor, Proposal, Study
from vidnas.families import Family
from vidnas.training import TrainingSettings

class Mine(Toy):
    family = "mine"

def main():
    family = Family("mine", Mine, network=ToyNetwork)  # in this process only
    cache, mine = ClipCache(Path(sys.argv[1])), Mine(widths=(4,))
    settings = TrainingSettings(epochs=1, batch_size=4)
    evaluation = ClipEvaluation(training=settings, clips=cache.settings(["rgb"]))
    evaluator = ClipEvaluator(cache.directory, evaluation, Limits(), family)
    with LocalExecutor(1) as executor:
        outcome = executor.submit(evaluator.evaluate, mine, 0, None).result()
        assert outcome.status == "ok", outcome
    with (
        Study.create_or_resume(sys.argv[2], toy_config(family="mine")) as study,
        LocalExecutor(1) as executor,
    ):
        trial = study.record(Proposal(mine), outcome, 0.0)
        (model,) = train_finalists([Finalist(trial, 1.0)], study, cache, settings, executor)
        print(model.card.trial, model)

if __name__ == "__main__":
    main()
"""


def test_workers_know_a_family_that_only_the_driver_constructed(cache, tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(path), str(cache.directory), str(tmp_path / "study")],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("0 Model(mine, 2 classes, test top-1 "), done.stderr
