"""Selecting an ensemble on validation logits, and what it is as a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vidnas.core import Evaluation, UserError
from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.data.cache import ClipCache, ClipSettings, build_cache
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import MOTIONS, write_clips
from vidnas.data.flow import FlowMethod
from vidnas.deploy import Model, ModelCard, export_model, load_model, save_model
from vidnas.deploy.ensemble import (
    Candidate,
    Predictions,
    assemble,
    choose_pool,
    require_same_data,
)
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.limits import Limits
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import architecture_from_json, create_network
from vidnas.training import MultiLabel, TrainingRun, TrainingSettings, evaluate

LABELS = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1, 0, 1])


def saying(right: str, *, sure: float = 2.0, wrong: float | None = None) -> torch.Tensor:
    """Logits of a network that is right (1) or wrong (0) on each video, the same for each clip."""
    hit = torch.tensor([int(sign) for sign in right], dtype=torch.bool)
    said = torch.where(hit, LABELS, 1 - LABELS)
    margin = torch.where(hit, sure, sure if wrong is None else wrong)
    logits = margin[:, None] * torch.nn.functional.one_hot(said, 2)
    return logits[:, None].expand(-1, CLIPS_PER_VIDEO, -1)


def predictions(*logits: torch.Tensor) -> Predictions:
    return Predictions(torch.stack(logits), LABELS)


def test_a_weaker_network_that_errs_elsewhere_is_preferred() -> None:
    found = predictions(
        saying("1111111100", sure=1.4),
        saying("1111111100", sure=1.2),  # as accurate, and wrong together with the first
        saying("0000111111", sure=3.0, wrong=1.0),  # less accurate, and right where that is wrong
    )
    assert found.most_accurate(2) == [0, 1]
    assert found.score([0, 1]).top1 == pytest.approx(0.8)
    assert found.select(2) == [0, 2]
    assert found.score([0, 2]).top1 == 1.0
    assert found.disagreement(0, 1) == 0.0
    assert found.disagreement(0, 2) == pytest.approx(0.6)


def test_a_network_may_have_several_votes() -> None:
    found = predictions(saying("1111111110", sure=1.0), saying("0000000000", sure=3.0))
    assert found.select(3) == [0, 0, 0]


def test_of_equally_accurate_ones_the_loss_decides() -> None:
    found = predictions(saying("1111111100", sure=1.0), saying("1111111100", sure=1.4))
    assert found.select(1) == found.most_accurate(1) == [1]
    assert found.most_accurate(2) == [1, 0]


def test_every_step_is_the_best_one() -> None:
    """Against plain numpy: softmax of the mean of logits, mean over clips, by accuracy and loss."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(6, 40, CLIPS_PER_VIDEO, 3)), rng.integers(3, size=40)
    logits[:, np.arange(40), :, labels] += 0.7

    def worth(votes: list[int]) -> tuple[float, float]:
        mean = np.mean([logits[vote] for vote in votes], axis=0)
        shares = np.exp(mean) / np.exp(mean).sum(axis=2, keepdims=True)
        shares = shares.mean(axis=1)
        log_likelihood = np.log(shares[np.arange(40), labels]).mean()
        return float((shares.argmax(axis=1) == labels).mean()), float(log_likelihood)

    found = Predictions(torch.from_numpy(logits), torch.from_numpy(labels))
    votes = found.select(5)
    for step, vote in enumerate(votes):
        worths = [worth([*votes[:step], other]) for other in range(6)]
        assert vote == worths.index(max(worths))
        metrics = found.score(votes[: step + 1])
        assert (metrics.top1, -metrics.loss) == pytest.approx(worths[vote])


def test_of_several_labels_map_decides() -> None:
    """Two networks, each sure of one class and wrong about the other, are right together."""
    shown = torch.tensor([[1.0, 0], [1, 1], [0, 1], [0, 0]])
    first = torch.tensor([[3.0, 1], [3, -1], [-3, -1], [-3, 1]])
    second = torch.tensor([[-1.0, -3], [-1, 3], [1, 3], [1, -3]])
    middling = torch.tensor([[3.0, -1], [3, 0], [-3, -1], [-3, 0]])
    logits = torch.stack([first, second, middling])[:, :, None].expand(-1, -1, CLIPS_PER_VIDEO, -1)
    found = Predictions(logits, shown, MultiLabel())
    assert found.most_accurate(1) == [2]
    assert found.select(2) == [2, 1]
    assert found.score([0, 1]).map == found.score([2, 1]).map == 1
    assert found.disagreement(0, 0) == 0
    assert found.disagreement(0, 1) == 1  # no answer to any question is the same


# Studies


def on_flow(
    method: FlowMethod | None, size_px: int = 24, rate_fps: float | None = None
) -> dict[str, Any]:
    settings = TrainingSettings(epochs=1)
    clips = ClipSettings(size_px=size_px, flow_method=method, rate_fps=rate_fps)
    return ClipEvaluation(training=settings, clips=clips).model_dump(mode="json")


ON_RGB = on_flow(None)
CONFIG = StudyConfig(
    family="tinyvideonet", space={}, classes=("a", "b"), data_fingerprint="x", limits=Limits(),
    strategy={}, evaluator=ON_RGB, seed=0,
)  # fmt: skip


def tiny(frames: int, modality: str = "rgb"):
    block = {"filters": 4, "spatial_kernel": 3, "spatial_stride": 2, "temporal_kernel": 3}
    genes = {"size_px": 16, "frames": frames, "modality": modality, "blocks": [block]}
    return architecture_from_json(json.dumps({"family": "tinyvideonet", **genes}))


@pytest.fixture
def study_of(tmp_path: Path) -> Iterator[Callable[..., Study]]:
    studies: list[Study] = []

    def make(*fitness: float, **changes: object) -> Study:
        config = CONFIG.model_copy(update=changes)
        study = Study.create_or_resume(tmp_path / f"study-{len(studies)}", config)
        for number, value in enumerate(fitness):
            evaluation = Evaluation(status="ok", fitness=value)
            study.record(Proposal(tiny(number + 1)), evaluation, float(number))
        studies.append(study)
        return study

    yield make
    for study in studies:
        study.close()


def numbers(pool: list[list[Trial]]) -> list[list[int]]:
    return [[trial.number for trial in trials] for trials in pool]


def test_the_pool_takes_from_every_study_in_turn(study_of) -> None:
    strong, weak = study_of(0.7, 0.9, 0.8), study_of(0.2, 0.1, 0.3, 0.4)
    assert numbers(choose_pool([strong], 2)) == [[1, 2]]
    assert numbers(choose_pool([strong, weak], 4)) == [[1, 2], [3, 2]]
    assert numbers(choose_pool([strong, weak], 3)) == [[1, 2], [3]]
    assert numbers(choose_pool([strong, weak], 99)) == [[1, 2, 0], [3, 2, 0, 1]]
    with pytest.raises(UserError, match="two candidates"):
        choose_pool([study_of(0.5)], 4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ("a", "c")}, "classes"),
        ({"data_fingerprint": "y"}, "clips"),
        ({"evaluator": on_flow("tvl1")}, "dis, tvl1"),
        ({"evaluator": on_flow("dis", size_px=32)}, "sizes or rates"),
        ({"evaluator": on_flow("dis", rate_fps=25)}, "sizes or rates"),
    ],
)
def test_studies_that_do_not_belong_together(study_of, changes, words: str) -> None:
    rgb, flow = study_of(0.5), study_of(0.5, evaluator=on_flow("dis"))
    require_same_data([rgb, flow])
    with pytest.raises(UserError, match=words):
        require_same_data([rgb, flow, study_of(0.5, **changes)])


# The model


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder / "clips", classes=list(MOTIONS)[:2], clips_per_class=8, size_px=24, seed=0)
    return build_cache(load_dataset(folder / "clips"), size_px=24, directory=folder / "cache")


def run(seed: int, flow_method: FlowMethod | None = None) -> TrainingRun:
    clips = ClipSettings(size_px=24, flow_method=flow_method)
    return TrainingRun(settings=TrainingSettings(epochs=1), seed=seed, clips=clips)


@pytest.fixture(scope="module")
def candidates(cache: ClipCache) -> list[Candidate]:
    """Networks with random weights and batch statistics, and normalisations of their own."""
    found = []
    for number, frames in enumerate((2, 4, 4)):
        torch.manual_seed(number)
        network = create_network(tiny(frames), len(cache.classes)).eval()
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
        network.normalizations[0].set_statistics(*(x + 0.1 * number for x in cache.statistics()))
        card = ModelCard(trial=number, training_runs=(run(number),), data=cache.fingerprint)
        found.append(Candidate(Path("s"), Model(network, cache.classes, card), cache))
    return found


def test_the_model_scores_as_the_logits_said(
    cache: ClipCache, candidates: list[Candidate], tmp_path: Path
) -> None:
    votes = [2, 0, 2, 1]
    model = assemble(candidates, votes)
    assert [member.weight for member in model.architecture.members] == [2, 1, 1]
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.architecture == model.architecture
    assert loaded.card.training_runs == (run(2), run(0), run(1))
    for split in ("val", "test"):
        expected = Predictions.of(candidates, split).score(votes)
        found = evaluate(loaded.network, cache, split, clips_per_video=CLIPS_PER_VIDEO)
        assert found.confusion == expected.confusion
        assert found.loss == pytest.approx(expected.loss, rel=1e-5)


def test_the_model_is_exported_as_one_graph(candidates: list[Candidate], tmp_path: Path) -> None:
    check = export_model(assemble(candidates, [0, 1, 1]), tmp_path / "ensemble.onnx")
    assert check.relative_difference < 1e-5


def test_the_method_of_the_flow_is_kept(candidates: list[Candidate]) -> None:
    rgb = candidates[0]
    network = create_network(tiny(2, modality="flow"), 2).eval()
    card = ModelCard(training_runs=(run(0, "farneback"),))
    flow = Candidate(Path("f"), Model(network, rgb.model.classes, card), rgb.cache)
    model = assemble([rgb, flow], [0, 1])
    assert model.card.flow_method == "farneback"
    assert [spec.modality for spec in model.architecture.inputs] == ["rgb", "flow"]
    assert assemble([rgb, flow], [0]).card.flow_method == "dis"  # the default


def test_the_epochs_of_all_members_count(candidates: list[Candidate]) -> None:
    def trained(candidate: Candidate, epochs: float, kept: float) -> Candidate:
        changed = {"epochs": epochs, "epochs_kept": kept}
        card = candidate.model.card.model_copy(update=changed)
        return replace(candidate, model=replace(candidate.model, card=card))

    both = [trained(candidates[0], 30.0, 1.0), trained(candidates[1], 10.0, 0.5)]
    card = assemble(both, [0, 1]).card
    assert (card.epochs, card.epochs_kept) == (40.0, 0.8)
    assert assemble([both[0], candidates[1]], [0, 1]).card.epochs is None
