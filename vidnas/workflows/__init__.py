"""Whole jobs without a terminal: search clips, train, ensemble, status. They tell a listener."""
