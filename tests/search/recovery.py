"""The end of faults: an operator repairs what is broken, and a good release is the target."""

from __future__ import annotations

from tests.fakes.cloud import minutes
from tests.fakes.cloud_api import AutoScaling
from tests.fakes.region import LAST, OLD, Asg, Region
from tests.search.seen import DEFAULTS, UNREADABLE
from tests.search.tape import Run

# Long enough to pass waits of hours, short enough that canaries and their proof are seen.
PERIOD = 20
MOST_RUNS = 150


def minimum(group: Asg) -> int:
    """Return how many of a group must stay, by its tags; 0 where they cannot be read."""
    text = group.tags.get("terminator:minimum", DEFAULTS["minimum"])
    if text == UNREADABLE:
        return 0
    return -(-group.desired * int(text[:-1]) // 100) if text[-1] == "%" else int(text)


def heal(region: Region, way: int) -> None:
    """Repair everything, wait a little, and release: newer, pointed to, or by withdrawing."""
    region.lag = region.skew = minutes(0)
    region.deaf_until = 0
    region.refreshes.clear()
    region.alarms = {"rings": "OK", "unknown": "OK"}
    for key in region.boots:
        region.boots[key] = "good"
    for group in region.asgs():
        _repair(region, group)
    region.wait(4)
    for app in ("web", "api"):
        _release(region, app, way)
    region.wait(1)


def _repair(region: Region, group: Asg) -> None:
    for tag in ("pause", "minimun", "window"):
        group.tags.pop(f"terminator:{tag}", None)
    if group.tags.get("terminator:minimum") == UNREADABLE:
        del group.tags["terminator:minimum"]
    group.more.clear()
    group.image, group.launching, group.replaces = (LAST, "good"), "works", True
    group.leave = min(group.leave, minutes(10))
    for box in region.boxes(group):
        box.protected, box.hidden, box.weight, box.address = False, False, None, "10.0.0.1"
        box.flaps = box.sick = False
        stuck = box.in_service > region.now + minutes(60) or box.health != "Healthy"
        odd = box.lifecycle is not None and box.lifecycle != "Standby"
        dead = not region.bucket and (box.deaf or box.version is None)
        if stuck or odd or dead:
            box.leaves = region.now


def _release(region: Region, app: str, way: int) -> None:
    objects = region.current()
    good = objects.get(f"{app}/{OLD}.zip")
    if way % 3 == 1 and good and good.data != b"broken":
        region.put(f"{app}/current", OLD.encode())
        return
    if f"{app}/current" in objects:
        region.put(f"{app}/current", None)
    region.upload(app, LAST)


def cannot(region: Region, group: Asg) -> str | None:
    """Say why a group cannot converge by the rules themselves, None where it can."""
    here = [box for box in region.boxes(group) if box.lifecycle != "Standby"]
    good = [box for box in here if box.version is not None and not box.deaf]
    least = minimum(group)
    if group.desired and least >= group.desired:
        return "its minimum is all that is desired"
    if len(good) < len(here) and min(len(good), group.desired) < least:
        return "too many dead ones to keep the minimum"
    return None


def waiting(region: Region, done: Run) -> dict[str, object]:
    """Return the groups that can converge and have not, with what holds them."""
    ids = {group.name: group for group in region.asgs() if not cannot(region, group)}
    decisions = {name: done.outcomes[name].decision for name in ids}
    return {
        name: (done.outcomes[name].error, decision, AutoScaling(region).row(ids[name]))
        for name, decision in decisions.items()
        if decision is None or decision.kind != "converged"
    }
