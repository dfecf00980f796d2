"""The study's page: self-contained, escaped, true to the trials, finished or not."""

from __future__ import annotations

import re

import numpy as np
import pytest
from page_toys import EVIL, TEST, TRIALS, Page, cost, drawn_plots, ok, report, trial

from vidnas.core import Evaluation
from vidnas.deploy import ModelCard
from vidnas.evolution.accounting import Accounting
from vidnas.evolution.limits import Limits
from vidnas.profiling.blocks import BlockTime, BlockTimes
from vidnas.report import plots
from vidnas.report.choices import choices_of
from vidnas.report.mistakes import ConfusedClip, Mistakes, film_strip
from vidnas.report.page import render, write_report
from vidnas.training import Metrics, MultiLabelMetrics, TimeUse


def trace(figure, name):
    return next(t for t in figure.to_plotly_json()["data"] if t["name"] == name)


def test_names_from_files_are_escaped() -> None:
    html = render(report())
    assert EVIL not in html
    page = Page(html)
    assert not any(script.strip() == "alert(1)" for script in page.scripts)
    assert page.text.count(EVIL) >= 5  # readable as text: title, setting, failure, mutation, usage


@pytest.mark.parametrize(
    "name", ["</title><script>", "\"'&amp;", "[/b]{{ 1 }}", "a\x00\x1b\udc80\u202e\n"]
)
def test_any_name_is_text(name: str) -> None:
    """Markup, quotes, brackets that consoles take for markup, what documents cannot hold."""
    shown = name if name[0] != "a" else r"a\x00\x1b\udc80\u202e\n"
    trials = [
        trial(0, ok(0.5, 4.0), None, (name,)),
        trial(1, Evaluation(status="failed", reason=name), 0),
        trial(2, Evaluation(status="rejected", reason=f"latency {name}"), 0),
    ]
    html = render(
        report(
            title=name, folder=name, history=trials, classes=(name, "b"), config={name: name},
            versions={name: name},
        )
    )  # fmt: skip
    page = Page(html)
    assert page.text.count(shown) >= 9
    own = ("candidates", "Plotly", "the page's script")
    assert len(page.scripts) == len(own) + len(drawn_plots(html))


def test_the_page_needs_no_other_file() -> None:
    page = Page(render(report()))
    assert all(reference.startswith("#trial-") for reference in page.references)
    assert len([script for script in page.scripts if len(script) > 1_000_000]) == 1
    css = re.search("<style>(.*?)</style>", render(report()), re.S).group(1)
    assert "@page" in css and "@import" not in css and "url(" not in css


def test_the_headline_says_the_result_with_its_protocol() -> None:
    text = " ".join(Page(render(report())).text.split())
    assert "80.0% top-1 on 5 clips" in text
    for part in ("8 ms", "1 thread", "onnxruntime 1.31.1", "median of 60", "cpu (a <b>chip</b>)"):
        assert part in text
    assert "✓ met , limit 10 ms" in text
    assert "✗ not met , limit 1 M" in text
    assert "within 2.0e-06" in text


def test_plots_show_what_the_trials_say() -> None:
    figure = plots.accuracy_against_cost(report())
    candidates = trace(figure, "candidate")
    assert list(candidates["x"]) == [4.0, 8.0, 9.0]
    assert list(candidates["y"]) == [0.5, 0.7, 0.6]
    assert "trial 3" in candidates["text"][1] and "filters 32" in candidates["text"][1]
    assert list(trace(figure, "best at its cost")["x"]) == [4.0, 8.0]
    assert list(trace(figure, "chosen")["x"]) == [8.0]
    assert list(trace(figure, "rejected, not trained")["x"]) == [52.0]
    assert figure.layout.shapes[0].x0 == 10

    heat = plots.confusion(TEST, report().classes).data[0]
    assert [list(row) for row in heat.text] == [["2", "1"], ["", "2"]]
    assert [list(row) for row in heat.z] == [[2 / 3, 1 / 3], [0, 1]]


CLIMBS = [
    trial(0, ok(0.5, 4.0), design=True),
    trial(1, ok(0.4, 9.0), 0, ("frames 4 -> 8",)),
    trial(2, ok(0.3, 2.0)),
]
CLIMBS += [CLIMBS[1].climbed(ok(0.6, 9.0), 120.0), CLIMBS[0].climbed(ok(0.55, 4.0), 150.0)]
CLIMBS += [CLIMBS[3].climbed(ok(0.8, 9.0), 300.0)]


def test_the_ladder_shows_who_climbed_and_when() -> None:
    figure = plots.ladder(report(history=CLIMBS, winner=ModelCard(trial=1)))
    for rung, (minutes, fitness) in enumerate(
        [([0.5, 1.0, 1.5], [0.5, 0.4, 0.3]), ([2.0, 2.5], [0.6, 0.55]), ([5.0], [0.8])]
    ):
        there = trace(figure, f"rung {rung}")
        assert (list(there["x"]), list(there["y"])) == (minutes, fitness)
    assert list(trace(figure, "chosen")["y"]) == [0.4, 0.6, 0.8, None]
    assert list(trace(figure, "climbs")["y"]) == [0.5, 0.55, None, 0.3, None]
    assert list(trace(figure, "design")["x"]) == [0.5, 2.5]
    colours = [trace(figure, f"rung {rung}")["marker"]["color"] for rung in range(3)]
    assert len(set(colours)) == 3
    stands = trace(plots.accuracy_against_cost(report(history=CLIMBS)), "candidate")
    assert list(stands["marker"]["color"]) == [colours[1], colours[2], colours[0]]


def test_candidates_are_listed_by_rung() -> None:
    assert [one.number for one in report(history=CLIMBS).best(3)] == [1, 0, 2]
    text = " ".join(Page(render(report(history=CLIMBS, winner=ModelCard(trial=1)))).text.split())
    assert "1 2 0.8 80.0%" in text  # trial, rung, fitness, top-1
    assert "0 1 0.55 55.0%" in text and "design" in text


def metrics(top1: float) -> Metrics:
    return TEST.model_copy(update={"top1": top1})


def test_a_finished_network_of_each_niche_is_offered() -> None:
    """The answer, though another in its niche validates better; of the others the best."""
    histories = [trial(n, ok(0.5, ms)) for n, ms in enumerate([9.0, 8.0, 4.0, 3.0, 0.1])]
    cards = [
        ModelCard(trial=n, validation=metrics(top1), test=TEST, cost=cost(ms))
        for n, (top1, ms) in enumerate(
            [(0.9, 9.0), (0.8, 8.0), (0.7, 4.0), (0.75, 3.0), (0.3, 0.1)]
        )
    ]
    study = report(history=histories, models=cards, winner=cards[1], folder="a study")
    assert [card.trial for card in study.along_the_limit] == [1, 3, 4]
    text = " ".join(Page(render(study)).text.split())
    assert "1 80.0% 8 ms 1.2 M 5 M 80.0% 80.0% vidnas predict 'a study' clip.mp4" in text
    assert "3 30.0% 3 ms 1.2 M 5 M 75.0% 80.0% vidnas predict 'a study/models/trial-3'" in text
    assert "Along the limit" not in render(
        report(models=cards[:1], winner=cards[0])
    )  # one network, one niche


def test_the_headline_compares_with_the_best_design() -> None:
    found = report(history=CLIMBS, winner=ModelCard(trial=1))
    assert str(found.gain) in Page(render(found)).text
    assert report().gain is None


@pytest.mark.parametrize(("shuffled", "warns"), [(0.79, True), (0.4, False)])
def test_the_page_says_whether_the_network_uses_time(shuffled: float, warns: bool) -> None:
    time_use = TimeUse(shuffled=shuffled, frozen=0.25, reversed=0.6)
    winner = ModelCard(trial=3, test=TEST, time_use=time_use)
    text = " ".join(Page(render(report(winner=winner))).text.split())
    assert "reversed 60.0% -20.0 points" in text and "repeated 25.0% -55.0 points" in text
    assert ("Shuffling the frames costs 1.0 points" in text) is warns
    assert "Does it use time?" not in render(report())  # it was not measured


def test_the_page_accounts_for_the_time() -> None:
    spent = Accounting(workers=2, finished_s=90, training_s=54, besides_s=18, idle_s=18)
    winner = ModelCard(trial=3, epochs=81.0, epochs_kept=1.0)
    text = " ".join(Page(render(report(accounting=spent, winner=winner))).text.split())
    assert "of 2 workers in 3m 00s of search" in text
    assert "keeps 100.0% of the epochs that were spent on it: 81" in text
    assert "networks that were finished 1m 30s 50.0%" in text and "idle 18.0s 10.0%" in text


def test_profiled_times_are_not_told_as_the_latency() -> None:
    """A profile of short operators is far longer than the network is in use."""
    timed = (("units.0", 1.3), ("units.1", 1.95))
    parts = tuple(BlockTime(name=name, ms=ms, operators={}) for name, ms in timed)
    blocks = BlockTimes(runtime="onnxruntime 1", threads=1, runs=30, blocks=parts)
    found = report(blocks=blocks, winner=ModelCard(trial=3, cost=cost(1.77), test=TEST))
    text = " ".join(Page(render(found)).text.split())
    assert "Take the shares and not the times" in text and "a little" not in text
    assert "units.0 40.0% 1.3 ms units.1 60.0% 1.95 ms" in text


def test_one_of_a_kind_is_told_as_one() -> None:
    clip = ConfusedClip(
        video="a.mp4", truth="a", taken="b", probability=0.7, frames=1, size_px=16,
        strip=film_strip(np.zeros((1, 16, 16, 3), dtype=np.uint8)), drops=(0.1,),
    )  # fmt: skip
    one = TEST.model_copy(update={"clips": 1})
    html = render(
        report(
            history=[trial(0, ok(0.5, 4.0)), TRIALS[2]],
            mistakes=Mistakes(wrong=1, clips=(clip,)),
            winner=ModelCard(trial=0, cost=cost(4.0), test=one),
        )
    )
    text = " ".join(Page(html).text.split())
    assert "1 test clip is taken" in text and "1 candidate was rejected before" in text
    assert not re.search(r"\b1 (test clips|clips|candidates|frames|threads|more kinds)\b", html)


def test_of_several_labels_the_page_shows_map_and_each_class() -> None:
    several = MultiLabelMetrics(
        clips=10, loss=0.3, map=0.625, average_precision=(0.75, 0.5, None), positives=(5, 2, 0)
    )
    winner = ModelCard(
        trial=3, multi_label=True, test=several, validation=several, cost=cost(8.0),
        time_use=TimeUse(shuffled=0.6, frozen=0.2, reversed=0.5),
    )  # fmt: skip
    found = ok(0.625, 8.0).model_copy(update={"metrics": {"map": 0.625}, "headline": "map"})
    html = render(
        report(winner=winner, history=[trial(3, found)], classes=(EVIL, "b", "c"), models=[winner])
    )
    text = " ".join(Page(html).text.split())
    assert "Test mAP 62.5% mean average precision on 10 clips" in text
    assert "mAP against cost" in text and "Average precision on the test split" in text
    assert "no test clip shows, and so without one: 1" in text
    assert "as they are 62.5%" in text and "reversed 50.0% -12.5 points" in text
    assert "accuracy" not in text.lower() and "Confusion" not in text and "Top-1" not in text
    assert EVIL not in html
    figure = plots.precision(several, ("a", "b", "c"))
    assert list(figure.data[0].x) == [0.75, 0.5, None]
    assert list(figure.data[1].x) == [0.5, 0.2, 0.0]  # what guessing would give


def test_where_classes_count_alike_their_mean_comes_first() -> None:
    alike = TEST.model_copy(update={"headline": "mean_class"})
    text = " ".join(Page(render(report(winner=ModelCard(trial=3, test=alike)))).text.split())
    assert "Test accuracy 75.0% mean over classes on 5 clips" in text
    assert "the search never saw; top-1 80.0%" in text


def test_without_latencies_cost_is_macs() -> None:
    trials = [trial(0, ok(0.5, None)), trial(1, ok(0.6, None))]
    figure = plots.accuracy_against_cost(report(history=trials, winner=None))
    assert list(trace(figure, "candidate")["x"]) == [5_000_000, 5_000_000]


@pytest.mark.parametrize(
    ("fitness", "title", "tickformat"),
    [
        (("top1",), "Validation accuracy", ".0%"),
        (("top1", "top5"), "Validation top-1 + top-5", ".2f"),
        (("likelihood",), "Probability of the right class, validation", ".0%"),
        (("map",), "Validation mAP", ".0%"),
        (("mean_class",), "Validation mean class accuracy", ".0%"),
        ((), "Fitness", ""),
        (("likelihood", "top5"), "Fitness", ""),
    ],
)
def test_the_axis_says_what_the_fitness_is(fitness, title, tickformat) -> None:
    figure = plots.ladder(report(fitness=fitness))
    assert figure.layout.yaxis.title.text == title
    assert (figure.layout.yaxis.tickformat or "") == tickformat


def test_lineage_and_rejections_are_told() -> None:
    text = " ".join(Page(render(report())).text.split())
    assert [t.number for t in report().lineage(5)] == [0, 3, 5]
    assert "block 1: filters 32 -> 64" in text
    assert "trial 1: latency 52 ms > 10 ms" in text
    assert "1 rejected latency trial 1" in text and "1 rejected parameters trial 2" in text
    assert "trial 4: ValueError" in text
    assert "3 candidates trained, 2 rejected, 1 failed in 3m 00s" in text


def test_an_ancestor_without_a_fitness_has_its_outcome() -> None:
    """One that a fork under tighter limits judged anew, or that failed where it climbed on."""
    rejected = Evaluation(status="rejected", broken_limit="latency", reason="latency 9 ms > 8 ms")
    failed = Evaluation(status="failed", reason="out of memory")
    history = [trial(0, ok(0.5, 9.0)).climbed(rejected, 40.0), trial(1, ok(0.5, 4.0), 0)]
    history = [history[0], history[1].climbed(failed, 90.0), trial(2, ok(0.7, 4.0), 1)]
    html = render(report(history=history, winner=ModelCard(trial=2)))
    text = " ".join(Page(html).text.split())
    assert "trial 0 rejected random trial 1 failed from 0 : trial 2 0.7 from 1 :" in text
    assert "-inf" not in text


@pytest.mark.parametrize("trials", [[], TRIALS[1:3], TRIALS])
def test_an_unfinished_study_says_so(trials) -> None:
    page = Page(render(report(history=trials, winner=None)))
    assert "No network has been finished yet." in page.text
    assert "load_model" not in page.text


def test_a_winner_without_test_split() -> None:
    winner = ModelCard(trial=0, cost=cost(None))
    text = Page(render(report(winner=winner, limits=Limits()))).text
    assert "There is no test split." in text and "not measured" in text


def test_the_page_is_replaced_whole(tmp_path) -> None:
    path = tmp_path / "report.html"
    path.write_text("an earlier page")
    assert write_report(report(), path) == path
    assert path.read_text(encoding="utf-8") == render(report())
    assert list(tmp_path.iterdir()) == [path]


def test_a_vote_is_shown_with_all_who_vote() -> None:
    singles = [
        ModelCard(trial=number, validation=metrics(top1), test=TEST, cost=cost(ms))
        for number, top1, ms in ((3, 0.8, 3.0), (0, 0.6, 4.0), (5, 0.7, 9.0))
    ]
    own = metrics(0.9).model_copy(update={"loss": 0.3})
    vote = ModelCard(trial=3, voters=(3, 0), validation=own, test=TEST, cost=cost(7.0))
    found = report(models=singles, winner=vote, folder="study")
    assert found.answers == (3, 0)
    assert [card.name for card in found.finished] == [
        "the vote of trials 3 and 0", "trial 3", "trial 5", "trial 0",
    ]  # fmt: skip
    assert [card.trial for card in found.along_the_limit] == [3, 0]
    page = Page(render(found))
    text = " ".join(page.text.split())
    assert "The vote of trials 3 and 0 is surer of the right answers than the best" in text
    assert "Alone, trial 3 has 80.0% on the same test clips in 3 ms" in text
    assert "Validation chose the vote of trials 3 and 0: 90.0% of 5 validation clips" in text
    assert "loss of 0.300 there, that one 0.400" in text
    assert "The vote of trials 3 + 0 , the answer" in text.replace("0,", "0 ,")
    figure = plots.accuracy_against_cost(found)
    assert (trace(figure, "chosen")["x"], trace(figure, "chosen")["y"]) == ([7.0], [0.9])
    assert sorted(trace(figure, "finished")["x"]) == [3.0, 4.0, 9.0]
    choices = choices_of(found)
    assert choices and choices.found[choices.chosen].card is vote
    assert [trial.number for trial in choices.found[choices.chosen].trials] == [3, 0]
