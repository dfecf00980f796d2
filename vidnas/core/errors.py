"""Errors that floors above catch by their kind."""


class UserError(Exception):
    """A mistake outside the program: one sentence with the value, the cause and the cure.

    The command line prints it without a traceback and exits with code 2.
    """


class WorkerLost(Exception):
    """The worker died or ran out of time before it had a result; the message says which."""
