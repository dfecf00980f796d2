"""What the command line offers, and that it does so quickly and in whole sentences."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict

import pytest
from commands import call
from flags import FILE, commands, listing, options

from vidnas import __version__
from vidnas.cli.main import COMMANDS, make_app

NAMES = [name for name, _ in commands()]


def test_the_flags_are_frozen() -> None:
    """Where a flag changes on purpose, run `python tests/cli/flags.py` and commit flags.txt."""
    assert listing() == FILE.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name: str) -> None:
    done = call(*name.split(), "--help")
    assert done.returncode == 0
    assert f"For example:\n\n    vidnas {name}" in done.stdout
    assert call(*name.split(), "-h").stdout == done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_sentence(name: str) -> None:
    for option in options(dict(commands())[name]):
        assert (option.parameter.help or "").endswith("."), option.name


def test_no_flag_means_two_things() -> None:
    """Where several commands have a flag, their help begins with the same words."""
    meanings: dict[str, set[str]] = defaultdict(set)
    for _, command in commands():
        for option in options(command):
            words = str(option.parameter.help).split()
            meanings[option.name].add(" ".join(words[:2]))
    del meanings["--out"]  # where the result goes, a folder or a file
    assert {flag: begins for flag, begins in meanings.items() if len(begins) > 1} == {}


def test_the_help_on_all_commands_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom vidnas.cli.main import main\ntry:\n    main(['--help'])\n"
        "except SystemExit:\n    print({'torch', 'optuna', 'numpy', 'pydantic'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "set()"
    for name in COMMANDS:
        assert f" {name} " in done.stdout


def test_the_help_on_one_command_does_not_load_torch() -> None:
    code = (
        "import sys\nfrom vidnas.cli.main import main\ntry:\n    main(['search', '--help'])\n"
        "except SystemExit:\n    print({'torch', 'optuna', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_groups_of_the_search() -> None:
    text = call("search", "--help").stdout
    groups = (
        "What to search", "Limits and budget", "Evolution", "Training", "Machines", "Output"
    )  # fmt: skip
    positions = [text.index(f" {group} ") for group in groups]
    assert positions == sorted(positions)


def test_the_version() -> None:
    assert call("--version").stdout.strip() == __version__


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    script = make_app().generate_completion(prog_name="vidnas", shell=shell)  # type: ignore[arg-type]
    for word in ("search", "budget", "tensorboard", "fork"):
        assert word in script


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("serch clips", 'Did you mean "search"?'),
        ("data chek clips", 'Did you mean "check"?'),
        ("search . --budjet 3m", "Did you mean --budget?"),
        ("search . --set 3", "Unknown option: --set"),
        ("search", "CLIPS is missing or has no value. See vidnas search --help."),
        ("predict model video --top", "--top is missing or has no value"),
        ("models everything", "There is no argument left for everything"),
        ("eval model", "CLIPS is missing"),
        ("study fork old", "NEW is missing"),
    ],
)
def test_a_mistyped_command_line(typed: str, sentence: str) -> None:
    done = call(*typed.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
