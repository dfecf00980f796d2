"""Errors that are the user's to mend."""


class UserError(Exception):
    """A mistake outside the program: one sentence with the value, the cause and the cure.

    The command line prints it without a traceback and exits with code 2.
    """
