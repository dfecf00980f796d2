"""The plots of a study, as Plotly figures; the page gives them the colours of its theme."""

from vidnas.report.plots.classes import confusion, precision
from vidnas.report.plots.cost import accuracy_against_cost
from vidnas.report.plots.curves import curves
from vidnas.report.plots.ladder import ladder
from vidnas.report.plots.lanes import lanes
from vidnas.report.plots.preferences import preferences
from vidnas.report.plots.tree import family_tree
from vidnas.report.plots.weights import edge_weights

__all__ = [
    "accuracy_against_cost",
    "confusion",
    "curves",
    "edge_weights",
    "family_tree",
    "ladder",
    "lanes",
    "precision",
    "preferences",
]
