"""`terminator history` and `terminator report`, as they are called."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore import loaders
from click.testing import CliRunner, Result
from moto import mock_aws
from rich.console import Console

from terminator_cli.history import TIMES, show
from terminator_cli.main import main
from terminator_cli.report.timeline import Fold, fold
from tests.cli import pages
from tests.cli.recordings import WEB, fields, following, instance, lines, record
from tests.cli.runs import NOWHERE, TERMINATOR
from tests.fakes import hostile

LOG_GROUP = "/aws/lambda/terminator-reconcile"
NOTHING = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"))
SOMEWHERE = {
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_DEFAULT_REGION": "eu-west-1",
}
# Reading the models of AWS's services takes longer than the commands do.
LOADER = cache(loaders.create_loader)


def terminator(*arguments: str, env: Mapping[str, str] | None = None) -> Result:
    environment = {**NOWHERE, **NOTHING, **(env or {})}
    with patch("botocore.session.create_loader", LOADER):
        return CliRunner().invoke(main, arguments, env=environment)


@pytest.fixture
def aws() -> Iterator[None]:
    """Have logs in which reconcile logged a group's last half hour, and an hour-old hold."""
    with mock_aws():
        logs = boto3.Session(region_name="eu-west-1").client("logs")
        logs.create_log_group(logGroupName=LOG_GROUP)
        logs.create_log_group(logGroupName="/aws/lambda/idle-reconcile")
        logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName="1")
        events = [
            {"timestamp": int(when.timestamp() * 1000), "message": line} for when, line in _logged()
        ]
        logs.put_log_events(logGroupName=LOG_GROUP, logStreamName="1", logEvents=events)  # type: ignore[arg-type] # it is what it takes
        yield


def _logged() -> list[tuple[datetime, str]]:
    begin = datetime.now(UTC) - timedelta(minutes=30)
    old = [_moved(fields(0, instance("i-a"), group="api"), begin - timedelta(minutes=30))]
    new = [
        _moved(each, begin + timedelta(minutes=5 * number))
        for number, each in enumerate(following(WEB, 2, [1], 6))
    ]
    said = [(when, lines([each]).strip()) for when, each in (*old, *new)]
    others = ["REPORT RequestId: 1", json.dumps({"group": WEB, "_aws": {}})]
    return sorted([*said, *((begin, other) for other in others)])


def _moved(of: dict[str, Any], when: datetime) -> tuple[datetime, dict[str, Any]]:
    return when, {**of, "timestamp": when.isoformat()}


@pytest.fixture
def config(tmp_path: Path) -> Sequence[str]:
    """Write a configuration, and return how to name it."""
    return write(tmp_path, "terminator")


def write(folder: Path, name: str) -> Sequence[str]:
    path = folder / "cdk.json"
    settings = {"name": name, "groups": {"tagged": True}}
    path.write_text(json.dumps({"context": {"terminator": settings}}))
    return ("--config", str(path))


@pytest.fixture
def log(tmp_path: Path) -> str:
    """Write the log of a group that follows a release, with a line that is cut off."""
    path = tmp_path / "run.jsonl"
    path.write_text(lines(following(WEB, 3, [2], 12)) + '{"group": "live')
    return str(path)


@pytest.mark.usefixtures("aws")
def test_history_shows_what_the_deployed_reconcile_logged(config: Sequence[str]) -> None:
    done = terminator("history", *config, "--since", "2h", env=SOMEWHERE)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "api" in done.stdout
    assert f"{TIMES}3 until" in done.stdout
    assert done.stdout.count("replace") == 2
    assert done.stdout.count("terminated i-") == 2
    assert "\x1b" not in done.stdout


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("asked", "groups"),
    [
        (["--since", "45m"], {WEB}),
        (["--until", "45m"], {"api"}),
        (["--group", "api"], {"api"}),
        (["--group", "api", "--group", WEB], {"api", WEB}),
    ],
)
def test_history_is_narrowed_by_group_and_time(
    config: Sequence[str], asked: list[str], groups: set[str]
) -> None:
    done = terminator("history", "--json", *config, *asked, env=SOMEWHERE)
    assert {each["group"] for each in json.loads(done.stdout)} == groups


@pytest.mark.usefixtures("aws")
def test_report_is_made_of_what_the_deployed_reconcile_logged(
    config: Sequence[str], tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    asked = ("report", *config, "--group", WEB, "--since", "2h", "-o", str(path))
    done = terminator(*asked, env=SOMEWHERE)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"{path}: 6 decisions about 1 group\n"
    assert "1.0.1 replaced 1.0.0 in 10 minutes" in pages.read(path.read_text()).text


@pytest.mark.usefixtures("aws")
def test_a_log_without_decisions_is_said_and_is_no_failure_of_history(tmp_path: Path) -> None:
    idle = write(tmp_path, "idle")
    done = terminator("history", *idle, env=SOMEWHERE)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith("/aws/lambda/idle-reconcile: no decision since 20")
    assert terminator("history", "--json", *idle, env=SOMEWHERE).stdout == "[]\n"


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("asked", ["--until", "--since"])
@pytest.mark.parametrize("date", ["0001-01-01", "9998-12-31"])
def test_any_date_may_be_asked_for(config: Sequence[str], asked: str, date: str) -> None:
    done = terminator("history", *config, asked, date, env=SOMEWHERE)
    assert (done.exit_code, done.exception) == (0, None)


@pytest.mark.usefixtures("aws")
def test_a_report_of_nothing_is_a_failure_and_writes_nothing(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    asked = ("report", *write(tmp_path, "idle"), "--group", "web\n", "-o", str(page))
    done = terminator(*asked, env=SOMEWHERE)
    assert (done.exit_code, done.stdout, page.exists()) == (1, "", False)
    told = "Error: /aws/lambda/idle-reconcile: no decision about web\\n since 20"
    assert done.stderr.startswith(told)


@pytest.mark.usefixtures("aws")
def test_a_log_group_that_does_not_exist_is_exit_status_2(tmp_path: Path) -> None:
    done = terminator("history", *write(tmp_path, "other"), env=SOMEWHERE)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: no log group /aws/lambda/other-reconcile (account 123456789012, eu-west-1); "
        "is it deployed there, and `name` right?\n"
    )


@pytest.mark.parametrize("command", ["history", "report"])
def test_what_may_not_be_read_is_exit_status_1_and_one_line(
    config: Sequence[str], command: str
) -> None:
    denied = {
        "__type": "AccessDeniedException",
        "message": "User x is not authorized to perform: logs:FilterLogEvents\x1b[31m",
    }
    answer = hostile.message(json.dumps(denied), 400, Content_Type="application/x-amz-json-1.1")
    with hostile.serving(hostile.says(answer)) as server:
        there = {**SOMEWHERE, "AWS_ENDPOINT_URL": server.url("")}
        done = terminator(command, *config, env=there)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: AWS says: AccessDeniedException: User x is not authorized to perform: "
        "logs:FilterLogEvents\\u001b[31m\n"
    )


@pytest.mark.parametrize("command", ["history", "report"])
@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "no Region: say --region, or set AWS_DEFAULT_REGION"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "no credentials: say --profile, or set AWS_PROFILE"),
        ({**SOMEWHERE, "AWS_ENDPOINT_URL": "127.0.0.1:9"}, "AWS_ENDPOINT_URL: Invalid endpoint"),
        ({"AWS_PROFILE": "nobody"}, "The config profile (nobody) could not be found"),
    ],
)
def test_without_region_or_credentials_the_exit_status_is_2(
    config: Sequence[str], command: str, environment: dict[str, str], told: str
) -> None:
    done = terminator(command, *config, env=environment)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {told}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--since", "soon"], '"soon" is not a time ago such as 90s, 30m, 1h30m, 7d or 1w'),
        (["--until", "9999999w"], '"9999999w" is not a time ago'),
        (["--since", "1h", "--until", "2h"], "--since is later than --until"),
        (["--limit", "0"], "0 is not in the range x>=1"),
        (["--file", "none.jsonl"], "none.jsonl: No such file or directory"),
        (["--config", "none.json"], "none.json: No such file or directory"),
        (["--grop", "x"], "No such option"),
    ],
)
def test_wrong_usage_is_exit_status_2(arguments: list[str], told: str) -> None:
    done = terminator("history", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


def test_a_file_needs_neither_aws_nor_a_configuration(log: str, tmp_path: Path) -> None:
    done = terminator("history", "--file", log)
    assert done.exit_code == 0
    assert "1.0.1" in done.stdout
    problem = f"{log}: 1 record skipped, the first at line 13: not JSON: Unterminated string"
    assert done.stderr.startswith(problem)
    made = terminator("report", "--file", log, "-o", str(tmp_path / "r.html"))
    assert (made.exit_code, made.stderr) == (0, done.stderr)


def test_a_file_without_a_record_is_exit_status_2(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello\n")
    done = terminator("history", "--file", str(tmp_path / "x"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"Error: {tmp_path / 'x'}: no decision record in 1 line\n"


def test_what_history_prints_as_json_it_reads_again_from_standard_input(log: str) -> None:
    first = terminator("history", "--json", "--file", log).stdout
    again = subprocess.run(  # noqa: S603 - our own program
        [TERMINATOR, "history", "--json", "--file", "-"],
        input=first,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (again.returncode, again.stdout, again.stderr) == (0, first, "")
    printed = json.loads(first)
    assert printed == following(WEB, 3, [2], 12)


def test_all_unfolds_and_limit_keeps_the_newest(log: str) -> None:
    def rows(*asked: str) -> list[str]:
        told = terminator("history", "--file", log, *asked).stdout.splitlines()
        return [line.split()[0] for line in told if line.strip()[:2] in {"12", "13"}]

    assert rows() == ["12:00", "12:10", "12:15", "12:20"]
    assert len(rows("--all")) == 12
    assert rows("--limit", "1") == ["12:20"]
    assert rows("--all", "--limit", "2") == ["12:50", "12:55"]


def test_a_group_without_decisions_is_named(log: str) -> None:
    done = terminator("history", "--file", log, "--group", WEB, "--group", "ghost\x1b")
    assert done.exit_code == 0
    assert f"{log}: no decision about ghost\\x1b\n" in done.stderr


def test_a_report_goes_to_standard_output_too(log: str) -> None:
    done = terminator("report", "--file", log, "-o", "-")
    assert done.exit_code == 0
    assert pages.read(done.stdout).name == "html"


def test_a_report_that_cannot_be_written_is_exit_status_2(log: str, tmp_path: Path) -> None:
    done = terminator("report", "--file", log, "-o", str(tmp_path / "none" / "r.html"))
    assert done.exit_code == 2
    assert "r.html: No such file or directory" in done.stderr


def test_a_report_needs_records_with_times(tmp_path: Path) -> None:
    planned = fields(0, instance("i-a"))
    del planned["timestamp"]
    (tmp_path / "plan.json").write_text(json.dumps([planned]))
    asked = ("--file", str(tmp_path / "plan.json"))
    done = terminator("report", *asked, "-o", str(tmp_path / "r.html"))
    assert done.exit_code == 2
    assert "no record says when (plan --json has no times)" in done.stderr
    assert "baking" in terminator("history", *asked).stdout


def printed(folds: Sequence[Fold], *, terminal: bool = True, width: int = 60) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width)
    show(console, folds)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def some() -> list[Fold]:
    ids = ["i-0f00b24b1e5d8a3e0", "i-0f01b24b1e5d8a3e0"]
    acted = record(
        0, decision="replace", reason="2 of 2 fit the budget", target="1.1.0-rc.1", terminated=ids
    )
    held = [record(n, reason=f"baking 1.0.274 for {9 - n} more minutes") for n in (5, 8)]
    failed = record(9, decision="replace", failed={"i-x": "AccessDenied: no"})
    return fold([acted, *held, failed])


@pytest.mark.parametrize("width", [60, 89, 90, 200])
def test_the_table_shows_everything_at_any_width(width: int) -> None:
    table = (
        printed(some(), terminal=False, width=width)
        if width > 160
        else printed(some(), width=width)
    )
    for text in (
        WEB,
        "1.1.0-rc.1",
        "replace",
        "i-0f00b24b1e5d8a3e0",
        "i-0f01b24b1e5d8a3e0",
        "12:00",
        f"{TIMES}2",
    ):
        assert text in table
    assert "…" not in table


def test_no_line_of_the_table_is_longer_than_60_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    plain = [line for line in printed(some()).splitlines() if "\x1b" not in line]
    assert plain
    assert max(map(len, plain)) <= 60


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = "\x1b[1;31m"
    assert coloured in printed(some())
    assert "\x1b" not in printed(some(), terminal=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any(f"[{style}3{n}" in printed(some()) for n in range(8) for style in ("", "1;"))
