"""`vidnas compare`: studies side by side."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest
from commands import Vidnas, call, read_json
from search_toys import SEARCHED_LIMITS, Toy, ToyLadder, ToySpace, toy_config

from vidnas.core import Cost, Evaluation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.engine import run_search
from vidnas.evolution.executors import InlineExecutor
from vidnas.evolution.strategies import RandomSearch, Strategy, TournamentEvolution
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Proposal, Trial
from vidnas.report.comparison import ComparedStudy, Comparison
from vidnas.report.comparison_page import curves, fronts
from vidnas.workflows.compare import compare
from vidnas.workflows.records import write_record
from vidnas.workflows.request import REQUEST_FILE, SearchRequest
from vidnas.workflows.study_clips import CLIPS_FILE, StudyClips


def compared(
    name: str,
    fitness: list[float],
    seed: int = 0,
    strategy: str = "evolution",
    clips: str = "",
    budget_s: float | None = None,
    **config: object,
) -> ComparedStudy:
    """A study whose candidates have these fitnesses and cost the more the later they came."""
    history = []
    for number, one in enumerate(fitness):
        found = Evaluation(
            status="ok",
            fitness=one,
            metrics={"top1": one},
            cost=Cost(parameters=1 + number, macs=10 * (1 + number), activation_bytes=1),
        )
        proposal = Proposal(Toy(widths=(number + 1,)), design=number == 0)
        history.append(Trial(number, proposal, found, elapsed_s=60.0 * (number + 1)))
    asked = toy_config(seed=seed).model_copy(update={"strategy": {"name": strategy}, **config})
    return ComparedStudy(
        name,
        StudyConfig.model_validate(asked.model_dump()),
        history,
        None,
        clips=frozenset((one, "a class") for one in clips),
        budget={"budget_s": budget_s} if budget_s else {},
    )


@pytest.fixture
def three() -> Comparison:
    """Two seeds of one search, of different lengths, and one of another."""
    return Comparison(
        [
            compared("first", [0.2, 0.1, 0.6, 0.4]),
            compared("second", [0.4, 0.5, 0.5], seed=1, data_fingerprint="split otherwise"),
            compared("third", [0.3, 0.3], strategy="random"),
        ]
    )


def test_seeds_of_one_search_are_a_group(three: Comparison) -> None:
    found = {group.name: [one.name for one in group.studies] for group in three.groups}
    assert found == {"evolution": ["first", "second"], "random": ["third"]}
    alone = Comparison([compared("a", [0.1], deterministic=True), compared("b", [0.1])])
    assert [group.name for group in alone.groups] == ["a", "b"]  # no short word tells them apart


@pytest.mark.parametrize(
    ("budgets_s", "groups"), [((600, 600), 1), ((600, 1200), 2), ((None, None), 2)]
)
def test_what_follows_from_the_number_of_training_clips_tells_no_search_apart(
    budgets_s: tuple[float | None, float | None], groups: int
) -> None:
    """Groups that stay in one split give every seed another number of them."""
    studies = [
        compared(
            f"seed {seed}",
            [0.1],
            seed,
            budget_s=budgets_s[seed],
            evaluator={"rungs": 3, "training": {"epochs": epochs, "budget_s": 4.0, "flip": False}},
        )
        for seed, epochs in enumerate((2.5, 2.7))
    ]
    assert len(Comparison(studies).groups) == groups


def test_searches_of_other_clips_are_no_repetitions() -> None:
    studies = [compared("a", [0.1], 0, clips="xy"), compared("b", [0.1], 1, clips="yx")]
    assert len(Comparison(studies).groups) == 1 and Comparison(studies).notes == []
    studies[1] = compared("b", [0.1], 1, clips="xz")
    assert len(Comparison(studies).groups) == 2
    assert any("other clips" in note for note in Comparison(studies).notes)


def test_what_a_search_was_asked_and_its_clips_are_read(tmp_path: Path) -> None:
    folders = [tmp_path / "rungs derived", tmp_path / "rungs asked for"]
    for folder, candidate_time_s in zip(folders, (None, 2), strict=True):
        with Study.create_or_resume(folder, toy_config()):
            pass
        asked = {"clips": tmp_path, "budget_s": "10m", "candidate_time_s": candidate_time_s}
        write_record(SearchRequest.model_validate(asked), folder / REQUEST_FILE)
        videos = (("a.mp4", "its content", "up", "train"),)
        write_record(StudyClips(fingerprint="drawn", videos=videos), folder / CLIPS_FILE)
    derived, fixed = compare(folders).studies
    assert derived.budget["budget_s"] == 600 and fixed.budget == {}
    assert derived.clips == {("its content", "up")}


def test_a_curve_has_the_spread_over_its_seeds(three: Comparison) -> None:
    evolution, random = three.groups
    found = three.spread(evolution, over_time=False)
    assert [one.x for one in found] == [1, 2, 3]  # as far as both came
    assert [(one.least, one.most) for one in found] == [(0.2, 0.4), (0.2, 0.5), (0.5, 0.6)]
    assert [one.mean for one in found] == pytest.approx([0.3, 0.35, 0.55])
    timed = three.spread(evolution, over_time=True)
    assert (timed[0].x, timed[-1].x) == (60, 180)
    assert timed[-1].mean == pytest.approx(0.55)
    assert {one.mean for one in three.spread(random, over_time=True)} == {0.3}


def test_fronts_together(three: Comparison) -> None:
    evolution, random = three.groups
    front = [(cost, three.value_of(one)) for cost, one in three.front(evolution)]
    assert front == [(10, 0.4), (20, 0.5), (30, 0.6)]
    assert [cost for cost, _ in three.front(random)] == [10]
    figure = fronts(three)
    assert figure.layout.xaxis.title.text == "MACs (logarithmic)"
    assert [one.name for one in figure.data if one.showlegend is not False] == [
        "evolution",
        "random",
    ]


def test_rows(three: Comparison) -> None:
    first = three.rows[0]
    assert (first["study"], first["group"], first["trained"]) == ("first", "evolution", 4)
    assert (first["validation"], first["macs"], first["test"]) == (0.6, 30, None)
    assert first["gain_over_design"] == pytest.approx(0.4)
    assert len({tuple(row) for row in three.rows}) == 1


def test_studies_without_a_common_metric_are_compared_by_fitness() -> None:
    pair = [compared("a", [0.1]), compared("b", [0.2])]
    odd = pair[1].history[0].evaluation.model_copy(update={"metrics": {}})
    history = [Trial(0, pair[1].history[0].proposal, odd, 1.0)]
    both = Comparison([pair[0], ComparedStudy("b", pair[1].config, history, None)])
    assert both.value_name == "fitness"
    assert any("compared by fitness" in note for note in both.notes)


def test_other_classes_and_clips_are_said() -> None:
    others = [compared("a", [0.1]), compared("b", [0.1], classes=("up", "down"))]
    assert any("other classes" in note for note in Comparison(others).notes)
    others = [compared("a", [0.1]), compared("b", [0.1], data_fingerprint="changed")]
    assert any("other clips" in note for note in Comparison(others).notes)
    assert Comparison([compared("a", [0.1]), compared("b", [0.1], seed=1)]).notes == []


def test_a_search_without_a_candidate_yet() -> None:
    empty = Comparison([compared("a", []), compared("b", [0.5], strategy="random")])
    assert empty.spread(empty.groups[0], over_time=False) == []
    assert len(curves(empty, over_time=True).data) == 2
    assert empty.rows[0]["fitness"] is None


def search(folder: Path, strategy: Strategy, seed: int) -> Path:
    config = toy_config(SEARCHED_LIMITS, strategy, seed, rungs=3)
    with Study.create_or_resume(folder, config) as study:
        run_search(
            study, ToySpace(), ToyLadder(), strategy, InlineExecutor(), evaluations=12
        )  # fmt: skip
    return folder


def test_the_command_writes_a_page_and_a_table(tmp_path: Path) -> None:
    folders = [
        search(tmp_path / "a<b>", TournamentEvolution(), 0),
        search(tmp_path / "second", TournamentEvolution(), 1),
        search(tmp_path / "random", RandomSearch(), 0),
    ]
    page = tmp_path / "out.html"
    done = call("compare", *folders, "--out", page)
    assert done.returncode == 0, done.stderr
    assert "a<b>" in done.stdout
    text = page.read_text(encoding="utf-8")
    body = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert "3 studies compared" in body
    assert "a&lt;b&gt;" in body and "a<b>" not in body
    assert "http" not in re.sub(r"http://www.w3.org/\S+", "", body)  # nothing is loaded
    rows = list(csv.DictReader(page.with_suffix(".csv").open(encoding="utf-8")))
    assert [row["study"] for row in rows] == ["a<b>", "second", "random"]
    assert {row["group"] for row in rows} == {"evolution", "random"}
    told = read_json(call("compare", *folders, "--out", page, "--json"))
    assert [row["trained"] for row in told["studies"]] == [int(row["trained"]) for row in rows]


def test_the_table_replaces_no_file_of_somebody_else(tmp_path: Path) -> None:
    for name in ("one", "other"):
        with Study.create_or_resume(tmp_path / name, toy_config()):
            pass
    asked = ("compare", tmp_path / "one", tmp_path / "other", "--out", tmp_path / "clips.html")
    labels = tmp_path / "clips.csv"
    labels.write_text("path,label\na.mp4,up\n")
    done = call(*asked)
    assert done.returncode == 2 and "holds something else" in done.stderr
    assert labels.read_text() == "path,label\na.mp4,up\n"
    assert not (tmp_path / "clips.html").exists()
    labels.unlink()
    assert [call(*asked).returncode for _ in range(2)] == [0, 0]  # its own it replaces


def test_of_finished_studies(vidnas: Vidnas, study: Path, tmp_path: Path) -> None:
    """Two studies of one name, with test accuracies that a handful of clips does not tell apart."""
    shutil.copytree(study, tmp_path / "copy" / study.name)
    folders = (study, tmp_path / "copy" / study.name)
    done = vidnas("compare", *folders, "--out", tmp_path / "c.html", "--json")
    told = read_json(done)
    assert [row["study"] for row in told["studies"]] == [str(folder) for folder in folders]
    row = told["studies"][0]
    assert row["test_low"] < row["test"] < row["test_high"] or row["test"] in (0, 1)
    assert row["latency_ms"] > 0
    assert any("their intervals overlap" in note for note in told["notes"])


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    with Study.create_or_resume(tmp_path / "study", toy_config()):
        pass
    for arguments, cause in (
        ([tmp_path / "study"], "two or more"),
        ([tmp_path / "study", tmp_path / "study"], "more than once"),
        ([tmp_path / "study", tmp_path / "nowhere"], "is not a study"),
    ):
        done = call("compare", *arguments, "--out", tmp_path / "c.html")
        assert done.returncode == 2
        assert cause in done.stderr
        assert not (tmp_path / "c.html").exists()
    shutil.copytree(tmp_path / "study", tmp_path / "other")
    done = call("compare", tmp_path / "study", tmp_path / "other", "--out", tmp_path / "c.png")
    assert "ending .html" in done.stderr
    assert len(compare([tmp_path / "study", tmp_path / "other"]).rows) == 2
