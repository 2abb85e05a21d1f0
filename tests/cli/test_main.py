"""The commands, as `terminator` offers them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import terminator_cli
from terminator_cli.main import load, main
from tests.cli.calls import COMMANDS
from tests.cli.runs import TERMINATOR


@pytest.mark.parametrize("name", sorted(main.commands))
def test_help_lists_each_command_with_what_it_says_of_itself(name: str) -> None:
    command = load(name)
    assert command.name == name
    assert main.commands[name].get_short_help_str(1000) == command.get_short_help_str(1000)


@pytest.mark.parametrize("asked", ["--help", "--version"])
def test_help_does_not_wait_for_what_commands_import(asked: str) -> None:
    program = (
        "import sys; from terminator_cli.main import main\n"
        f"try: main([{asked!r}])\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    slow = {"boto3", "botocore", "rich", "httpx", "jinja2", "terminator_cli.plan"}
    assert slow & set(done.stderr.split()) == set()


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0
    assert f"terminator {name}" in done.stdout.partition("Options:")[0].partition("\n")[2]


def test_help_names_the_options_with_an_example() -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [TERMINATOR, "plan", "--help"], capture_output=True, text=True, check=False
    )
    named = ("--group NAME", "--config", "--local", "--json", "Example")
    assert done.returncode == 0
    assert all(each in done.stdout for each in named)


def test_every_command_and_option_is_documented() -> None:
    pages = (COMMANDS, COMMANDS.with_name("report.md"))
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    for name in main.commands:
        assert f"`{name}" in text
        options = [option for each in load(name).params for option in each.opts]
        missing = [each for each in options if each.startswith("--") and each not in text]
        assert missing == [], name


def test_commands_import_nothing_but_what_installing_them_brings() -> None:
    brought = {"boto3", "botocore", "click", "jinja2", "markupsafe", "rich"}
    found: set[str] = set()
    for path in Path(terminator_cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    of_types = {name for name in found if name.startswith("types_boto3")}
    found -= {"terminator", "terminator_cli", *of_types, *sys.stdlib_module_names}
    assert found <= brought
