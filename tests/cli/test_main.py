"""The commands, as `terminator` offers them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from terminator_cli.main import load, main


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
