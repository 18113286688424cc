"""The commands: their help, each with an example, and how little it imports."""

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import goodfit as package
from goodfit.cli.app import app

COMMANDS = ("study", "fit", "augment", "diagnose", "report", "explain", "techniques", "predict")
Cli = Callable[..., Any]


def test_these_are_the_commands(goodfit: Cli) -> None:
    names = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    assert names == set(COMMANDS)
    result = goodfit("--help")
    assert result.code == 0
    assert all(name in result.out for name in COMMANDS)
    assert "goodfit study digits" in result.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(goodfit: Cli, command: str) -> None:
    result = goodfit(command, "--help")
    assert result.code == 0
    assert result.err == ""
    assert re.search(rf"Example:\s+goodfit {command}\b", result.out)


def test_no_arguments_show_the_help(goodfit: Cli) -> None:
    result = goodfit()
    assert result.code == 2
    assert "Usage" in result.out + result.err


def test_the_version(goodfit: Cli) -> None:
    result = goodfit("--version")
    assert (result.code, result.out) == (0, f"goodfit {package.__version__}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["study", "--help"], ["--version"]])
def test_help_does_not_import_torch(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['goodfit', *{arguments!r}]\n"
        "from goodfit.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n"
        "    heavy = [m for m in ('torch', 'numpy', 'pandas', 'sklearn', 'plotly') if m in sys.modules]\n"
        "    print(f'code {end.code}, imported {heavy}')\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "code 0, imported []"
