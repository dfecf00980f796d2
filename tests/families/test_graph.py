"""The graph of a genome: entries a and b; c takes both, d takes b and c, e takes d."""

from __future__ import annotations

import pytest

from vidnas.families.graph import Graph


@pytest.fixture
def graph() -> Graph:
    return Graph(["a", "b", "c", "d", "e"], [(0, 1), (1, 2), (3,)])


def test_taken_apart_and_put_together(graph: Graph) -> None:
    assert graph.order == ["a", "b", "c", "d", "e"]
    assert [graph.inputs(name) for name in graph.sources] == [(0, 1), (1, 2), (3,)]
    assert list(graph.edges) == ["a->c", "b->c", "b->d", "c->d", "d->e"]
    assert graph.edges["c->d"] == ("c", "d")


def test_what_leads_somewhere(graph: Graph) -> None:
    assert graph.leading_to(["e"]) == {"a", "b", "c", "d", "e"}
    graph.sources["d"] = {"b"}
    assert graph.leading_to(["e"]) == {"b", "d", "e"}
    graph.keep(graph.leading_to(["e"]))
    assert graph.order == ["b", "d", "e"]
    assert [graph.inputs(name) for name in graph.sources] == [(0,), (1,)]


def test_nodes_come_and_go(graph: Graph) -> None:
    graph.add("new", ["a", "c"], place=1)
    assert graph.order == ["a", "b", "c", "new", "d", "e"]
    assert graph.inputs("new") == (0, 2)
    assert graph.inputs("e") == (4,)
    graph.remove("d", heirs=["new", "b"])
    assert graph.order == ["a", "b", "c", "new", "e"]
    assert graph.inputs("e") == (1, 3)
