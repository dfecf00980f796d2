"""On a real cluster of two nodes, both of which happen to be on this machine."""

# ruff: noqa: E402

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'vidnas[ray]'")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# 15 unless told: a busy machine would starve the workers.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112

import numpy as np
import psutil
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from search_toys import CLASSES, FAMILY, Toy, ToyEvaluator, ToySpace, toy_config
from test_executors import (
    ExecutorContract,
    allocate,
    die,
    double,
    kill_myself,
    settings,
)

from vidnas.core import Evaluation, UserError, WorkerLost
from vidnas.data.cache import ClipCache, build_cache, build_flow
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import write_clips
from vidnas.evolution import clip_evaluator
from vidnas.evolution.clip_evaluator import ClipEvaluation, ClipEvaluator
from vidnas.evolution.cluster_clips import ClipSource, ClusterClipEvaluator, local_copy
from vidnas.evolution.engine import run_search
from vidnas.evolution.limits import Limits
from vidnas.evolution.ray_executor import RayExecutor
from vidnas.evolution.states import StateFolder
from vidnas.evolution.strategies import RandomSearch
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Proposal, Trial
from vidnas.training import train
from vidnas.training.settings import TrainingSettings

STORE_BYTES = 100_000_000


@dataclass
class TwoNodes:
    cluster: Cluster
    home: Path
    """Where the search runs and keeps its caches."""
    away: Path
    """Where the other node keeps its own."""
    ids: tuple[str, str]

    def add_node(self, **resources):
        return self.cluster.add_node(object_store_memory=STORE_BYTES, **resources)


def environment(cache):
    # Workers import this module and its neighbours.
    return {"VIDNAS_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    home, away = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("away")
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "object_store_memory": STORE_BYTES,
            "include_dashboard": False,
            "env_vars": environment(home),
        },
    )
    other = cluster.add_node(
        object_store_memory=STORE_BYTES, num_cpus=1, num_gpus=1, env_vars=environment(away)
    )
    both = TwoNodes(cluster, home, away, (cluster.head_node.node_id, other.node_id))
    ray.init(address=cluster.address, log_to_driver=False)
    yield both
    ray.shutdown()
    cluster.shutdown()


class TestRay(ExecutorContract):
    @pytest.fixture(scope="class")
    def executor(self, nodes):
        with RayExecutor() as executor:
            yield executor
        assert ray.is_initialized()

    def test_workers_are_persistent_and_single_threaded(self, executor):
        seen = [executor.submit(settings).result(60) for _ in range(6)]
        assert {(threads, torch_threads) for _, threads, torch_threads in seen} == {("1", 1)}
        assert len({pid for pid, _, _ in seen}) <= 2

    def test_a_slot_for_every_core_of_every_node(self, executor):
        assert executor.slots == 2

    def test_a_dead_worker_costs_one_future_and_is_replaced(self, executor):
        lost, kept = executor.submit(die, 3), executor.submit(double, 4)
        with pytest.raises(WorkerLost, match="the worker died"):
            lost.result(60)
        assert kept.result(60) == 8
        with pytest.raises(WorkerLost, match="the worker died"):
            executor.submit(kill_myself).result(60)
        assert [executor.submit(double, i).result(60) for i in range(4)] == [0, 2, 4, 6]

    def test_too_much_memory_is_an_exception(self, executor):
        error = executor.submit(allocate, psutil.virtual_memory().total).exception(60)
        assert Evaluation.failed_by(error).reason == "out of memory"


def test_a_hung_worker_is_stopped_and_waiting_is_free(nodes):
    with RayExecutor(timeout_s=2) as executor:
        hung = [executor.submit(time.sleep, 3600) for _ in range(executor.slots)]
        waiting = executor.submit(time.sleep, 1)
        for future in hung:
            with pytest.raises(WorkerLost, match="took longer than 2 s"):
                future.result(60)
        assert waiting.result(60) is None


def test_shutdown_stops_what_is_running(nodes):
    executor = RayExecutor()
    running = executor.submit(time.sleep, 3600)
    time.sleep(1)
    executor.shutdown()
    assert isinstance(running.exception(0), WorkerLost)


def test_a_gpu_is_shared(nodes):
    with RayExecutor(gpus_per_candidate=0.5) as executor:
        assert executor.slots == 1  # of the node with the GPU, which has one core
        assert executor.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result(60) == "0"
    extra = nodes.add_node(num_cpus=8, num_gpus=1)
    try:
        with RayExecutor(gpus_per_candidate=0.25) as executor:
            assert executor.slots == 1 + 4
    finally:
        nodes.cluster.remove_node(extra)


def test_the_share_of_a_gpu_follows_from_the_memory_that_candidates_need(nodes):
    """The GPU is a pretended one, and so is its memory; Ray and its workers are real."""
    extra = nodes.add_node(num_cpus=8, num_gpus=1)
    try:
        with RayExecutor(gpus_per_candidate="auto") as executor:
            executor._measure = partial(float, "0.1")
            assert executor.slots == 1 + 1
            assert executor.submit(abs, -2).result(60) == 2
            assert executor.slots == 1 + 6
            executor._measure = partial(float, "0.4")
            assert executor.submit(abs, -3).result(60) == 3
            assert executor.slots == 1 + 1
            executor._measure = partial(float, "0.1")
            assert executor.submit(abs, -4).result(60) == 4
            assert executor.slots == 1 + 1
    finally:
        nodes.cluster.remove_node(extra)


def test_what_no_node_has_is_said(nodes):
    with pytest.raises(UserError, match=r"No node of the Ray cluster has the 64 core"):
        RayExecutor(threads=64)


@dataclass(frozen=True)
class Noting:
    """Leaves a note of every evaluation that it begins."""

    notes: Path

    def evaluate(self, architecture, seed, deadline_s):
        node = ray.get_runtime_context().get_node_id()
        (self.notes / f"{architecture.digest}-{node}").touch()
        return ToyEvaluator(1.5 + seed % 4 / 2).evaluate(architecture, seed, deadline_s)


def test_a_node_killed_in_a_search_costs_nothing(nodes, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    victim = nodes.add_node(num_cpus=2, env_vars=environment(tmp_path))
    killed = []

    def kill(event):
        recorded = {trial.architecture.digest for trial in study.trials}
        # Those that began just now: older ones may be finished, and not yet recorded.
        begun = [
            note
            for note in notes.glob(f"*-{victim.node_id}")
            if time.time() - note.stat().st_mtime < 1.0
        ]
        running = {note.name.partition("-")[0] for note in begun} - recorded
        if not killed and event.evaluations >= 4 and running:
            nodes.cluster.remove_node(victim, allow_graceful=False)
            killed.append(running)

    with (
        Study.create_or_resume(tmp_path / "study", toy_config()) as study,
        RayExecutor() as executor,
    ):
        end = run_search(
            study, ToySpace(), Noting(notes), RandomSearch(), executor,
            evaluations=20, on_event=kill,
        )  # fmt: skip
        digests = [trial.architecture.digest for trial in study.trials]
    assert killed
    assert end.counts == {"ok": 20}
    assert len(set(digests)) == 20
    begun = [note.name.partition("-")[0] for note in notes.iterdir()]
    assert set(begun) == set(digests)
    assert len(begun) > 20  # what the node was evaluating was evaluated again elsewhere


@pytest.fixture(scope="module")
def cache(nodes, tmp_path_factory):
    clips = tmp_path_factory.mktemp("clips")
    write_clips(clips, classes=CLASSES, clips_per_class=6, size_px=32)
    return build_cache(load_dataset(clips), size_px=16, directory=nodes.home)


def copy_here(source):
    return local_copy(source)


def copy_as_a_new_worker(source):
    return local_copy.__wrapped__(source)  # a worker looks once


def copy_on(nodes, source, copies_a_node, copy=copy_here):
    places = [
        NodeAffinitySchedulingStrategy(node, soft=False)
        for node in nodes.ids
        for _ in range(copies_a_node)
    ]
    task = ray.remote(copy)
    return ray.get(
        [task.options(num_cpus=0, scheduling_strategy=place).remote(source) for place in places]
    )


def test_clips_are_copied_once_to_a_node_without_them(nodes, cache):
    source = ClipSource.of(cache.directory)
    partial = nodes.away / f"{cache.directory.name}-{source.digest}.partial"
    partial.mkdir()
    name = next(one for one in source.files if one.endswith(".raw"))
    pixels = (cache.directory / name).read_bytes()
    (partial / name).write_bytes(pixels[:7])
    begun = (partial / name).stat().st_ino
    folders = copy_on(nodes, source, copies_a_node=3)
    copy = nodes.away / f"{cache.directory.name}-{source.digest}"
    assert sorted(folders) == sorted([cache.directory] * 3 + [copy] * 3)
    # Only what was missing was read, and once: the others found it.
    assert (copy / name).read_bytes() == pixels
    assert (copy / name).stat().st_ino == begun
    assert not partial.exists()


@pytest.mark.parametrize(("modality", "copied"), [("flow", {"dis"}), ("rgb", set())])
def test_the_flow_of_a_study_is_copied_whichever_is_in_use(nodes, tmp_path, modality, copied):
    pytest.importorskip("cv2")
    write_clips(tmp_path / "flowing", classes=CLASSES, clips_per_class=6, size_px=32)
    dataset = load_dataset(tmp_path / "flowing")
    cache = build_flow(dataset, build_cache(dataset, size_px=16, directory=nodes.home))
    build_flow(dataset, cache, method="farneback")
    training = TrainingSettings(epochs=1, batch_size=4)
    settings = ClipEvaluation(training=training, clips=cache.settings([modality]))
    source = ClusterClipEvaluator.of(
        ClipEvaluator(cache.directory, settings, Limits(), FAMILY)
    ).source
    (copy,) = set(copy_on(nodes, source, copies_a_node=1)) - {cache.directory}
    names = [path.name.removesuffix(".npz") for path in copy.glob("flow*")]
    assert {name.split("-")[1] for name in names} == copied
    seen = ClipCache(copy, settings.clips.flow_method).frames(0, modality)
    np.testing.assert_array_equal(seen, cache.frames(0, modality))


def test_a_copy_that_was_damaged_is_made_anew(nodes, cache):
    source = ClipSource.of(cache.directory)
    copies = set(copy_on(nodes, source, copies_a_node=1)) - {cache.directory}
    (path,) = (next(copy.glob("rgb-*.raw")) for copy in copies)
    pixels = path.read_bytes()
    path.write_bytes(bytes(len(pixels)))
    copy_on(nodes, source, copies_a_node=1, copy=copy_as_a_new_worker)
    assert path.read_bytes() == pixels


def test_candidates_train_on_every_node(nodes, cache):
    training = TrainingSettings(epochs=1, batch_size=4)
    settings = ClipEvaluation(training=training, clips=cache.settings(["rgb"]))
    clips = ClipEvaluator(cache.directory, settings, Limits(), FAMILY)
    evaluator = ClusterClipEvaluator.of(clips)
    assert evaluator.describe() == clips.describe()
    with RayExecutor() as executor:
        futures = [executor.submit(evaluator.evaluate, Toy(widths=(8,)), 3, 60) for _ in range(4)]
        outcomes = [future.result(120) for future in futures]
    assert {outcome.status for outcome in outcomes} == {"ok"}


def climb_here(evaluator, architecture):
    """Evaluate on this node; return the outcome and the epochs of the passes that it took."""
    passes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clip_evaluator, "train", partial(train, on_epoch=passes.append))
        outcome = evaluator.evaluate(architecture, 3, None)
    return outcome, [one.epoch for one in passes]


def climb_on(node, evaluator, architecture):
    place = NodeAffinitySchedulingStrategy(node, soft=False)
    task = ray.remote(climb_here).options(num_cpus=0, scheduling_strategy=place)
    return ray.get(task.remote(evaluator, architecture))


def climber(cache, states, **changes):
    training = TrainingSettings(epochs=1, batch_size=4)
    settings = ClipEvaluation(training=training, rungs=3, clips=cache.settings(["rgb"]), **changes)
    clips = ClipEvaluator(
        cache.directory, settings, Limits(), FAMILY, runtime="torch", states=StateFolder(states)
    )
    return ClusterClipEvaluator.of(clips)


def test_a_state_travels_to_another_node_and_back(nodes, cache, tmp_path):
    home, away = nodes.ids
    toy, evaluator = Toy(widths=(8,)), climber(cache, tmp_path / "states")
    assert evaluator.rungs == 3
    climbed = [
        climb_on(node, evaluator.at_rung(rung), toy) for rung, node in enumerate((away, home, away))
    ]
    assert [passes for _, passes in climbed] == [[1], [2, 3], [4, 5, 6, 7, 8, 9]]
    alone = climber(cache, tmp_path / "others").evaluator.at_rung(2).evaluate(toy, 3, None)
    assert climbed[-1][0].metrics["loss"] == pytest.approx(alone.metrics["loss"], rel=1e-5)
    (kept,) = (tmp_path / "states").iterdir()
    assert kept.name == f"{toy.digest}.state"


def test_children_inherit_from_a_parent_of_another_node(nodes, cache, tmp_path):
    parent, child = Toy(widths=(8, 4)), Toy(widths=(8, 6))
    evaluator = climber(cache, tmp_path / "states", inherit=True)
    born, _ = climb_on(nodes.ids[0], evaluator, parent)
    family = [Trial(0, Proposal(parent), born, 0.0)]
    heir = evaluator.for_candidate(Proposal(child, parent=0), family)
    outcome, _ = climb_on(nodes.ids[1], heir, child)
    assert 0 < outcome.metrics["inherited"] < 1


def test_a_damaged_state_is_set_aside_at_home(nodes, cache, tmp_path):
    parent, child = Toy(widths=(8, 4)), Toy(widths=(8, 6))
    evaluator = climber(cache, tmp_path / "states", inherit=True)
    states = evaluator.evaluator.states
    states.path.mkdir()
    states.file(parent.digest).write_bytes(b"damaged")
    born = Evaluation(status="ok", fitness=0.5)
    family = [Trial(0, Proposal(parent), born, 0.0)]
    heir = evaluator.for_candidate(Proposal(child, parent=0), family)
    outcome, _ = climb_on(nodes.ids[1], heir, child)
    assert outcome.metrics["inherited"] == 0
    assert states.aside() == [parent.digest]


def test_a_state_that_cannot_go_home_ends_the_search(nodes, cache, tmp_path):
    (tmp_path / "file").touch()
    evaluator = climber(cache, tmp_path / "file" / "states")
    with pytest.raises(UserError, match=r"\.state cannot be written \(.+\); free some space"):
        climb_on(nodes.ids[1], evaluator, Toy(widths=(8,)))


def test_a_node_without_room_for_the_clips_ends_the_search(nodes, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDNAS_CACHE", str(tmp_path / "file" / "folder"))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be copied to this node \(Not a directory\)"):
        local_copy.__wrapped__(ClipSource.of(cache.directory))


INTERRUPTED = """
import sys
import time
from pathlib import Path
from search_toys import ToyEvaluator, ToySpace, toy_config
from vidnas.evolution import RandomSearch, RayExecutor, Study, run_search
say = lambda event: print(event.kind, event.evaluations, flush=True)
class Slow(ToyEvaluator):  # as slow as it is wide: no two candidates end together
    def evaluate(self, architecture, seed, deadline_s):
        time.sleep(sum(architecture.widths) / 20)
        return super().evaluate(architecture, seed, deadline_s)
with Study.create_or_resume(Path(sys.argv[1]), toy_config()) as study, RayExecutor("local") as ray:
    run_search(
        study, ToySpace(), Slow(), RandomSearch(), ray, evaluations=99, on_event=say
    )
"""


def test_ctrl_c_finishes_what_is_in_flight(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    driver = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path / "study")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    assert driver.stdout.readline() == "started 0\n"
    before = driver.stdout.readline()
    assert before.startswith("ok 1")
    # As a terminal does it: every process that belongs to the command gets the signal.
    os.killpg(driver.pid, signal.SIGINT)
    output, errors = driver.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert "stopping" in output
    assert "failed" not in output
    assert re.search(r"stopping (\d+)\nok", output)
