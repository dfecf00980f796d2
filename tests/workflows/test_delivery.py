"""The answer of a search: measured once, as candidates were, and not again where it is finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import one_hot

from vidnas.core import Cost, Latency, LatencyProtocol
from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import write_clips
from vidnas.deploy.card import ModelCard
from vidnas.deploy.finalists import MODELS_FOLDER, finished_folder, finished_models
from vidnas.deploy.formats import FORMATS
from vidnas.deploy.kept_logits import keep_logits
from vidnas.deploy.model import Model, load_card, load_model, save_model
from vidnas.deploy.shipping import ONNX_FILE, RUNTIME_FILES
from vidnas.evolution.limits import Limits
from vidnas.families import architecture_from_json, create_network
from vidnas.profiling.latency import Reference
from vidnas.profiling.quantizing import CannotQuantize
from vidnas.profiling.remote import TargetFailure
from vidnas.profiling.runtimes import RUNTIMES
from vidnas.report.mistakes import Mistakes
from vidnas.training.evaluation import labels_of
from vidnas.workflows import delivery as room
from vidnas.workflows import examination
from vidnas.workflows.delivery import Delivery
from vidnas.workflows.examination import BLOCKS_FILE, MISTAKES_FILE
from vidnas.workflows.listener import Listener

TINY = """{"family": "tinyvideonet", "size_px": 16, "frames": 2, "frame_stride": 2, "blocks": [
  {"filters": 8, "spatial_type": "std", "spatial_kernel": 3, "spatial_stride": 2, "repeats": 1}]}"""
CLASSES = ("left", "right", "growing")
PROTOCOL = LatencyProtocol(
    device="cpu", runtime="onnxruntime 1", threads=1, dtype="float32", batch=1, warmup=3, repeats=60
)
REFERENCE = Reference(latency_ms=6.0, protocol=PROTOCOL)
LIMITS = Limits(latency_ms=8)
VOTE_MS = 6


class Heard(Listener):
    def __init__(self) -> None:
        self.remarks: list[str] = []
        self.said: list[str] = []

    def remark(self, sentence: str) -> None:
        self.remarks.append(sentence)

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder / "clips", classes=CLASSES, clips_per_class=5, size_px=24)
    return build_cache(load_dataset(folder / "clips"), size_px=16, directory=folder / "cache")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Reference | None]]:
    """What was measured: how many filters of the first layer, and beside which reference; a network
    takes as many milliseconds as it was seeded with."""
    calls: list[tuple[int, Reference | None]] = []

    def measure(network, *, runtime: str, threads: int, reference, file: Path) -> Cost:
        assert file.is_file()
        ms = int(getattr(network, "p50_ms", VOTE_MS))
        calls.append((ms, reference))
        latency = Latency(p50_ms=ms, p90_ms=ms, spread=0.3 if ms == 7 else 0.01, protocol=PROTOCOL)
        return Cost(parameters=1, macs=1, latency=latency)

    monkeypatch.setattr(room, "measure_cost", measure)

    def reference(*_: object, threads: int, **others: object) -> Reference:
        protocol = PROTOCOL.model_copy(update={"threads": threads})
        return Reference(latency_ms=6.0, protocol=protocol)

    monkeypatch.setattr(room, "study_reference", reference)
    return calls


@pytest.fixture(autouse=True)
def proposed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The votes that are surer than one network alone, the surest first; none unless a test
    adds some."""
    votes: list[tuple[int, ...]] = []
    monkeypatch.setattr(room, "choose_votes", lambda *_: votes)
    return votes


def finished(folder: Path, cache: ClipCache, *latencies_ms: int) -> list[Model]:
    """Save networks as finalists are, and load them again; each takes that many milliseconds."""
    models = []
    for number, ms in enumerate(latencies_ms):
        place = folder / MODELS_FOLDER / f"trial-{number}"
        if not place.exists():
            torch.manual_seed(ms)
            network = create_network(architecture_from_json(TINY), len(cache.classes)).eval()
            latency = Latency(p50_ms=ms / 2, p90_ms=ms, spread=0.01, protocol=PROTOCOL)
            searched = Cost(parameters=1, macs=1, latency=latency)
            card = ModelCard(trial=number, cost=searched)
            save_model(Model(network, cache.classes, card), place)
        model = load_model(place)
        model.network.p50_ms = ms
        models.append(model)
    return models


def answer(
    folder: Path,
    cache: ClipCache,
    models: Sequence[Model],
    threads: int = 1,
    limits: Limits = LIMITS,
    runtime: str = "onnxruntime",
) -> tuple[ModelCard, Heard]:
    heard = Heard()
    study = SimpleNamespace(folder=folder, config=SimpleNamespace(limits=limits))
    request = SimpleNamespace(runtime=runtime, latency_threads=threads, seed=0, target=None)
    return Delivery(request, study, cache, heard).answer(models), heard


def test_the_limit_is_judged_by_the_protocol_of_the_search(tmp_path, cache, measured) -> None:
    card, _ = answer(tmp_path, cache, finished(tmp_path, cache, 9, 5, 3))
    assert measured == [(9, REFERENCE), (5, REFERENCE)]  # the third was not needed
    assert (card.trial, card.within_limits) == (1, True)
    assert load_card(tmp_path).cost == card.cost
    assert load_card(tmp_path / MODELS_FOLDER / "trial-0").within_limits is False


def test_the_latency_of_a_frame_is_judged_as_well(
    tmp_path, cache, measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(cost: Cost, network, *, threads: int, reference: Reference) -> Cost:
        ms = network.p50_ms / 10
        frame = Latency(p50_ms=ms, p90_ms=ms, spread=0.01, protocol=PROTOCOL)
        return cost.model_copy(update={"frame_latency": frame})

    monkeypatch.setattr(room, "with_frame_latency", measure)
    limits = Limits(frame_latency_ms=0.6)
    card, _ = answer(tmp_path, cache, finished(tmp_path, cache, 9, 5), limits=limits)
    assert (card.trial, card.within_limits) == (1, True)
    assert card.cost and card.cost.frame_latency and card.cost.frame_latency.p50_ms == 0.5
    assert "Latency of a new frame" in (tmp_path / "best" / "README.md").read_text()


def test_what_cannot_stream_does_not_keep_the_limit(
    tmp_path, cache, measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    centred = TINY.replace('"frames"', '"normalization": "clip", "frames"')
    monkeypatch.setitem(globals(), "TINY", centred)
    limits = Limits(frame_latency_ms=1000)
    card, heard = answer(tmp_path, cache, finished(tmp_path, cache, 5), limits=limits)
    assert card.within_limits is False
    assert any("Trial 0 cannot stream: its layer" in one for one in heard.remarks)


def test_a_finished_study_is_not_measured_again(tmp_path, cache, measured) -> None:
    first, _ = answer(tmp_path, cache, finished(tmp_path, cache, 9, 5))
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    del measured[:]
    second, _ = answer(tmp_path, cache, finished(tmp_path, cache, 9, 5))
    assert second == first and measured == []
    assert files == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}


def test_only_what_is_new_is_measured(tmp_path, cache, measured) -> None:
    answer(tmp_path, cache, finished(tmp_path, cache, 9, 5))
    del measured[:]
    old = finished(tmp_path, cache, 9, 5, 2)
    card, _ = answer(tmp_path, cache, [old[2], *old[:2]])
    assert measured == [(2, REFERENCE)] and card.trial == 2


def test_records_beside_the_answer_are_its_own(
    tmp_path, cache, measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever went wrong while they were made, and where that ended the search."""
    best = tmp_path / "best"
    answer(tmp_path, cache, finished(tmp_path, cache, 5))
    assert (best / MISTAKES_FILE).is_file() and (best / BLOCKS_FILE).is_file()

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def failed(*_: object, **__: object) -> None:
        raise RuntimeError("the profile has another form")

    monkeypatch.setattr(examination, "find_mistakes", lambda *_: Mistakes(wrong=7, clips=()))
    monkeypatch.setattr(examination, "profile_blocks", interrupted)
    cheaper = finished(tmp_path, cache, 5, 3)[1:]
    before = files_of(best)
    with pytest.raises(KeyboardInterrupt):
        answer(tmp_path, cache, cheaper)
    assert files_of(best) == before
    assert {path.name for path in tmp_path.iterdir()} == {"best", "models"}
    monkeypatch.setattr(examination, "profile_blocks", failed)
    card, heard = answer(tmp_path, cache, cheaper)
    assert card.trial == 1 and any("another form" in one for one in heard.remarks)
    assert not (best / BLOCKS_FILE).exists()
    assert json.loads((best / MISTAKES_FILE).read_text())["wrong"] == 7


def test_of_an_earlier_answer_nothing_stays_but_what_is_somebodys_own(
    tmp_path, cache, measured
) -> None:
    """Its file for another runtime would be taken for one of this network."""
    answer(tmp_path, cache, finished(tmp_path, cache, 5))
    best, trial = tmp_path / "best", tmp_path / MODELS_FOLDER / "trial-1"
    for name in ("model-int8.xml", "model-int8.bin", "notes.txt", "README.md"):
        (best / name).write_text("mine")
    before = files_of(best)
    answer(tmp_path, cache, finished(tmp_path, cache, 5, 3)[1:])
    after = files_of(best)
    assert before.keys() - after.keys() == {"model-int8.xml", "model-int8.bin"}
    assert after["notes.txt"] == after["README.md"] == b"mine"
    assert after[ONNX_FILE] == files_of(trial)[ONNX_FILE] != before[ONNX_FILE]
    assert load_model(best).card.trial == 1


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_another_number_of_threads_is_another_measurement(tmp_path, cache, measured) -> None:
    answer(tmp_path, cache, finished(tmp_path, cache, 5))
    answer(tmp_path, cache, finished(tmp_path, cache, 5), threads=2)
    assert len(measured) == 2


def test_another_machine_is_another_measurement(
    tmp_path, cache, measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(tmp_path, cache, finished(tmp_path, cache, 5))
    there = PROTOCOL.model_copy(update={"device": "cpu at ssh://pi@robot"})
    moved = Reference(latency_ms=6.0, protocol=there)
    monkeypatch.setattr(room, "study_reference", lambda *_, **__: moved)
    answer(tmp_path, cache, finished(tmp_path, cache, 5))
    assert measured == [(5, REFERENCE), (5, moved)]


def test_without_one_that_keeps_the_limits_the_best_is_the_answer(
    tmp_path, cache, measured
) -> None:
    card, _ = answer(tmp_path, cache, finished(tmp_path, cache, 9, 10))
    assert (card.trial, card.within_limits) == (0, False)


def test_the_surest_vote_that_keeps_the_limits_at_rest_is_the_answer(
    tmp_path, cache, measured, proposed
) -> None:
    proposed += [(0, 1), (1, 2)]
    models = finished(tmp_path, cache, 5, 4, 3)
    card, heard = answer(tmp_path, cache, models)
    assert (card.trial, card.voters, card.within_limits) == (0, (0, 1), True)
    assert card.cost and card.cost.latency and card.cost.latency.p50_ms == VOTE_MS
    assert any("vote-0-1" in one for one in heard.said)
    best = load_model(tmp_path)
    assert best.card == card and card.name == "the vote of trials 0 and 1"
    clip = torch.rand(2, 3, 2, 16, 16)
    with torch.inference_mode():
        alone = [model.network(clip) for model in models]
        torch.testing.assert_close(best.network(clip), (alone[0] + alone[1]) / 2)
    assert card.test and card.test.clips == len(cache.videos("test"))
    # The voters are offered alone as well, and the vote is none of them.
    assert [one.name for one in finished_models(tmp_path)] == ["trial-0", "trial-1", "trial-2"]
    del measured[:]
    again, _ = answer(tmp_path, cache, finished(tmp_path, cache, 5, 4, 3))
    assert again == card and measured == []


def test_what_finished_networks_said_is_not_asked_again(
    tmp_path, cache, measured, proposed
) -> None:
    """They say now what they did not: that all is right."""
    proposed.append((0, 1))
    models = finished(tmp_path, cache, 5, 4)
    said = {}
    for split in ("val", "test"):
        right = one_hot(labels_of(cache, split), len(cache.classes)).float()
        said[split] = right[:, None].repeat(1, 3, 1)
    for number in (0, 1):
        keep_logits(finished_folder(tmp_path, number), cache, said)
    card, _ = answer(tmp_path, cache, models)
    assert card.voters == (0, 1)
    assert card.validation and card.validation.top1 == 1.0
    assert card.test and card.test.top1 == 1.0
    assert json.loads((tmp_path / "best" / MISTAKES_FILE).read_text())["wrong"] == 0


def test_votes_over_the_limit_at_rest_leave_the_best_alone(
    tmp_path, cache, measured, proposed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "VOTE_MS", 9)
    proposed.append((0, 1))
    card, _ = answer(tmp_path, cache, finished(tmp_path, cache, 5, 4))
    assert (card.trial, card.voters, card.within_limits) == (0, (), True)


@pytest.mark.parametrize("limits", [Limits(), Limits(frame_latency_ms=5)])
def test_without_a_limit_on_clips_nothing_votes(
    tmp_path, cache, measured, proposed, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "with_frame_latency", lambda cost, *_, **__: cost)
    proposed.append((0, 1))
    card, _ = answer(tmp_path, cache, finished(tmp_path, cache, 5, 4), limits=limits)
    assert card.voters == ()


def test_a_wide_spread_and_the_check_on_real_clips_are_told(tmp_path, cache, measured) -> None:
    _, heard = answer(tmp_path, cache, finished(tmp_path, cache, 7))
    assert any("trial 0: its runs spread by 30%" in one for one in heard.remarks)
    told = next(one for one in heard.said if ONNX_FILE in one)
    assert "real clips" in told and "100.0% of the answers agree" in told


def test_every_runtime_but_torch_has_a_file() -> None:
    assert set(RUNTIME_FILES) == set(RUNTIMES) - {"torch"}


@pytest.mark.parametrize("runtime", ["onnxruntime", "onnxruntime-int8", "openvino-bf16"])
def test_the_file_of_the_runtime_ships(tmp_path, cache, measured, runtime: str) -> None:
    if runtime != "onnxruntime":
        pytest.importorskip("openvino")
        pytest.importorskip("nncf")
    card, heard = answer(tmp_path, cache, finished(tmp_path, cache, 9, 5), runtime=runtime)
    assert card.shipped is not None and card.shipped.runtime == runtime
    assert load_card(tmp_path).shipped == card.shipped
    path = tmp_path / "best" / card.shipped.name
    assert path.is_file() and (tmp_path / "best" / ONNX_FILE).is_file()
    assert FORMATS[path.suffix].size_bytes(path) == card.shipped.size_bytes
    assert [check.split for check in card.shipped.checks] == ["val", "test"]
    assert all(check.agreement > 0.8 for check in card.shipped.checks)
    assert (card.shipped.layers is not None) == runtime.endswith("int8")
    assert any(f"{card.shipped.name} ({runtime}, " in one for one in heard.said)
    # The one that broke the limit was made into a file, too, or it could not have been judged.
    other = load_card(tmp_path / MODELS_FOLDER / "trial-0")
    assert other.shipped is not None and other.shipped.name == card.shipped.name


def test_one_that_cannot_be_quantised_is_passed_over(
    tmp_path, cache, measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = room.ship_file

    def ship(model: Model, *others, **settings):
        if model.card.trial == 0:
            raise CannotQuantize("The network cannot be quantised; export it in float32.")
        return really(model, *others, **settings)

    monkeypatch.setattr(room, "ship_file", ship)
    card, heard = answer(tmp_path, cache, finished(tmp_path, cache, 3, 5))
    assert (card.trial, card.within_limits) == (1, True)
    assert any("Trial 0 does not run in onnxruntime: The network" in one for one in heard.remarks)
    alone = tmp_path / "alone"
    card, _ = answer(alone, cache, finished(alone, cache, 3))
    assert (card.shipped, card.within_limits) == (None, False)
    assert (alone / "best" / ONNX_FILE).is_file()


def test_one_that_the_target_cannot_run_is_passed_over(
    tmp_path, cache, proposed, measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposed[:] = [(0, 1)]
    really = room.measure_cost

    def measure(network, **settings) -> Cost:
        if not hasattr(network, "p50_ms"):  # the vote
            raise TargetFailure("on the target the process ended with signal 9")
        return really(network, **settings)

    monkeypatch.setattr(room, "measure_cost", measure)
    card, heard = answer(tmp_path, cache, finished(tmp_path, cache, 3, 5))
    assert (card.voters, card.trial, card.within_limits) == ((), 0, True)
    assert any("does not run in onnxruntime: on the target the" in one for one in heard.remarks)
