"""How well the rungs of the ladder rank tiny networks, compared with the end of their training.

    python -m benchmarks.fidelity --out FOLDER [--clips CSV]

Designs, random networks and children of the two climb the ladder as in a search, in seconds, each
all the way and on one thread, as many at a time as there are cores; then each is cooled down and
tested. On every rung they are validated as in a search, by averaged weights with batch statistics
of their own, calibrated; and without each of these in turn: by the raw weights, with the statistics
that training gathered ("unsettled"), and uncalibrated. The first rung is that of a search of
`--minutes`. Nothing else should be running.

What is finished is recorded in FOLDER/evaluations.jsonl and skipped when the same command is given
again. `benchmarks.fidelity_table` compares the rankings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clips import CLIPS_HELP, SIZE_PX, TWELVE_MOTIONS, find_clips
from benchmarks.results import Line, Log, options, print_environment
from vidnas.families import create_network

FAMILY = "tinyvideonet"
CANDIDATES, RUNGS = 24, 3
MUTATIONS, RECENT = 2, 8
"""A parent is one of the latest eight: many have children, and some children do."""
SCHEDULE, END = "schedule", "end"
RECORD = "evaluations.jsonl"
SEED = 0


def candidates(space: Any, limits: Any, classes: int, count: int) -> list[Any]:
    """Draw the architectures to compare: the designs, then in turns a random one and a child."""
    from vidnas.profiling.counting import count_cost

    designs, rng = list(space.designs()), np.random.default_rng(SEED)
    found: dict[str, Any] = {}
    while len(found) < count:
        if designs:
            architecture = designs.pop(0)
        elif found and len(found) % 2:
            parent = list(found.values())[-int(rng.integers(1, min(len(found), RECENT) + 1))]
            architecture, _ = space.mutate(parent, rng, strength=MUTATIONS)
        else:
            architecture = space.random(rng)
        # No single frame of a generated clip reveals its class: one would only add noise.
        if architecture.inputs[0].frames > 1 and not limits.judge(
            count_cost(architecture, classes)
        ):
            found.setdefault(architecture.digest, architecture)
    return list(found.values())


def climb(evaluator: Any, architecture: Any, seed: int) -> Line:
    """Bring a candidate to the evaluator's rung, and validate what a search does not judge."""
    from vidnas.data.cache import ClipCache
    from vidnas.training import evaluate
    from vidnas.training.checkpoint import load_checkpoint

    found = evaluator.evaluate(architecture, seed, None)
    if found.status != "ok":
        return {"status": found.status, "reason": found.reason}
    cache = ClipCache(evaluator.cache_directory)
    network = create_network(architecture, len(cache.classes))
    _, learned = load_checkpoint(evaluator.states.file(architecture.digest), {})
    raw, average = learned["network"], learned["average"]
    gathered = {name: raw[name] for name, _ in network.named_buffers()}
    others = {"raw": raw, "unsettled": average | gathered, "uncalibrated": average}
    judged: Line = {}
    for name, weights in others.items():
        network.load_state_dict(weights)
        metrics = evaluate(network, cache, "val", calibrated=name != "uncalibrated")
        judged[f"{name}_top1"] = metrics.shares["top1"]
        judged[f"{name}_likelihood"] = metrics.likelihood
    return {
        "status": "ok",
        **found.metrics,
        **judged,
        "cost": found.cost and found.cost.model_dump(mode="json"),
    }


def finish(evaluator: Any, architecture: Any, seed: int, trained_s: float) -> Line:
    """Cool a candidate down from the top of the ladder, and test it."""
    from vidnas.core.clip import CLIPS_PER_VIDEO
    from vidnas.data.cache import ClipCache
    from vidnas.training import evaluate, train
    from vidnas.training.settings import COOLDOWN

    cache = ClipCache(evaluator.cache_directory)
    network = create_network(architecture, len(cache.classes))
    settings = evaluator.settings.training.model_copy(
        update={
            "epochs": None,
            "budget_s": trained_s * COOLDOWN / (1 - COOLDOWN),
            "cooldown": 1.0,
        }
    )
    state = evaluator.states.file(architecture.digest)
    report = train(network, cache, settings, seed=seed, checkpoint=state)
    test = evaluate(network, cache, "test", clips_per_video=CLIPS_PER_VIDEO)
    assert report.validation is not None
    return {
        "status": "ok",
        "epochs": report.epochs,
        "training_s": report.seconds,
        "top1": report.validation.shares["top1"],
        "likelihood": report.validation.likelihood,
        "test_top1": test.shares["top1"],
        "test_likelihood": test.likelihood,
        "architecture": json.loads(architecture.to_json()),
    }


def prepare(arguments: Any) -> tuple[Any, Any, Line]:
    """Return the evaluator of the lowest rung, the space, and the schedule as a line."""
    from benchmarks.searching import evaluator_of
    from vidnas.core.process import available_cores
    from vidnas.data.cache import build_cache
    from vidnas.data.datasets import load_dataset
    from vidnas.evolution import Limits
    from vidnas.evolution.states import StateFolder
    from vidnas.workflows.plan import Plan, planned_sampling, planned_space, rung_training
    from vidnas.workflows.request import SearchRequest

    out = arguments.out.resolve()
    request = SearchRequest(
        clips=find_clips(arguments.clips, out),
        family=FAMILY,
        out=out / "search",  # none is made: the plan is all that is asked for
        budget_s=60 * arguments.minutes,
        limits=(arguments.limit,),
    )
    cache = build_cache(load_dataset(request.clips), size_px=SIZE_PX)
    plan = Plan.of(request, len(cache.videos("train")), available_cores())
    training = rung_training(request, plan)
    evaluator = evaluator_of(
        FAMILY,
        cache,
        training,
        Limits.parse(request.limits),
        arguments.rungs,
        states=StateFolder(out / "states"),
    )
    space = planned_space(
        request,
        max_size_px=SIZE_PX,
        max_frames=cache.typical_frames,
        sampling=planned_sampling(cache.longest_frames),
    )
    schedule = {
        "clips": Path(arguments.clips).stem,
        "classes": len(cache.classes),
        "limit": arguments.limit,
        "rungs": arguments.rungs,
        "candidates": arguments.candidates,
        "first_rung": training.run,
    }
    return evaluator, space, schedule


def measure(log: Log, evaluator: Any, chosen: Sequence[Any]) -> None:
    """Bring all candidates from rung to rung, those that are ok, and to the end."""
    from vidnas.evolution import LocalExecutor
    from vidnas.evolution.launcher import evaluation_seed

    seeds = {one.digest: evaluation_seed(SEED, one) for one in chosen}
    trained_s = dict.fromkeys(seeds, 0.0)
    with LocalExecutor() as executor:
        for rung in range(evaluator.rungs):
            climbs = [
                (
                    {"part": rung, "digest": one.digest},
                    climb,
                    (evaluator.at_rung(rung), one, seeds[one.digest]),
                )
                for one in chosen
            ]
            lines = log.measure_all(executor, climbs)
            for line in lines:
                trained_s[line["digest"]] += line.get("training_s", 0.0)
            ok = {line["digest"] for line in lines if line["status"] == "ok"}
            chosen = [one for one in chosen if one.digest in ok]
        ends = [
            (
                {"part": END, "digest": one.digest},
                finish,
                (evaluator, one, seeds[one.digest], trained_s[one.digest]),
            )
            for one in chosen
        ]
        log.measure_all(executor, ends)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", default=TWELVE_MOTIONS, help=CLIPS_HELP)
    parser.add_argument("--candidates", type=int, default=CANDIDATES)
    parser.add_argument("--rungs", type=int, default=RUNGS)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the search")
    parser.add_argument("--limit", default="macs=200M", help="one that can be counted")
    arguments = parser.parse_args()
    print_environment()
    evaluator, space, schedule = prepare(arguments)
    log = Log(arguments.out / RECORD)
    if log.measure(lambda: schedule, part=SCHEDULE) != {"part": SCHEDULE, **schedule}:
        parser.error(
            f"{arguments.out} holds measurements with other options; choose another folder"
        )
    chosen = candidates(space, evaluator.limits, schedule["classes"], arguments.candidates)
    measure(log, evaluator, chosen)


if __name__ == "__main__":
    main()
