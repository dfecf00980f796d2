"""Extending, forking and merging studies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from search_toys import Toy, ToyEvaluator, ToyLadder, ToySpace, toy_config

from vidnas.core import Cost, Evaluation, UserError
from vidnas.evolution.engine import run_search
from vidnas.evolution.executors import InlineExecutor
from vidnas.evolution.limits import Limits
from vidnas.evolution.merging import fork_study, merge_studies
from vidnas.evolution.strategies import RandomSearch, TopK, TournamentEvolution
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Architecture
from vidnas.profiling.counting import count_cost

Row = tuple[int, "int | None", str, "int | None"]
"""Width, parent, status and MACs of a trial."""


def make(folder: Path, *rows: Row, **changes: Any) -> Study:
    with Study.create_or_resume(folder, toy_config(**changes)) as study:
        for width, parent, status, macs in rows:
            cost = None if macs is None else Cost(parameters=1, macs=macs, activation_bytes=1)
            evaluation = Evaluation.model_validate(
                {"status": status, "fitness": width / 100 if status == "ok" else None}
                | {"cost": cost, "reason": "" if status == "ok" else "macs: too many"}
            )
            proposal = Proposal(Toy(widths=(width,)), parent, () if parent is None else ("wider",))
            study.record(proposal, evaluation, elapsed_s=10.0 * (len(study.trials) + 1))
    return study


def rows(study: Study) -> list[Row]:
    return [
        (
            trial.architecture.widths[0],
            trial.proposal.parent,
            trial.evaluation.status,
            trial.evaluation.cost and trial.evaluation.cost.macs,
        )
        for trial in study.trials
    ]


def search(folder: Path, evaluations: int, **changes: Any) -> Study:
    strategy = changes.pop("strategy", TournamentEvolution(population=5))
    with Study.create_or_resume(folder, toy_config(strategy=strategy, **changes)) as study:
        run_search(
            study, ToySpace(), ToyEvaluator(), strategy, InlineExecutor(), evaluations=evaluations
        )
    return study


def make_climbed(folder: Path, **climbs: list[float]) -> Study:
    """A study of three rungs; the candidates `w1`, `w2`, ... have a fitness for each they climbed,
    rung by rung, and a file for what they have learned."""
    with Study.create_or_resume(folder, toy_config(Limits(macs=100), rungs=3)) as study:
        cost = Cost(parameters=1, macs=50, activation_bytes=1)
        for rung in range(3):
            for number, (name, fitness) in enumerate(climbs.items()):
                elapsed_s = float(len(study.history) + 1)
                if len(fitness) > rung:
                    found = Evaluation(status="ok", fitness=fitness[rung], cost=cost)
                    proposal = Proposal(Toy(widths=(int(name[1:]),)))
                    if rung:
                        study.climb(number, found, elapsed_s)
                    else:
                        study.record(proposal, found, elapsed_s)
        (folder / "states").mkdir()
        for trial in study.trials:
            file = folder / "states" / f"{trial.architecture.digest}.safetensors"
            file.write_text(f"{folder.name} {trial.rung}")
    return study


def rungs(study: Study) -> dict[int, list[float | None]]:
    return {
        trial.architecture.widths[0]: [one.fitness for one in trial.evaluations]
        for trial in study.trials
    }


def states(study: Study) -> dict[int, str]:
    return {
        trial.architecture.widths[0]: file.read_text()
        for trial in study.trials
        for file in (study.folder / "states").glob(f"{trial.architecture.digest}*")
    }


def test_a_fork_takes_rungs_and_what_was_learned(tmp_path: Path) -> None:
    source = make_climbed(tmp_path / "source", w1=[0.1, 0.2, 0.3], w2=[0.2], w3=[0.3, 0.4])
    (tmp_path / "source" / "states" / "link").symlink_to(tmp_path / "source" / "study.db")
    gone = source.trials[1].architecture.digest
    (tmp_path / "source" / "states" / f"{gone}.safetensors").unlink()
    assert fork_study(source, tmp_path / "fork") == 3
    fork = Study.read(tmp_path / "fork")
    assert fork.history == source.history
    assert states(fork) == {1: "source 2", 3: "source 1"}
    fork_study(source, tmp_path / "part", trials=2)
    part = Study.read(tmp_path / "part")
    assert rungs(part) == {1: [0.1, 0.2, 0.3], 2: [0.2]}
    assert states(part) == {1: "source 2"}
    assert len(list((tmp_path / "part" / "states").iterdir())) == 1


def test_a_fork_to_other_clips_leaves_behind_what_was_learned(tmp_path: Path) -> None:
    source = make_climbed(tmp_path / "source", w1=[0.1, 0.2], w2=[0.2])
    config = source.config.model_copy(update={"data_fingerprint": "others"})
    fork_study(source, tmp_path / "fork", config, other_clips=True)
    fork = Study.read(tmp_path / "fork")
    assert rungs(fork) == rungs(source)
    assert states(fork) == {}


def test_a_fork_under_tighter_limits_keeps_no_rung_of_the_rejected(tmp_path: Path) -> None:
    source = make_climbed(tmp_path / "source", w1=[0.1, 0.2], w2=[0.2])
    fork_study(source, tmp_path / "fork", toy_config(Limits(macs=10), rungs=3))
    fork = Study.read(tmp_path / "fork")
    assert [(one.evaluation.status, one.rung) for one in fork.history] == [("rejected", 0)] * 2


def test_a_fork_whose_strategy_does_not_climb_compares_on_the_lowest_rung(tmp_path: Path) -> None:
    source = make_climbed(tmp_path / "source", w1=[0.1, 0.2, 0.3], w2=[0.2])
    config = source.config.model_copy(update={"strategy": TopK().describe()})
    fork_study(source, tmp_path / "fork", config)
    fork = Study.read(tmp_path / "fork")
    assert rungs(fork) == {1: [0.1], 2: [0.2]}
    fork_study(fork, tmp_path / "back", source.config)
    with Study.create_or_resume(tmp_path / "back", source.config) as back:
        back.climb(0, Evaluation(status="ok", fitness=0.2), elapsed_s=9.0)


def test_a_merger_keeps_the_one_that_climbed_higher(tmp_path: Path) -> None:
    one = make_climbed(tmp_path / "1", w1=[0.1, 0.2], w2=[0.9], w3=[0.3, 0.4, 0.5])
    two = make_climbed(tmp_path / "2", w2=[0.2, 0.1], w3=[0.9, 0.9], w1=[0.5, 0.2], w4=[0.4])
    assert merge_studies([one, two, one], tmp_path / "both") == 4
    both = Study.read(tmp_path / "both")
    assert rungs(both) == {1: [0.1, 0.2], 2: [0.2, 0.1], 3: [0.3, 0.4, 0.5], 4: [0.4]}
    assert [(trial.number, trial.rung) for trial in both.history] == [
        (0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (2, 2), (3, 0), (1, 1)
    ]  # fmt: skip
    elapsed_s = [trial.elapsed_s for trial in both.history]
    assert elapsed_s == sorted(elapsed_s)
    assert states(both) == {1: "1 1", 2: "2 1", 3: "1 2", 4: "2 0"}


def test_a_merger_keeps_the_one_that_did_not_fail(tmp_path: Path) -> None:
    one = make_climbed(tmp_path / "1", w1=[0.1], w2=[0.2])
    with Study.create_or_resume(one.folder, one.config) as study:
        study.climb(0, Evaluation(status="failed", reason="died"), 9.0)
    two = make_climbed(tmp_path / "2", w1=[0.3])
    for order in ([study, two], [two, study]):
        folder = tmp_path / f"both {order[0].folder.name}"
        merge_studies(order, folder)
        both = Study.read(folder)
        assert rungs(both) == {1: [0.3], 2: [0.2]}
        assert {trial.evaluation.status for trial in both.history} == {"ok"}
        assert states(both) == {1: "2 0", 2: "1 0"}


def test_a_larger_number_extends_a_study(tmp_path: Path) -> None:
    before = search(tmp_path / "study", 8).trials
    after = search(tmp_path / "study", 20).trials
    assert after[:8] == before
    assert len({trial.architecture.digest for trial in after}) == 20
    assert search(tmp_path / "study", 20).trials == after
    at_once = search(tmp_path / "at once", 20).trials
    assert [t.proposal for t in after] == [t.proposal for t in at_once]


def test_a_fork_continues_by_itself(tmp_path: Path) -> None:
    source = search(tmp_path / "source", 8)
    config = toy_config(strategy=RandomSearch(), seed=5)
    assert fork_study(source, tmp_path / "fork", config, trials=6) == 6
    forked = search(tmp_path / "fork", 12, strategy=RandomSearch(), seed=5)
    assert forked.trials[:6] == source.trials[:6]
    assert len(forked.trials) == 12
    assert Study.read(tmp_path / "source").trials == source.trials


class Designed(ToySpace):
    """A space of three designs; the second is the largest."""

    def designs(self) -> tuple[Toy, ...]:
        return tuple(Toy(widths=(1, 1, 1, width)) for width in (2, 8, 4))

    def smaller(self, design: Architecture) -> Toy:
        return Toy(widths=(1, 1, 1, 6))


def test_a_fork_with_looser_limits_tries_the_design_that_broke_the_old(tmp_path: Path) -> None:
    def run(folder: Path, limits: Limits, evaluations: int) -> list[Trial]:
        config = toy_config(limits, RandomSearch(), designs=True)
        with Study.create_or_resume(folder, config) as study:
            run_search(
                study, Designed(), ToyLadder(), RandomSearch(), InlineExecutor(),
                evaluations=evaluations,
            )  # fmt: skip
        return [one for one in study.trials if one.proposal.design]

    def widths(trials: list[Trial]) -> list[int]:
        return [one.architecture.widths[3] for one in trials]

    small, large = (count_cost(Toy(widths=(1, 1, 1, n)), 2).parameters for n in (6, 8))
    before = run(tmp_path / "source", Limits(parameters=small), 3)
    assert widths(before) == [2, 8, 6, 4]
    assert before[1].evaluation.status == "rejected"
    looser = Limits(parameters=large)
    config = toy_config(looser, RandomSearch(), designs=True)
    fork_study(Study.read(tmp_path / "source"), tmp_path / "fork", config)
    assert widths(run(tmp_path / "fork", looser, 4)) == [2, 6, 4, 8]


ROWS: list[Row] = [(1, None, "ok", 50), (2, 0, "rejected", 150), (3, 0, "ok", 90),
                   (4, 2, "rejected", 500), (5, 2, "failed", None)]  # fmt: skip


@pytest.mark.parametrize(
    ("macs", "expected"),
    [
        (100, ROWS),
        (60, [ROWS[0], ROWS[1], (3, 0, "rejected", 90), ROWS[3], ROWS[4]]),
        (None, [(1, None, "ok", 50), (3, 0, "ok", 90), (5, 1, "failed", None)]),
        (200, [(1, None, "ok", 50), (3, 0, "ok", 90), (4, 1, "rejected", 500),
               (5, 1, "failed", None)]),
    ],
)  # fmt: skip
def test_a_fork_judges_by_its_own_limits(
    tmp_path: Path, macs: int | None, expected: list[Row]
) -> None:
    source = make(tmp_path / "source", *ROWS, limits=Limits(macs=100))
    fork_study(source, tmp_path / "fork", toy_config(Limits(macs=macs)))
    forked = Study.read(tmp_path / "fork")
    assert rows(forked) == expected
    assert all(trial.fitness > 0 or trial.evaluation.status != "ok" for trial in forked.trials)


def test_a_merger_keeps_each_architecture_once(tmp_path: Path) -> None:
    one = make(tmp_path / "1", (1, None, "ok", 5), (2, 0, "failed", None), (3, 1, "ok", 7))
    rows_of_two: list[Row] = [(3, None, "ok", 7), (9, 0, "ok", 5), (2, 1, "ok", 6), (8, 2, "ok", 1)]
    two = make(tmp_path / "2", *rows_of_two, seed=4)
    assert merge_studies([one, two], tmp_path / "both") == 5
    both = Study.read(tmp_path / "both")
    assert rows(both) == [
        (1, None, "ok", 5), (2, 0, "ok", 6), (3, 1, "ok", 7), (9, 2, "ok", 5), (8, 1, "ok", 1),
    ]  # fmt: skip
    assert [trial.elapsed_s for trial in both.trials] == [10, 20, 30, 50, 70]
    assert both.config == one.config
    again = search(tmp_path / "both", 7, strategy=TournamentEvolution())
    assert again.trials[:5] == both.trials


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"data_fingerprint": "other"}, "data_fingerprint is other there and none now"),
        ({"space": {"depth": 5, "most": 32}}, "space.depth is 5 there and 4 now"),
        ({"evaluator": {"budget_s": 5}}, "evaluator.budget_s is 5 there and not set now"),
        ({"classes": ("up", "down")}, "classes is"),
    ],
)
def test_what_cannot_be_compared_is_not_merged(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    studies = [make(tmp_path / "1", ROWS[0]), make(tmp_path / "2", ROWS[0], **changes)]
    with pytest.raises(UserError, match=named):
        merge_studies(studies, tmp_path / "both")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


def test_a_folder_that_holds_something_stays_as_it_is(tmp_path: Path) -> None:
    source = make(tmp_path / "source", ROWS[0])
    (tmp_path / "there").mkdir()
    fork_study(source, tmp_path / "there")  # empty
    before = (tmp_path / "there" / "study.db").read_bytes()
    with pytest.raises(UserError, match="exists already"):
        fork_study(source, tmp_path / "there")
    assert (tmp_path / "there" / "study.db").read_bytes() == before


def test_a_fork_that_is_killed_leaves_no_folder(tmp_path: Path) -> None:
    make(tmp_path / "source", ROWS[0], ROWS[2])
    script = (
        "import os, signal, sys; from pathlib import Path; import search_toys\n"
        "from vidnas.evolution.merging import fork_study\n"
        "from vidnas.evolution.study import Study\n"
        "fork_study(Study.read(Path(sys.argv[1])), Path(sys.argv[2]),\n"
        "           on_progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "source"), str(tmp_path / "fork")]
    path = {"PYTHONPATH": f"{Path(__file__).parent}:{':'.join(sys.path)}"}
    assert subprocess.run(command, env=path, check=False).returncode < 0
    assert not (tmp_path / "fork").exists()
    assert fork_study(Study.read(tmp_path / "source"), tmp_path / "fork") == 2
