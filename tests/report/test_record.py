"""The record read back from JSON that anybody may have written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.report.record import Record, RecordError, shown
from tests.cli.recordings import WEB, at, fields, instance

WHOLE = fields(0, instance("i-a"), instance("i-b", None), decision="canary")

CANARY = {"id": "i-b", "since": at(-3).isoformat(), "says": "booting for 3 minutes"}
MORE = {
    "target_source": "released",
    "pinned": True,
    "became": "pinned",
    "started_by": "event",
    "remedy": "terminator resume web",
    "canary": CANARY,
    "decision": "hold",
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def test_what_is_read_is_written_again() -> None:
    assert Record.from_json(WHOLE).to_json() == WHOLE
    assert Record.from_json({**WHOLE, **MORE}).to_json() == {**WHOLE, **MORE}


@pytest.mark.parametrize(
    ("more", "stands", "source"),
    [
        ({}, "waiting (canary i-b booting for 3 minutes)", "pointer"),
        ({"pinned": False}, "waiting (canary i-b booting for 3 minutes)", "released"),
        ({"canary": None, "needs_attention": True}, "needs attention", "pointer"),
        ({"pinned": None, "target_source": "highest", "canary": None}, "waiting", "highest"),
    ],
)
def test_how_a_group_stands_and_where_its_target_comes_from(
    more: dict[str, Any], stands: str, source: str
) -> None:
    record = Record.from_json({**WHOLE, **MORE, **more})
    assert (record.stands, record.source) == (stands, source)


def test_a_record_of_before_has_none_of_what_came_since() -> None:
    old = {name: value for name, value in WHOLE.items() if name not in {*MORE} - {"decision"}}
    record = Record.from_json(old)
    assert (record.canary, record.remedy, record.pinned, record.became) == (None,) * 4


def test_a_record_has_what_its_fields_say() -> None:
    record = Record.from_json(WHOLE)
    assert (record.at, record.group, record.decision) == (at(0), WEB, "canary")
    assert (record.available, record.minimum, record.desired) == (1, 1, 2)
    assert [each.available for each in record.instances] == [True, False]
    assert record.instances[0].created == at(-600)


def test_a_hold_of_another_version_is_read_too() -> None:
    record = Record.from_json({**WHOLE, "decision": "hold", "hold": "canary_silent"})
    assert (record.hold, record.standing) == ("canary_silent", "waiting")


@pytest.mark.parametrize(
    ("more", "standing"),
    [
        ({"decision": "hold"}, "waiting"),
        ({"decision": "hold", "needs_attention": True}, "needs attention"),
        ({"decision": "canary", "needs_attention": True}, "canary"),
        ({"decision": None}, "failed"),
    ],
)
def test_how_a_group_stands_is_a_word_or_two(more: dict[str, Any], standing: str) -> None:
    assert Record.from_json({**WHOLE, **more}).standing == standing


def test_what_a_log_record_leaves_out_was_not_asked() -> None:
    record = Record.from_json({"group": WEB, "to_terminate": [], "reason": "no such group"})
    assert (record.decision, record.at) == (None, None)
    assert (record.available, record.minimum, record.instances) == (None, None, ())


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("group", "", "group says"),
        ("group", 7, 'group says "7"; expected is text'),
        (
            "decision",
            "maybe",
            "expected is one of replace, canary, surge, recycle, hold, converged, or null",
        ),
        ("available", -1, "available says"),
        ("available", True, "expected is a number"),
        ("minimum", 10**9, "expected is a number from 0 to 100000"),
        ("to_terminate", "i-a", "to_terminate says"),
        ("terminated", [7], "expected is a list of instance ids"),
        ("failed", {"i-a": 1}, "expected is an object of instance ids and reasons"),
        ("instances", [3], "expected is a list of instances"),
        ("instances", [{"zone": "a"}], "id says"),
        ("instances", [{"id": "i-a", "created": "yesterday"}], 'created says "yesterday"'),
        ("timestamp", "0001-01-01T00:00:00+23:00", "timestamp says"),
        ("timestamp", "2005-12-31T23:59:59+00:00", "from 2006 to 2099"),
        ("since", "2100-01-01T00:00:00+00:00", "from 2006 to 2099"),
        ("hold", 7, 'hold says "7"; expected is text'),
        ("pinned", "yes", 'pinned says "yes"; expected is true or false, or null'),
        ("became", "newer", "expected is one of uploaded, withdrawn, pinned, unpinned, or null"),
        ("started_by", "me", "expected is one of schedule, event, command, or null"),
        ("canary", "i-a", "expected is an object with id, since and says, or null"),
        ("canary", {"id": "i-a", "says": "booting"}, 'since says "None"; expected is a time'),
        ("canary", {**CANARY, "id": ""}, "id says"),
        ("canary", {**CANARY, "since": "9999-12-31T00:00:00+00:00"}, "from 2006 to 2099"),
    ],
)
def test_a_field_that_is_not_what_it_should_be_is_named(name: str, value: Any, told: str) -> None:
    with pytest.raises(RecordError) as raised:
        Record.from_json({**WHOLE, name: value})
    assert told in str(raised.value)


@given(st.dictionaries(st.sampled_from(sorted(WHOLE)), JSON))
def test_no_record_however_odd_raises_anything_else(odd: dict[str, Any]) -> None:
    try:
        record = Record.from_json({**WHOLE, **odd})
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
    assert shown("x" * 4100) == "x" * 4000 + "…"
