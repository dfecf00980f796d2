"""The page's section on an ensemble says what the record says, and says it honestly."""

from __future__ import annotations

import re

import pytest

from vidnas.core import Cost
from vidnas.families import find_architecture
from vidnas.report.page import render
from vidnas.report.study import (
    EnsembleMember,
    EnsembleReport,
    EnsembleStep,
    StudyReport,
    TopByAccuracy,
)
from vidnas.training import Metrics, MultiLabelMetrics

EVIL = "<b>trial</b> 7"
COST = Cost(parameters=1_000_000, macs=2_000_000, activation_bytes=1)


def member(name: str, test_top1: float) -> EnsembleMember:
    return EnsembleMember(
        name=name, architecture=find_architecture("tvn1"), weight=1, validation_share=0.8,
        test_share=test_top1, cost=COST,
    )  # fmt: skip


def ensemble(test_top1: float) -> EnsembleReport:
    return EnsembleReport(
        members=(member("trial 3", 0.7), member(EVIL, 0.75)),
        steps=(
            EnsembleStep(member=1, validation_share=0.8, validation_loss=0.5),
            EnsembleStep(member=0, validation_share=0.85, validation_loss=0.25),
        ),
        disagreement=((0.0, 0.125), (0.125, 0.0)),
        pool=8,
        by_accuracy=TopByAccuracy(
            names=("trial 3", "trial 4"), validation_share=0.8, test_share=0.6
        ),
        test=Metrics(
            clips=40, loss=1, top1=test_top1, top5=1, mean_class=test_top1, confusion=((20, 0),) * 2
        ),
        cost=COST,
    )


@pytest.mark.parametrize(
    ("test_top1", "words"),
    [
        (0.8, ("beats its best member", "5.0 points (2 of 40 test clips)")),
        (0.75, ("does not beat its best member", "right as often")),
        (0.7, ("does not beat its best member", "better by 5.0 points (2 of 40 test clips)")),
    ],
)
def test_the_verdict_is_against_the_best_member(test_top1: float, words: tuple[str, ...]) -> None:
    verdict = ensemble(test_top1).verdict
    assert EVIL in verdict  # the better of the two on the test clips, not the first
    assert all(word in verdict for word in words)


def test_of_several_labels_the_verdict_is_in_map() -> None:
    several = MultiLabelMetrics(
        clips=40, loss=1, map=0.8, average_precision=(0.8, None), positives=(7, 0)
    )
    found = ensemble(0.8).model_copy(update={"test": several})
    assert f"beats its best member, {EVIL}, by 5.0 points of mAP." in found.verdict
    section = render(StudyReport("t", "f", [], ("x", "y"), ensemble=found))
    assert "Test mAP of the ensemble" in section and "mAP on 40 clips" in section
    assert EnsembleReport.model_validate_json(found.model_dump_json()) == found


def test_the_section_shows_the_record() -> None:
    report = EnsembleReport.model_validate_json(ensemble(0.8).model_dump_json())
    assert report == ensemble(0.8)
    html = render(StudyReport("t", "a folder", [], ("x", "y"), ensemble=report))
    assert EVIL not in html
    _, _, section = html.partition("<h2>Ensemble</h2>")
    section = section.partition("<h2>The best candidates</h2>")[0]
    text = re.sub(r"<[^>]*>", "|", section)
    assert "vidnas predict" in text and "a folder/ensemble" in text
    flat = re.sub(r"[|\s]+", " ", text)
    assert "1 &lt;b&gt;trial&lt;/b&gt; 7 80.0% 0.500 2 trial 3 85.0% +5.0 points 0.250" in flat
    assert flat.count("12.5%") == 2
    assert "+5.0 points" in flat and "The 2 most accurate for comparison: trial 3, trial 4" in flat
    assert section.count("<svg") == 2
    assert "<h2>Ensemble</h2>" not in render(StudyReport("t", "f", [], ("x",)))
