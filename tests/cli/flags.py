"""The public flags of the command line; `python tests/cli/flags.py` writes them to flags.txt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cyclopts import App
from cyclopts.argument import Argument

from vidnas.cli.main import COMMANDS, make_app

FILE = Path(__file__).with_name("flags.txt")


def commands() -> Iterator[tuple[str, App]]:
    """Yield each command with its name, such as `data check`."""
    app = make_app()
    for name in COMMANDS:
        nested = [(f"{name} {one}", app[name][one]) for one in app[name] if one[0] != "-"]
        yield from nested or [(name, app[name])]


def options(command: App) -> list[Argument]:
    """Return the arguments and options that the command parses."""
    return [one for one in command.assemble_argument_collection() if not one.children]


def line(option: Argument) -> str:
    """Return an option's names and its default; arguments are in upper case."""
    names = " ".join(option.names)
    if option.required:
        return names.removeprefix("--").upper()
    default = option.field_info.default
    return f"{names} {'' if default in (None, ()) else default}".rstrip()


def listing() -> str:
    """Return all commands with their flags."""
    return "\n".join(
        "\n".join([name, *(f"    {line(option)}" for option in options(command)), ""])
        for name, command in commands()
    )


if __name__ == "__main__":
    FILE.write_text(listing())
