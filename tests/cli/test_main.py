"""The commands, as `terminator` offers them."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

import terminator_cli.commands
from terminator_cli.main import main
from tests.cli.calls import COMMANDS
from tests.cli.runs import TERMINATOR, write

# What takes longer to import than help and completion may take.
SLOW = {"boto3", "botocore", "rich", "httpx", "jinja2", "asyncio", "terminator.reconcile"}
ASKED = {
    "help": (["--help"], {}),
    "version": (["--version"], {}),
    "a typing error": (["stauts"], {}),
    "completion of commands": ([], {"COMP_WORDS": "terminator st", "COMP_CWORD": "1"}),
    "completion of options": ([], {"COMP_WORDS": "terminator status --w", "COMP_CWORD": "2"}),
    "completion of settings": ([], {"COMP_WORDS": "terminator plan --group l", "COMP_CWORD": "3"}),
    **{f"help of {name}": ([name, "--help"], {}) for name in main.commands},
}


def test_help_and_completion_do_not_wait_for_what_commands_import(tmp_path: Path) -> None:
    write(tmp_path, {"groups": {"names": ["live_asg_web"]}})
    # One process for all of them: what one has imported the next has too.
    program = f"""
import os, sys
from contextlib import suppress
from terminator_cli.main import main
for what, (arguments, words) in {ASKED!r}.items():
    os.environ.pop("_TERMINATOR_COMPLETE", None)
    os.environ.update(words, **({{"_TERMINATOR_COMPLETE": "bash_complete"}} if words else {{}}))
    with suppress(SystemExit):
        main(arguments, prog_name="terminator")
    print(what, *({SLOW!r} & {{*sys.modules}}), sep="=", file=sys.stderr)
"""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "--watch" in done.stdout
    assert "plain,live_asg_web" in done.stdout
    assert done.stdout.count("Usage: terminator ") == len(main.commands) + 1
    seen = [line for line in done.stderr.splitlines() if line.split("=")[0] in ASKED]
    assert seen == [*ASKED]


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_runs_what_bears_its_name(name: str) -> None:
    text = Path(terminator_cli.commands.__file__).read_text(encoding="utf-8")
    (module,) = re.findall(rf'"([a-z.]+):{name}"', text)
    function = getattr(import_module(f"terminator_cli.{module}"), name)
    command = main.commands[name]
    assert command.get_short_help_str(1000) == (inspect.getdoc(function) or "").split("\n")[0]
    parameters = [*inspect.signature(function).parameters]
    own = {each.name for each in command.params} & {*parameters}
    assert own == {*parameters} - {"asked"} - ({"wanted"} if name != "status" else set())


@pytest.mark.parametrize(("written", "meant"), [("stauts", "status"), ("rolback", "rollback")])
def test_a_command_that_is_misspelled_is_answered_with_the_nearest(
    written: str, meant: str
) -> None:
    done = CliRunner().invoke(main, [written])
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"No such command '{written}'. Did you mean '{meant}'?" in done.stderr


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
        options = [option for each in main.commands[name].params for option in each.opts]
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


def test_at_80_columns_the_list_of_commands_is_not_cut() -> None:
    listed = (
        CliRunner().invoke(main, ["--help"], terminal_width=80).stdout.partition("Commands:")[2]
    )
    assert "..." not in listed
