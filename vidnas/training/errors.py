"""Why training ends before its budget does, or does not begin."""

from vidnas.core import UserError


class DeadlineExceeded(TimeoutError):
    """The time by which a result was needed has passed."""


class UnusableCheckpoint(UserError):
    """A file is no checkpoint, or is one of another training run; a search does without it."""
