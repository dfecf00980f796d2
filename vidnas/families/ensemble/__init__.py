"""Several trained networks that vote: put together after training, not searched."""

from vidnas.families.base import Family
from vidnas.families.ensemble.architecture import Ensemble, Member

__all__ = ["FAMILY", "Ensemble", "Member"]

FAMILY = Family(name="ensemble", architecture=Ensemble)
