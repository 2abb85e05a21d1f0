"""What stands in the way of a command is one clear line, and the documented exit status."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from terminator_cli.main import main
from tests.cli.cli_calls import DOCUMENT
from tests.cli.cli_runs import Caller, write
from tests.fakes.lambda_server import denying

COMMANDS = [
    ("plan",), ("apply", "--local"), ("status",), ("status", "--watch", "--local"), ("releases",),
    ("pause", "live_asg_web"), ("resume", "live_asg_web"), ("use", "--app", "web", "1.0.266"),
    ("rollback", "--app", "web"), ("release", "ZIP", "--app", "web", "--version", "1.0.275"),
]  # fmt: skip
OF_THE_BUCKET = [each for each in COMMANDS if each[0] in {"releases", "use", "rollback", "release"}]
EVERY = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
REGION = {"AWS_DEFAULT_REGION": "eu-west-1"}


@pytest.fixture(scope="module")
def denied() -> Iterator[dict[str, str]]:
    with denying() as environment:
        yield environment


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write(tmp_path)


def run(command: tuple[str, ...], config: Path, env: dict[str, str]) -> Result:
    """Run a command without anything of AWS but what `env` says."""
    archive = config.parent / "web.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("program", "web")
    nothing: dict[str, str | None] = dict.fromkeys(
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    )
    arguments = (str(archive) if word == "ZIP" else word for word in command)
    return Caller(config, {**nothing, **env}).run(*arguments)


def refused(done: Result, status: int, told: str) -> None:
    assert done.exit_code == status, done.output
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert told in line


@EVERY
def test_without_a_region_it_is_one_line_and_status_2(
    command: tuple[str, ...], config: Path
) -> None:
    refused(run(command, config, CREDENTIALS), 2, "no Region: set AWS_DEFAULT_REGION")


@EVERY
def test_without_credentials_it_is_one_line_and_status_2(
    command: tuple[str, ...], config: Path
) -> None:
    refused(run(command, config, REGION), 2, "no credentials: set AWS_PROFILE")


@EVERY
def test_without_permission_it_is_one_line_and_status_1(
    command: tuple[str, ...], config: Path, denied: dict[str, str]
) -> None:
    refused(run(command, config, denied), 1, "AWS says: AccessDenied")


@EVERY
def test_without_a_configuration_it_is_one_line_and_status_2(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    config = tmp_path / "none.json"
    refused(run(command, config, {}), 2, "none.json: No such file or directory")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"context": {"terminator": 7}}', "\x00"])
def test_with_a_configuration_that_cannot_be_read_it_is_one_line_and_status_2(
    text: str, config: Path
) -> None:
    config.write_text(text)
    refused(run(("status",), config, {}), 2, "cdk.json: ")


@pytest.mark.parametrize("command", OF_THE_BUCKET, ids=" ".join)
def test_without_a_releases_bucket_what_needs_one_says_so(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    config = write(tmp_path, {"groups": {"tagged": True}})
    done = run(command, config, {**REGION, **CREDENTIALS})
    refused(done, 2, "no releases bucket is configured: set releases.bucket")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("status", "--interval", "0"), "0.0 is not in the range 1<=x<=3600"),
        (("status", "--watch", "--timeout", "soon"), "accepted is a duration such as 90s"),
        (("status", "--timeout", "10s"), "--timeout is for a watch: add --watch"),
        (("status", "--interval", "15"), "--interval is for a watch: add --watch"),
        (("status", "live_asg_web"), "unexpected extra argument"),
        (("releases", "--app", "../x"), '--app says "../x"; accepted are letters'),
        (("pause",), "Missing argument 'GROUP'"),
        (("pause", "g", "--reason", "x" * 257), "--reason has 257 characters; a tag holds 256"),
        (("use", "--app", "web"), "Missing argument 'VERSION'"),
        (("use", "1.0.266"), "Missing option '--app'"),
        (("rollback",), "Missing option '--app'"),
        (("release", "none.zip", "--app", "a", "--version", "1"), "'none.zip' does not exist"),
        (("release", "ZIP", "--app", "a", "--version", "one"), 'not a version: "one"; accepted'),
        (("release", "ZIP", "--app", "a/b", "--version", "1"), '--app says "a/b"; accepted are'),
        (("plan", "--grop", "x"), "No such option"),
        (("explode",), "No such command 'explode'"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_wrong_arguments_are_status_2_and_name_what_is_wrong(
    command: tuple[str, ...], told: str, config: Path
) -> None:
    done = run(command, config, {**REGION, **CREDENTIALS})
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert told in done.stderr


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0
    assert f"terminator {name}" in done.stdout.partition("Options:")[0].partition("\n")[2]


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


def test_every_command_and_option_is_documented() -> None:
    pages = (DOCUMENT, DOCUMENT.with_name("report.md"))
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    for name, command in main.commands.items():
        assert f"`{name}" in text
        options = [option for each in command.params for option in each.opts]
        missing = [each for each in options if each.startswith("--") and each not in text]
        assert missing == [], name
