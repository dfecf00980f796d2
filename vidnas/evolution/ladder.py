"""The rule of who climbs."""

ETA = 3
