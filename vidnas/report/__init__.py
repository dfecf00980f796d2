"""Drawings, plots and the study's page."""
