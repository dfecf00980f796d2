"""What mutations were worth, who overtook whom, and what workers did."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from page_toys import ok, report, trial
from scipy import stats

from vidnas.core import Evaluation
from vidnas.evolution.accounting import Accounting
from vidnas.families import find_architecture
from vidnas.report import plots
from vidnas.report.ledger import _student, kind_of_mutation, ledger, overtakings
from vidnas.report.plots.lanes import spans_of
from vidnas.report.plots.preferences import values_of
from vidnas.report.plots.style import cost_axis, share_axis
from vidnas.report.plots.tree import places


@pytest.mark.parametrize(
    ("phrase", "kind"),
    [
        ("block 2: filters 32 -> 64", "block: filters"),
        ("block 1: spatial type 1std -> avgpool", "block: spatial type"),
        ("block 3: added (std, 64 wide)", "block: added"),
        ("block 12: removed", "block: removed"),
        ("sampling uniform -> dense", "sampling"),
        ("size 32 -> 64", "size"),
        ("frames 32 -> 48, frame stride 2 -> 1", "frames"),
        ("conv2_x, branch 1: kind iTGM -> 3D", "conv, branch: kind"),
        ("pool 1: length 2 -> 3", "pool: length"),
        ("stage 2, repeats 1 -> 2", "stage: repeats"),
        ("module 4c, branch 2: 3D 3 -> 11", "module, branch: 3D"),
        ("module 4c, branch 2: iTGM -> (2+1)D", "module, branch: iTGM -> (2+1)D"),
        ("edge n12->n40: removed", "edge: removed"),
        ("edge a1->n2: replaced by a1->n3", "edge: replaced"),
        ("edges: 2 replaced by b1->b2 and 1 more", "edges: replaced"),
        ("block b3 split into b3 and b17", "block split"),
        ("block b3 merged into b2", "block merged"),
        ("node n412: filters 32 -> 64", "node: filters"),
    ],
)
def test_mutations_of_one_kind_are_one(phrase: str, kind: str) -> None:
    assert kind_of_mutation(phrase) == kind


def test_a_gain_is_a_childs_over_its_parents_on_the_lowest_rung() -> None:
    failed = Evaluation(status="failed", reason="out of memory")
    history = [
        trial(0, ok(0.5, 4.0)),
        trial(1, ok(0.6, 4.0), 0, ("block 1: filters 32 -> 64",)),
        trial(2, ok(0.4, 4.0), 0, ("block 2: filters 64 -> 96", "frames 4 -> 8")),
        trial(3, failed, 1, ("block 4: filters 16 -> 24",)),
        trial(4, ok(0.8, 4.0), 1, ("block 4: filters 16 -> 32",)),
    ]
    history.append(history[1].climbed(ok(0.9, 4.0), 500.0))  # does not count
    unit, rows = ledger(report(history=history))
    found = {row.kind: row for row in rows}
    filters = found["block: filters"]
    assert unit == "points"
    assert filters.gains == pytest.approx((0.1, -0.1, 0.2))
    assert (filters.children, filters.better, filters.lost) == (4, 2, {"failed": 1})
    expected = stats.t.interval(0.95, 2, loc=filters.mean, scale=stats.sem(filters.gains))
    assert filters.half_width == pytest.approx(expected[1] - filters.mean, rel=1e-3)
    assert found["frames"].half_width is None
    assert [row.kind for row in rows] == ["block: filters", "frames"]


def test_an_heir_is_compared_with_what_its_parent_had_reached() -> None:
    def event(number: int, fitness: float, end_s: float, *parent, inherited: float = 0.0):
        found = ok(fitness, 4.0)
        metrics = {**found.metrics, "inherited": inherited}
        found = found.model_copy(update={"seconds": 10.0, "metrics": metrics})
        return replace(trial(number, found, *parent), elapsed_s=end_s)

    born = event(0, 0.3, 10.0)
    better = born.climbed(ok(0.6, 4.0), 40.0)
    best = better.climbed(ok(0.8, 4.0), 95.0)
    heir = event(1, 0.7, 100.0, 0, ("frames 4 -> 8",), inherited=0.9)
    orphan = event(2, 0.4, 110.0, 0, ("size 32 -> 64",))
    _, rows = ledger(report(history=[born, better, best, heir, orphan]))
    gains = {row.kind: row.gains for row in rows}
    # The heir began at 90 s, when its parent had not reached its last rung.
    assert gains["frames"] == pytest.approx((0.1,))
    assert gains["size"] == pytest.approx((0.1,))


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 10, 60])
def test_students_quantile(freedom: int) -> None:
    assert _student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.01)


def test_who_overtook_whom() -> None:
    births = [trial(n, ok(fitness, 4.0)) for n, fitness in enumerate((0.5, 0.4, 0.3, 0.2))]
    climbed = [
        births[0].climbed(ok(0.6, 4.0), 200.0),
        births[1].climbed(ok(0.5, 4.0), 210.0),
        births[2].climbed(ok(0.9, 4.0), 220.0),
    ]
    (only,) = overtakings([*climbed, births[3]])
    assert (only.rung, only.climbers, only.swapped, only.pairs) == (1, 3, 2, 3)
    assert (only.riser, only.places) == (2, (3, 1))


def test_lanes_never_overlap_and_hold_all_work() -> None:
    def climb(number: int, end_s: float, seconds: float, trained_s: float):
        found = ok(0.5, 4.0).model_copy(
            update={"seconds": seconds, "metrics": {"top1": 0.5, "training_s": trained_s}}
        )
        return replace(trial(number, found), elapsed_s=end_s)

    history = [climb(0, 10, 9, 8), climb(1, 12, 12, 10), climb(2, 21, 10, 10), climb(3, 22, 9, 9)]
    spans = spans_of(history, 2)
    assert sum(one.end_s - one.begin_s for one in spans) == pytest.approx(9 + 12 + 10 + 9)
    for lane in (0, 1):
        own = sorted((one.begin_s, one.end_s) for one in spans if one.lane == lane)
        assert own and all(a[1] <= b[0] + 0.5 for a, b in pairwise(own))
    spent = Accounting.of(history, set(), 2, 22.0)
    figure = plots.lanes(report(history=history, accounting=spent))
    assert {one.name for one in figure.data} == {"training", "measuring, loading, saving"}
    assert plots.lanes(report()) is None


def test_the_tree_holds_every_candidate_and_failed_ones_too() -> None:
    failed = Evaluation(status="failed", reason="out of memory")
    history = [trial(0, ok(0.5, 4.0)), trial(1, ok(0.5, 4.0), 0), trial(2, failed, 0)]
    history += [trial(3, ok(0.6, 4.0), 1), trial(4, ok(0.4, 4.0))]
    rows, depths = places(history)
    assert depths == {0: 0, 1: 1, 2: 1, 3: 2, 4: 0}
    assert len({rows[3], rows[2], rows[4]}) == 3 and rows[1] == rows[3]
    assert rows[0] == (rows[1] + rows[2]) / 2
    figure = plots.family_tree(report(history=history, winner=None))
    shown = {
        number for one in figure.data if one.customdata is not None for number in one.customdata
    }
    assert shown == {0, 1, 2, 3, 4}


def test_a_long_line_has_a_tree() -> None:
    history = [trial(n, ok(0.5, 4.0), n - 1 if n else None) for n in range(3000)]
    assert places(history)[1][2999] == 2999


@pytest.mark.parametrize("costs", [(0.5, 0.52), (3.0,), (0.01, 40.0), (1e6, 3e9), (7.0, 9.0)])
def test_an_axis_of_costs_has_ticks(costs: tuple[float, ...]) -> None:
    axis = cost_axis(costs)
    low, high = (10.0**end for end in axis["range"])
    assert low < min(costs) and high > max(costs)
    assert 3 <= len(axis["tickvals"]) <= 10
    assert all(low <= tick <= high for tick in axis["tickvals"])


@pytest.mark.parametrize("shares", [(0.5,), (0.0, 1.0), (0.98, 1.0), (0.31, 0.32)])
def test_an_axis_of_shares_ends_at_one(shares: tuple[float, ...]) -> None:
    ticks = share_axis("top1", shares)["tickvals"]
    assert len(ticks) >= 2 and min(ticks) >= 0 and max(ticks) <= 1


def test_genes_of_blocks_count_for_each_block() -> None:
    counts = values_of([trial(0, ok(0.5, 4.0))])
    blocks = find_architecture("tvn1").blocks
    assert counts["spatial type"].total() == len(blocks)
    assert counts["number of blocks"] == {str(len(blocks)): 1}
