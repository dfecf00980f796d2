"""The evolution: population, selection, limits, evaluation, the study and its storage."""
