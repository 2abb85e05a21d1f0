"""What a shell completes, and how it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import CliRunner

from sandbox.fleet import WEB, Fleet
from terminator_cli.main import main
from tests.cli.runs import NOWHERE, SERVING, Caller, write


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert f"_TERMINATOR_COMPLETE={shell}_complete" in done.stdout


def test_a_shell_that_is_not_known_is_refused() -> None:
    done = CliRunner().invoke(main, ["completion", "tcsh"])
    assert done.exit_code == 2
    assert "'tcsh' is not one of 'bash', 'fish', 'zsh'" in done.stderr


def offered(words: str, env: Mapping[str, str | None]) -> list[str]:
    asked = {
        **env,
        "_TERMINATOR_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - (not words.endswith(" "))),
    }
    done = CliRunner().invoke(main, [], env=asked, prog_name="terminator")
    assert (done.exit_code, done.stderr) == (0, "")
    return sorted(line.partition(",")[2] for line in done.stdout.splitlines() if line)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("terminator ", sorted(main.commands)),
        ("terminator pause live", ["live_asg_api", "live_asg_web"]),
        ("terminator plan --group live_asg_w", ["live_asg_web"]),
        ("terminator releases --app other", []),
        ("terminator releases --app live_asg_a", ["live_asg_api"]),
        ("terminator use --app web 1.", []),
        ("terminator replace i-", []),
        ("terminator status --wa", ["--watch"]),
    ],
)
def test_without_credentials_it_completes_what_the_settings_list_and_says_nothing(
    words: str, completed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {**SERVING, "groups": {"names": ["live_asg_web", "live_asg_api"]}})
    monkeypatch.chdir(tmp_path)
    assert offered(words, NOWHERE) == completed


@pytest.mark.parametrize("name", ["live$(halt)", "live`halt`", "live;halt", "live!halt", "~live"])
def test_a_name_that_a_shell_would_run_is_not_completed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {**SERVING, "groups": {"names": ["live~1", name]}})
    monkeypatch.chdir(tmp_path)
    assert offered("terminator pause ", NOWHERE) == ["live~1"]


def test_settings_that_cannot_be_read_complete_nothing_and_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert offered("terminator plan --group ", NOWHERE) == []


def test_what_opted_in_by_tag_and_what_was_released_is_completed(
    released: Fleet, on: Caller
) -> None:
    env = {**NOWHERE, **on.environment, "TERMINATOR_CONFIG_FILE": str(on.config)}
    machines = sorted(machine.id for machine in released.machines.values())
    with patch("terminator_cli.completion._PATIENCE_SECONDS", 60):
        assert WEB in offered("terminator status --group live", env)
        assert offered("terminator history --group live_asg_w", env) == [WEB]
        assert offered("terminator rollback --app we", env) == ["web"]
        assert offered("terminator use --app web ", env) == [
            "1.0.250",
            "1.0.266",
            "1.0.274",
            "newest",
        ]
        assert offered("terminator rollback --app web --to 1.0.26", env) == ["1.0.266"]
        assert set(offered("terminator replace i-", env)) <= set(machines)
        assert offered("terminator replace i-", env) != []
