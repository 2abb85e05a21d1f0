"""Taking a release back: what speaks against it, and all that lets it stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from terminator.config import tags
from terminator.config.deployment import Withdraw
from terminator.decide.withdraw import App, Seen, Verdict, has_canary, judge
from terminator.model import Group, NoRelease, Origin, Released, Ringing, Shelf, Traffic
from tests.decide.builders import ILL, NOW, SERVES, ago, group, member, released, state_of

TARGET = released("2", since=180)
BEFORE = released("1", since=900)
OLD = [member("i-a", "1", up=900), member("i-b", "1", up=800)]
SILENT = member("i-c", None, up=100, served=90)
FULL = Withdraw(silent=True, alarms=("5xx",))
# In the bucket nothing is in the way.
FREE = Shelf(versioning="Enabled", version_id="v1")
RINGS = Ringing("5xx", "ALARM", since=ago(30), was_ok=True, span=timedelta(minutes=5))


def seen(of: Group, /, name: str = "web", **more: Any) -> Seen:
    """Return a group of the app as seen; with settings, and what `Seen` knows besides."""
    known = {key: more.pop(key) for key in ("origins", "replaced") if key in more}
    return Seen(state_of(replace(of, name=name), **more), **known)


def whole(*members: Any, **more: Any) -> Group:
    return group(*members, **{"released": TARGET, "grace": 5, **more})


def app(*groups: Seen, **more: Any) -> App:
    its: dict[str, Any] = {"how": FULL, "successor": BEFORE, "shelf": FREE, **more}
    return App("web", groups=groups, now=NOW, defaults=tags.defaults({}), **its)


def told(*groups: Seen, **more: Any) -> str:
    verdict = judged(*groups, **more)
    assert not verdict.takes_back
    return verdict.reason


def judged(*groups: Seen, **more: Any) -> Verdict:
    verdict = judge(app(*groups, **more))
    assert verdict is not None
    return verdict


def test_the_release_of_a_canary_that_is_silent_for_twice_what_a_boot_may_take_goes() -> None:
    verdict = judged(seen(whole(*OLD, SILENT)))
    assert (verdict.takes_back, verdict.group, verdict.ids) == (True, "web", ("i-c",))
    assert verdict.app == "web"
    assert verdict.release == TARGET.release
    assert verdict.reason == "i-c has been silent in service for 60 minutes"


def test_a_canary_that_came_within_seconds_of_the_upload_counts() -> None:
    assert judged(seen(whole(*OLD, member("i-c", None, up=180, served=170)))).takes_back


def test_so_has_one_whose_silent_boots_auto_scaling_replaces_before_they_are_so_old() -> None:
    young = member("i-c", None, up=6, served=3)
    two = {"i-x": ago(180), "i-y": ago(30)}
    verdict = judged(seen(whole(*OLD, young), replaced=two))
    assert verdict.takes_back
    assert verdict.reason == (
        "i-c is silent, and Auto Scaling has replaced others that came before it"
    )


NOTHING: dict[str, Seen] = {
    "all is well": seen(whole(*OLD)),
    "it is young": seen(whole(*OLD, member("i-c", None, up=70, served=59))),
    "it is just as old": seen(whole(*OLD, member("i-c", None, up=70, served=60))),
    "it came before": seen(whole(*OLD, member("i-c", None, up=181, served=170))),
    "it came while the zip was uploaded in parts": seen(
        whole(
            *OLD,
            member("i-c", None, up=160, served=150),
            released=replace(TARGET, doubt=timedelta(minutes=22)),
        )
    ),
    "it is stale": seen(whole(*OLD, member("i-c", "1", up=100))),
    "it answers, and is refused": seen(whole(*OLD, member("i-c", "2", up=100, traffic=ILL))),
    "another answers": seen(whole(*OLD, SILENT, member("i-d", "2", up=100))),
    "another answers, refused": seen(whole(*OLD, SILENT, member("i-d", "2", traffic=ILL))),
    "one replaced": seen(
        whole(*OLD, member("i-c", None, up=6, served=3)), replaced={"i-x": ago(60)}
    ),
    "replaced of before": seen(
        whole(*OLD, member("i-c", None, up=6, served=3)),
        replaced={"i-x": ago(181), "i-y": ago(200), "i-z": ago(60)},
    ),
    "two replaced, and none is there now": seen(
        whole(*OLD, desired=3), replaced={"i-x": ago(60), "i-y": ago(30)}
    ),
    "a longer grace period": seen(whole(*OLD, SILENT, grace=46)),
    "a longer warm-up": seen(whole(*OLD, SILENT), warm_up="46m"),
    "a longer retry": seen(whole(*OLD, SILENT), canary_retry="46m"),
}


@pytest.mark.parametrize("of", NOTHING.values(), ids=NOTHING)
def test_otherwise_nothing_speaks_against_it(of: Seen) -> None:
    assert judge(app(of)) is None


def test_no_tag_makes_it_happen_sooner() -> None:
    soon = seen(whole(*OLD, member("i-c", None, up=70, served=59)), canary_retry="1m")
    assert judge(app(soon)) is None


def test_the_most_patient_group_of_the_app_says_how_long_is_waited() -> None:
    patient = seen(whole(*OLD), "other", canary_retry="46m")
    assert judge(app(seen(whole(*OLD, SILENT)), patient)) is None


def test_it_answers_in_another_group() -> None:
    other = seen(whole(member("i-d", "1", up=900), member("i-e", "2", up=60)), "other")
    assert judge(app(seen(whole(*OLD, SILENT)), other)) is None


HELD: dict[str, tuple[Seen, str]] = {
    "paused": (seen(whole(*OLD, SILENT), pause="mine"), 'its group could not act: paused: "mine"'),
    "suspended": (
        seen(whole(*OLD, SILENT, suspended=frozenset({"HealthCheck"}))),
        "its group could not act: suspended processes: HealthCheck",
    ),
    "nobody answers": (
        seen(whole(member("i-a", None, up=900), SILENT)),
        "none of its group answers either",
    ),
    "it serves": (
        seen(whole(*OLD, replace(SILENT, traffic=SERVES), load_balanced=True)),
        "a load balancer calls i-c healthy",
    ),
    "another silent one serves": (
        seen(whole(*OLD, SILENT, member("i-d", None, up=9, traffic=Traffic("x", healthy=True)))),
        "a load balancer calls i-d healthy",
    ),
    "a new image": (
        seen(
            whole(*OLD, SILENT),
            origins={
                "i-a": Origin("lt-1", 1, "ami-1"),
                "i-b": Origin("lt-1", 1, "ami-1"),
                "i-c": Origin("lt-1", 1, "ami-2"),
            },
        ),
        "it was launched from another template or image than all that answer",
    ),
    "a new template version": (
        seen(whole(*OLD, SILENT), origins={"i-c": Origin("lt-1", 2, "ami-1")}),
        "it was launched from another template or image than all that answer",
    ),
    "it follows its template": (
        seen(whole(*OLD, SILENT), follow="release template"),
        "web follows what it launches from",
    ),
}


@pytest.mark.parametrize(("of", "why"), HELD.values(), ids=HELD)
def test_what_may_be_to_blame_beside_it_lets_it_stay(of: Seen, why: str) -> None:
    assert told(of).endswith(f", but {why}")


def test_it_is_blamed_where_one_that_answers_was_launched_alike() -> None:
    same = Origin("lt-1", 1, "ami-1")
    origins = {"i-a": Origin("lt-1", 0, "ami-0"), "i-b": same, "i-c": same}
    assert judged(seen(whole(*OLD, SILENT), origins=origins)).takes_back


@pytest.mark.parametrize(
    ("of", "more", "why"),
    [
        (TARGET, {"unseen": ("api",)}, "not all groups of web were observed: api"),
        (TARGET, {"pointed": True}, "the pointer of web names it"),
        (
            replace(TARGET, since=None, restored=True),
            {},
            "it was taken back before, and somebody put it back",
        ),
        (
            TARGET,
            {"shelf": replace(FREE, tagged=True)},
            "it was taken back before, and somebody put it back",
        ),
        (replace(TARGET, since=None), {}, "nobody knows since when it is the target"),
        (
            TARGET,
            {"successor": NoRelease("none left")},
            "nothing would become the target: none left",
        ),
        (TARGET, {"successor": None}, "nothing would become the target"),
        (
            TARGET,
            {"successor": released("1.5", since=900)},
            "nobody runs 1.5, which would become the target",
        ),
        (
            TARGET,
            {"shelf": replace(FREE, changed=True)},
            "the bucket has changed since this run looked",
        ),
        (
            TARGET,
            {"shelf": replace(FREE, versioning="Suspended")},
            "the versioning of its bucket is suspended, so it could not be restored",
        ),
        (
            TARGET,
            {"shelf": replace(FREE, versioning=None)},
            "the versioning of its bucket was never on, so it could not be restored",
        ),
        (
            TARGET,
            {"shelf": replace(FREE, version_id="null")},
            "its zip was stored without versioning, so it could not be restored",
        ),
        (
            TARGET,
            {"shelf": replace(FREE, version_id="")},
            "its zip was stored without versioning, so it could not be restored",
        ),
        (
            TARGET,
            {"shelf": replace(FREE, room=False)},
            "its zip has as many tags as S3 allows, so it could not be marked",
        ),
        (
            TARGET,
            {"shelf": replace(FREE, problem="it is encrypted")},
            "the zip of 1 cannot be read: it is encrypted",
        ),
    ],
)
@pytest.mark.parametrize("ground", ["silent", "alarm"])
def test_it_stays_for_a_reason(
    of: Released, more: Mapping[str, Any], why: str, ground: str
) -> None:
    boots = [SILENT] if ground == "silent" else [member("i-c", "2", up=100, served=90)]
    accused = seen(whole(*OLD, *boots, released=of))
    assert told(accused, alarms=(RINGS,), **more).endswith(f", but {why}")


def test_of_several_silent_boots_the_oldest_is_named_and_all_are_asked_again() -> None:
    others = [member("i-e", None, up=100, served=95), member("i-d", None, up=100, served=90)]
    not_they = [member("i-y", None, up=900), member("i-z", "1", up=90, traffic=ILL)]
    verdict = judged(seen(whole(*OLD, *others, member("i-f", None, up=20), *not_they)))
    assert verdict.takes_back
    assert verdict.reason.startswith("i-d has been silent")
    assert verdict.ids == ("i-d", "i-e", "i-f")


def test_of_several_groups_one_that_speaks_against_it_is_enough() -> None:
    paused = seen(whole(*OLD, SILENT), "api", pause="mine")
    verdict = judged(paused, seen(whole(*OLD, member("i-d", None, up=100, served=90))))
    assert (verdict.takes_back, verdict.group) == (True, "web")
    assert set(verdict.ids) == {"i-c", "i-d"}


def test_a_release_that_is_dated_in_the_future_stays() -> None:
    for since, stays in ((-1, True), (0, False)):
        canary = member("i-c", None, up=since, served=90)
        verdict = judged(seen(whole(*OLD, canary, released=released("2", since=since))))
        assert verdict.reason.endswith(", but it is dated in the future") == stays
        assert verdict.takes_back == (not stays)


def test_before_the_bucket_was_asked_the_rest_is_judged_already() -> None:
    assert judged(seen(whole(*OLD, SILENT)), shelf=None).takes_back


def test_what_runs_the_release_before_has_to_be_available() -> None:
    away = [replace(each, traffic=ILL) for each in OLD]
    other = seen(whole(member("i-d", "0", up=900)), "other")
    told_of = told(seen(whole(*away, member("i-z", "0", up=900), SILENT)), other)
    assert told_of.endswith("nobody runs 1, which would become the target")


# Alarms.

RUNS = member("i-c", "2", up=100, served=90)


def rung(*groups: Seen, alarm: Ringing = RINGS, **more: Any) -> Verdict | None:
    return judge(app(*(groups or (seen(whole(*OLD, RUNS)),)), alarms=(alarm,), **more))


def test_an_alarm_that_rings_since_the_canary_serves_has_the_release_taken_back() -> None:
    verdict = rung()
    assert verdict is not None
    assert (verdict.takes_back, verdict.group, verdict.ids) == (True, "web", ())
    assert verdict.app == "web"
    assert verdict.reason == 'alarm "5xx" is in ALARM since i-c entered service with 2'


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_an_alarm_that_is_not_in_alarm_says_nothing(state: str) -> None:
    assert rung(alarm=Ringing("5xx", state)) is None


@pytest.mark.parametrize(
    ("alarm", "why"),
    [
        (Ringing("5xx", None), 'alarm "5xx" does not exist'),
        (replace(RINGS, since=ago(90)), "it may have been in ALARM before"),
        (replace(RINGS, since=ago(200)), "it may have been in ALARM before"),
        (replace(RINGS, since=None), "it may have been in ALARM before"),
        (
            replace(RINGS, was_ok=False),
            "it was not OK for all of 10 minutes before it went into ALARM",
        ),
        (
            replace(RINGS, span=timedelta(minutes=86)),
            "it may still ring for want of the instance that was replaced",
        ),
    ],
)
def test_an_alarm_that_may_ring_for_something_else_lets_it_stay(alarm: Ringing, why: str) -> None:
    verdict = rung(alarm=alarm)
    assert verdict is not None
    assert not verdict.takes_back
    assert verdict.reason.endswith(why)


def test_of_an_alarm_whose_span_nobody_knows_the_bake_time_stands_for_it() -> None:
    for served, takes_back in ((14, False), (15, True)):
        of = seen(whole(*OLD, member("i-c", "2", up=20, served=served)))
        verdict = rung(of, alarm=replace(RINGS, since=ago(10), span=None))
        assert verdict is not None
        assert verdict.takes_back == takes_back


def test_the_first_that_serves_has_to_have_outlived_the_longest_grace_and_warm_up_of_the_app() -> (
    None
):
    of = seen(whole(*OLD, member("i-c", "2", up=50, served=40)))
    quick = replace(RINGS, since=ago(30))
    for other in (seen(whole(grace=36), "api"), seen(whole(), "api", warm_up="36m")):
        verdict = rung(of, other, alarm=quick)
        assert verdict is not None
        assert not verdict.takes_back
    verdict = rung(of, seen(whole(grace=35), "api", warm_up="35m"), alarm=quick)
    assert verdict is not None
    assert verdict.takes_back


def test_the_longest_bake_time_of_the_app_says_how_long_an_alarm_has_to_have_been_ok() -> None:
    others = [seen(whole(), name, bake_time=text) for name, text in (("a", "50m"), ("b", "1m"))]
    its = app(seen(whole(*OLD, RUNS)), *others)
    assert its.bake_time == timedelta(minutes=50)
    assert app(others[1]).bake_time == timedelta(minutes=10)


def test_the_first_that_serves_the_release_is_the_one_that_an_alarm_is_measured_by() -> None:
    later = member("i-a2", "2", up=70, served=60)
    verdict = rung(seen(whole(*OLD, later), "api"), seen(whole(*OLD, RUNS)))
    assert verdict is not None
    assert verdict.group == "web"
    assert "since i-c entered service" in verdict.reason


def test_without_an_instance_that_runs_it_no_alarm_is_asked() -> None:
    assert not has_canary(app(seen(whole(*OLD, SILENT))))
    assert not has_canary(app(seen(whole(*OLD, member("i-c", "2", up=400)))))
    assert has_canary(app(seen(whole(*OLD, RUNS))))
    assert rung(seen(whole(*OLD, SILENT)), how=Withdraw(alarms=("5xx",))) is None


def test_what_has_been_out_for_over_a_day_is_not_taken_back() -> None:
    of = released("2", since=3000)
    old = [member("i-a", "1", up=4000)]
    for served, stays in ((1440, False), (1441, True)):
        late = seen(whole(*old, member("i-c", "2", up=1500, served=served), released=of))
        verdict = rung(late)
        assert verdict is not None
        assert verdict.reason.endswith("the release has been out for over a day") == stays


def test_what_every_instance_has_run_for_an_hour_is_not_taken_back_for_a_stale_boot() -> None:
    spread = [member("i-c", "2", up=100, served=90), member("i-d", "2", up=80, served=60)]
    stale = member("i-e", "1", up=30)
    for others, takes_back in (([stale], False), ([stale, *OLD], True)):
        verdict = rung(seen(whole(*spread, *others)))
        assert verdict is not None
        assert verdict.takes_back == takes_back
    silent = member("i-f", None, up=30)
    unknown = replace(spread[1], id="i-g", in_service_since=None)
    for others, has_spread in (([silent], False), ([unknown], True)):
        verdict = rung(seen(whole(*spread, *others)))
        assert verdict is not None
        assert verdict.reason.endswith(", but every instance has run it for an hour") == has_spread
    young = [spread[0], member("i-d", "2", up=80, served=59)]
    verdict = rung(seen(whole(*young, stale)))
    assert verdict is not None
    assert verdict.takes_back


def test_of_several_alarms_one_that_speaks_against_it_is_enough() -> None:
    alarms = (Ringing("a", None), replace(RINGS, name="b", was_ok=False), RINGS)
    verdict = judge(app(seen(whole(*OLD, RUNS)), alarms=alarms))
    assert verdict is not None
    assert verdict.takes_back
    assert '"5xx"' in verdict.reason


def test_only_what_is_switched_on_is_judged() -> None:
    assert judge(app(seen(whole(*OLD, SILENT)), how=Withdraw(alarms=("5xx",)))) is None
    only_silent = app(seen(whole(*OLD, RUNS)), how=Withdraw(silent=True), alarms=(RINGS,))
    assert judge(only_silent) is None


def test_without_a_release_there_is_nothing_to_judge() -> None:
    assert judge(app(seen(whole(*OLD, SILENT, released=NoRelease("none"))))) is None
