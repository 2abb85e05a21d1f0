"""Decision records from CloudWatch Logs: what is asked for, and how."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from terminator import handlers
from terminator.report import record as report
from terminator.report.record import Outcome
from terminator.terminate import Outcomes
from terminator_cli.recorded import logs
from terminator_cli.recorded.files import from_text
from tests.cli.recordings import WEB, at, fields, instance
from tests.decide.builders import decide, group, member
from tests.fakes.lambda_like import log_to

LOG_GROUP = "/aws/lambda/terminator-reconcile"
EVERY = '{ ($.group = "*") && ($._aws NOT EXISTS) }'


@pytest.fixture
def stubbed() -> Iterator[tuple[Any, Stubber]]:
    """Return a client whose answers are told beforehand."""
    client = boto3.Session(region_name="eu-west-1").client("logs")
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


def event(minutes: float) -> dict[str, Any]:
    return {"timestamp": 1, "message": json.dumps(fields(minutes, instance("i-a")))}


def test_all_pages_are_read_those_without_events_too(stubbed: tuple[Any, Stubber]) -> None:
    client, stubber = stubbed
    asked = {
        "logGroupName": LOG_GROUP,
        "startTime": int(at(0).timestamp()) * 1000,
        "endTime": int(at(60).timestamp()) * 1000,
        "filterPattern": EVERY,
    }
    stubber.add_response("filter_log_events", {"events": [event(5)], "nextToken": "1"}, asked)
    second = {**asked, "nextToken": "1"}
    stubber.add_response("filter_log_events", {"events": [], "nextToken": "2"}, second)
    third = {**asked, "nextToken": "2"}
    stubber.add_response("filter_log_events", {"events": [event(0)]}, third)
    found = logs.fetch(client, LOG_GROUP, at(0), at(60))
    assert [record.at for record in found.records] == [at(0), at(5)]


@pytest.mark.parametrize(
    ("groups", "pattern"),
    [
        ((), EVERY),
        ((WEB,), f'{{ (($.group = "{WEB}")) && ($._aws NOT EXISTS) }}'),
        (("a", "b c"), '{ (($.group = "a") || ($.group = "b c")) && ($._aws NOT EXISTS) }'),
        (("a*",), EVERY),
        (('a" || ($.x = "',), EVERY),
        (tuple(f"group-{n:0250}" for n in range(5)), EVERY),
    ],
    ids=["all", "one", "two", "wildcard", "quotes", "too long"],
)
def test_the_pattern_narrows_where_it_can_name_the_groups(
    groups: tuple[str, ...], pattern: str
) -> None:
    assert logs.pattern(groups) == pattern


def test_what_reconcile_logs_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    log_to(monkeypatch, written)
    of = group(member("i-a", up=30), member("i-b", "1.0.274", up=10))
    done = Outcome(
        WEB, "web", of, decide(of, minimum="0", max_unavailable="100%"), Outcomes(("i-a",))
    )
    failed = Outcome("gone", error="no group of this name has opted in")
    for line in (*report.closing(done), *report.closing(failed)):
        handlers._log(line)  # noqa: SLF001 - this is how the lines come to the log
    gone, web = sorted(from_text("log", written.getvalue()).records, key=lambda each: each.group)
    assert (web.decision, web.terminated, web.available) == ("replace", ("i-a",), 2)
    assert [(each.id, each.version) for each in web.instances] == [
        ("i-a", "1.0.266"),
        ("i-b", "1.0.274"),
    ]
    assert (gone.decision, gone.reason) == ("failed", "no group of this name has opted in")
    assert web.at is not None
