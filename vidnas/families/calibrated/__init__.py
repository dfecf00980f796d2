"""A trained network with a temperature, which makes its probabilities honest: not searched."""

from vidnas.families.calibrated.architecture import Calibrated
from vidnas.families.calibrated.diagram import draw
from vidnas.families.calibrated.network import CalibratedNetwork
from vidnas.families.family import Family

__all__ = ["FAMILY", "Calibrated", "CalibratedNetwork"]

FAMILY = Family(name="calibrated", architecture=Calibrated, network=CalibratedNetwork, diagram=draw)
