"""Decision records read back, from whatever they were kept in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator_cli.recorded import files
from terminator_cli.recorded.files import FileError, Found, from_text
from terminator_cli.recorded.record import RecordError, read, shown
from tests.cli.recordings import WEB, at, fields, instance, lines

TWO = [fields(0, instance("i-a")), fields(5, instance("i-a"), decision="converged")]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def test_a_record_has_what_its_fields_say() -> None:
    record = read(fields(0, instance("i-a"), instance("i-b", None), decision="canary"))
    assert (record.at, record.group, record.decision) == (at(0), WEB, "canary")
    assert (record.available, record.minimum, record.desired) == (1, 1, 2)
    assert [each.available for each in record.instances] == [True, False]
    assert record.instances[0].launched == at(-600)


def test_what_a_log_record_leaves_out_was_not_asked() -> None:
    record = read({"group": WEB, "to_terminate": [], "reason": "no such group"}, at(3))
    assert (record.decision, record.at) == ("failed", at(3))
    assert (record.available, record.minimum, record.instances) == (None, None, ())


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("group", "", "group says"),
        ("group", 7, 'group says "7"; expected is text'),
        ("decision", "maybe", "expected is one of replace, canary, hold, converged, or null"),
        ("available", -1, "available says"),
        ("available", True, "expected is a number"),
        ("minimum", 10**9, "expected is a number from 0 to 100000"),
        ("to_terminate", "i-a", "to_terminate says"),
        ("terminated", [7], "expected is a list of instance ids"),
        ("failed", {"i-a": 1}, "expected is an object of instance ids and reasons"),
        ("instances", [3], "expected is a list of instances"),
        ("instances", [{"zone": "a"}], "id says"),
        ("instances", [{"id": "i-a", "launched": "yesterday"}], 'launched says "yesterday"'),
        ("timestamp", "0001-01-01T00:00:00+23:00", "timestamp says"),
    ],
)
def test_a_field_that_is_not_what_it_should_be_is_named(name: str, value: Any, told: str) -> None:
    with pytest.raises(RecordError) as raised:
        read({**TWO[0], name: value})
    assert told in str(raised.value)


@given(st.dictionaries(st.sampled_from(sorted(TWO[0])), JSON))
def test_no_record_however_odd_raises_anything_else(odd: dict[str, Any]) -> None:
    try:
        record = read({**TWO[0], **odd})
    except RecordError as error:
        texts = [str(error)]
    else:
        ids = [each.id for each in record.instances]
        texts = [record.group, record.reason, *record.to_terminate, *ids]
    assert all(text.isprintable() for text in texts)


@given(st.text(alphabet=st.characters(), max_size=80))
def test_shown_text_is_printable_utf_8_and_keeps_what_can_be_printed(text: str) -> None:
    assert shown(text).isprintable()
    assert shown(text).encode().decode() == shown(text)
    if text.isprintable():
        assert shown(text) == text


def test_shown_text_is_capped_and_escaped() -> None:
    assert shown("a\x1b[31m\u202e\ud800") == "a\\x1b[31m\\u202e\\ud800"
    assert shown("x" * 700) == "x" * 600 + "…"


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


def test_an_events_own_time_stands_in_for_one_that_the_record_lacks() -> None:
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
    value, _ = files.of_event({"timestamp": milliseconds, "message": "{}"})
    assert value == {}
