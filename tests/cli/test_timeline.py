"""What the records say about a group over time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.model import Alarm, Preflight
from terminator.report.record import Record
from terminator_cli.report.axis import CUT, axis
from terminator_cli.report.page import thin
from terminator_cli.report.timeline import GroupTimeline, Timeline, fold, in_order, timeline
from tests.cli.recordings import PERIOD, WEB, at, fields, following, instance, record
from tests.decide.builders import ago, decide_later, group, member, released

OLD, NEW = "1.0", "1.1"


def of(*records: Record) -> GroupTimeline:
    [group] = timeline(records).groups
    return group


def rollout(*, dry_run: bool = False) -> list[Record]:
    """Return a group of two that is replaced: a canary, then the other, then converged."""
    a, b = instance("i-a", OLD), instance("i-b", OLD)
    c, d = instance("i-c", NEW, up=-1), instance("i-d", NEW, up=-6)
    waits = instance("i-c", None, up=-1)
    acts = {"target": NEW, "dry_run": dry_run}
    gone = {"terminated": [] if dry_run else ["i-a"]}
    return [
        record(0, a, b, decision="canary", outdated=2, to_terminate=["i-a"], **gone, **acts),
        record(5, b, waits, decision="hold", outdated=1, **acts),
        record(
            10,
            b,
            c,
            decision="replace",
            outdated=1,
            to_terminate=["i-b"],
            terminated=["i-b"],
            **acts,
        ),
        record(15, c, d, decision="converged", **acts),
    ]


def test_an_instance_lives_from_launch_to_termination() -> None:
    lived = {
        span.id: (span.begin, span.end, span.ending, span.parts[-1].version)
        for span in of(*rollout()).spans
    }
    assert lived == {
        "i-a": (at(-600), at(0), "terminated", OLD),
        "i-b": (at(-600), at(10), "terminated", OLD),
        "i-c": (at(1), at(20), "running", NEW),
        "i-d": (at(6), at(20), "running", NEW),
    }


def test_before_it_answers_an_instance_has_no_version() -> None:
    [span] = [span for span in of(*rollout()).spans if span.id == "i-c"]
    assert [(part.begin, part.end, part.version) for part in span.parts] == [
        (at(1), at(10), None),
        (at(10), at(20), NEW),
    ]


def test_an_instance_that_was_not_asked_runs_what_it_ran() -> None:
    unasked = instance("i-a", None, reason=None, lifecycle="Pending")
    [span] = of(record(0, instance("i-a")), record(5, unasked), record(10, instance("i-a"))).spans
    assert [part.version for part in span.parts] == [OLD]


def test_an_instance_that_vanishes_is_gone_when_it_was_last_seen() -> None:
    one, other = instance("i-a"), instance("i-b")
    spans = of(record(0, one, other), record(5, one, other), record(10, one)).spans
    assert [(span.id, span.ending, span.end) for span in spans] == [
        ("i-a", "running", at(15)),
        ("i-b", "gone", at(5)),
    ]


def test_a_run_that_could_not_look_ends_no_instance() -> None:
    failed = record(10, decision=None, available=None, desired=None)
    group = of(record(0, instance("i-a")), record(5, instance("i-a")), failed)
    assert [span.ending for span in group.spans] == ["running"]
    assert [level.available for level in group.levels] == [1, None]


@pytest.mark.parametrize("lifecycle", ["Standby", "Warmed:Stopped", "Terminating:Wait"])
def test_what_is_not_counted_has_no_bar(lifecycle: str) -> None:
    aside = instance("i-x", None, reason=None, lifecycle=lifecycle)
    assert [span.id for span in of(record(0, instance("i-a"), aside)).spans] == ["i-a"]


def test_a_level_is_what_a_run_left_and_the_first_what_it_found() -> None:
    levels = of(*rollout()).levels
    assert [(level.begin, level.versions, level.available) for level in levels] == [
        (at(-5), ((OLD, 2),), 2),
        (at(0), ((OLD, 1),), 1),
        (at(10), ((NEW, 1),), 1),
        (at(15), ((NEW, 2),), 2),
    ]


def test_the_lowest_is_after_a_run_had_terminated() -> None:
    group = of(*rollout())
    assert (group.lowest, group.minimum) == (1, 1)


def test_of_equally_low_runs_the_one_with_the_greatest_minimum_counts() -> None:
    few = [record(n, instance("i-a"), minimum=minimum) for n, minimum in ((0, 1), (5, 3), (9, 2))]
    assert (of(*few).lowest, of(*few).minimum) == (1, 3)


def test_a_rollout_lasts_from_the_first_outdated_to_convergence() -> None:
    [one] = of(*rollout()).rollouts
    assert (one.before, one.target, one.state) == ((OLD,), NEW, "converged")
    assert (one.begin, one.end) == (at(0), at(15))
    assert (one.terminated, one.lowest, one.minimum) == (("i-a", "i-b"), 1, 1)


def test_another_target_supersedes_a_rollout() -> None:
    a = instance("i-a", OLD)
    states = of(
        record(0, a, target=NEW, outdated=1, decision="canary"),
        record(5, a, target="1.2", outdated=1, decision="hold"),
    ).rollouts
    assert [(each.target, each.state, each.end) for each in states] == [
        (NEW, "superseded", at(5)),
        ("1.2", "waiting", at(5)),
    ]


def test_a_group_that_stays_converged_has_no_rollout() -> None:
    steady = [record(5 * n, instance("i-a"), decision="converged") for n in range(3)]
    assert of(*steady).rollouts == ()


SILENT = {"hold": "canary_not_come_up", "reason": "i-b entered service just now and is silent"}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"since": None},
        {"app": None},
        {"reason": "i-b entered service 3 minutes ago and is silent"},
        {"instances": [instance("i-c", lifecycle="Pending"), instance("i-b", None)]},
    ],
    ids=lambda change: next(iter(change), "nothing"),
)
def test_a_decision_that_says_the_same_again_is_folded(change: dict[str, Any]) -> None:
    seen = fields(0, instance("i-a"), instance("i-b", None), **SILENT)
    later = {**seen, "timestamp": at(5).isoformat(), **change}
    assert [each.times for each in fold(map(Record.from_json, (seen, later)))] == [2]


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "converged", "hold": None},
        {"hold": "boots_stale"},
        {"needs_attention": True},
        {"target": "1.1"},
        {"target_source": "released"},
        {"desired": 3},
        {"minimum": 2},
        {"available": 0},
        {"unavailable": 0},
        {"in_flight": 1},
        {"outdated": 1},
        {"stale": 1},
        {"overdue": 1},
        {"to_terminate": ["i-a"]},
        {"deferred": {"i-a": "ScalingActivityInProgress"}},
        {"failed": {"i-a": "AccessDenied: no"}},
        {"dry_run": True, "to_terminate": ["i-a"]},
        {"instances": [instance("i-a"), instance("i-c", None)]},
        {"instances": [instance("i-a"), instance("i-b", None, reason="refused")]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_decision_over_other_facts_has_a_row_of_its_own(change: dict[str, Any]) -> None:
    seen = fields(0, instance("i-a"), instance("i-b", None), **SILENT)
    later = {**seen, "timestamp": at(5).isoformat(), **change}
    assert [each.times for each in fold(map(Record.from_json, (seen, later)))] == [1, 1]


def test_who_asked_for_a_plan_in_between_is_no_row_where_nothing_would_go() -> None:
    seen = fields(0, instance("i-a"), instance("i-b", None), **SILENT)
    asked = {**seen, "timestamp": at(1).isoformat(), "dry_run": True}
    later = {**seen, "timestamp": at(5).isoformat()}
    assert [each.times for each in fold(map(Record.from_json, (seen, asked, later)))] == [3]


@pytest.mark.parametrize("hold", ["paused", "settings_unreadable", "alarm", None])
def test_a_reason_that_counts_no_time_says_something_new_where_it_differs(hold: str | None) -> None:
    decision = "hold" if hold else None
    seen = [
        record(n, decision=decision, hold=hold, reason=why)
        for n, why in enumerate(["paused: moving", "paused: moving", "paused: an incident"])
    ]
    assert [each.times for each in fold(seen)] == [2, 1]


OUTDATED, ON_TARGET = member("i-a"), member("i-n", "1.0.274", up=20)
RELEASED = released("1.0.274", since=9)
LATELY = Alarm("errors", "OK", last_alarm=ago(5))
FAILED_BOOT = (member("i-n", "1.0.274", up=190), member("i-s", None, up=70))
COUNTING = {
    "alarm_lately": group(OUTDATED, released=RELEASED, guards=Preflight(alarms=(LATELY,))),
    "baking": group(OUTDATED, ON_TARGET),
    "boots_stale": group(OUTDATED, member("i-b", up=5), released=RELEASED),
    "canary_not_come_up": group(OUTDATED, member("i-b", None, up=5), released=RELEASED),
    "dead_wait": group(*FAILED_BOOT, released=released("1.0.274", since=200)),
    "launched_lately": group(member("i-b", up=5), released=released("1.0.200", since=None)),
    "proof_on_its_way": group(OUTDATED, ON_TARGET, grace=30),
    "release_in_future": group(OUTDATED, released=released("1.0.274", since=-5)),
}


@pytest.mark.parametrize("name", COUNTING)
def test_a_hold_that_counts_time_is_folded_a_minute_later(name: str) -> None:
    of = COUNTING[name]
    decided = [decide_later(of, minutes, minimum="0", bake_time="2h") for minutes in range(2)]
    first, second = (
        replace(Record.of(WEB, "web", of, each, dry_run=False), at=at(n))
        for n, each in enumerate(decided)
    )
    assert (first.hold, second.hold) == (name, name)
    assert first.reason != second.reason
    assert [each.times for each in fold((first, second))] == [2]


def test_groups_are_folded_each_by_itself() -> None:
    seen = [record(n, group=group) for n in range(3) for group in ("a", "b")]
    assert [(each.first.group, each.times, each.last.at) for each in fold(seen)] == [
        ("a", 3, at(2)),
        ("b", 3, at(2)),
    ]


def test_a_run_that_terminated_stands_alone() -> None:
    acted = [record(n, decision="replace", reason="same", terminated=["i-a"]) for n in range(2)]
    assert [each.times for each in fold(acted)] == [1, 1]


def test_versions_are_in_order_of_precedence_and_what_is_none_is_last() -> None:
    assert in_order({"1.10", "<b>", "1.9", "v1.2-rc.1"}) == ("v1.2-rc.1", "1.9", "1.10", "<b>")


def test_records_without_a_time_have_no_place() -> None:
    with pytest.raises(ValueError, match="no record has a time"):
        timeline([])


def day() -> Timeline:
    return timeline(map(Record.from_json, following(WEB, 3, [60], 288)))


def test_a_long_stretch_without_a_change_is_cut_short() -> None:
    across = axis(day(), 700)
    assert [(begin, end) for begin, end in across.cuts] == [
        (at(5), at(290)),
        (at(320), at(1430)),
    ]
    for begin, end in across.cuts:
        assert across.x(end) - across.x(begin) == pytest.approx(CUT)


def test_ticks_are_round_apart_and_in_no_cut() -> None:
    across = axis(day(), 700)
    ticks = across.ticks()
    assert ticks
    assert all(tick.minute % 5 == 0 for tick in ticks)
    assert all(not begin < tick < end for tick in ticks for begin, end in across.cuts)
    places = [across.x(tick) for tick in ticks]
    assert all(after - before >= 40 for before, after in pairwise(places))


YEARS = [
    ("2006-01-01T00:00:00+00:00", "2099-12-31T23:59:59.999999+00:00"),
    ("2006-01-01T00:00:00+00:00", "2026-11-18T12:00:00+00:00", "2099-12-31T23:59:00+00:00"),
    tuple(f"{year}-06-01T00:00:00+00:00" for year in range(2006, 2100, 3)),
]


@pytest.mark.parametrize("times", YEARS, ids=["the ends", "outliers", "all years"])
def test_dates_that_are_decades_apart_take_no_more_ticks(times: tuple[str, ...]) -> None:
    far = [fields(0, instance("i-a", created=time), timestamp=time) for time in times]
    near = [fields(5 * n, instance("i-a")) for n in range(3)]
    made = timeline(map(Record.from_json, (*far, *near)))
    across = axis(made, 700)
    places = [across.x(tick) for tick in across.ticks()]
    assert len(places) <= 700 / 40
    assert all(after - before >= 40 for before, after in pairwise(places))
    assert across.x(made.begin) == 0
    assert across.x(made.end) == pytest.approx(700)


Runs = st.lists(
    st.tuples(
        st.integers(0, 3000),
        st.sets(st.sampled_from("abcd")),
        st.sets(st.sampled_from("abcd")),
        st.sampled_from(["1.0", "1.1", None]),
        st.sampled_from(["x", "y"]),
    ),
    min_size=1,
    max_size=12,
)


def odd(runs: list[tuple[int, set[str], set[str], str | None, str]]) -> list[Record]:
    """Return records such as no group would give: who comes, goes and is terminated at will."""
    return [
        record(
            minutes,
            *(instance(f"i-{name}", version, up=-minutes / 2) for name in sorted(members)),
            group=group,
            target="1.1",
            outdated=len(gone),
            terminated=[f"i-{name}" for name in sorted(gone & members)],
        )
        for minutes, members, gone, version, group in runs
    ]


@given(Runs)
def test_whatever_happens_spans_and_levels_have_no_gaps_and_no_end_before_their_begin(
    runs: list[tuple[int, set[str], set[str], str | None, str]],
) -> None:
    made = timeline(odd(runs))
    for found in made.groups:
        for span in found.spans:
            assert span.begin <= span.end <= made.end
            for before, after in pairwise(span.parts):
                assert before.end == after.begin
                assert before.version != after.version
        assert found.levels[0].begin >= made.begin
        assert found.levels[-1].end == made.end
        for one, other in pairwise(found.levels):
            assert one.end == other.begin
        assert sum(each.times for each in found.folds) == len(found.records)
        for level in found.levels:
            assert level.available == sum(count for _, count in level.versions)


@given(Runs, st.floats(0, 1), st.floats(0, 1))
def test_the_axis_keeps_order_and_bounds(
    runs: list[tuple[int, set[str], set[str], str | None, str]], one: float, other: float
) -> None:
    made = timeline(odd(runs))
    across = axis(made, 700)
    early, late = (made.begin + part * (made.end - made.begin) for part in sorted((one, other)))
    assert 0 <= across.x(early) <= across.x(late) <= 700
    assert across.x(made.begin) == 0
    assert across.x(made.end) == pytest.approx(700)
    assert across.x(made.end + timedelta(days=1)) == 700


@given(Runs)
def test_the_order_of_records_does_not_matter(
    runs: list[tuple[int, set[str], set[str], str | None, str]],
) -> None:
    distinct = {(record.at, record.group): record for record in odd(runs)}
    records = list(distinct.values())
    assert timeline(records) == timeline(reversed(records))


def test_one_period_lies_between_runs_of_a_group_whatever_others_do() -> None:
    seen = [record(5 * n + late, group=g) for n in range(4) for g, late in (("a", 0), ("b", 0.1))]
    assert timeline(seen).period == PERIOD


def test_runs_within_a_second_leave_a_minute_to_be_seen() -> None:
    made = timeline([record(0), record(0.01)])
    assert (made.period, made.end) == (timedelta(minutes=1), at(1.01))


@pytest.mark.parametrize(
    ("size", "kept"),
    [(3, [0, 1, 2]), (6, [0, 1, 3, 5]), (40, [0, 10, 20, 30])],
    ids=["all", "what matters first", "spread"],
)
def test_what_is_too_much_is_thinned_and_says_so(size: int, kept: list[int]) -> None:
    matters = {1, 3, 5} if size == 6 else set(range(size))
    thinned = thin(range(size), 4, matters.__contains__, "instance")
    assert list(thinned.items) == kept
    assert thinned.note == (
        ""
        if size == 3
        else f"4 of {size} instances are shown: first those with a change, evenly spread."
    )
