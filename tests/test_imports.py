"""No circles: every module can be understood after those that it imports."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1] / "vidnas"
HEAVY = {"onnx", "onnxruntime", "openvino", "cv2", "ray", "plotly"}


def test_no_module_imports_one_that_imports_it() -> None:
    graph = grimp.build_graph("vidnas", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("path", sorted((ROOT / "families").rglob("*.py")), ids=str)
def test_families_import_at_the_top_of_their_files(path: Path) -> None:
    tree = ast.parse(path.read_text())
    local = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for statement in tree.body
        for node in ast.walk(statement)
        if isinstance(node, (ast.Import, ast.ImportFrom)) and node is not statement
    ]
    assert all(name and name.split(".")[0] in HEAVY for name in local)


@pytest.mark.parametrize("path", sorted((ROOT / "workflows").glob("*.py")), ids=str)
def test_workflows_print_nothing(path: Path) -> None:
    used = {
        name.id if isinstance(name, ast.Name) else name.module
        for name in ast.walk(ast.parse(path.read_text()))
        if isinstance(name, (ast.Name, ast.ImportFrom))
    }
    assert not [name for name in used if name == "print" or str(name).startswith("rich")]
