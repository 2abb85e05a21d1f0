"""What stands in the way of a command is one clear line, and the documented exit status."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from terminator_cli import exits
from terminator_cli.exits import confirm
from tests.cli.calls import COMMANDS as COMMANDS_PAGE
from tests.cli.runs import Caller, write
from tests.fakes.lambda_server import denying

if TYPE_CHECKING:
    from click.testing import Result

COMMANDS = [
    ("plan",), ("apply", "--local"), ("status",), ("status", "--watch", "--local"), ("releases",),
    ("pause", "live_asg_web"), ("resume", "live_asg_web"), ("use", "--app", "web", "1.0.266"),
    ("replace", "i-1"), ("rollback", "--app", "web"),
    ("release", "ZIP", "--app", "web", "--version", "1.0.275"),
    ("restore", "--app", "web", "1.0.275"), ("stop",), ("start",), ("taint", "i-1"),
    ("untaint", "i-1"),
]  # fmt: skip
BUCKETS = ("releases", "use", "rollback", "release", "restore")
OF_THE_BUCKET = [each for each in COMMANDS if each[0] in {*BUCKETS}]
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
    refused(
        run(command, config, CREDENTIALS), 2, "no Region: say --region, or set AWS_DEFAULT_REGION"
    )


@EVERY
def test_without_credentials_it_is_one_line_and_status_2(
    command: tuple[str, ...], config: Path
) -> None:
    refused(run(command, config, REGION), 2, "no credentials: say --profile, or set AWS_PROFILE")


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
        (("status", "--watch", "--interval", "0s"), "--interval is from 1s to 1h"),
        (("status", "--watch", "--timeout", "soon"), "accepted is a duration such as 90s"),
        (("status", "--timeout", "10s"), "--timeout is for a watch: add --watch"),
        (("status", "--watch", "--interval", "2h"), "--interval is from 1s to 1h"),
        (("status", "--watch", "--interval", "15"), "accepted is a duration such as 90s"),
        (("status", "--interval", "15s"), "--interval is for a watch: add --watch"),
        (("status", "--version", "1.0.275"), "--version is for a watch: add --watch"),
        (("status", "--watch", "--version", "one"), 'not a version: "one"; accepted'),
        (("status", "--app", "a/b"), '--app says "a/b"; accepted are'),
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


def test_an_account_that_does_not_answer_is_exit_status_1(config: Path) -> None:
    closed = {**REGION, **CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    done = run(("plan", "--local"), config, closed)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: AWS says: EndpointConnectionError")


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        (
            {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "127.0.0.1:9"},
            "AWS_ENDPOINT_URL: Invalid endpoint: 127.0.0.1:9",
        ),
        ({"AWS_DEFAULT_REGION": ""}, "no Region: say --region"),
        (
            {**CREDENTIALS, "AWS_DEFAULT_REGION": "eu west"},
            "'eu west' doesn't match a supported format. Such as eu-west-1 is accepted",
        ),
        ({"AWS_PROFILE": "nobody"}, "The config profile (nobody) could not be found"),
    ],
)
def test_an_endpoint_or_a_profile_that_is_none_is_status_2(
    config: Path, environment: dict[str, str], told: str
) -> None:
    refused(run(("plan", "--local"), config, environment), 2, told)


def test_no_groups_named_and_no_tag_is_a_clear_error(tmp_path: Path) -> None:
    told = "cdk.json: no groups: list their names in groups.names"
    refused(run(("apply", "--local"), write(tmp_path, {}), {}), 2, told)


class Terminal(io.StringIO):
    """Standard input that somebody sits at."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stdin", "status"), [(Terminal("n\n"), 1), (Terminal("\n"), 1), (io.StringIO("y\n"), 2)]
)
def test_what_is_declined_is_status_1_and_what_nobody_can_be_asked_is_2(
    stdin: io.StringIO, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(click.ClickException) as refused:
        confirm("Terminate them?", yes=False)
    assert refused.value.exit_code == status


@pytest.mark.parametrize(("stdin", "yes"), [(Terminal("y\n"), False), (io.StringIO(), True)])
def test_what_is_agreed_to_goes_on(
    stdin: io.StringIO, *, yes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    confirm("Terminate them?", yes=yes)


def test_the_exit_statuses_that_are_documented_are_those_there_are() -> None:
    table = re.findall(r"^\| ([0-9]+) \| ", COMMANDS_PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    known = (exits.DONE, exits.FAILED, exits.UNUSABLE, exits.UNCONVERGED, exits.INTERRUPTED)
    assert table == [str(each) for each in known]
