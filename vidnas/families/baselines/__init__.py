"""Hand-designed networks to hold searched ones against."""
