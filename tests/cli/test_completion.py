"""What a shell completes, and how it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from terminator_cli.main import main
from tests.cli.runs import write


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert f"_TERMINATOR_COMPLETE={shell}_complete" in done.stdout


def test_a_shell_that_is_not_known_is_refused() -> None:
    done = CliRunner().invoke(main, ["completion", "tcsh"])
    assert done.exit_code == 2
    assert "'tcsh' is not one of 'bash', 'fish', 'zsh'" in done.stderr


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("terminator ", sorted(main.commands)),
        ("terminator pause live", ["live_asg_api", "live_asg_web"]),
        ("terminator plan --group live_asg_w", ["live_asg_web"]),
        ("terminator releases --app other", []),
        ("terminator status --wa", ["--watch"]),
    ],
)
def test_commands_options_and_names_are_completed(
    words: str, completed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"groups": {"names": ["live_asg_web", "live_asg_api"]}})
    monkeypatch.chdir(tmp_path)
    asked = {
        "_TERMINATOR_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - (not words.endswith(" "))),
    }
    done = CliRunner().invoke(main, [], env=asked, prog_name="terminator")
    offered = sorted(line.partition(",")[2] for line in done.stdout.splitlines() if line)
    assert offered == completed
