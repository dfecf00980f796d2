"""Nodes of a Ray cluster that die while candidates climb on them: what is lost, in epochs.

    python -m benchmarks.node_loss [--losses 5]

Ray is real, and so are the nodes' processes, caches and states; all nodes are on this machine. A
search of generated clips runs on two nodes. Again and again the second one is killed, with all its
processes, while a candidate climbs there past its first pass over the clips; another node takes
its place. Workers append every pass to a ledger. In the end this must hold:

* nothing lost: every rung that was recorded before a loss is there and unchanged, and each
  candidate has trained, over all its rungs, as many epochs as its rung asks for;
* nothing doubled: no rung of a candidate is recorded twice;
* nobody is blamed: no candidate has failed.

Passes of a climb whose node died are trained again; they are what is lost.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.results import Results, options
from vidnas.core.evaluation import Evaluation

if TYPE_CHECKING:
    from vidnas.evolution import Trial
    from vidnas.evolution.cluster_clips import ClusterClipEvaluator
    from vidnas.evolution.events import Event

RUNGS, EPOCHS = 3, 3
EVALUATIONS_PER_LOSS = 16
"""A new node needs some seconds to start, and then a candidate that climbs there."""
STORE_BYTES = 100_000_000


@dataclass(frozen=True)
class Witness:
    """Writes down every pass over the clips, and on which node."""

    clips: ClusterClipEvaluator
    ledger: Path

    @property
    def rungs(self) -> int:
        """How many rungs there are."""
        return self.clips.rungs

    def describe(self) -> dict[str, Any]:
        """Return the settings of the evaluator."""
        return self.clips.describe()

    def seconds_at(self, rung: int) -> float | None:
        """Return what the evaluator says."""
        return self.clips.seconds_at(rung)

    def at_rung(self, rung: int) -> Witness:
        """Return the witness of a rung."""
        return replace(self, clips=self.clips.at_rung(rung))

    def evaluate(self, architecture: Any, seed: int, deadline_s: float | None) -> Evaluation:
        """Evaluate, and append a line per pass: the candidate, the rung, the node and the epoch."""
        import ray

        from vidnas.evolution import clip_evaluator
        from vidnas.training.loop import train

        about = (
            architecture.digest,
            self.clips.evaluator.rung,
            ray.get_runtime_context().get_node_id(),
        )
        noted = partial(train, on_epoch=lambda one: self._note(*about, one.epoch))
        vars(clip_evaluator)["train"] = noted
        return self.clips.evaluate(architecture, seed, deadline_s)

    def _note(self, *words: object) -> None:
        descriptor = os.open(self.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{' '.join(map(str, words))}\n".encode())
        os.close(descriptor)


class Losses:
    """Kills the second node of a cluster while a candidate climbs there, and starts another."""

    def __init__(self, cluster: Any, folder: Path, wanted: int) -> None:
        self.cluster, self.folder, self.wanted = cluster, folder, wanted
        self.ledger = folder / "ledger"
        self.killed: list[str] = []
        self.recorded: dict[int, tuple[Evaluation, ...]] = {}
        self.rungs: dict[str, int] = {}
        """The rung of each recorded candidate, by digest."""
        self.node = self.start()

    def start(self) -> Any:
        """Start a node with a cache of its own."""
        away = self.folder / f"node-{len(self.killed)}"
        return self.cluster.add_node(
            num_cpus=1, object_store_memory=STORE_BYTES, env_vars=environment(away)
        )

    def consider(self, event: Event) -> None:
        """Kill the node if the last pass on it is of a climb that is not recorded yet."""
        if event.trial is not None:
            self.check(event.trial)
        mine = [line for line in passes(self.ledger) if line[2] == self.node.node_id]
        if len(self.killed) == self.wanted or not mine:
            return
        digest, rung = mine[-1][0], int(mine[-1][1])
        if 0 < rung > self.rungs.get(digest, -1):
            self.cluster.remove_node(self.node, allow_graceful=False)
            self.killed.append(self.node.node_id)
            self.node = self.start()

    def check(self, trial: Trial) -> None:
        """Compare what was recorded with what was recorded before, which must be its beginning."""
        before = self.recorded.get(trial.number, ())
        if trial.evaluations[:-1] != before:
            raise SystemExit(f"trial {trial.number} lost a rung, or climbed one twice")
        self.recorded[trial.number] = trial.evaluations
        self.rungs[trial.architecture.digest] = trial.rung


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--losses", type=int, default=5)
    arguments = parser.parse_args()
    results = Results("node_loss", arguments)
    with tempfile.TemporaryDirectory() as folder:
        line = measure(Path(folder), arguments.losses)
    results.show(results.add(**line))
    results.finish(line)


def measure(folder: Path, losses: int) -> dict[str, Any]:
    """Run a search that loses nodes, and return what that cost."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
    import ray
    from ray.cluster_utils import Cluster

    head = {
        "num_cpus": 1,
        "object_store_memory": STORE_BYTES,
        "include_dashboard": False,
        "env_vars": environment(folder / "home"),
    }
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        ray.init(address=cluster.address, log_to_driver=False)
        fate = Losses(cluster, folder, losses)
        began = time.monotonic()
        trials = search(folder, fate)
        seconds = time.monotonic() - began
    finally:
        ray.shutdown()
        cluster.shutdown()
    return outcome(trials, fate) | {"seconds": seconds}


def search(folder: Path, fate: Losses) -> list[Trial]:
    """Search generated clips on the cluster; whenever something is recorded, a node may die."""
    import vidnas
    from benchmarks.searching import evaluator_of, space_of
    from vidnas.data.cache import build_cache
    from vidnas.data.datasets import load_dataset
    from vidnas.data.demo import write_clips
    from vidnas.evolution.cluster_clips import ClusterClipEvaluator
    from vidnas.evolution.ray_executor import RayExecutor
    from vidnas.evolution.states import StateFolder
    from vidnas.training import TrainingSettings

    write_clips(folder / "clips", classes=("left", "right"), clips_per_class=60, size_px=32)
    cache = build_cache(load_dataset(folder / "clips"), size_px=32, directory=folder / "home")
    evaluator = evaluator_of(
        "tinyvideonet",
        cache,
        TrainingSettings(epochs=EPOCHS),
        rungs=RUNGS,
        states=StateFolder(folder / "states"),
    )
    with RayExecutor() as executor:
        study = vidnas.search(
            space_of("tinyvideonet", max_size_px=32, max_frames=cache.typical_frames),
            Witness(ClusterClipEvaluator.of(evaluator), fate.ledger),
            limits=["parameters=1M"],
            evaluations=EVALUATIONS_PER_LOSS * fate.wanted,
            folder=folder / "study",
            executor=executor,
            classes=cache.classes,
            on_event=fate.consider,
        )
    return study.trials


def outcome(trials: list[Trial], fate: Losses) -> dict[str, Any]:
    """Return the counts of a search that has ended.

    Raises:
        SystemExit: something was lost, doubled, or held against a candidate.
    """
    if len(fate.killed) < fate.wanted:
        raise SystemExit(f"only {len(fate.killed)} nodes could be killed while they climbed")
    counts = Counter(one.evaluation.status for one in trials)
    if counts["failed"]:
        raise SystemExit(f"{counts['failed']} candidates have failed")
    for one in trials:
        epochs = [rung.metrics["epochs"] for rung in one.evaluations if rung.status == "ok"]
        if epochs != [EPOCHS * 3**rung for rung in range(len(epochs))]:
            raise SystemExit(f"trial {one.number} climbed by {epochs} epochs")
    trained = len(passes(fate.ledger))
    kept = sum(rung.metrics.get("new_epochs", 0.0) for one in trials for rung in one.evaluations)
    return {
        "nodes_lost": len(fate.killed),
        "candidates": counts,
        "climbs": sum(len(one.evaluations) for one in trials),
        "epochs_trained": trained,
        "epochs_kept": kept,
        "epochs_lost": trained - kept,
    }


def passes(ledger: Path) -> list[list[str]]:
    """Return the passes that were made: candidate, rung, node, epoch."""
    return [line.split() for line in ledger.read_text().splitlines()] if ledger.exists() else []


def environment(cache: Path) -> dict[str, str]:
    """Return the variables of a node: its own cache, and where this module is."""
    return {"VIDNAS_CACHE": str(cache), "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}


if __name__ == "__main__":
    main()
