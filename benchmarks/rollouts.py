"""How long rollouts take, on the model of AWS, beside what they cannot do without and two others.

The model's time is no machine's: the figures are the same whenever they are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Final

from benchmarks.tables import Table
from tests.fakes.groups import LaunchHook
from tests.incidents.fleets import NEW, fleet

SIZES: Final = (3, 10, 50, 200)
BOOTS: Final = (2, 5, 6, 8, 15)
# Minutes: what groups have here, and the policy's default.
GRACE: Final = 5
BAKE: Final = 10
# Without a hook instances are in service so soon after their launch, booted or not.
PENDING: Final = 1
# A boot takes a second more than a whole number of minutes, so that it ends just after a run.
_MISSES: Final = 1 / 60
AIM: Final = 1.15
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/understand-instance-refresh-default-values.html
_HEALTHY_PERCENT: Final = 90
# Minutes: https://github.com/kubernetes/kops/blob/master/docs/operations/rolling-update.md has the
# first two, its code how often it validates, and how long after a success it does so again.
_KOPS_DRAINED: Final = 5 / 60
_KOPS_INTERVAL: Final = 15 / 60
_KOPS_VALIDATES: Final = 30 / 60
_KOPS_AGAIN: Final = 10 / 60


@dataclass(frozen=True)
class Rollout:
    """A release to a group of `size` whose boots take so many minutes; times are in minutes."""

    size: int
    boot: int

    @property
    def waves(self) -> int:
        """How many boots follow one another: the canary's, then a quarter of the group each."""
        return 1 + ceil((self.size - 1) / max(1, self.size // 4))

    @property
    def floor(self) -> float:
        """What it cannot do without: the boots, and the canary's grace period and bake time."""
        return self.boot * self.waves + GRACE + BAKE

    def took(self, period: int, *, hook: bool = True) -> float:
        """Play it, and return how long it takes from the upload until all answer.

        With `hook` a launch hook holds instances until they answer. The upload comes just after a
        run of the schedule, and begins one itself, as deployed.
        """
        held = LaunchHook(reports=True) if hook else None
        lives = fleet(self.size, boot=self.boot + _MISSES, grace=GRACE, hook=held)
        lives.period = period
        uploaded = lives.cloud.now
        lives.release(NEW)
        lives.run()
        if lives.hours_until(lambda: lives.all_serve(NEW), most=48) is None:
            raise RuntimeError(f"{self} did not end")
        if lives.lost != self.size or len(lives.lost_serving) != self.size:
            raise RuntimeError(f"{self} replaced {lives.lost}")
        last = max(max(each.up, each.in_service) for each in lives.members())
        return (last - uploaded) / timedelta(minutes=1)

    def meets(self, took: float) -> bool:
        """Say whether that is at most what is aimed at, at a period of a minute."""
        return took <= AIM * self.floor + self.waves

    def instance_refresh(self, *, hook: bool = True) -> float:
        """Return how long an instance refresh takes by its documentation, with its defaults.

        It replaces as many as the minimum healthy percentage, rounded up, leaves, one at least,
        and waits until they are in service and for the warm-up after that.
        """
        batch = max(1, self.size - ceil(self.size * _HEALTHY_PERCENT / 100))
        in_service = self.boot if hook else PENDING
        return (ceil(self.size / batch) - 1) * (in_service + GRACE) + self.boot

    def kops(self) -> float:
        """Return how long kops' rolling update takes by its documentation, one at a time.

        After each it waits until the cluster validates, which it looks for at an interval, twice.
        """
        looks = max(0, ceil((self.boot - _KOPS_INTERVAL) / _KOPS_VALIDATES))
        each = _KOPS_DRAINED + _KOPS_INTERVAL + looks * _KOPS_VALIDATES + _KOPS_AGAIN
        return (self.size - 1) * each + _KOPS_DRAINED + self.boot


def table() -> Table:
    """Play all rollouts, in a process a core."""
    rollouts = [Rollout(size, boot) for size in SIZES for boot in BOOTS]
    with ProcessPoolExecutor() as pool:
        # The largest take longest, and so begin first.
        playing = {each: pool.submit(_ways, each) for each in reversed(rollouts)}
        played = [(each, playing[each].result()) for each in rollouts]
    met = sum(each.meets(took[0]) and each.meets(took[2]) for each, took in played)
    return Table("Rollouts", _HEADS, [_row(*each) for each in played], _note(met, len(rollouts)))


def _ways(of: Rollout) -> list[float]:
    return [of.took(period, hook=hook) for hook in (True, False) for period in (1, 5)]


def _row(of: Rollout, took: Sequence[float]) -> list[str]:
    floor = of.floor
    hooked = [text for each in took[:2] for text in (f"{each:.0f}", f"{each / floor:.2f}")]
    others = [of.instance_refresh(), of.instance_refresh(hook=False), of.kops()]
    return [
        *(str(of.size), str(of.boot), str(of.waves), f"{floor:.0f}"),
        *hooked,
        *(f"{each:,.0f}" for each in (*took[2:], *others)),
    ]


_HEADS: Final = (
    *("instances", "boot", "waves", "floor"),
    *("each minute", "/ floor", "each five", "/ floor"),
    *("each minute, no hook", "each five, no hook"),
    *("Instance Refresh", "Instance Refresh, no hook", "kops"),
)


def _note(met: int, of: int) -> str:
    return (
        f"Minutes of the model's time, by the default policy: grace period {GRACE}, bake time "
        f"{BAKE}. *Floor* is a boot for each wave, the grace period and the bake time; aimed at, "
        f"at a run each minute, is at most {AIM} times that and a minute a wave: met in {met} "
        f"of {of} rows, with a hook and without. A launch hook holds instances until they answer; "
        f"without one they are in service {PENDING} minute after their launch, from which on grace "
        "period and bake time are counted. Boots take a second more than they say, so that each "
        "ends just after a run. *Instance Refresh* (90 % healthy, the warm-up is the grace period) "
        "and *kops* (one at a time, validated every 30 seconds, twice) are computed from their "
        "documentation: neither has proof or a bake time, and without a hook Instance Refresh does "
        "not wait for boots that are longer than a minute and the warm-up."
    )
