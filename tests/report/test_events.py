"""Events: what becomes of decision records, and of the limits of EventBridge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from terminator.model import Group, HoldName
from terminator.report import events
from terminator.report.record import Record
from terminator.terminate import Terminations
from tests.decide.builders import decide, group, member, released
from tests.fakes.recorded import Recording, broken, came_back_stale, mistyped, recording, rollout

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs" / "events.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
FAST = {"minimum": "1", "max_unavailable": "100%"}


def read(entry: Any) -> dict[str, Any]:
    """Return an entry as the event that a rule's target receives, once it is valid."""
    event = {
        "source": entry["Source"],
        "detail-type": entry["DetailType"],
        "detail": json.loads(entry["Detail"]),
    }
    VALIDATOR.validate(event)
    return event


def told(
    of: Group,
    done: Terminations | None = None,
    texts: dict[str, str] | None = None,
    *,
    dry_run: bool = False,
) -> list[dict[str, Any]]:
    decision = decide(of, **(texts or FAST))
    record = Record.of(of.name, "web", of, decision, done, dry_run=dry_run)
    return [read(entry) for entry in events.of_records([record])]


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [event["detail-type"] for event in found]


def ready() -> Group:
    return group(member("i-a", up=30), member("i-b", up=20), member("i-n", "1.0.274", up=10))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    record = SCHEMA["$defs"]["record"]["properties"]
    assert record["hold"]["enum"] == [*get_args(HoldName), None]
    said = Record.of("web", dry_run=False).to_json()
    assert record.keys() == {"schema_version", "terminated_count", *said}


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "aws.ec2"},
        {"detail-type": "Terminator Holiday"},
        {"detail": {}},
        {"more": {"stranger": 1}},
        {"more": {"terminated": []}},
        {"more": {"dry_run": True}},
        {"more": {"available": "3"}},
    ],
)
def test_the_schema_accepts_nothing_else(wrong: dict[str, Any]) -> None:
    [event] = told(ready(), Terminations(("i-a",)))
    more = wrong.pop("more", {})
    assert not VALIDATOR.is_valid({**event, "detail": {**event["detail"], **more}, **wrong})


def test_what_was_terminated_is_a_replacement() -> None:
    done = Terminations(("i-a",), deferred={"i-b": "it is busy"})
    recorded = Record.of(
        "live_asg_web", "web", ready(), decide(ready(), **FAST), done, dry_run=False
    )
    [event] = told(ready(), done)
    assert event["detail-type"] == "Terminator Replacement"
    assert event["detail"] == {
        **recorded.to_json(), "schema_version": 2, "terminated_count": 1,
    }  # fmt: skip
    assert recorded.terminated == ("i-a",)
    assert recorded.deferred == {"i-b": "it is busy"}


def test_nothing_is_told_of_a_dry_run_that_would_replace_and_of_what_was_deferred() -> None:
    assert told(ready(), dry_run=True) == []
    assert told(ready(), Terminations(deferred={"i-a": "it is busy"})) == []


def test_what_was_terminated_before_something_failed_is_told_too() -> None:
    found = told(ready(), Terminations(("i-a",), failed={"i-b": "AccessDenied: no"}))
    assert kinds(found) == ["Terminator Replacement", "Terminator Failure"]
    assert found[1]["detail"]["reason"] == "failed to terminate i-b: AccessDenied: no"
    assert found[1]["detail"]["terminated"] == ["i-a"]


def test_a_group_that_was_never_planned_is_a_failure() -> None:
    failed = Record.of("gone", error="no such group", dry_run=True)
    [event] = [read(entry) for entry in events.of_records([failed])]
    assert event["detail-type"] == "Terminator Failure"
    assert event["detail"]["group"] == "gone"
    assert event["detail"]["reason"] == "no such group"
    assert event["detail"]["dry_run"] is True


def test_a_run_that_failed_before_any_group_is_a_failure_without_one() -> None:
    event = read(events.of_failed_run("AccessDenied: no", dry_run=False))
    assert event["detail-type"] == "Terminator Failure"
    assert (event["detail"]["group"], event["detail"]["reason"]) == (None, "AccessDenied: no")


STALE = group(member("i-a", up=90), member("i-n", up=3), released=released("2", since=9))
SILENT = group(member("i-a", up=90), member("i-s", None, up=60), released=released("2", since=70))
LATE = group(*ready().instances, released=released("1.0.274", since=1500))
YOUNG = group(member("i-a", up=90), member("i-s", None, up=5), released=released("2", since=9))


@pytest.mark.parametrize(
    ("of", "texts", "hold"),
    [
        (group(*ready().instances, suspended=frozenset({"Launch"})), FAST, "processes_suspended"),
        (STALE, FAST, "boots_stale"),
        (SILENT, FAST, "canary_not_come_up"),
        (LATE, {"minimum": "3"}, "no_budget"),
    ],
)
def test_a_hold_that_needs_somebody_is_told(of: Group, texts: dict[str, str], hold: str) -> None:
    [event] = told(of, texts=texts)
    assert (event["detail-type"], event["detail"]["hold"]) == ("Terminator Hold", hold)


@pytest.mark.parametrize(
    ("of", "texts"),
    [
        (ready(), {**FAST, "bake_time": "1h"}),
        (ready(), {**FAST, "pause": "x"}),
        (ready(), {"minimum": "3"}),
        (ready(), {**FAST, "window": "Sat-Sun 09:00-17:00 UTC"}),
        (YOUNG, FAST),
        (group(member("i-a")), FAST),
    ],
)
def test_a_hold_that_ends_by_itself_is_not_told(of: Group, texts: dict[str, str]) -> None:
    assert told(of, texts=texts) == []


def test_what_is_deferred_for_a_day_needs_somebody_and_what_a_dry_run_would_do_does_not() -> None:
    deferred = Terminations(deferred={"i-a": "it is busy"})
    [event] = told(LATE, deferred)
    assert (event["detail-type"], event["detail"]["decision"]) == ("Terminator Hold", "replace")
    assert told(LATE, dry_run=True) == []
    assert kinds(told(LATE, Terminations(("i-a",)))) == ["Terminator Replacement"]


def test_a_hold_tells_what_its_beginning_can_be_seen_by() -> None:
    [event] = told(SILENT)
    assert event["detail"]["since"] == "2026-11-18T10:50:00+00:00"
    first = event["detail"]["instances"][0]
    assert (first["id"], first["reason"]) == ("i-s", "timeout")
    assert first["created"] == "2026-11-18T11:00:00+00:00"


def test_settings_that_cannot_be_read_are_told_without_figures() -> None:
    with recording() as of:
        mistyped(of, of.cloud.groups["web"])
    assert {read(entry)["detail"]["hold"] for entry in of.told} == {"settings_unreadable"}
    assert {read(entry)["detail"]["available"] for entry in of.told} == {None}


ENTRIES = st.lists(st.integers(0, 90_000), max_size=40)


@given(ENTRIES)
def test_no_call_is_over_the_limits_of_eventbridge_and_none_is_lost(sizes: list[int]) -> None:
    given = [events.Entry(Source="terminator", DetailType="x", Detail="x" * size) for size in sizes]
    calls = list(events.calls(given))
    assert [entry for call in calls for entry in call] == given
    for call in calls:
        assert 1 <= len(call) <= 10
        assert sum(map(events.size, call)) <= 256 * 1024


def test_the_greatest_event_fits_in_a_call() -> None:
    ids = [f"i-{number:017x}" for number in range(3000)]
    acted = Terminations(tuple(ids), failed={"i-x": "\x00" * 300})
    many = group(*[member(id_, None, reason="\x00" * 300) for id_ in ids])
    record = Record.of("g" * 255, "a" * 255, many, decide(ready()), acted, dry_run=False)
    entries = events.of_records([replace(record, reason="\u2603" * 9000)])
    assert [len(read(entry)["detail"]["terminated"]) for entry in entries] == [1000, 1000]
    assert read(entries[0])["detail"]["terminated_count"] == 3000
    assert all(events.size(entry) <= 256 * 1024 for entry in entries)


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_breaks_an_event(name: str, why: str) -> None:
    entries = events.of_records([Record.of(name, why, error=why, dry_run=False)])
    assert all(entry["Detail"].isascii() for entry in entries)
    assert read(entries[0])["detail"]["group"] == (name or None)


@pytest.fixture
def local() -> Iterator[Recording]:
    with recording() as made:
        yield made


def test_a_rollout_tells_of_every_termination_once_and_of_nothing_else(local: Recording) -> None:
    rollout(local)
    found = [read(entry) for entry in local.told]
    assert set(kinds(found)) == {"Terminator Replacement"}
    ids = [id_ for event in found for id_ in event["detail"]["terminated"]]
    assert ids == [id_ for _, _, id_ in local.cloud.kills]
    assert [event["detail"]["decision"] for event in found] == ["canary", "replace", "replace"]


def test_a_broken_release_tells_of_its_canary_and_when_that_is_overdue_each_run(
    local: Recording,
) -> None:
    broken(local, local.cloud.groups["web"])
    found = kinds([read(entry) for entry in local.told])
    assert found == ["Terminator Replacement"] + ["Terminator Hold"] * 29


def test_a_stale_boot_is_told_by_each_run_that_holds_for_it(local: Recording) -> None:
    came_back_stale(local, local.cloud.groups["web"])
    holds = [read(entry) for entry in local.told if entry["DetailType"] == "Terminator Hold"]
    assert {event["detail"]["hold"] for event in holds} == {"boots_stale"}
    assert len(holds) >= 5


def test_what_somebody_asks_to_be_planned_is_no_event(local: Recording) -> None:
    mistyped(local, local.cloud.groups["web"])
    before = len(local.told)
    local.run({"dry_run": True})
    assert len(local.told) == before > 0


def test_a_deployment_that_is_dry_tells_of_holds_and_failures_and_says_so() -> None:
    with recording(settings={"dry_run": True}) as of:
        of.every(5, 2)
        mistyped(of, of.cloud.groups["web"])
    found = [read(entry) for entry in of.told]
    assert set(kinds(found)) == {"Terminator Hold"}
    assert {event["detail"]["dry_run"] for event in found} == {True}


def test_a_run_that_fails_as_a_whole_is_told(local: Recording) -> None:
    local.cloud.faults["DescribeAutoScalingGroups", ""] = RuntimeError("no")
    local.run()
    [event] = [read(entry) for entry in local.told]
    assert event["detail"]["group"] is None
    assert event["detail"]["reason"].startswith("RuntimeError: no")
    assert local.errors[-1][1] == 1


def unreachable() -> Any:
    raise EndpointConnectionError(endpoint_url="https://events")


def refused() -> Any:
    entry = {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow\ndown"}
    return {"FailedEntryCount": 1, "Entries": [entry]}


@pytest.mark.parametrize(
    ("refuse", "why"),
    [
        (unreachable, "1 event could not be put: EndpointConnectionError: Could not connect"),
        (refused, "1 event could not be put: ThrottlingException: slow\\ndown"),
    ],
)
def test_events_that_cannot_be_put_fail_nothing_and_are_errors_in_the_log(
    local: Recording, refuse: Any, why: str
) -> None:
    local.refuse_events = refuse
    rollout(local)
    assert len(local.cloud.kills) == 3
    assert not any(failed for _, failed in local.errors)
    errors = [line["message"] for line in local.lines() if line.get("level") == "ERROR"]
    assert len(errors) == 3
    assert all(line.startswith(why) for line in errors)
    assert [value for _, value in local.series("EventsNotPut")] == [1.0] * 3


def test_a_run_whose_events_are_put_has_no_metric_of_others(local: Recording) -> None:
    rollout(local)
    assert len(local.told) == 3
    assert local.series("EventsNotPut") == []


def test_events_are_put_after_all_groups_were_served() -> None:
    with recording("a", "b") as of:
        of.cloud.groups["b"].tags["terminator:app"] = "api"
        of.cloud.upload("api", "1.0.274")
        killed: list[int] = []

        def put() -> Any:
            killed.append(len(of.cloud.kills))
            return refused()

        of.refuse_events = put
        of.every(5, 1)
    assert killed == [2]


def test_what_the_time_left_does_not_allow_is_not_put() -> None:
    class Client:
        def put_events(self, **_: Any) -> Any:
            raise AssertionError

    entry = events.of_failed_run("x", dry_run=False)
    client: Any = Client()
    not_put = events.put(client, [entry] * 11, lambda: events.CALL_SECONDS - 1)
    assert not_put == ["time ran out"] * 11


def test_of_each_event_that_is_not_put_it_is_said_why() -> None:
    class Client:
        def put_events(self, Entries: Any) -> Any:  # noqa: N803
            if len(Entries) > 1:
                raise EndpointConnectionError(endpoint_url="https://events")
            return refused()

    client: Any = Client()
    problems = events.put(client, [events.of_failed_run("x", dry_run=False)] * 11, lambda: 99.0)
    assert len(problems) == 11
    assert set(problems[:10]) == {problems[0]}
    assert problems[10] == "ThrottlingException: slow\\ndown"
