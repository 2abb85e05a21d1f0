"""What CloudWatch says of alarms: their states, and their histories where these matter."""

# ruff: noqa: N803 - arguments have AWS's names

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Literal

import boto3
import pytest
from botocore.stub import Stubber

from terminator.model import Alarm
from terminator.observe.preflight import alarm_states, with_history
from tests.decide.builders import NOW, ago

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
BAKE = timedelta(minutes=10)


@dataclass
class CloudWatch:
    """An alarm that has changed its state so many minutes before NOW, the oldest first."""

    changes: list[tuple[float, State]] = field(default_factory=list)
    first: State = "OK"
    transitioned: bool = True
    calls: Counter[str] = field(default_factory=Counter)
    cut: bool = False

    def get_paginator(self, operation: str) -> Any:
        pages = {"describe_alarms": self.alarms, "describe_alarm_history": self.history}
        return SimpleNamespace(paginate=pages[operation])

    def alarms(self, AlarmNames: Sequence[str], AlarmTypes: Sequence[str]) -> Iterator[Any]:
        self.calls["DescribeAlarms"] += 1
        assert len(AlarmNames) <= 100
        when, state = self.changes[-1] if self.changes else (10**5, self.first)
        row: dict[str, Any] = {"StateValue": state, "StateUpdatedTimestamp": ago(when)}
        # The local AWS lists the time of the change as None.
        row["StateTransitionedTimestamp"] = ago(when) if self.transitioned else None
        rows = [{**row, "AlarmName": name} for name in AlarmNames if name != "missing"]
        assert set(AlarmTypes) == {"CompositeAlarm", "LogAlarm", "MetricAlarm"}
        yield {"MetricAlarms": rows[::3], "CompositeAlarms": rows[1::3], "LogAlarms": rows[2::3]}

    def history(self, AlarmName: str, StartDate: datetime, ScanBy: str, **_: Any) -> Iterator[Any]:
        assert AlarmName == "web"
        befores = [self.first, *(state for _, state in self.changes)]
        items = [
            self.item(ago(when), before, after)
            for before, (when, after) in zip(befores, self.changes, strict=False)
            if ago(when) >= StartDate
        ]
        items = items[::-1] if ScanBy == "TimestampDescending" else items
        for start in range(0, max(1, len(items)), 2):
            self.calls["DescribeAlarmHistory"] += 1
            yield {"AlarmHistoryItems": items[start : start + 2]}

    def item(self, when: datetime, before: str, after: str) -> Any:
        data = json.dumps(
            {
                "version": "1.0",
                "oldState": {"stateValue": before, "stateReason": "Threshold Crossed"},
                "newState": {"stateValue": after, "stateReason": "Threshold Crossed"},
            }
        )
        return {
            "AlarmName": "web",
            "AlarmType": "MetricAlarm",
            "Timestamp": when,
            "HistoryItemType": "StateUpdate",
            "HistorySummary": f"Alarm updated from {before} to {after}",
            "HistoryData": data[:30] if self.cut else data,
        }


def seen(cloudwatch: CloudWatch, since: float | None = 60, name: str = "web") -> Alarm:
    """Return an alarm as it is seen, of a target that is that since so many minutes ago."""
    client: Any = cloudwatch
    alarm = Alarm(name, *alarm_states(client, (name,)).get(name, (None, None)))
    return with_history(client, alarm, None if since is None else ago(since), BAKE, NOW)


def last(alarm: Alarm) -> float | None:
    """Return how many minutes ago it was last in ALARM."""
    if alarm.last_alarm is None:
        return None
    return (NOW - alarm.last_alarm) / timedelta(minutes=1)


def test_an_alarm_that_does_not_exist_has_no_state() -> None:
    cloudwatch = CloudWatch()
    assert seen(cloudwatch, name="missing") == Alarm("missing", None)
    assert not cloudwatch.calls["DescribeAlarmHistory"]


def test_one_that_has_been_ok_for_longer_than_the_bake_time_needs_no_history() -> None:
    cloudwatch = CloudWatch([(100, "ALARM"), (11, "OK")])
    alarm = seen(cloudwatch)
    assert (alarm.state, last(alarm), alarm.at_since) == ("OK", None, False)
    assert not cloudwatch.calls["DescribeAlarmHistory"]


@pytest.mark.parametrize(("left", "told"), [(9.9, 9.9), (3, 3)])
def test_one_that_has_left_alarm_lately_was_last_in_alarm_then(left: float, told: float) -> None:
    assert last(seen(CloudWatch([(100, "ALARM"), (left, "OK")]))) == told


def test_one_that_has_never_been_in_alarm_but_changed_lately_was_not() -> None:
    alarm = seen(CloudWatch([(3, "OK")], first="INSUFFICIENT_DATA"))
    assert (last(alarm), alarm.at_since) == (None, False)


def test_one_that_went_from_alarm_to_insufficient_data_was_in_alarm() -> None:
    changes: list[tuple[float, State]] = [(8, "ALARM"), (6, "INSUFFICIENT_DATA"), (4, "OK")]
    assert last(seen(CloudWatch(changes))) == 6


def test_one_without_enough_data_does_not_say_that_it_was_in_alarm() -> None:
    alarm = seen(CloudWatch(first="INSUFFICIENT_DATA"))
    assert (alarm.state, last(alarm)) == ("INSUFFICIENT_DATA", None)


def test_one_that_was_in_alarm_at_since_and_still_is_was_in_alarm_at_since() -> None:
    cloudwatch = CloudWatch([(100, "ALARM")])
    alarm = seen(cloudwatch)
    assert (alarm.state, last(alarm), alarm.at_since) == ("ALARM", 0, True)
    assert not cloudwatch.calls["DescribeAlarmHistory"]


def test_one_that_went_into_alarm_after_since_was_not_in_alarm_at_since() -> None:
    cloudwatch = CloudWatch([(50, "ALARM")])
    alarm = seen(cloudwatch)
    assert (last(alarm), alarm.at_since) == (0, False)
    assert cloudwatch.calls["DescribeAlarmHistory"] == 1


def flapping(period: float, begin: float) -> list[tuple[float, State]]:
    """Return the changes of an alarm that is in ALARM for half of each period until now."""
    changes: list[tuple[float, State]] = []
    minutes = begin
    while minutes > 0:
        changes += [(minutes, "ALARM"), (minutes - period / 2, "OK")]
        minutes -= period
    return [each for each in changes if each[0] >= 0]


def test_one_that_flaps_since_the_release_was_in_alarm_lately_but_not_at_since() -> None:
    for begin in (51, 55, 59):
        alarm = seen(CloudWatch(flapping(10, begin)))
        assert alarm.state == "ALARM" or (last(alarm) or 0) <= 5
        assert not alarm.at_since


@pytest.mark.parametrize("since", [31, 33, 37, 39])
def test_one_that_flapped_at_since_was_in_alarm_then(since: float) -> None:
    """Also where it happened to be OK at that moment: one that flaps is in ALARM."""
    cloudwatch = CloudWatch(flapping(10, 200))
    assert seen(cloudwatch, since).at_since
    # From the bake time before since on: half of what is there, two changes a page.
    assert cloudwatch.calls["DescribeAlarmHistory"] <= 7


@pytest.mark.parametrize(("quiet", "at_since"), [(9, True), (10, False), (40, False)])
def test_one_that_was_out_of_alarm_for_the_bake_time_since_then_rings_for_another_reason(
    quiet: float, *, at_since: bool
) -> None:
    cloudwatch = CloudWatch([(100, "ALARM"), (58, "OK"), (58 - quiet, "ALARM")])
    alarm = seen(cloudwatch)
    assert (last(alarm), alarm.at_since) == (0, at_since)


def test_one_that_was_ok_for_the_bake_time_at_since_was_not_in_alarm_then() -> None:
    alarm = seen(CloudWatch([(100, "ALARM"), (71, "OK"), (59, "ALARM")]))
    assert (last(alarm), alarm.at_since) == (0, False)


def test_one_that_was_in_alarm_over_since_and_has_just_left_it_was_in_alarm_then() -> None:
    alarm = seen(CloudWatch([(100, "ALARM"), (5, "OK")]))
    assert (last(alarm), alarm.at_since) == (5, True)


def test_where_nobody_knows_since_when_the_alarm_was_not_in_alarm_then() -> None:
    alarm = seen(CloudWatch([(100, "ALARM")]), since=None)
    assert (last(alarm), alarm.at_since) == (0, False)


def test_what_is_older_than_cloudwatch_keeps_is_not_known() -> None:
    month = 40 * 24 * 60
    changes: list[tuple[float, State]] = [(2 * month, "ALARM"), (60, "OK"), (5, "ALARM")]
    assert not seen(CloudWatch(changes), since=month).at_since


def test_an_alarm_whose_last_change_is_not_told_is_known_by_its_history() -> None:
    """The local AWS tells when its state was last updated, and StateTransitionedTimestamp not."""
    cloudwatch = CloudWatch([(100, "ALARM"), (5, "OK")], transitioned=False)
    assert last(seen(cloudwatch)) == 5
    client: Any = cloudwatch
    assert last(with_history(client, Alarm("web", "OK"), ago(60), BAKE, NOW)) == 5


def test_a_history_that_aws_has_cut_is_read_from_its_summary() -> None:
    alarm = seen(CloudWatch([(100, "ALARM"), (5, "OK")], cut=True))
    assert (last(alarm), alarm.at_since) == (5, True)


def test_a_history_that_nobody_can_read_may_tell_of_an_alarm_and_excuses_nothing() -> None:
    cloudwatch = CloudWatch([(100, "OK"), (5, "OK")])
    cloudwatch.item = lambda when, *_: {  # type: ignore[method-assign]
        "Timestamp": when,
        "HistoryItemType": "StateUpdate",
        "HistoryData": "null",
    }
    alarm = seen(cloudwatch)
    assert (last(alarm), alarm.at_since) == (5, False)


def test_a_history_is_asked_in_the_form_that_cloudwatch_takes() -> None:
    client = boto3.client("cloudwatch", region_name="eu-west-1")
    item = CloudWatch().item(ago(5), "ALARM", "OK")
    asked: dict[str, Any] = {
        "AlarmName": "web",
        "AlarmTypes": ("CompositeAlarm", "LogAlarm", "MetricAlarm"),
        "HistoryItemType": "StateUpdate",
        "MaxRecords": 100,
    }
    with Stubber(client) as stub:
        for begin, way in ((NOW - BAKE, "TimestampDescending"), (ago(70), "TimestampAscending")):
            stub.add_response(
                "describe_alarm_history",
                {"AlarmHistoryItems": [item]},
                {**asked, "StartDate": begin, "ScanBy": way},
            )
        alarm = with_history(client, Alarm("web", "OK", ago(5)), ago(60), BAKE, NOW)
        stub.assert_no_pending_responses()
    assert (last(alarm), alarm.at_since) == (5, True)


def test_more_than_a_hundred_alarms_are_asked_in_several_calls() -> None:
    client: Any = CloudWatch()
    names = tuple(f"alarm {number}" for number in range(250))
    assert alarm_states(client, names).keys() == set(names)
    assert client.calls["DescribeAlarms"] == 3
