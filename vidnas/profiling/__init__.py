"""What a network costs: parameters, MACs, memory and measured latency, each with its protocol."""

from vidnas.profiling.affordable import affordable_cost, affordable_network
from vidnas.profiling.cost import measure_cost
from vidnas.profiling.counting import count_cost, count_parameters
from vidnas.profiling.latency import Reference, calibrate, measure_latency
from vidnas.profiling.runtimes import RUNTIMES

__all__ = [
    "RUNTIMES",
    "Reference",
    "affordable_cost",
    "affordable_network",
    "calibrate",
    "count_cost",
    "count_parameters",
    "measure_cost",
    "measure_latency",
]
