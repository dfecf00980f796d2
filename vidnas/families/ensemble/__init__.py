"""Several trained networks that vote: put together after training, not searched."""

from vidnas.families.ensemble.architecture import Ensemble, Member
from vidnas.families.ensemble.diagram import draw
from vidnas.families.ensemble.network import EnsembleNetwork
from vidnas.families.family import Family

__all__ = ["FAMILY", "Ensemble", "EnsembleNetwork", "Member"]

FAMILY = Family(name="ensemble", architecture=Ensemble, network=EnsembleNetwork, diagram=draw)
