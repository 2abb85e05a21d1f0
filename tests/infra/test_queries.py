"""The Logs Insights queries: what each answers over the log of recorded runs.

What runs them here is `insights`, a stand-in for the part of the language that they use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from infra import queries
from tests.fakes import insights
from tests.fakes.cloud import minutes
from tests.fakes.recorded import Recording, broken, mistyped, recording, rollout

ALL = {
    **queries.SAVED,
    "last decisions": queries.LAST_DECISIONS,
    "groups now": queries.GROUPS_NOW,
    "groups over time": queries.GROUPS_OVER_TIME,
    "holds": queries.HOLDS,
}


@pytest.fixture(scope="module")
def story() -> Iterator[Recording]:
    """Two groups roll out; then a release breaks one, and a setting the other."""
    with recording("api", "web") as of:
        rollout(of)
        broken(of, of.cloud.groups["web"])
        of.cloud.faults["DescribeInstances", ""] = RuntimeError("no")
        of.every(5, 1)
        of.cloud.faults.clear()
        mistyped(of, of.cloud.groups["api"])
        yield of


def ask(query: str, of: Recording) -> list[dict[str, Any]]:
    return insights.ask(query, of.logged)


@pytest.mark.parametrize("name", ALL)
def test_every_query_finds_something_and_every_field_of_it_is_there(
    story: Recording, name: str
) -> None:
    rows = ask(ALL[name], story)
    assert rows
    for column in rows[0]:
        assert any(row[column] is not None for row in rows), column


@pytest.mark.parametrize("name", ALL)
def test_every_field_that_a_query_reads_was_logged(story: Recording, name: str) -> None:
    """Take the names that are followed by no bracket, and leave out those the query makes."""
    text = re.sub(r'"[^"]*"|/[^/]*/|^#.*$', "", ALL[name], flags=re.MULTILINE)
    made = set(re.findall(r"\b(?:as|into) (\w+(?:, \w+)*)", text))
    made = {word for words in made for word in words.split(", ")}
    words = set(re.findall(r"(?<![\w.@])[a-z]\w*(?:\.\w+)?\b(?!\()", text))
    read = {w for w in words if w.partition(".")[0] not in made} - KEYWORDS
    lines = story.lines()
    logged = {field for line in lines for field in line}
    assert read <= logged


KEYWORDS = {
    *("fields", "filter", "stats", "by", "sort", "limit", "parse", "display", "unnest"),
    *("as", "and", "or", "like", "asc", "desc", "into"),
}


def test_the_last_decisions_are_the_latest_first(story: Recording) -> None:
    rows = ask(queries.LAST_DECISIONS, story)
    assert len(rows) == 50
    assert rows[0]["@timestamp"] >= rows[-1]["@timestamp"]
    assert (rows[0]["decision"], rows[0]["hold"]) in {
        ("hold", "settings_unreadable"),
        ("hold", "canary_silent"),
    }


def test_each_group_is_shown_as_it_was_last_seen(story: Recording) -> None:
    rows = {row["group"]: row for row in ask(queries.GROUPS_NOW, story)}
    assert rows.keys() == {"api", "web"}
    web = rows["web"]
    assert (web["target"], web["highest"], web["available"]) == ("1.0.275", "1.0.274", 2)
    assert "is unavailable (connection refused)" in web["reason"]
    assert rows["api"]["reason"].startswith("tag terminator:minimum says")


def test_versions_and_availability_are_shown_over_time(story: Recording) -> None:
    rows = ask(queries.GROUPS_OVER_TIME, story)
    web = [row for row in reversed(rows) if row["group"] == "web"]
    assert [row["time"] for row in web] == sorted({row["time"] for row in web})
    assert web[0]["lowest"] == "1.0.266"
    assert min(row["least_available"] for row in web) == 2
    assert [web[0]["target"], web[-1]["target"]] == ["1.0.274", "1.0.275"]


def test_holds_are_counted_by_their_reason(story: Recording) -> None:
    rows = {row["hold"]: row["runs"] for row in ask(queries.HOLDS, story)}
    assert rows["settings_unreadable"] == 24
    assert rows["canary_silent"] == 35 + 24
    assert sum(rows.values()) == sum(value for _, value in story.series("Held"))


def test_the_decisions_of_a_group_are_those_of_the_name_that_is_written_in(
    story: Recording,
) -> None:
    assert "like /./" in queries.DECISIONS_OF_A_GROUP
    query = queries.DECISIONS_OF_A_GROUP.replace("/./", "/^web$/")
    rows = ask(query.replace("limit 200", "limit 1000"), story)
    records = [record for record in story.records() if record["group"] == "web"]
    assert [row["reason"] for row in rows] == [record["reason"] for record in reversed(records)]


def test_why_a_group_is_held_says_since_when_and_how_often(story: Recording) -> None:
    [why] = [
        row
        for row in ask(queries.WHY_HELD, story)
        if (row["group"], row["hold"]) == ("api", "settings_unreadable")
    ]
    assert why["reason"].startswith('tag terminator:minimum says "lots"')
    assert why["needs_attention"] is True
    assert why["runs"] == 24
    assert why["last_seen"] - why["first_seen"] == minutes(23 * 5)


def test_what_was_terminated_is_what_was_and_when(story: Recording) -> None:
    rows = ask(queries.TERMINATED, story)
    found = [
        (row["@timestamp"], row["of_group"], id_)
        for row in rows
        for id_ in row["instances"].split()
    ]
    assert sorted(found) == sorted(story.cloud.kills)


def test_a_dry_run_terminated_nothing() -> None:
    with recording(settings={"dry_run": True}) as of:
        of.every(5, 2)
    assert ask(queries.TERMINATED, of) == []


def test_unavailable_instances_are_named_with_what_they_said(story: Recording) -> None:
    rows = ask(queries.UNREADABLE, story)
    canary = story.cloud.groups["web"].machines[-1]
    [row] = [row for row in rows if row["instance.id"] == canary.id]
    assert row["why"] == "connection refused"
    assert row["launched"] == canary.launched.isoformat()
    assert row["last_seen"] - row["first_seen"] >= timedelta(hours=3)


def test_failures_are_the_groups_that_could_not_be_served(story: Recording) -> None:
    rows = ask(queries.FAILURES, story)
    assert sorted(row["group"] for row in rows) == ["api", "web"]
    assert all(" => failed: could not be observed: " in row["message"] for row in rows)


def test_a_group_too_great_for_its_fields_to_be_found_is_shown_all_the_same() -> None:
    """Logs Insights finds 200 fields of a line, and an instance has seven."""
    with recording() as of:
        group = of.cloud.groups["web"]
        for _ in range(200):
            of.cloud.launch(group, at=of.cloud.now - minutes(600))
        group.desired = len(group.machines)
        of.cloud.muted["i-0190"] = 5
        of.run()
    [now] = ask(queries.GROUPS_NOW, of)
    assert (now["available"], now["unavailable"], now["desired"]) == (202, 1, 203)
    [silent] = ask(queries.UNREADABLE, of)
    assert silent["instance.id"] == "i-0190"


def test_lines_of_metrics_are_no_decisions_even_for_each_group() -> None:
    with recording(settings={"group_metrics": True}) as of:
        of.every(5, 3)
    assert len(of.logged) > len(of.records())
    assert len(ask(queries.LAST_DECISIONS, of)) == 3


WHEN = datetime.fromisoformat("2026-11-18T12:07:00+00:00")


def line(**fields: Any) -> tuple[datetime, str]:
    return WHEN, json.dumps(fields)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("fields a, b.c", [{"a": 1, "b.c": 2}, {"a": 5, "b.c": None}]),
        ("fields a | filter a > 4", [{"a": 5}]),
        ('fields a | filter t = "x y"', [{"a": 1}]),
        ('fields a | filter t != "x y"', [{"a": 5}]),
        ("fields a | filter t like /^x/ or a = 5", [{"a": 1}, {"a": 5}]),
        ("fields a | filter t like /y/ and a > 1", []),
        ("fields a | sort a desc | limit 1", [{"a": 5}]),
        ("stats max(a) as m, count(*) as n by bin(5m) as t", [{"m": 5, "n": 2, "t": "12:05"}]),
        ('parse t "* *" as one, two | filter ispresent(two) | display two', [{"two": "y"}]),
        (
            "fields jsonParse(@message) as j | unnest j.l into e | display e.n",
            [{"e.n": 7}, {"e.n": 8}],
        ),
        ("# a remark\nfields a | limit 1", [{"a": 1}]),
    ],
)
def test_the_stand_in_reads_the_language(query: str, rows: list[dict[str, Any]]) -> None:
    lines = [line(a=1, b={"c": 2}, t="x y", l=[{"n": 7}, {"n": 8}]), line(a=5)]
    found = insights.ask(query, lines)
    shown = [
        {k: f"{v:%H:%M}" if isinstance(v, datetime) else v for k, v in row.items()} for row in found
    ]
    assert shown == rows


@pytest.mark.parametrize(
    "query",
    ["explode a", "fields nosuch(a)", "filter a ~ 1", "stats sum(a) as s", "limit x", "sort a"],
)
def test_the_stand_in_refuses_what_it_does_not_know(query: str) -> None:
    with pytest.raises(insights.QueryError):
        insights.ask(query, [line(a=1)])
