"""A model behind HTTP: videos in, scores out, whoever sends them.

Importing this package takes FastAPI only where an application is made.
"""
