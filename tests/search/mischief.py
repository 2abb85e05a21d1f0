"""What happens to groups besides releases: to their instances, their settings, around them."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.cloud import minutes
from tests.fakes.region import OLD, Asg, Box, Region
from tests.search.seen import UNREADABLE, WINDOW

Change = Callable[[Region, Asg, int], None]


def _to_one(do: Callable[[Region, Box], None]) -> Change:
    """Return a change to one of the members, by number."""

    def change(region: Region, group: Asg, number: int) -> None:
        if boxes := region.boxes(group):
            do(region, boxes[number % len(boxes)])

    return change


def _tag(name: str, *texts: str) -> Change:
    """Return a change that sets a tag to one of the texts, by number; "" takes it away."""

    def change(_region: Region, group: Asg, number: int) -> None:
        text = texts[number % len(texts)]
        group.tags.pop(f"terminator:{name}", None)
        group.tags |= {f"terminator:{name}": text} if text else {}

    return change


def _more(name: str, *values: object) -> Change:
    """Return a change of what describes show of the group besides; None takes it away."""

    def change(_region: Region, group: Asg, number: int) -> None:
        value = values[number % len(values)]
        group.more.pop(name, None)
        group.more |= {} if value is None else {name: value}

    return change


def _reclaim(region: Region, box: Box) -> None:
    box.leaves = region.now


def _fall_ill(region: Region, box: Box) -> None:
    box.health, box.ill_since = "Unhealthy", region.now


def _go_deaf(_region: Region, box: Box) -> None:
    box.deaf = True


def _flap(_region: Region, box: Box) -> None:
    box.flaps = True


def _sicken(_region: Region, box: Box) -> None:
    box.sick = not box.sick


def _stand_by(_region: Region, box: Box) -> None:
    box.lifecycle = None if box.lifecycle == "Standby" else "Standby"


def _protect(_region: Region, box: Box) -> None:
    box.protected = not box.protected


def _hide(_region: Region, box: Box) -> None:
    box.hidden = not box.hidden


def _lose_address(_region: Region, box: Box) -> None:
    box.address = None if box.address else "10.0.0.1"


def _weigh(_region: Region, box: Box) -> None:
    box.weight = None if box.weight else "2"


def _oddly(state: str) -> Callable[[Region, Box], None]:
    def change(_region: Region, box: Box) -> None:
        box.lifecycle = None if box.lifecycle == state else state

    return change


def _scale(region: Region, group: Asg, number: int) -> None:
    group.desired = number % 7
    region.tick()


def _rebalance(region: Region, group: Asg, _number: int) -> None:
    region.start(group)


def _roll_by_hand(region: Region, group: Asg, _number: int) -> None:
    region.start(group, what=(OLD, "good"))


def _warm(region: Region, group: Asg, _number: int) -> None:
    region.start(group).lifecycle = "Warmed:Stopped"


def _launching(_region: Region, group: Asg, number: int) -> None:
    modes = ("works", "fails", "hangs")
    group.launching = modes[number % 3]  # type: ignore[assignment]


def _leave_slowly(_region: Region, group: Asg, number: int) -> None:
    group.leave = (minutes(0), minutes(10), minutes(2880))[number % 3]


def _repair_nothing(_region: Region, group: Asg, _number: int) -> None:
    group.replaces = not group.replaces


def _refresh(region: Region, group: Asg, number: int) -> None:
    statuses = ("", "InProgress", "Baking", "Successful")
    region.refreshes[group.name] = statuses[number % 4]


def _ring(region: Region, _group: Asg, number: int) -> None:
    region.alarms["rings"] = ("OK", "ALARM", "INSUFFICIENT_DATA")[number % 3]


_PROCESSES = ("Launch", "Terminate", "HealthCheck", "AddToLoadBalancer", "AZRebalance")

CHANGES: dict[str, Change] = {
    "reclaim": _to_one(_reclaim),
    "fall ill": _to_one(_fall_ill),
    "go deaf": _to_one(_go_deaf),
    "flap": _to_one(_flap),
    "sicken": _to_one(_sicken),
    "stand by": _to_one(_stand_by),
    "protect": _to_one(_protect),
    "hide": _to_one(_hide),
    "lose its address": _to_one(_lose_address),
    "weigh": _to_one(_weigh),
    "Pending:Wait": _to_one(_oddly("Pending:Wait")),
    "Quarantined": _to_one(_oddly("Quarantined")),
    "Detaching": _to_one(_oddly("Detaching")),
    "EnteringStandby": _to_one(_oddly("EnteringStandby")),
    "scale": _scale,
    "rebalance": _rebalance,
    "launch the old release": _roll_by_hand,
    "warm": _warm,
    "launching": _launching,
    "leave slowly": _leave_slowly,
    "repair nothing": _repair_nothing,
    "refresh": _refresh,
    "ring": _ring,
    "pause": _tag("pause", "deploying", "", "", ""),
    "mistype": _tag("minimun", "", "", "1"),
    "minimum": _tag("minimum", "0", "1", "2", "50%", "100%", "34%", "", UNREADABLE),
    "max-unavailable": _tag("max-unavailable", "1", "2", "25%", "100%", "50%", ""),
    "bake-time": _tag("bake-time", "", "10m", "45m"),
    "canary-retry": _tag("canary-retry", "", "5m", "60m"),
    "window": _tag("window", "", WINDOW),
    "alarms": _tag("alarms", "", "rings", "rings unknown"),
    "suspend": _more(
        "SuspendedProcesses", None, *([{"ProcessName": process}] for process in _PROCESSES)
    ),
    "delete": _more("Status", None, None, "Delete in progress"),
    "weigh all": _more("DesiredCapacityType", None, None, "vcpu", "units"),
}
