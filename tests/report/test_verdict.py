"""What the page tells beside the answer, and how it tells guessing from knowing."""

from __future__ import annotations

import json

import pytest
from judged import judged
from page_toys import PROTOCOL, Page, cost, ok, report, trial

from vidnas.core import Cost, Latency
from vidnas.deploy import ModelCard
from vidnas.evolution.limits import Limits
from vidnas.report import plots
from vidnas.report.choices import choices_of
from vidnas.report.edges import genes_at_edge
from vidnas.report.page import render
from vidnas.report.verdict import warnings
from vidnas.training import Metrics, MultiLabelMetrics

NAMES = ("a", "b", "c")


GOOD = judged([[90, 5, 5], [5, 90, 5], [5, 5, 90]])
CHANCE = judged([[10, 0, 0], [10, 0, 0], [10, 0, 0]])


def answered(test: Metrics, **changes):
    winner = ModelCard(trial=3, cost=cost(8.0), validation=test, test=test)
    return report(**{"winner": winner, "classes": NAMES, **changes})


def text_of(study) -> str:
    return " ".join(Page(render(study)).text.split())


def test_a_network_that_guesses_does_not_look_like_a_good_one() -> None:
    good, chance = text_of(answered(GOOD)), text_of(answered(CHANCE))
    assert "Not surely better than guessing." in chance
    assert "confidence, guessing reaches 33.3% Not surely" in chance
    assert "This network is no better than guessing: 33.3% top-1 on 30 clips" in chance
    assert "always naming" not in chance  # that is guessing, of classes that are alike
    uneven = judged([[90, 5, 5], [5, 40, 5], [0, 0, 50]])
    assert "guessing reaches 33.3%, always naming a 50.0%" in text_of(answered(uneven))
    assert "what it predicts tells little" in chance
    assert "surely better than guessing" not in good
    assert 'class="card wide doubtful"' in render(answered(CHANCE))
    assert 'class="card wide first"' in render(answered(GOOD))


def test_the_headline_has_its_interval() -> None:
    assert "between 86.1% and 92.9% with 95 % confidence" in text_of(answered(GOOD))


def test_few_clips_and_lost_classes_are_told() -> None:
    few = judged([[8, 2, 0], [4, 6, 0], [5, 4, 1]])
    said = " ".join(warnings(answered(few)))
    assert "30 test clips are few" in said
    lost = judged([[40, 0, 0], [0, 40, 0], [20, 20, 0]])
    assert "c is not told from the others" in " ".join(warnings(answered(lost)))
    assert warnings(answered(GOOD)) == []
    assert warnings(answered(judged([[200, 0, 0], [0, 0, 0], [0, 0, 0]]))) == []  # one class alone


def test_imbalance_and_broken_limits_are_told() -> None:
    videos = {"train": {"a": 90, "b": 20, "c": 50}, "test": {"a": 3}}
    study = answered(GOOD, videos=videos)
    assert "90 videos of a train, and 20 of b" in " ".join(warnings(study))
    assert "160 videos to train, 3 to test, of 3 classes." in text_of(study)
    broken = ModelCard(trial=3, test=GOOD, cost=cost(12.0), within_limits=False)
    assert "keeps the limits" in warnings(answered(GOOD, winner=broken))[0]


def test_of_several_labels_no_imbalance_is_told() -> None:
    """What is counted are combinations of labels there."""
    videos = {"train": {"a": 90, "a, b": 2, "": 1}}
    answer = ModelCard(trial=3, multi_label=True, cost=cost(8.0))
    assert "imbalanced" not in " ".join(warnings(answered(GOOD, winner=answer, videos=videos)))
    single = answer.model_copy(update={"multi_label": False})
    assert "imbalanced" in " ".join(warnings(answered(GOOD, winner=single, videos=videos)))


def test_the_edge_of_the_space_is_told() -> None:
    genes = report().shown[0]
    space = {"size_px": [32, 64, genes.size_px], "frames": [1, 2, 3, 999], "max_blocks": 99}
    said = " ".join(warnings(answered(GOOD, config={"space": space})))
    assert "edge of the space: size is as large" in said


def test_a_gene_that_is_cheaper_when_it_is_larger_is_at_no_edge() -> None:
    architecture = report().shown[0]
    genes = json.loads(architecture.to_json())
    blocks = genes["blocks"]
    stride = max(block["spatial_stride"] for block in blocks)
    filters = max(block["filters"] for block in blocks)
    space = {
        "frame_stride": [1, 2, genes["frame_stride"]],
        "genes": {"spatial_stride": [0, 1, stride], "filters": [1, 2, filters]},
        "max_blocks": len(blocks),
    }
    assert genes_at_edge(architecture, space) == ["filters", "number of blocks"]
    assert genes_at_edge(architecture, {"genes": {"filters": [1, 2, filters + 1]}}) == []


def test_what_the_videos_have_no_more_of_is_at_no_edge() -> None:
    architecture = report().shown[0]
    frames, size_px = architecture.inputs[0].frames, architecture.inputs[0].size_px
    space = {"frames": [0, 1, frames], "max_frames": frames, "size_px": [16, 32, size_px]}
    assert genes_at_edge(architecture, space) == ["size"]
    assert genes_at_edge(architecture, space, whole_size=True) == []
    longer = {**space, "max_frames": 2 * frames}
    assert genes_at_edge(architecture, longer, whole_size=True) == ["frames"]
    study = answered(GOOD, config={"space": space}, whole_size=True)
    assert "edge" not in " ".join(warnings(study))


def at(latency_ms: float) -> Cost:
    latency = Latency(p50_ms=latency_ms, p90_ms=latency_ms, spread=0.1, protocol=PROTOCOL)
    return cost(None).model_copy(update={"latency": latency})


def finished(number: int, latency_ms: float, hits: int) -> ModelCard:
    metrics = judged([[hits, 100 - hits, 0], [0, 100, 0], [0, 0, 100]])
    return ModelCard(trial=number, cost=at(latency_ms), validation=metrics, test=metrics)


HISTORY = [trial(n, ok(0.5 + n / 100, ms)) for n, ms in enumerate((1.0, 2.0, 4.0, 8.0))]
CARDS = [finished(0, 1.0, 20), finished(1, 2.0, 10), finished(2, 4.0, 60), finished(3, 8.0, 90)]


def test_the_slider_leads_along_networks_that_are_best_within_their_cost() -> None:
    """The second is dearer than the first and worse."""
    study = answered(GOOD, history=HISTORY, models=CARDS, winner=CARDS[3])
    choices = choices_of(study)
    assert [one.card.trial for one in choices.found] == [0, 2, 3]
    assert (choices.chosen, choices.most, choices.found[0].cost) == (2, 10.0, 1.0)
    html = render(study)
    assert html.count('class="choice"') == 3 and html.count("hidden>") == 2
    free = answered(GOOD, history=HISTORY, models=CARDS, winner=CARDS[3], limits=Limits())
    assert choices_of(free).most == 8.0


def test_the_slider_offers_nothing_that_breaks_the_limits() -> None:
    """However well it validates: neither what was found too slow at rest nor what breaks another
    limit; and it ends at the limit."""
    history = [*HISTORY, trial(4, ok(0.6, 9.0)), trial(5, ok(0.6, 9.5))]
    slow, large = finished(4, 12.0, 95), finished(5, 9.5, 99)
    large = large.model_copy(update={"within_limits": False})
    cards = [*CARDS, slow, large]
    choices = choices_of(answered(GOOD, history=history, models=cards, winner=CARDS[3]))
    assert [one.card.trial for one in choices.found] == [0, 2, 3]
    assert (choices.chosen, choices.most) == (2, 10.0)
    broken = slow.model_copy(update={"within_limits": False})
    choices = choices_of(answered(GOOD, history=history, models=cards, winner=broken))
    assert [one.card.trial for one in choices.found] == [0, 2, 3, 4]
    assert (choices.chosen, choices.most) == (3, 12.0)  # the answer in any case


def streaming(card: ModelCard, frame_ms: float) -> ModelCard:
    frame = at(frame_ms).latency
    return card.model_copy(update={"cost": card.cost.model_copy(update={"frame_latency": frame})})


def test_a_limit_on_new_frames_is_judged_and_compared_along() -> None:
    """The dearest by clip is the cheapest by frame."""
    frames = (4.0, 3.0, 2.0, 6.0)
    cards = [streaming(card, ms) for card, ms in zip(CARDS, frames, strict=True)]
    history = [
        trial(n, one.evaluation.model_copy(update={"cost": card.cost}))
        for n, (one, card) in enumerate(zip(HISTORY, cards, strict=True))
    ]
    limits = Limits(frame_latency_ms=5)
    study = answered(GOOD, history=history, models=cards, winner=cards[2], limits=limits)
    choices = choices_of(study)
    assert (choices.quantity, choices.most) == ("Latency per new frame", 5.0)
    assert [(one.card.trial, one.cost) for one in choices.found] == [(2, 2.0)]
    assert choices.found[0].said.startswith("trial 2, 2 ms a frame, ")
    text = text_of(study)
    assert "Latency per new frame 2 ms ✓ met , limit 5 ms median of 60" in text
    assert "Latency per new frame: ✓ met , limit 5 ms" in text
    figure = plots.accuracy_against_cost(study)
    assert figure.layout.xaxis2.title.text == "Latency per new frame, ms (logarithmic)"
    assert figure.layout.shapes[0].x0 == 5
    assert list(next(one for one in figure.data if one.name == "candidate").x) == [*frames]
    broken = answered(GOOD, history=history, models=cards, winner=cards[3], limits=limits)
    assert "Latency per new frame 6 ms ✗ not met , limit 5 ms" in text_of(broken)
    both = Limits(frame_latency_ms=5, latency_ms=10)
    study = answered(GOOD, history=history, models=cards, winner=cards[2], limits=both)
    assert choices_of(study).quantity == "Latency per clip"


def test_a_limit_on_new_frames_that_nobody_measured_is_said() -> None:
    limits = Limits(frame_latency_ms=5)
    text = text_of(answered(GOOD, history=HISTORY, models=CARDS, winner=CARDS[3], limits=limits))
    assert "Latency per new frame none not measured, limit 5 ms" in text
    assert "new frame" not in text_of(answered(GOOD))


def test_only_top1_is_told_as_a_share_of_the_clips() -> None:
    alike = [
        card.model_copy(
            update={"validation": card.validation.model_copy(update={"headline": "mean_class"})}
        )
        for card in CARDS
    ]
    said = answered(GOOD, history=HISTORY, models=alike, winner=alike[3]).choosing
    assert "96.7% mean class accuracy on 300 validation clips" in said
    several = [
        card.model_copy(
            update={
                "validation": MultiLabelMetrics(
                    clips=10, loss=0.3, map=share, average_precision=(share,), positives=(5,)
                )
            }
        )
        for card, share in zip(CARDS, (0.1, 0.2, 0.3, 0.625), strict=True)
    ]
    said = answered(GOOD, history=HISTORY, models=several, winner=several[3]).choosing
    assert "62.5% mAP on 10 validation clips" in said


def test_headline_tables_and_plot_agree() -> None:
    """The answer was measured again at rest: one latency, everywhere."""
    answer = CARDS[3].model_copy(update={"cost": at(0.22)})
    study = answered(GOOD, history=HISTORY, models=CARDS, winner=answer)
    text = text_of(study)
    assert "0.22 ms" in text and "8 ms" not in text
    figure = plots.accuracy_against_cost(study)
    star = next(one for one in figure.data if one.name == "chosen")
    assert list(star.x) == [0.22] and list(star.y) == [answer.validation.top1]
    others = next(one for one in figure.data if one.name == "finished")
    assert max(others.y) < star.y[0]
    assert "Validation chose trial 3: 96.7% of 300 validation clips" in text
    assert "trial 2 with 86.7%" in text


def test_of_two_classes_there_is_no_top5() -> None:
    assert "top-5" not in text_of(report())


@pytest.mark.parametrize("fitness", [("top1", "top5"), ("likelihood",)])
def test_the_plot_of_accuracy_shows_accuracy(fitness) -> None:
    """Whatever the fitness is: a sum of two accuracies goes up to two."""
    history = [
        trial(n, ok(1.4, 4.0).model_copy(update={"metrics": {"top1": share}}))
        for n, share in enumerate((0.6, 0.9))
    ]
    figure = plots.accuracy_against_cost(report(history=history, winner=None, fitness=fitness))
    shown = next(one for one in figure.data if one.name == "candidate")
    assert list(shown.y) == [0.6, 0.9]
    assert figure.layout.yaxis.title.text == "Validation accuracy"
    assert max(figure.layout.yaxis.tickvals) <= 1
