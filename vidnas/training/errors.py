"""Why training ends before its budget does: a search records these and continues."""


class NotFinite(ArithmeticError):
    """A loss, a gradient or a prediction became infinite or not a number."""


class DeadlineExceeded(TimeoutError):
    """The time by which a result was needed has passed."""
