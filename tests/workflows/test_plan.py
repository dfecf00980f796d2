"""What becomes of a budget, before a search begins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import vidnas
from vidnas.core import UserError
from vidnas.data.cache import ClipSettings
from vidnas.data.demo import write_clips
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.executors import LocalExecutor
from vidnas.evolution.limits import Limits
from vidnas.training import TrainingSettings
from vidnas.workflows import search_job
from vidnas.workflows.combinations import require_reproducible, require_streaming
from vidnas.workflows.listener import Listener, clock
from vidnas.workflows.plan import Plan, planned_sampling
from vidnas.workflows.request import SearchRequest


def plan(folder: Path, *, clips: int = 200, workers: int = 2, **asked: Any) -> Plan:
    return Plan.of(SearchRequest(clips=folder, out=folder / "study", **asked), clips, workers)


@pytest.mark.parametrize("asked", [{}, {"train_time": "60s"}, {"candidate_time": "9s"}])
@pytest.mark.parametrize("budget_s", [120.0, 360.0, 36000.0])
def test_a_budget_is_spent_and_not_more(
    budget_s: float, asked: dict[str, Any], tmp_path: Path
) -> None:
    times = plan(tmp_path, budget=budget_s, **asked)
    assert times.search_s is not None and times.rung_s is not None
    assert times.search_s + times.finish_s + times.rest_s == pytest.approx(budget_s)
    assert times.rest_s == max(15, 0.05 * budget_s)
    if "train_time" in asked:
        assert times.finish_s == 60
    else:
        assert times.finish_s / (times.search_s + times.finish_s) == pytest.approx(0.45 / 0.95)
    # Every rung is three times as far as the one below; the top is reached within the search.
    assert times.rung_s * 3 ** (times.rungs - 1) <= 2 / 3 * times.search_s
    assert times.rung_s * 3**times.rungs > 2 / 3 * times.search_s


@pytest.mark.parametrize(
    ("searched_s", "judging_s", "finish_s"),
    [
        (300, 26, 270),
        (300, 6, 290),  # what judging leaves of the rest
        (300, 76, 220),  # what does not fit into the rest
        (300, 1000, 135),
        (260, 26, 310),  # what the search has left
        (260, 76, 260),
        (330, 26, 240),
        (5, 26, 540),
    ],
)
def test_finishing_has_what_search_and_judging_leave_within_bounds(
    searched_s: float, judging_s: float, finish_s: float, tmp_path: Path
) -> None:
    times = plan(tmp_path, budget="10m")
    assert (times.search_s, times.finish_s, times.rest_s) == pytest.approx((300, 270, 30))
    assert times.finish_after(searched_s, judging_s) == pytest.approx(finish_s)


def test_without_a_budget_finishing_takes_what_was_planned(tmp_path: Path) -> None:
    times = plan(tmp_path, evaluations=10)
    assert times.finish_after(5, 1000) == times.finish_s


@pytest.mark.parametrize(
    ("clips", "budget", "epochs", "rung_s", "rungs"),
    [
        (100, "6m", 10, 10, 3),  # as much as leaves room for 36 candidates
        (100, "10h", 32, 32, 6),  # 200 steps: fewer teach nothing
        (5000, "10h", 3, 150, 4),  # three epochs are more than that
        (5000, "6m", 0.2, 10, 3),  # and more than there is time for
        (100, "40s", 3, 3, 1),  # shorter is no training at all
    ],
)
def test_the_first_rung_follows_from_the_clips_and_the_budget(
    clips: int, budget: str, epochs: float, rung_s: float, rungs: int, tmp_path: Path
) -> None:
    times = plan(tmp_path, clips=clips, budget=budget)
    assert (times.epochs, times.rung_s) == pytest.approx((epochs, rung_s))
    assert times.rungs == rungs


def test_more_workers_do_more_and_no_shorter(tmp_path: Path) -> None:
    few, many = (plan(tmp_path, budget="1h", workers=workers) for workers in (2, 20))
    assert (few.search_s, few.rung_s) == (many.search_s, many.rung_s)
    assert many.rungs == few.rungs
    assert many.evaluations > 5 * few.evaluations


def test_the_first_rung_may_be_asked_for(tmp_path: Path) -> None:
    times = plan(tmp_path, budget="1h", candidate_epochs=2.0)
    assert (times.epochs, times.rung_s) == (2, None)
    # Taken to be four seconds: 2 x 200 clips at 100 a second.
    assert times.search_s is not None
    assert (times.rungs, times.evaluations) == (6, int(times.search_s * 2 / 4 / (1 + 5)))
    times = plan(tmp_path, budget="1h", candidate_epochs=2.0, candidate_time="9s")
    assert (times.epochs, times.rung_s) == (2, 9)
    times = plan(tmp_path, budget="1h", candidate_time="9s")
    assert (times.epochs, times.rung_s) == (None, 9)


def test_without_a_budget_there_are_three_rungs(tmp_path: Path) -> None:
    times = plan(tmp_path, evaluations=7)
    assert (times.search_s, times.budget_s, times.rungs, times.evaluations) == (None, None, 3, 7)
    assert times.rung_s is not None
    assert times.finish_s == 13 * times.rung_s
    assert plan(tmp_path, evaluations=7, train_time="33s").finish_s == 33
    assert plan(tmp_path, evaluations=7, candidate_epochs=2.0, clips=500).finish_s == 130


def test_top_k_stays_on_one_rung(tmp_path: Path) -> None:
    times = plan(tmp_path, budget="6m", strategy="top-k")
    assert times.search_s is not None and times.rung_s is not None
    assert times.rungs == 1
    assert times.evaluations == 20
    assert times.rung_s * 20 == pytest.approx(times.search_s * 2)


def test_a_study_keeps_its_rungs(tmp_path: Path) -> None:
    training = TrainingSettings(epochs=4, budget_s=7)
    evaluation = ClipEvaluation(training=training, rungs=4, clips=ClipSettings(size_px=32))
    config = StudyConfig(
        family="tinyvideonet", space={}, classes=("a", "b"), data_fingerprint="", limits=Limits(),
        strategy={}, evaluator=evaluation.model_dump(mode="json"), seed=0, rungs=4,
    )  # fmt: skip
    (tmp_path / "study").mkdir()
    config.write(tmp_path / "study" / "config.yaml")
    for budget in ("3m", "30h"):
        times = plan(tmp_path, budget=budget)
        assert (times.rungs, times.epochs, times.rung_s) == (4, 4, 7)


@pytest.mark.parametrize("asked", [{}, {"train_time": "3m"}, {"candidate_time": "30s"}])
def test_a_budget_that_is_too_small_is_told_what_is_needed(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="a first round of candidates needs") as found:
        plan(tmp_path, budget="10s", **asked)
    needed = str(found.value).rpartition("--budget ")[2].split()[0]
    plan(tmp_path, budget=needed, **asked)
    with pytest.raises(UserError, match="needs"):
        plan(tmp_path, budget=f"{int(needed[:-1]) - 12}s", **asked)


def test_a_search_needs_an_end(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give --budget 30m, --evaluations 100, or both"):
        plan(tmp_path)
    assert plan(tmp_path, evaluations=7).search_s is None


def test_a_plan_is_told_in_words(tmp_path: Path) -> None:
    told = str(plan(tmp_path, budget="6m", evaluations=9))
    assert told == (
        "3m 00s of search (about 9 candidates on 3 rungs, the first of 5 epochs or 10.0s), 2m 42s "
        "to finish the best, about 18.0s for start-up, testing and export"
    )
    assert str(plan(tmp_path, evaluations=9, strategy="top-k", candidate_epochs=3)).startswith(
        "9 candidates on one rung of 3 epochs, "
    )


@pytest.mark.parametrize("strategy", ["evolution", "top-k"])
@pytest.mark.parametrize("workers", [1, 16, 64])
@pytest.mark.parametrize(("clips", "budget"), [(10_000, "15m"), (100_000, "1h")])
def test_more_workers_do_not_need_more_time(
    tmp_path: Path, strategy: str, workers: int, clips: int, budget: str
) -> None:
    request = SearchRequest(clips=tmp_path, out=tmp_path / "s", budget=budget, strategy=strategy)
    times = Plan.of(request, clips, workers)
    assert times.rung_s is not None and times.search_s is not None
    assert 2 * times.rung_s < times.search_s


def test_short_videos_are_taken_for_trimmed_actions() -> None:
    assert planned_sampling(27) == planned_sampling(300) == ("uniform", "dense")
    assert planned_sampling(301) == ("dense", "uniform")


def test_python_is_answered_as_the_command_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        vidnas.search_clips(tmp_path / "nowhere", budget=-1)
    with pytest.raises(UserError, match="did you mean budget"):
        vidnas.search_clips(tmp_path, budgte="30m", listener=Listener())


@pytest.mark.parametrize("other", [{"runtime": "openvino"}, {"target": "ssh://pi@robot"}])
def test_a_frame_is_timed_in_one_runtime_and_here(other: dict[str, Any], tmp_path: Path) -> None:
    asked = {"clips": tmp_path, "limits": ["frame_latency=5ms"]}
    require_streaming(SearchRequest.model_validate({**asked, "runtime": "onnxruntime-int8"}))
    with pytest.raises(UserError, match="frame_latency is measured in ONNX Runtime"):
        require_streaming(SearchRequest.model_validate({**asked, **other}))


def test_a_search_for_streams_visits_what_can_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Begun(Exception):
        pass

    spaces: list[dict[str, Any]] = []

    def begin(study: Any, space: Any, *_: object, **__: object) -> None:
        spaces.append(space.describe())
        raise Begun

    monkeypatch.setenv("VIDNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(search_job, "run_search", begin)
    write_clips(tmp_path / "clips", classes=("left", "right"), clips_per_class=4, size_px=32)
    for number, limit in enumerate(("frame_latency=5ms", "latency=5ms")):
        with pytest.raises(Begun):
            vidnas.search_clips(
                tmp_path / "clips", out=tmp_path / f"{number}", limits=[limit], evaluations=3
            )
    streams, usual = spaces
    assert streams["causal"] == [True, False] and "causal" not in usual
    assert (streams["sampling"], streams["normalization"]) == (["dense"], ["data"])
    assert usual["sampling"] == ["uniform", "dense"]


@pytest.mark.parametrize(
    "asked",
    [
        {"budget": "10s"},
        {"budget": "20m30s", "train_time": "20m"},
        {"budget": "5m", "candidate_time": "3m"},
    ],
)
def test_the_budget_that_is_advised_is_enough(asked: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        plan(tmp_path, **asked)
    advised = re.search(r"give --budget (\d+s) or more", str(refused.value))
    assert advised is not None
    plan(tmp_path, **{**asked, "budget": advised[1]})


def test_a_search_that_testing_makes_longer_than_its_budget_says_so(tmp_path: Path) -> None:
    times = plan(tmp_path, budget="10m")
    assert times.overrun(300, 270, 30) is None
    assert times.overrun(300, 270, 40) is None  # what it takes is estimated
    told = times.overrun(300, 270, 1430) or ""
    assert (
        "about 33m 20s in all, longer than its budget of 10m 00s: so long it takes to ask" in told
    )
    assert plan(tmp_path, evaluations=9).overrun(1e6, 1e6, 1e6) is None


def test_a_study_that_was_searched_for_longer_than_its_budget_says_so(tmp_path: Path) -> None:
    told = plan(tmp_path, budget="10m").overrun(1800, 135, 15) or ""
    assert told.endswith(
        "about 32m 30s in all, longer than its budget of 10m 00s: 30m 00s were searched, and "
        "finishing the best takes 2m 15s."
    )


def test_a_budget_that_is_too_small_for_the_rungs_of_a_study_is_told_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    def search(**asked: Any) -> None:
        vidnas.search_clips(tmp_path / "clips", out=tmp_path / "study", **asked)

    monkeypatch.setenv("VIDNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(search_job, "run_search", kill)
    write_clips(tmp_path / "clips", classes=("left", "right"), clips_per_class=4, size_px=32)
    with pytest.raises(Killed):
        search(budget="2h", candidate_time="100s")
    with pytest.raises(UserError, match="a first round of candidates needs 5m 32s") as refused:
        search(budget="10m")
    advised = str(refused.value).rpartition("--budget ")[2].split()[0]
    with pytest.raises(Killed):
        search(budget=advised)


@pytest.mark.parametrize(("testing_s", "timeout_s"), [(10.0, 460.0), (0.0, None)])
def test_a_worker_that_freezes_as_it_finishes_is_not_waited_for(
    testing_s: float, timeout_s: float | None
) -> None:
    with LocalExecutor(1, timeout_s=5.0) as executor:
        tasks = {"Finishing": 100.0, "Testing": testing_s}
        assert search_job.on_this_machine(executor, 1, tasks) is executor
        assert executor.timeout_s == timeout_s


def test_the_clock_of_two_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = [100.0], []

    class Told(Listener):
        def progress(self, task: str, done: float, total: float | None) -> None:
            told.append((task, done, total))

    monkeypatch.setattr("time.monotonic", lambda: now[0])
    tick = clock(Told(), {"Finishing": 60.0, "Testing": 10.0})
    for passed_s in (0.0, 59.0, 61.0, 75.0):
        now[0] = 100 + passed_s
        tick()
    assert told == [
        ("Finishing", 0, 60), ("Finishing", 59, 60), ("Testing", 1, 10), ("Testing", 5, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "asked",
    [
        {"limits": ("latency=10ms",)},
        {"limits": ("frame_latency=10ms",)},
        {"strategy": "pareto"},
        {"strategy": "pareto", "objectives": ("accuracy", "latency")},
    ],
)
def test_timings_decide_nothing_in_a_deterministic_search(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    request = SearchRequest(clips=tmp_path, deterministic=True, **asked)
    with pytest.raises(UserError, match="because timings vary"):
        require_reproducible(request, Limits.parse(request.limits))
    free = request.model_copy(update={"deterministic": False})
    require_reproducible(free, Limits.parse(free.limits))


def test_a_deterministic_search_may_go_by_what_is_counted(tmp_path: Path) -> None:
    asked = {"deterministic": True, "strategy": "pareto", "objectives": ("accuracy", "macs")}
    request = SearchRequest(clips=tmp_path, limits=("macs=1G",), **asked)
    require_reproducible(request, Limits.parse(request.limits))


def test_workers_that_share_cores_are_remarked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Begun(Exception):
        pass

    class Heard(Listener):
        def __init__(self) -> None:
            self.remarks: list[str] = []

        def remark(self, sentence: str) -> None:
            self.remarks.append(sentence)

    def begin(*_: object, **__: object) -> None:
        raise Begun

    def remarks(workers: int) -> list[str]:
        heard = Heard()
        with pytest.raises(Begun):
            vidnas.search_clips(
                tmp_path / "clips", out=tmp_path / "study", workers=workers, evaluations=3,
                listener=heard,
            )  # fmt: skip
        return heard.remarks

    monkeypatch.setattr("vidnas.workflows.search_clips.open_clips", begin)
    monkeypatch.setattr("vidnas.workflows.search_clips.available_cores", lambda: 2)
    write_clips(tmp_path / "clips", classes=("left", "right"), clips_per_class=4, size_px=32)
    assert remarks(workers=2) == []
    assert remarks(workers=3) == [
        "3 workers share 2 cores: in its time each candidate is trained less than the plan says; "
        "leave --workers out for one per core."
    ]
