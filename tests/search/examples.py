"""Lives that the search should always live, since chance seldom brings them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.search.life import Step
from tests.search.seen import WINDOW

_GROUP = {
    "desired": 4,
    "app": "web",
    "minimum": "1",
    "max-unavailable": "25%",
    "grace": 0,
    "balanced": False,
    "canary-retry": "30m",
    "window": "always",
}


def _begin(*, versioned: bool = True, **more: Any) -> Step:
    said = {name.replace("_", "-"): value for name, value in more.items()}
    return ("begin", {"groups": [{**_GROUP, **said}], "bucket": True, "versioned": versioned})


def _roll_out(boots: str, periods: int) -> Step:
    return ("roll_out", {"which": 0, "higher": 1, "boots": boots, "periods": periods})


def _amid(change: str, number: int, *, fresh: bool) -> Step:
    confirming = {"call": "describe_auto_scaling_groups", "nth": 2}
    return ("run_amid", {**confirming, "change": change, "number": number, "fresh": fresh})


LIVES: Mapping[str, Sequence[Step]] = {
    "a release is withdrawn from a bucket without versions": [
        _begin(versioned=False, max_unavailable="100%"),
        _roll_out("good", 12),
        ("roll_back", {"which": 0}),
    ],
    "the network fails before the second look": [
        _begin(),
        ("lose_the_network", {"which": 0, "rounds": 20}),
    ],
    "boots stay stale for hours": [
        _begin(desired=6, canary_retry="5m"),
        _roll_out("stale", 12),
        ("scheduled", {"periods": 12}),
        ("scheduled", {"periods": 12}),
    ],
    "a release comes at night, outside the window": [
        _begin(window=WINDOW),
        ("wait", {"number": 400}),
        ("wait", {"number": 400}),
        _roll_out("good", 3),
    ],
    "the chosen is protected between the look and the kill": [
        _begin(),
        _roll_out("good", 3),
        ("wait", {"number": 5}),
        _amid("protect", 1, fresh=False),
    ],
    "an alarm is named between the look and the kill": [
        _begin(),
        _amid("alarms", 1, fresh=True),
    ],
}
