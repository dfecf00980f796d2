"""`vidnas.search`: anyone's space, anyone's evaluator."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from search_toys import CLASSES, Toy, ToyEvaluator, ToySpace

import vidnas
from vidnas.core import Cost, Evaluation, UserError
from vidnas.evolution import LocalExecutor, Study
from vidnas.evolution.merging import fork_study
from vidnas.families import Architecture, Family, create_network, diagram_of
from vidnas.testing import EvaluatorContract, NetworkSpaceContract, SpaceContract
from vidnas.workflows import studies
from vidnas.workflows.listener import Listener

ROOT = Path(__file__).parents[2]
TABLE = ROOT.parent / "shared" / "data" / "nasbench" / "nasbench_macro_cifar10.csv.gz"


def load_example() -> ModuleType:
    path = ROOT / "docs" / "examples" / "table_search.py"
    specification = importlib.util.spec_from_file_location("table_search", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module  # pickle looks there for its classes
    specification.loader.exec_module(module)
    assert len(path.read_text().splitlines()) < 60
    return module


example = load_example()
Family("table", example.Row)


class TestToySpace(NetworkSpaceContract):
    @pytest.fixture
    def space(self) -> ToySpace:
        return ToySpace()


class TestExampleSpace(SpaceContract):
    @pytest.fixture
    def space(self) -> object:
        return example.Rows([f"{a}{b}{c}" for a in "012" for b in "012" for c in "012"])


class TestToyEvaluator(EvaluatorContract):
    @pytest.fixture
    def evaluator(self) -> ToyEvaluator:
        return ToyEvaluator()

    @pytest.fixture
    def architectures(self) -> list[Toy]:
        return [Toy(widths=(1, 2, 3, 4)), Toy(widths=(5, 6, 7, 8))]


def width(architecture: Architecture, seed: int, deadline_s: float | None) -> Evaluation:
    return ToyEvaluator().evaluate(architecture, seed, deadline_s)


def test_a_function_is_an_evaluator_and_the_search_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    first = vidnas.search(ToySpace(), width, evaluations=10, folder=folder)
    assert len(first.trials) == 10
    second = vidnas.search(ToySpace(), width, evaluations=30, folder=folder)
    assert second.trials[:10] == first.trials
    assert Study.read(folder).trials == second.trials
    fitness = [trial.fitness for trial in second.trials]
    assert second.fittest(1)[0].fitness == max(fitness)


def test_workers_run_it(tmp_path: Path) -> None:
    with LocalExecutor(workers=2) as executor:
        study = vidnas.search(
            ToySpace(), width, evaluations=12, folder=tmp_path / "study", executor=executor
        )
    assert len(study.trials) == 12


def test_what_cannot_be_sent_to_a_worker_is_no_fault_of_a_candidate(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    with LocalExecutor(workers=1) as executor:
        with pytest.raises(UserError, match=r"cannot be sent .*lambda.*top level of a module"):
            vidnas.search(
                ToySpace(), lambda *_: None, evaluations=3, folder=folder, executor=executor
            )
        assert Study.read(folder).trials == []
        study = vidnas.search(ToySpace(), width, evaluations=3, folder=folder, executor=executor)
    assert [trial.evaluation.status for trial in study.trials] == ["ok"] * 3


def test_workers_run_the_example_of_the_docs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")
    table = {f"{i:08b}": {"accuracy": i, "parameters": 1, "macs": 1} for i in range(256)}
    with LocalExecutor(workers=1) as executor:
        study = vidnas.search(
            example.Rows(table),
            partial(example.look_up, table),
            evaluations=3,
            folder=tmp_path / "study",
            executor=executor,
        )
    assert [trial.evaluation.status for trial in study.trials] == ["ok"] * 3


def test_limits_hold_for_networks_and_for_costs_of_the_evaluator(tmp_path: Path) -> None:
    counted = vidnas.search(
        ToySpace(),
        width,
        limits=["parameters=1k"],
        classes=CLASSES,
        evaluations=10,
        folder=tmp_path / "counted",
    )

    def told(architecture: Architecture, seed: int, deadline_s: float | None) -> Evaluation:
        return Evaluation(status="ok", fitness=1.0, cost=Cost(parameters=1, macs=seed % 4))

    rows = example.Rows([f"{i:08b}" for i in range(256)])
    stated = vidnas.search(
        rows, told, limits=["macs=1"], evaluations=10, folder=tmp_path / "stated"
    )
    for study, reason in ((counted, "parameters"), (stated, "macs")):
        refused = [trial for trial in study.trials if trial.evaluation.status == "rejected"]
        assert refused
        assert all(trial.evaluation.reason.startswith(reason) for trial in refused)
        assert len(study.trials) - len(refused) == 10


def test_what_differs_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    vidnas.search(ToySpace(), width, evaluations=3, folder=folder, depends_on={"data": 1})
    with pytest.raises(UserError, match=r"evaluator\.data is 1 there and 2 now"):
        vidnas.search(ToySpace(), width, evaluations=5, folder=folder, depends_on={"data": 2})
    with pytest.raises(UserError, match="pass the names of the classes"):
        vidnas.search(ToySpace(), width, evaluations=3, limits=["macs=1k"], folder=folder)
    with pytest.raises(UserError, match="no end"):
        vidnas.search(ToySpace(), width, folder=tmp_path / "other")


def test_its_study_is_forked_and_merged_in_python(tmp_path: Path) -> None:
    source = vidnas.search(ToySpace(), width, evaluations=3, folder=tmp_path / "study")
    for make in (
        lambda: studies.fork(source.folder, tmp_path / "new", Listener()),
        lambda: studies.merge([source.folder, source.folder], tmp_path / "new", Listener()),
    ):
        with pytest.raises(UserError, match="use fork_study or merge_studies"):
            make()
    assert fork_study(source, tmp_path / "new") == 3


def test_a_name_that_is_taken_is_refused() -> None:
    class Impostor(Architecture):
        family = "toy"

    with pytest.raises(UserError, match=r"'toy' is taken by search_toys\.Toy; give .*Impostor"):
        Family("toy", Impostor)


def test_an_architecture_without_a_network(tmp_path: Path) -> None:
    row = example.Row(arch="012")
    with pytest.raises(UserError, match="no network"):
        create_network(row, 2)
    assert "012" in diagram_of(row).boxes[0].label


def test_the_example_of_the_docs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the real table where it is there, else with one of the same shape."""
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arch", "accuracy", "parameters", "macs"])
        writer.writerows(table_rows())
    example.main(path, tmp_path / "study")
    arch, accuracy = capsys.readouterr().out.split(",")[0].split(": ")
    study = Study.read(tmp_path / "study")
    ok = [trial for trial in study.trials if trial.evaluation.status == "ok"]
    assert len(ok) == 100
    assert len(study.trials) > 100
    assert max(trial.fitness for trial in ok) == float(accuracy)
    assert len(arch) == 8


def table_rows() -> list[tuple[str, float, int, int]]:
    if not TABLE.exists():
        archs = [f"{i:08b}" for i in range(256)]
        return [(a, 50.0 + sum(map(int, a)), 300_000 * sum(map(int, a)), 10) for a in archs]
    with gzip.open(TABLE, "rt") as file:
        return [
            (row["arch"], float(row["test_acc0"]), int(row["params"]), int(row["flops"]))
            for row in csv.DictReader(file)
        ]
