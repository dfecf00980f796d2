"""Errors that floors above catch by their kind."""


class UserError(Exception):
    """A mistake outside the program: one sentence with the value, the cause and the cure.

    The command line prints it without a traceback and exits with code 2.
    """


class NotFinite(ArithmeticError):
    """A loss, a gradient or a prediction became infinite or not a number."""


class WorkerLost(Exception):
    """The worker died or ran out of time before it had a result; the message says which."""


class WorkerKilled(WorkerLost):
    """It was killed from outside, as the kernel does when memory runs out: no fault of its call."""
