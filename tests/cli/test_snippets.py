"""Every command and snippet of README and documentation runs, on a stage with what they name.

A search runs as it stands up to its first candidate (`tests/cli/test_end_to_end.py` has one from
end to end), a training run on a network that is small enough. What needs another program or a
server is tested elsewhere, and `ELSEWHERE` says where.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import call
from pages import COMMANDS, PAGES, ROOT, blocks, named

import vidnas
from vidnas.cli.main import _run
from vidnas.data.demo import write_clips
from vidnas.families import create_network, find_architecture, official_variables
from vidnas.families.family import REGISTERED
from vidnas.training.metrics import score_multi_label
from vidnas.workflows import reference, search_clips, search_job
from vidnas.workflows.page import read_winner
from vidnas.workflows.request import SearchRequest

CLASSES = ("left", "right")
KINETICS = "label,youtube_id,time_start,time_end,split\n"
ELSEWHERE = {
    "vidnas search .*--executor ray": "tests/evolution/test_ray_executor.py",
    "vidnas .*--storage": "tests/evolution/test_servers.py",
    "vidnas search .*--runtime": "tests/workflows/test_shipping.py",
    "vidnas ensemble": "tests/cli/test_ensemble.py",
    "vidnas page .*--with-runtime": "tests/cli/test_page_command.py",
    "vidnas watch": "tests/cli/test_watch.py",
    "vidnas serve|curl ": "tests/deploy/test_serving.py",
    "vidnas calibrate|vidnas .*study/calibrated": "tests/training/test_cli_calibrate.py",
    r"vidnas predict .*(rtsp:|udp:|file:| \d+$)": "tests/deploy/test_predict_sources.py",
    "vidnas .*--target|vidnas agent": "tests/cli/test_target_option.py",
    "python3 vidnas-agent|export ": "tests/profiling/test_targets.py",
    "vidnas import-tf": "tests/official/test_import_tf.py",
    r"vidnas export .*(int8|\.xml|\.pt2|\.tflite)": "tests/deploy/test_formats.py",
    "vidnas export .*--streaming": "tests/deploy/test_stream_export.py",
    "vidnas bench --all|vidnas bench .*openvino": "tests/workflows/test_bench.py",
    "ray |srun |#SBATCH|head=|#!": "tests/evolution/test_ray_executor.py",
    "optuna-dashboard": "tests/evolution/test_dashboard.py",
    "tensorboard |tail -f": "tests/workflows/test_search_logs.py",
    "make|.ci/bare make": "tests/docs/test_commands.py",
    "pip install": "test_extras_that_are_installed_exist",
}
SMALLER = {
    "train": ["--gene", "size_px=16", "--gene", "frames=4", "--gene", "width=0.125",
              "--epochs", "1"],
    "bench": ["--repeats", "2"],
}  # fmt: skip

CALIBRATE = cache(reference.calibrate)
"""Once for all searches, because nothing is measured in them."""


class Begun(Exception):
    """A search came to its first candidate."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, study: Path, clips: Path) -> Iterator[Path]:
    """A folder with everything that commands and snippets name; they run in it."""
    folder = tmp_path_factory.mktemp("stage")
    shutil.copytree(clips, folder / "clips")
    shutil.copytree(clips, folder / "demo" / "clips")
    write_clips(folder / "new-clips", classes=CLASSES, clips_per_class=3, size_px=32, seed=1)
    video = next((folder / "new-clips" / "left").iterdir())
    for name in (
        "new_video", "some_video", "video", "clip", "match", "more-videos/a", "more-clips/a",
        "days/monday/a",
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, folder / f"{name}.mp4")
    rows = []
    (folder / "annotations").mkdir()
    for number, one in enumerate(sorted((folder / "clips").glob("*/*.mp4"))):
        shutil.copy(one, folder / "annotations" / f"id{number}_000000_000010.mp4")
        split = ("train", "train", "val", "test")[number % 4]
        rows.append(f"{one.parent.name},id{number},0,10,{split}\n")
    (folder / "annotations" / "kinetics.csv").write_text(KINETICS + "".join(rows))
    shutil.copytree(study, folder / "study")
    (folder / "study" / "models").rename(folder / "models")
    shutil.copytree(next((folder / "models").iterdir()), folder / "study" / "models" / "trial-17")
    shutil.copytree(folder / "study" / "best", folder / "study" / "ensemble")
    for name in ("monday", "tuesday", "evolution", "random"):
        shutil.copytree(study, folder / name)
    for table in ("labels_digits10.csv", "labels_random.csv"):
        lines = [f"{one},{one.parent.name}\n" for one in (folder / "clips").glob("*/*.mp4")]
        (folder / table).write_text("path,label\n" + "".join(lines))
    yield folder


@pytest.fixture(autouse=True)
def on_stage(
    stage: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    def begin(*_: object, **__: object) -> None:
        raise Begun

    monkeypatch.chdir(stage)
    monkeypatch.setenv("VIDNAS_CACHE", str(tmp_path_factory.getbasetemp() / "docs-cache"))
    monkeypatch.setattr(search_job, "run_search", begin)
    monkeypatch.setattr(reference, "calibrate", CALIBRATE)
    yield
    REGISTERED.pop("mine", None)  # what snippets register


def elsewhere(line: str) -> str | None:
    return next((place for what, place in ELSEWHERE.items() if re.match(what, line)), None)


def runnable() -> list[str]:
    """Commands with arguments, each once: those that differ in a number or a place alone as one."""
    lines = [shlex.join(shlex.split(line, comments=True)) for _, line in named()]
    found = {re.sub(r"\d+(ms|h|m)?\b|--out \S+", "", line): line for line in lines}
    references = {f"vidnas {name}" for name in COMMANDS} - {"vidnas data cache"}
    return [
        line
        for line in found.values()
        if line not in references
        and not re.fullmatch(r"vidnas [\w-]+( --[\w-]+)+", line)  # names a flag
        and not elsewhere(line)
    ]


@pytest.mark.parametrize("line", runnable())
def test_a_command_runs(line: str, stage: Path) -> None:
    line = line.replace("/data/kinetics/videos", "annotations").replace("CLIPS", "clips")
    _, command, *words = shlex.split(line)
    if command == "search":
        search(words, stage)
        return
    done = call(command, *words, *SMALLER.get(command, ()))
    assert done.returncode == 0, done.stderr


def search(words: list[str], stage: Path) -> None:
    """Run a search up to its first candidate, in a folder that nobody else needs."""
    out = stage / (words[words.index("--out") + 1] if "--out" in words else "study")
    kept = out.exists() and out.rename(stage / "kept")
    try:
        with pytest.raises(Begun):
            _run(["search", *words])
        assert (out / "config.yaml").is_file()
        assert (out / "report.html").is_file()
    finally:
        shutil.rmtree(out, ignore_errors=True)
        if kept:
            kept.rename(out)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_line_is_run_somewhere(page: Path) -> None:
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            assert line.startswith("vidnas ") or elsewhere(line), line


def test_elsewhere_is_there() -> None:
    for place in ELSEWHERE.values():
        assert place in globals() or (ROOT / place).is_file(), place


def test_extras_that_are_installed_exist() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = project.partition("[project.optional-dependencies]")[2].partition("\n[project.")[0]
    named_extras = {
        extra
        for page in PAGES
        for extra in re.findall(r"(?:\bvidnas|'\.)\[(\w+)\]", page.read_text(encoding="utf-8"))
    }
    assert named_extras <= set(re.findall(r"^(\w+) = ", extras, flags=re.MULTILINE))


def given(page: str) -> dict[str, Any]:
    """What the snippets of a page take for granted."""
    if page == "assemblenet.md":
        from vidnas.families.assemblenet import to_official

        structure, weights = to_official(find_architecture("assemblenet_50"))
        return {"structure": structure, "edge_weights": weights}
    if page in ("evanet.md", "tiny-video-networks.md"):
        name, classes = {"evanet.md": ("evanet_a", 400)}.get(page, ("tvn1", 339))
        network = create_network(name, num_classes=classes)
        slots = official_variables(network).items()
        return {"variables": {key: np.zeros(slot.shape, np.float32) for key, slot in slots}}
    if page == "weights.md":
        from written_checkpoints import write_bundle

        slots = official_variables(create_network("evanet_a", num_classes=400)).items()
        Path("checkpoints").mkdir(exist_ok=True)
        arrays = {slot.saved_as or name: np.zeros(slot.shape, np.float32) for name, slot in slots}
        write_bundle(Path("checkpoints/rgb1"), arrays)
        return {"clip": torch.zeros(1, 3, 8, 32, 32)}
    if page == "own-search.md":
        from search_toys import Toy, ToyEvaluator, ToyNetwork, ToySpace

        return {
            "MySpace": ToySpace,
            "MyArchitecture": Toy,
            "MyNetwork": ToyNetwork,
            "my_evaluator": ToyEvaluator(),
        }
    return {}


def found_before(clips: str, **settings: Any) -> search_clips.SearchResult:
    """A finished search, where a snippet asks for one that is valid."""
    request = SearchRequest.model_validate({"clips": clips, **settings})
    study = vidnas.evolution.Study.read(request.out)
    card = read_winner(request.out)
    assert card is not None
    return search_clips.SearchResult(study, card, request.out / "report.html", seconds=1.0)


SNIPPETS = [
    pytest.param(page, number, id=f"{page.name}-{number}")
    for page in PAGES
    if page.name != "python.md"  # `tests/docs/test_python_page.py` runs it as a whole
    for number, block in enumerate(blocks(page, "python"))
    if "--8<--" not in block and "import submitit" not in block
]
"""Those that a page includes, or that need Slurm, are run by `tests/workflows/test_search.py` and
`tests/evolution/test_ray_executor.py`."""


@pytest.mark.parametrize(("page", "number"), SNIPPETS)
def test_a_snippet_runs(page: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vidnas, "search_clips", found_before)
    code = blocks(page, "python")[number].replace("evaluations=200", "evaluations=3")
    run(code.replace('folder="study"', 'folder="toys"').replace("workers=4", "workers=1"), page)


def run(code: str, page: Path) -> None:
    names = {"__name__": "__main__", "vidnas": vidnas, **given(page.name)}
    exec(compile(code, f"{page.name}, a snippet", "exec"), names)


@pytest.mark.parametrize("name", ["README.md", "docs/quick-start.md"])
def test_a_search_from_python_may_be_of_several_labels(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    test = score_multi_label(torch.tensor([[0.9, 0.2], [0.3, 0.1]]), torch.eye(2))

    def found_several(clips: str, **settings: Any) -> search_clips.SearchResult:
        found = found_before(clips, **settings)
        return replace(found, card=found.card.model_copy(update={"test": test}))

    monkeypatch.setattr(vidnas, "search_clips", found_several)
    page = ROOT / name
    (code,) = (block for block in blocks(page, "python") if "search_clips(" in block)
    run(code, page)
    assert f"{test.map:.1%} mAP" in capsys.readouterr().out


def test_a_family_of_ones_own_is_searched(stage: Path) -> None:
    page = ROOT / "docs" / "own-search.md"
    (code,) = (block for block in blocks(page, "python") if "space=" in block)
    run(code, page)
    search(["clips", "--family", "mine", "--budget", "30m"], stage)
