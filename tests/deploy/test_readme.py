"""The card for people, and the hub that reads it."""

from __future__ import annotations

import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from markdown_it import MarkdownIt

import vidnas
from vidnas.core import Cost
from vidnas.core.cost import Latency, LatencyProtocol
from vidnas.data.cache import ClipSettings
from vidnas.deploy import Model, ModelCard
from vidnas.deploy.seen_videos import SeenVideos
from vidnas.deploy.shipped_file import ShippedFile
from vidnas.training import Metrics, MultiLabelMetrics, TimeUse, TrainingRun, TrainingSettings

hub = pytest.importorskip("huggingface_hub")

PROTOCOL = LatencyProtocol(
    device="cpu (a chip)", runtime="onnxruntime 1.31.1", threads=1, dtype="float32", batch=1,
    warmup=3, repeats=50,
)  # fmt: skip
CARD = ModelCard(
    training_runs=(
        TrainingRun(
            settings=TrainingSettings(epochs=1),
            seed=7,
            clips=ClipSettings(size_px=48, rate_fps=25),
        ),
    ),
    data="0123abcd",
    typical_frames=50,
    test=Metrics(
        clips=8, loss=0.5, top1=0.75, top5=1, mean_class=0.7,
        confusion=((3, 1, 0), (0, 1, 0), (1, 0, 2)),
    ),
    time_use=TimeUse(shuffled=0.75, frozen=0.5, reversed=0.6),
    cost=Cost(
        parameters=1000, macs=2_000_000,
        latency=Latency(p50_ms=1.5, p90_ms=2, spread=0.1, protocol=PROTOCOL),
    ),
)  # fmt: skip


@pytest.fixture
def trained(model: Model) -> Model:
    seen = SeenVideos(frozenset({"aa", "bb"}), frozenset({"cc"}))
    return replace(model, card=CARD, seen=seen)


def test_the_hub_reads_the_card(trained: Model, tmp_path: Path) -> None:
    trained.save(tmp_path)
    card = hub.ModelCard.load(tmp_path / "README.md", ignore_metadata_errors=False)
    assert (card.data.library_name, card.data.pipeline_tag) == ("vidnas", "video-classification")
    assert "tinyvideonet" in card.data.tags
    first = card.data.eval_results[0]
    assert (first.metric_type, first.metric_value) == ("accuracy", 0.75)
    assert (first.task_type, first.dataset_split) == ("video-classification", "test")


def test_people_read_the_card(trained: Model) -> None:
    text = " ".join(trained.readme.split())
    for said in (
        "left, right, päuse",
        "2 video files to train on and 1 that chose the model",
        "50 frames at 25 per second",
        "top-1 75.0%, mean class 70.0%",
        "with 95 % confidence, guessing reaches 33.3%, always naming left 50.0%.",
        "one training run (seed 7)",
        "p50 1.5 ms, p90 2 ms, spread 10.0%",
        "3 runs to warm up and 50 timed",
        "rgb 4 x 32 px, stride 2",
        "short side of 48 px",
        "1 to 4 videos of a class",
        "Shuffling the frames costs nothing",
    ):
        assert said in text, said


def test_a_card_of_little_says_so(model: Model) -> None:
    text = model.readme
    assert "Which videos it was trained on is not known." in text
    assert text.count("Nothing was measured.") == 2
    assert "None" not in text and "nan" not in text


def test_several_labels_are_averaged_over_classes(trained: Model) -> None:
    several = MultiLabelMetrics(
        clips=4, loss=0.3, map=0.75, average_precision=(1.0, 0.5, None), positives=(2, 1, 0)
    )
    card = CARD.model_copy(update={"test": several, "multi_label": True})
    text = replace(trained, card=card).readme
    assert "mAP 75.0%" in text
    assert "It names any of its classes that a video shows." in text


def test_names_of_classes_are_no_markup(trained: Model, tmp_path: Path) -> None:
    hostile = ("# a\n---\nlicense: x", "[click](http://evil) ![](x)", "<script>|`&lt;")
    replace(trained, classes=hostile).save(tmp_path)
    lines = (tmp_path / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines.count("---") == 2
    (shown,) = (line for line in lines if line.startswith("Classes: "))
    read = MarkdownIt("gfm-like", {"linkify": False}).render(shown)
    assert re.findall("<[^>]+>", read) == ["<p>", "</p>"]
    names = (r"# a\n---\nlicense: x", *hostile[1:])
    assert html.unescape(read[3:-5]) == f"Classes: {', '.join(names)}."
    assert vidnas.load(tmp_path).classes == hostile


def test_somebodys_own_readme_stays(trained: Model, tmp_path: Path) -> None:
    trained.save(tmp_path)
    path = tmp_path / "README.md"
    own = "---\n" + "\n".join(path.read_text(encoding="utf-8").splitlines()[2:])
    path.write_text(own, encoding="utf-8")
    trained.save(tmp_path)
    assert path.read_text(encoding="utf-8") == own


def test_saving_again_writes_it_anew(trained: Model, tmp_path: Path) -> None:
    trained.save(tmp_path)
    replace(trained, classes=("one", "two", "three")).save(tmp_path)
    assert "one, two, three" in (tmp_path / "README.md").read_text(encoding="utf-8")


def same(one: Model, other: Model) -> bool:
    clip = torch.rand(2, 3, 4, 32, 32)
    with torch.inference_mode():
        alike = torch.equal(one.network(clip), other.network(clip))
    return alike and (one.classes, one.card, one.seen) == (other.classes, other.card, other.seen)


def test_a_model_goes_to_a_folder_and_back(trained: Model, tmp_path: Path) -> None:
    from vidnas.deploy.hub import HubModel

    HubModel(trained).save_pretrained(tmp_path / "copy")
    assert same(HubModel.from_pretrained(tmp_path / "copy").model, trained)
    assert same(vidnas.load(tmp_path / "copy"), trained)


def test_what_ships_as_onnx_goes_with_its_model(trained: Model, tmp_path: Path) -> None:
    from vidnas.deploy.hub import HubModel

    shipped = ShippedFile(name="model.onnx", runtime="onnxruntime", size_bytes=1, float32_bytes=1)
    card = trained.card.model_copy(update={"shipped": shipped})
    HubModel(replace(trained, card=card)).save_pretrained(tmp_path / "copy")
    assert vidnas.load(tmp_path / "copy").card.shipped == shipped
    assert (tmp_path / "copy" / "model.onnx").is_file()


def test_a_model_goes_to_the_hub_and_back(
    trained: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub is a folder: in the layout in which its client keeps what it has downloaded."""
    from vidnas.deploy.hub import HubModel

    cache = tmp_path / "cache"
    place = cache / "models--me--gestures"

    def create_repo(_: object, repo_id: str, **__: object) -> hub.RepoUrl:
        return hub.RepoUrl(f"https://huggingface.co/{repo_id}")

    def upload_folder(_: object, *, folder_path: Path, **__: object) -> str:
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text("abc")
        shutil.copytree(folder_path, place / "snapshots" / "abc")
        return "done"

    monkeypatch.setattr(hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(hub.HfApi, "upload_folder", upload_folder)
    assert HubModel(trained).push_to_hub("me/gestures") == "done"
    sent = sorted(path.name for path in (place / "snapshots" / "abc").iterdir())
    assert sent == [
        "README.md", "config.json", "model.json", "model.onnx", "training-videos.txt",
        "weights.safetensors",
    ]  # fmt: skip
    found = HubModel.from_pretrained("me/gestures", cache_dir=cache, local_files_only=True)
    assert same(found.model, trained)
    config = json.loads((place / "snapshots" / "abc" / "config.json").read_text())
    assert config["model_type"] == "vidnas"
