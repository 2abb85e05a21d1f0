"""Which holds need a person: those that never end by themselves, and those that last too long.

Most holds are a rollout taking its time. A group is stuck where a person has to do something,
or where the time that its hold may take has passed since it could have followed its target.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from terminator.model import Decision, Figures, HoldName

_AT_ONCE: Final = timedelta(0)
_DAY: Final = timedelta(days=1)
# A window opens at least once a week.
_WEEK_AND_A_DAY: Final = timedelta(days=8)

# How long a group may be behind its target under each hold. None: for ever, because the hold
# ends by itself, or because the metric Overdue or Stale tells of its cause.
PATIENCE: Final[Mapping[HoldName, timedelta | None]] = {
    "settings_unreadable": _AT_ONCE,
    "deleting": None,
    "paused": _DAY,
    "processes_suspended": _AT_ONCE,
    "weighted_capacity": _AT_ONCE,
    "no_release": _AT_ONCE,
    "release_in_future": _AT_ONCE,
    "nothing_available": _AT_ONCE,
    "nothing_outdated": None,
    "all_protected": _AT_ONCE,
    "members_in_flight": _DAY,
    "proof_on_its_way": None,
    "canary_silent": None,
    "boots_stale": None,
    "launched_lately": _DAY,
    "baking": None,
    "no_budget": _DAY,
    "presumed_waits": None,
    "window_closed": _WEEK_AND_A_DAY,
    "instance_refresh": _DAY,
    "alarm": _AT_ONCE,
    "zip_unreadable": _AT_ONCE,
    "group_changed": _DAY,
    "instance_spared": _DAY,
}


def needs_attention(decision: Decision) -> bool:
    """Say whether a decision is a hold that needs a person.

    Where nothing tells for how long the group has been behind, only those that need one at
    once do.
    """
    if decision.hold is None:
        return False
    patience, figures = PATIENCE[decision.hold], decision.figures
    if patience == _AT_ONCE or (decision.hold == "no_budget" and _asks_too_much(figures)):
        return True
    behind = figures.behind if figures is not None else None
    return patience is not None and behind is not None and behind > patience


def _asks_too_much(figures: Figures | None) -> bool:
    # Whole and healthy, and still without a budget: the minimum leaves none.
    return figures is not None and figures.in_flight == figures.unavailable == 0
