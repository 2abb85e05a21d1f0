"""Decision records read back, from whatever they were kept in, and from CloudWatch Logs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from terminator import handlers
from terminator.report.log_lines import LONGEST_LINE, closing
from terminator.report.record import Record
from terminator.terminate import Terminations
from terminator_cli.recordings import FileError, Found, fetch, from_text, pattern
from tests.cli.recordings import WEB, at, fields, instance, lines
from tests.decide.builders import decide, group, member
from tests.fakes.lambda_like import log_to

TWO = [fields(0, instance("i-a")), fields(5, instance("i-a"), decision="converged")]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


EVENTS = {
    "events": [{"timestamp": 1_000 * n, "message": json.dumps(each)} for n, each in enumerate(TWO)]
}


@pytest.mark.parametrize(
    "text",
    [
        lines(TWO),
        lines(reversed(TWO)),
        "\ufeff" + lines(TWO),
        "START RequestId: 1\n" + lines(TWO).replace("\n", "\nREPORT Duration: 9 ms\n\n"),
        "".join(f"2026-11-18T12:00:00.123Z {line}\n" for line in lines(TWO).splitlines()),
        "".join(
            f"2026-11-18T12:00:00.123000+00:00 2026/11/18/[$LATEST]0a {line}\n"
            for line in lines(TWO).splitlines()
        ),
        lines(TWO) * 2,
        lines(TWO).replace("\n", "\r\n"),
        lines(TWO).replace("complete", "\u2028\u0085"),
        json.dumps(TWO),
        json.dumps(TWO, indent=2),
        json.dumps(EVENTS, indent=4),
    ],
    ids=[
        "lines",
        "backwards",
        "bom",
        "a log",
        "s3",
        "tail",
        "twice",
        "crlf",
        "breaks",
        "list",
        "indented",
        "events",
    ],
)
def test_however_records_were_kept_they_are_read_in_order_and_once(text: str) -> None:
    found = from_text("kept", text)
    assert [(each.at, each.decision) for each in found.records] == [
        (at(0), "hold"),
        (at(5), "converged"),
    ]
    assert found.skipped == ()


def test_plan_json_has_no_times_and_is_read() -> None:
    planned = [{name: value for name, value in TWO[0].items() if name != "timestamp"}]
    [record] = from_text("plan.json", json.dumps(planned)).records
    assert record.at is None


def test_the_time_of_an_event_stands_in_for_one_that_the_record_lacks() -> None:
    planned = {name: value for name, value in TWO[0].items() if name != "timestamp"}
    event = {"timestamp": int(at(7).timestamp() * 1000), "message": json.dumps(planned)}
    [record] = from_text("events.json", json.dumps({"events": [event]})).records
    assert record.at == at(7)


def test_a_metric_with_a_group_is_not_a_decision() -> None:
    metric = json.dumps({"_aws": {}, "group": WEB, "Available": [3.0]})
    assert len(from_text("log", f"{metric}\n{lines(TWO)}").records) == 2


def skipped(text: str) -> Found:
    found = from_text("log", lines(TWO) + text)
    assert len(found.records) == 2
    return found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"group": "live', "line 3: not JSON: Unterminated string"),
        (json.dumps({**TWO[0], "decision": 4}), 'line 3: decision says "4"; expected is text'),
        ('{"a":' * 100_000, "line 3: "),
    ],
)
def test_a_line_that_cannot_be_read_is_skipped_and_told_of(text: str, told: str) -> None:
    [problem] = skipped(text).skipped
    assert problem.startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "log: no decision record in 0 lines"),
        ("hello\n", "log: no decision record in 1 line"),
        ("[]", "log: no decision record in 1 line"),
        ('[{"group":', "log: not JSON: Expecting value: line 1 column 11"),
        ('{"group": "x"\n', "log: no decision record in 1 line; line 1: not JSON"),
        ("[" * 100_000, "log: nested too deep"),
        ('{"events": [3, {"message": 4}]}', "log: no decision record"),
    ],
)
def test_a_file_without_a_record_is_an_error_that_names_it(text: str, told: str) -> None:
    with pytest.raises(FileError) as raised:
        from_text("log", text)
    assert str(raised.value).startswith(told)


@given(st.text(max_size=60) | JSON.map(json.dumps))
def test_no_text_however_odd_raises_anything_but_file_error(text: str) -> None:
    problem = ""
    try:
        from_text("log", text)
    except FileError as error:
        problem = str(error)
    assert problem == "" or problem.startswith("log: ")


@given(st.integers() | st.none() | st.text(max_size=3))
def test_no_time_of_an_event_raises(milliseconds: object) -> None:
    planned = {name: value for name, value in TWO[0].items() if name != "timestamp"}
    odd = {"timestamp": milliseconds, "message": json.dumps(planned)}
    whole = {"timestamp": 1, "message": json.dumps(TWO[1])}
    found = from_text("log", json.dumps({"events": [odd, whole]}))
    assert len(found.records) + len(found.skipped) == 2


def test_a_time_from_no_log_of_aws_costs_its_record_and_no_other() -> None:
    odd = [{**TWO[0], "timestamp": f"{year:04}-11-18T12:00:00+00:00"} for year in (1, 9999)]
    found = skipped(lines(odd))
    assert [problem.split(";")[0] for problem in found.skipped] == [
        'line 3: timestamp says "0001-11-18T12:00:00+00:00"',
        'line 4: timestamp says "9999-11-18T12:00:00+00:00"',
    ]


def test_what_stands_before_a_line_is_taken_off_only_there() -> None:
    said = {**TWO[0], "reason": "see 2026-11-18T12:00:00Z {tail} 2026-11-18T12:00:00Z stream {}"}
    [record] = from_text("log", lines([said])).records
    assert record.reason == said["reason"]


@pytest.mark.parametrize(
    "line",
    ["2026-11-18T" * 100_000, "2026-11-18T12:00:00Z " * 50_000, "2026-11-18T0 x" + " " * 500_000],
    ids=["times", "times apart", "spaces"],
)
def test_no_line_takes_longer_than_it_is_long(line: str) -> None:
    # Where every place in the line is looked at anew, this does not end.
    assert skipped(line + "\n").skipped == ()


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
    found = fetch(client, LOG_GROUP, at(0), at(60))
    assert [record.at for record in found.records] == [at(0), at(5)]


@pytest.mark.parametrize(
    ("groups", "narrowed"),
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
    groups: tuple[str, ...], narrowed: str
) -> None:
    assert pattern(groups) == narrowed


def test_what_reconcile_logs_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    log_to(monkeypatch, written)
    of = group(member("i-a", up=30), member("i-b", "1.0.274", up=10))
    decided = decide(of, minimum="0", max_unavailable="100%")
    done = Record.of(WEB, "web", of, decided, Terminations(("i-a",)), dry_run=False)
    failed = Record.of("gone", error="no group of this name has opted in", dry_run=False)
    for line in (*closing(done), *closing(failed)):
        handlers._log(line)  # noqa: SLF001 - this is how the lines come to the log
    gone, web = sorted(from_text("log", written.getvalue()).records, key=lambda each: each.group)
    assert (web.decision, web.terminated, web.available) == ("replace", ("i-a",), 2)
    assert [(each.id, each.version) for each in web.instances] == [
        ("i-a", "1.0.266"),
        ("i-b", "1.0.274"),
    ]
    assert (gone.decision, gone.reason) == (None, "no group of this name has opted in")
    assert web.at is not None


LARGE = Record.from_json(
    fields(
        0,
        *(instance(f"i-{n:017x}", None if n % 7 == 0 else "1.0.266") for n in range(4000)),
        to_terminate=[f"i-{n:017x}" for n in range(900)],
        terminated=[f"i-{n:017x}" for n in range(450)],
        failed={f"i-{n:017x}": "ScalingActivityInProgress \u00fc" * 3 for n in range(450, 900)},
    )
)


def logged(
    monkeypatch: pytest.MonkeyPatch, record: Record, *runs: str, longest: int = LONGEST_LINE
) -> list[str]:
    """Return the lines of the log that hold a record, as reconcile writes them in these runs."""
    written = io.StringIO()
    log_to(monkeypatch, written)
    for run in runs:
        handlers.logger.append_keys(function_request_id=run)
        for line in closing(record):
            handlers._log(line)  # noqa: SLF001 - this is how the lines come to the log
    handlers.logger.remove_keys(["function_request_id"])
    assert all(len(line) <= longest for line in written.getvalue().splitlines())
    return [line for line in written.getvalue().splitlines() if '"group": ' in line]


def test_a_group_of_thousands_is_logged_in_lines_that_are_read_back_as_one_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = logged(monkeypatch, LARGE, "run-1")
    assert len(parts) > 10
    of_queries = [json.loads(part) for part in parts]
    # Only the first counts as a decision in queries of the log.
    assert [each.get("decision") is not None for each in of_queries] == [True] + [False] * (
        len(parts) - 1
    )
    assert {each["unavailable"] for each in of_queries} == {LARGE.unavailable}
    found = from_text("log", "\n".join([*parts, parts[3]]))
    [record] = found.records
    assert replace(record, at=LARGE.at) == LARGE
    assert (found.skipped, found.cut) == ((), ())
    events = [{"timestamp": n, "message": part} for n, part in enumerate(reversed(parts))]
    assert from_text("log", json.dumps({"events": events})).records == (record,)


def test_parts_of_two_runs_are_not_taken_for_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = logged(monkeypatch, LARGE, "run-1", "run-2")
    half = len(parts) // 2
    assert [len(each.instances) for each in from_text("log", "\n".join(parts)).records] == [
        4000
    ] * 2
    found = from_text("log", "\n".join([*parts[: half - 1], *parts[half + 1 :]]))
    assert len(found.records) == 1
    assert len(found.cut) == 1
    assert f"1 part of {half} not found" in found.cut[0]
    assert found.skipped == (f"line {half}: part 2 of {half}, without the first",)


@pytest.mark.parametrize(
    "strange", [{"part": 0}, {"part": 9}, {"part": True}, {"parts": "2"}, {"instances": {"a": 1}}]
)
def test_parts_that_nobody_wrote_cost_no_other_record(strange: dict[str, object]) -> None:
    first = {**fields(0, instance("i-a")), "function_request_id": "a", "part": 1, "parts": 2}
    more = {"group": WEB, "function_request_id": "a", "part": 2, "parts": 2, **strange}
    found = from_text("log", lines([first, more, fields(5, instance("i-b"))]))
    assert [each.at for each in found.records] == [at(0), at(5)]
    assert [[i.id for i in each.instances] for each in found.records] == [["i-a"], ["i-b"]]


@given(
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(700, 5000),
)
def test_a_record_that_is_split_at_any_length_is_whole_again(
    members: int, failures: int, longest: int
) -> None:
    of = fields(
        0,
        *(instance(f"i-{n}") for n in range(members)),
        failed={f"i-{n}": "busy" for n in range(failures)},
    )
    record = Record.from_json(of)
    parts = record.split(longest + 1000)
    assert all(len(json.dumps(part)) <= longest + 1000 for part in parts)
    [again] = from_text("log", lines(parts)).records
    assert again == record
