"""A study keeps to the method of its optical flow, whatever else uses the same clips."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from commands import call, read_json
from search_toys import toy_config

import vidnas
from vidnas.data.cache import ClipCache, build_cache, build_flow
from vidnas.data.cache_writer import flow_in_use
from vidnas.data.datasets import Dataset, load_dataset
from vidnas.data.demo import write_clips
from vidnas.data.flow import FlowMethod
from vidnas.deploy import load_model
from vidnas.deploy.finalists import Finalist, train_finalists
from vidnas.evolution import ClipEvaluation, ClipEvaluator, Limits, LocalExecutor, Proposal, Study
from vidnas.evolution.launcher import evaluation_seed
from vidnas.evolution.states import StateFolder
from vidnas.evolution.study import STATES_FOLDER
from vidnas.families import Network, architecture_from_json, family_of
from vidnas.training import EpochReport, TrainingSettings
from vidnas.workflows.clips import open_clips
from vidnas.workflows.listener import Listener

pytest.importorskip("cv2")

TINY = architecture_from_json(
    '{"family": "tinyvideonet", "size_px": 16, "frames": 2, "modality": "flow", '
    '"blocks": [{"filters": 4, "spatial_kernel": 3}]}'
)
RECIPE = TrainingSettings(epochs=1, batch_size=4, warmup_steps=0)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("VIDNAS_CACHE", str(tmp_path / "cache"))
    write_clips(tmp_path / "clips", classes=("left", "right"), clips_per_class=10, size_px=32)
    return load_dataset(tmp_path / "clips")


def choose_farneback(dataset: Dataset) -> Path:
    """Choose another flow for the clips, as a user does; return the folder of their cache."""
    done = call("data", "flow", dataset.source, "--size", 16, "--method", "farneback", "--json")
    assert (done.returncode, read_json(done)["method"]) == (0, "farneback")
    return Path(read_json(done)["cache"])


def require_statistics(network: Network, directory: Path, method: FlowMethod) -> None:
    """Check that a network normalises its clips as the flow of a method asks."""
    mean, _ = ClipCache(directory, method).statistics("flow")
    torch.testing.assert_close(network.normalizations[0].mean.flatten(), mean)


def test_workers_and_finalists_take_the_flow_that_a_study_began_with(
    dataset: Dataset, tmp_path: Path
) -> None:
    cache = build_flow(dataset, build_cache(dataset, size_px=16))
    with Study.create_or_resume(tmp_path / "study", toy_config(family=TINY.family)) as study:
        evaluator = ClipEvaluator(
            cache.directory,
            ClipEvaluation(training=RECIPE, rungs=2, clips=cache.settings(["flow"])),
            Limits(),
            family_of(TINY),
            runtime="torch",
            states=StateFolder(study.folder / STATES_FOLDER),
        )
        seed = evaluation_seed(study.config.seed, TINY)
        trial = study.record(Proposal(TINY), evaluator.evaluate(TINY, seed, None), 0.0)
        assert build_flow(dataset, cache, method="farneback").flow_method == "farneback"
        with LocalExecutor(1) as executor:  # its workers open the clips only now
            climbed = executor.submit(evaluator.at_rung(1).evaluate, TINY, seed, None).result()
            finalists = [Finalist(trial, 0.5)]
            (model,) = train_finalists(finalists, study, cache, RECIPE, executor)
    assert (climbed.metrics["epochs"], climbed.metrics["new_epochs"]) == (3, 2)
    assert model.card.flow_method == "dis"
    assert model.card.epochs > 3
    require_statistics(model.network, cache.directory, "dis")


class Interrupted(Exception):
    pass


def test_a_training_run_goes_on_with_the_flow_that_it_began_with(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidnas.training.loop._SAVE_EVERY_S", 0.0)
    architecture = tmp_path / "tiny.json"
    architecture.write_text(TINY.to_json())

    class Watching(Listener):
        def __init__(self, until: float) -> None:
            self.until, self.epochs = until, list[float]()

        def trained(self, report: EpochReport) -> None:
            self.epochs.append(report.epoch)
            if report.epoch >= self.until:
                raise Interrupted

    def train(until: float) -> list[float]:
        watching, out = Watching(until), tmp_path / "model"
        with suppress(Interrupted):
            vidnas.train_clips(
                dataset.source, str(architecture), out=out, epochs=3, listener=watching
            )
        return watching.epochs

    assert train(until=1) == [1]
    directory = choose_farneback(dataset)
    assert train(until=9) == [2, 3]
    model = load_model(tmp_path / "model")
    assert model.card.flow_method == "dis"
    require_statistics(model.network, directory, "dis")


def test_a_search_goes_on_with_the_flow_that_it_began_with(
    dataset: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "study"

    def search() -> None:
        vidnas.search_clips(
            dataset.source,
            out=folder,
            input="flow",
            size_px=16,
            evaluations=1,
            candidate_epochs=1,
            train_time="1s",
            workers=1,
        )

    search()
    directory = choose_farneback(dataset)
    for finished in ("best", "models"):
        shutil.rmtree(folder / finished)
    search()
    model = load_model(folder)
    assert model.card.flow_method == "dis"
    require_statistics(model.network, directory, "dis")
    assert flow_in_use(directory) == "farneback"


def test_a_model_with_flow_of_its_own_changes_nothing_for_others(dataset: Dataset) -> None:
    def method(asked: str | None = None, *, in_use: bool = False) -> str | None:
        return open_clips(
            dataset,
            Listener(),
            size_px=16,
            modalities=["flow"],
            flow_method=asked,
            flow_in_use=in_use,
        ).flow_method

    assert method() == "dis"
    assert method("farneback") == "farneback"
    assert method() == "dis"
    assert method("farneback", in_use=True) == "farneback"
    assert method() == "farneback"
    assert method("dis") == "dis"
    assert method() == "farneback"
