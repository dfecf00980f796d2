"""The page that compares studies: metrics by their names."""

from __future__ import annotations

import pytest
from page_toys import Page, cost, ok, trial
from search_toys import toy_config

from vidnas.deploy import ModelCard
from vidnas.report.comparison import ComparedStudy, Comparison
from vidnas.report.comparison_page import write_comparison
from vidnas.training import Metrics, MultiLabelMetrics

ONE = Metrics(clips=8, loss=0.4, top1=0.625, top5=1.0, mean_class=0.5, confusion=((5, 3), (0, 0)))
SEVERAL = MultiLabelMetrics(
    clips=8, loss=0.3, map=0.625, average_precision=(0.75, 0.5), positives=(5, 2)
)


@pytest.mark.parametrize(
    ("test", "title", "said"),
    [
        (ONE, "Validation top-1 of the best candidate", "62.5% of 8"),
        (SEVERAL, "Validation mAP of the best candidate", "62.5% on 8"),
    ],
)
def test_metrics_keep_their_names_and_only_top1_is_a_share_of_the_clips(
    test, title, said, tmp_path
) -> None:
    measured = {"metrics": {test.headline: 0.5}, "headline": test.headline}
    found = trial(0, ok(0.5, 4.0).model_copy(update=measured))
    winner = ModelCard(trial=0, test=test, cost=cost(4.0))
    path = tmp_path / "comparison.html"
    write_comparison(Comparison([ComparedStudy("a", toy_config(), [found], winner)]), path)
    text = " ".join(Page(path.read_text(encoding="utf-8")).text.split())
    assert title in text and said in text
