"""Tiny Video Networks (arXiv 1910.06961): light layers under a measured run-time limit."""
