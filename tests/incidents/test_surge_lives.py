"""Lives of a group of one that asks for surge, at random: what never happens in any of them."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes.groups import Program, minutes
from tests.incidents.fleets import CHECKED, NEVER_UP, STALE, Fleet, fleet, settings_of

HOW = {
    "good": Program(),
    "never up": NEVER_UP,
    "stale": STALE,
    "refused": Program(refused=True),
    "dies": Program(dies=minutes(4)),
}
STEPS = st.one_of(
    st.tuples(st.just("release"), st.sampled_from(sorted(HOW))),
    st.tuples(st.sampled_from(["cancel", "reclaim", "reboot", "launches fail", "go back"])),
    st.tuples(st.just("wait"), st.integers(1, 6)),
)
RETRY = timedelta(minutes=30)


def take(lives: Fleet, number: int, step: tuple[str, str | int] | tuple[str]) -> None:
    """Let one thing happen to the group."""
    cloud, refreshes = lives.cloud, lives.cloud.refreshed.get("web")
    oldest = min(lives.members(), key=lambda machine: machine.id, default=None)
    match step:
        case ("release", str(how)):
            lives.release(f"1.{number + 1}.0", HOW[how])
        case ("wait", int(hours)):
            lives.pass_hours(hours)
        case ("cancel",) if refreshes and refreshes.running:
            cloud.cancel_refresh(lives.group)
        case ("reclaim",) if oldest:
            cloud.reclaim(oldest)
        case ("reboot",) if oldest:
            cloud.reboot(oldest, 3)
        case ("launches fail",):
            lives.group.launching = "works" if lives.group.launching == "fails" else "fails"
        case ("go back",):
            zips = [key for key in sorted(cloud.current()) if key.startswith("web/1.")]
            if len(zips) > 1:
                cloud.put(zips[-1], None)


@example(steps=[("release", "never up"), ("wait", 6)], period=5)
@example(steps=[("release", "good"), ("cancel",), ("wait", 1)], period=1)
@settings(max_examples=5, deadline=None, derandomize=True)
@given(steps=st.lists(STEPS, min_size=3, max_size=8), period=st.sampled_from([1, 5, 60]))
def test_whatever_happens_nothing_that_serves_is_lost_nothing_loops_and_it_heals(
    steps: list[tuple[str, str | int] | tuple[str]], period: int
) -> None:
    lives = fleet(1, tags=settings_of(minimum="1", surge="refresh"), **CHECKED)
    lives.period = period
    for number, step in enumerate(steps, 1):
        take(lives, number, step)
        lives.pass_minutes(20)
    lives.group.launching = "works"
    lives.release("2.0.0")
    assert lives.hours_until(lambda: lives.all_serve("2.0.0"), most=4) is not None
    lives.pass_hours(6)
    assert lives.all_serve("2.0.0")
    assert lives.lost_serving == []

    uploads = [each.when for each in lives.cloud.stored]
    refreshes = lives.cloud.refreshed["web"].of if "web" in lives.cloud.refreshed else []
    for at, _, _ in lives.cloud.kills:
        during = [r for r in refreshes if r.began <= at and (r.ended is None or at < r.ended)]
        assert during == []
    for one, other in pairwise(refreshes):
        if any(one.began < at <= other.began for at in uploads):
            continue  # another release may be tried at once
        since = max(at for at in uploads if at <= one.began)
        assert other.began - one.began >= min(max(RETRY, one.began - since), 32 * RETRY)
