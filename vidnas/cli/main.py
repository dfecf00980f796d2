"""The `vidnas` command: its sub-commands, and errors as sentences for people."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cyclopts import App, CycloptsError, MissingArgumentError, UnusedCliTokensError

import vidnas

COMMANDS = {
    "search": "Evolve a network for your clips within a run-time limit.",
    "status": "Show how a study stands.",
    "watch": "Show a study while a search runs in it, in the browser and on the terminal.",
    "compare": "Compare studies.",
    "page": "Write the page of a study anew.",
    "ensemble": "Let several networks of studies vote.",
    "train": "Train one architecture.",
    "eval": "Measure a model on labelled clips.",
    "calibrate": "Make the scores of a model say how often it is right.",
    "predict": "Name the most likely classes of videos.",
    "serve": "Answer over HTTP what a model sees in videos.",
    "bench": "Measure what networks cost.",
    "agent": "Write the file that times networks on another machine.",
    "export": "Export a model.",
    "import-tf": "Make a model of a TensorFlow checkpoint of the original code.",
    "models": "List the published architectures.",
    "draw": "Draw an architecture.",
    "data": "Check or show labelled clips, compute their optical flow, or generate some to try on.",
    "study": "Start a study with the trials of others.",
}
_WITH_SUBCOMMANDS = ("data", "study")

_ERROR = ("Error: ", "bold red")
_NOWHERE = "The working directory no longer exists; change to a folder that does."
_WINDOWS = "vidnas runs on Linux and macOS; on Windows, run it in WSL (wsl --install)."
_FULL = "the disk is full or your quota used up; free some space and run the same command again"
_OS_CURES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: "permission was denied; choose a folder that you may write to",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EMFILE: "too many files are open; raise the limit with ulimit -n",
    errno.EIO: "the disk or the network drive does not answer; check it",
}


def make_app(arguments: Sequence[str] = ()) -> App:
    """Return the command line; of its commands, only those in the arguments are ever imported."""
    app = App(
        name="vidnas",
        help="Evolve neural networks for video, for your clips and your run-time limit.",
        version=lambda: vidnas.__version__,
        help_format="plaintext",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    app.register_install_completion_command()
    for position, (name, summary) in enumerate(COMMANDS.items()):
        kind = "app" if name in _WITH_SUBCOMMANDS else "command"
        # A summary would replace the help of the command itself.
        listed = None if name in arguments[:1] else summary
        app.command(
            f"vidnas.cli.{name.replace('-', '_')}:{kind}", name=name, help=listed, sort_key=position
        )
    return app


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; mistakes of the user end with one sentence and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files need not suit the terminal
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] in COMMANDS:  # the help on all of them is quick without pydantic
        if sys.platform == "win32":  # it has none of the locks and signals that are used everywhere
            return _end(2, _ERROR, _WINDOWS)
        from vidnas.core.process import available_cores, prepare_process

        try:
            Path.cwd()
        except OSError:  # torch would end the process
            return _end(2, _ERROR, _NOWHERE)
        prepare_process(threads=available_cores())
    try:
        make_app(arguments)(arguments)
        sys.stdout.flush()  # at the exit it would be too late to say that nobody reads
    except KeyboardInterrupt:
        return _end(130, ("Stopped.", "yellow"))
    except BrokenPipeError:  # whoever reads the results has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a shell reports the signal
    except Exception as error:
        sentence = _explain(error)
        if sentence is None:
            raise
        return _end(2, _ERROR, sentence)
    return 0


def _explain(error: Exception) -> str | None:
    """Return what the user can mend, or None for an error of the program."""
    from vidnas.core import NotFinite, UserError

    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, NotFinite):
        return f"{error} Train it again, with another --seed."
    if isinstance(error, OSError) and error.errno is not None:
        return _explain_system(error)
    if not isinstance(error, CycloptsError):
        return None
    sentence = str(error)
    if isinstance(error, UnusedCliTokensError):
        sentence = f"There is no argument left for {' '.join(error.unused_tokens or ())}."
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.argument.name
        if error.argument.required:
            name = name.removeprefix("--").upper()
        sentence = f"{name} is missing or has no value."
    return f"{sentence} See {' '.join(['vidnas', *(error.command_chain or ()), '--help'])}."


def _explain_system(error: OSError) -> str:
    """Return what the system refuses to do: hardly ever the fault of this program."""
    cure = _OS_CURES.get(
        error.errno or 0, f"{error.strerror}; check the path, or choose another one"
    )
    return f"{error.filename or 'A file or folder'}: {cure}."


def _end(code: int, *parts: str | tuple[str, str]) -> int:
    from vidnas.cli.console import say

    say(*parts)
    return code


if __name__ == "__main__":
    main()
