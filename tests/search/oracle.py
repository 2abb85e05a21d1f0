"""The rules of the decision, said a second time: what may go over what was seen, and why not.

Written from docs/design.md alone, it shares no code with what it judges. Each promise has a
name, so that a search that finds one broken says which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.fakes.region import RANKS
from tests.search.seen import CLOSES, KNOWN, MINUTE, OPENS, UNREADABLE, WINDOW, Member, Seen


def broken_settings(seen: Seen) -> bool:
    """Say whether a setting of the group cannot be read, so that nothing else is asked."""
    return any(tag not in KNOWN or text == UNREADABLE for tag, text in seen.tags.items())


def _suspended(seen: Seen) -> bool:
    processes = {each["ProcessName"] for each in seen.row.get("SuspendedProcesses", ())}
    return bool(processes & {"Launch", "Terminate", "HealthCheck", "AddToLoadBalancer"})


def _weighted(seen: Seen) -> bool:
    units = seen.row.get("DesiredCapacityType", "units") == "units"
    return not units or any(m.weighted for m in seen.members)


def _waiting(seen: Seen) -> bool:
    if seen.proof:
        return False
    last = max((m.launched for m in seen.available), default=None)
    newest = [m for m in seen.available if m.launched == last]
    proof_on_its_way = bool(newest) and all(seen.on_target(m) for m in newest)
    return bool(seen.in_flight) or proof_on_its_way or _last_try_has_time(seen)


def _last_try_has_time(seen: Seen) -> bool:
    retry = seen.span("canary-retry")
    if seen.since is not None:
        wait = retry * 2 ** min(len(seen.stale) - 1, 5) if seen.stale else timedelta(0)
        newest = max((m.launched for m in seen.stale), default=seen.now - wait)
        return bool(seen.silent) or seen.now - newest < wait
    last = max((m.launched for m in seen.asked), default=None)
    mute = any(m.launched == last for m in seen.unavailable)
    return mute or any(seen.now - m.launched < retry for m in seen.asked)


def _baking(seen: Seen) -> bool:
    if not seen.proof:
        return False
    longest = max(seen.now - m.launched for m in seen.available if seen.on_target(m))
    return longest < seen.grace + seen.span("bake-time")


def _in_the_future(seen: Seen) -> bool:
    return seen.released is not None and seen.released.since > seen.now + MINUTE


Applies = Callable[[Seen], bool]

# In the order in which they are asked: when, whether, and what the reason must say.
HOLDS: tuple[tuple[str, Applies, str], ...] = (
    ("settings cannot be read", broken_settings, r"accepted is|unknown tag"),
    ("the group is being deleted", lambda s: bool(s.row.get("Status")), r"being deleted"),
    ("paused", lambda s: "pause" in s.tags, r"^paused"),
    ("processes are suspended", _suspended, r"^suspended processes"),
    ("capacity is weighted", _weighted, r"^weighted capacity"),
    ("there is no release", lambda s: s.bucket and s.released is None, r"no release"),
    ("the release is of the future", _in_the_future, r"in the future"),
    (
        "nothing is available",
        lambda s: not s.available and not s.presumed and s.desired > 0,
        r"^nothing is available",
    ),
    (
        "nothing is outdated",
        lambda s: not s.outdated and not s.presumed,
        r"^nothing is outdated",
    ),
    (
        "all is protected",
        lambda s: all(m.protected for m in (*s.outdated, *s.presumed)),
        r"protected from scale-in",
    ),
    ("waiting for proof", _waiting, r"^waiting for proof"),
    ("baking", _baking, r"^baking"),
)
NO_BUDGET = r"^no budget|is presumed outdated, but"
GUARDS = (
    ("outside the window", r"^outside the maintenance window"),
    ("an instance refresh is in progress", r"^an instance refresh"),
    ("an alarm rings", r"^alarm"),
    ("the zip cannot be read", r"^the zip of"),
)


def hold(seen: Seen) -> tuple[str, str] | None:
    """Return the first hold that applies, and what its reason must say."""
    return next(((name, says) for name, applies, says in HOLDS if applies(seen)), None)


def closed(seen: Seen) -> bool:
    """Say whether the window is closed."""
    return seen.tags.get("window") == WINDOW and not OPENS <= seen.now.hour < CLOSES


def _urgent(seen: Seen, member: Member) -> bool:
    newest = max((m.launched for m in seen.available), default=None)
    failed_boot = member in seen.presumed and (newest is None or member.launched > newest)
    return failed_boot or (member in seen.outdated and seen.above(member))


Broken = Callable[[Seen, Sequence[Member]], bool]


def _over_minimum(seen: Seen, goes: Sequence[Member]) -> bool:
    going = sum(m in seen.available for m in goes)
    return min(len(seen.available), seen.desired) - going < seen.minimum


def _over_batch(seen: Seen, goes: Sequence[Member]) -> bool:
    out = seen.in_flight + len(seen.unavailable) + len(goes)
    return not any(m in seen.presumed for m in goes) and out > seen.max_unavailable


def _not_alone(seen: Seen, goes: Sequence[Member]) -> bool:
    return len(goes) > 1 and any(m in seen.presumed for m in goes)


def _not_one_by_one(seen: Seen, goes: Sequence[Member]) -> bool:
    presumed = any(m in seen.presumed for m in goes)
    return presumed and bool(seen.in_flight or seen.silent)


# What is broken by letting these members go, where nothing holds.
PROMISES: tuple[tuple[str, Broken], ...] = (
    ("only what is in service goes", lambda _, goes: not all(m.serving for m in goes)),
    ("nothing protected goes", lambda _, goes: any(m.protected for m in goes)),
    ("nothing on target goes", lambda s, goes: any(s.on_target(m) for m in goes)),
    (
        "nothing unavailable goes that is not presumed outdated",
        lambda s, goes: not all(m in (*s.outdated, *s.presumed) for m in goes),
    ),
    ("a presumed outdated one goes alone", _not_alone),
    ("presumed outdated ones go one after the other", _not_one_by_one),
    ("the minimum stays available", _over_minimum),
    ("what is out fits the batch", _over_batch),
    ("without proof one goes", lambda s, goes: not s.proof and len(goes) > 1),
    (
        "outside the window only what keeps a bad release goes",
        lambda s, goes: closed(s) and not all(_urgent(s, m) for m in goes),
    ),
    ("nothing goes during an instance refresh", lambda s, _: s.refresh),
    (
        "under an alarm only what keeps a bad release goes",
        lambda s, goes: s.ringing and not all(_urgent(s, m) for m in goes),
    ),
    ("no canary goes for a zip that cannot be read", lambda s, _: s.zip_bad and not s.proof),
)


def broken(seen: Seen, goes: Sequence[Member]) -> str | None:
    """Return the promise that is broken if these go; None where all are kept."""
    if not goes:
        return None
    if held := hold(seen):
        return f"nothing goes: {held[0]}"
    return next((name for name, breaks in PROMISES if breaks(seen, goes)), None)


def owed(seen: Seen) -> list[Member]:
    """Return what must go, in order: as many as break no promise."""
    goes: list[Member] = []
    rest = [*seen.presumed, *seen.outdated]
    while rest := [m for m in rest if broken(seen, [*goes, m]) is None]:
        rest.sort(key=lambda m: _order(seen, goes, m))
        goes.append(rest.pop(0))
    return goes


def _order(seen: Seen, goes: Sequence[Member], member: Member) -> tuple[Any, ...]:
    if member in seen.presumed:
        return (0, 0, 0, member.launched, member.id)
    rank = RANKS[member.version or ""]
    tier = (1, -rank) if seen.above(member) else (2, rank)
    left = Counter(m.zone for m in seen.available) - Counter(m.zone for m in goes)
    return (*tier, -left[member.zone], member.launched, member.id)


def reasons(seen: Seen) -> list[tuple[str, str]]:
    """Return what the reason of a hold must say where nothing goes: one of these."""
    if held := hold(seen):
        return [held]
    guards = (closed(seen), seen.refresh, seen.ringing, seen.zip_bad and not seen.proof)
    shut = [guard for guard, applies in zip(GUARDS, guards, strict=True) if applies]
    return shut if owed(_unguarded(seen)) else [("no budget", NO_BUDGET)]


def _unguarded(seen: Seen) -> Seen:
    tags = [tag for tag in seen.row["Tags"] if tag["Key"] != "terminator:window"]
    row = {**seen.row, "Tags": tags}
    return replace(seen, row=row, refresh=False, ringing=False, zip_bad=False)
