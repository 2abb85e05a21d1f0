"""Instance refreshes in the model of AWS: they launch first, where both percentages are 100.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from tests.fakes.groups import FakeGroup, Machine, minutes

# How long AWS waits for a new one to become healthy before it gives up.
GIVES_UP: Final = timedelta(hours=1)
# It takes a moment until a refresh that was begun does anything.
_PENDING: Final = minutes(1)


@dataclass
class FakeRefresh:
    """An instance refresh: which old ones it has still to replace, by id, and how it stands.

    `moved` is when it last replaced one, or began; `launches` says that it has a new one, or is
    about to have one, for which no old one has gone yet. One that `chose` ended while more were
    healthy than are desired: its group chooses which of them stay.
    """

    id: str
    began: datetime
    preferences: Mapping[str, Any]
    old: list[str]
    moved: datetime
    status: str = "Pending"
    reason: str = ""
    ended: datetime | None = None
    total: int = 0
    launches: bool = False
    chose: bool = False

    @property
    def runs(self) -> bool:
        """Whether it is in progress."""
        return self.ended is None

    @property
    def percent(self) -> int:
        """How much of it is complete."""
        return 100 - 100 * len(self.old) // self.total if self.total else 100

    def row(self) -> dict[str, Any]:
        """Return it as DescribeInstanceRefreshes has it."""
        row = {
            "InstanceRefreshId": self.id,
            "Status": self.status,
            "StartTime": self.began,
            "PercentageComplete": self.percent,
            "InstancesToUpdate": len(self.old),
            "Preferences": dict(self.preferences),
        }
        if self.reason:
            row["StatusReason"] = self.reason
        return row if self.ended is None else {**row, "EndTime": self.ended}

    def end(self, status: str, now: datetime, reason: str = "") -> None:
        """End it: what is launched by then stays, or goes, as its group sees to."""
        self.status, self.ended, self.launches = status, now, False
        self.reason = reason


@dataclass
class Refreshes:
    """All refreshes of a group, the newest last; at most one is in progress."""

    of: list[FakeRefresh] = field(default_factory=list)

    @property
    def running(self) -> FakeRefresh | None:
        """The one in progress."""
        return next((each for each in self.of if each.runs), None)

    @property
    def surplus(self) -> int:
        """How many members more than desired a refresh wants just now."""
        running = self.running
        return int(running is not None and running.launches)

    def start(self, group: FakeGroup, preferences: Mapping[str, Any], now: datetime) -> FakeRefresh:
        """Begin one: it replaces all in service that are not protected, one after the other."""
        assert (preferences["MinHealthyPercentage"], preferences["MaxHealthyPercentage"]) == (
            100,
            100,
        ), "this model knows no other way"
        old = [
            m.id
            for m in group.counted()
            if not (m.protected and preferences["ScaleInProtectedInstances"] == "Ignore")
        ]
        id_ = f"refresh-{group.name}-{len(self.of) + 1}"
        made = FakeRefresh(id_, now, preferences, old, now, total=len(old))
        self.of.append(made)
        return made

    def tick(
        self,
        group: FakeGroup,
        now: datetime,
        alarms: Mapping[str, str],
        leave: Callable[[FakeGroup, Machine], None],
    ) -> None:
        """Move on the one in progress; `leave` lets a member leave, as its group does."""
        running = self.running
        if running is None or now - running.began < _PENDING:
            return
        running.status = "InProgress"
        here = {m.id: m for m in group.counted()}
        running.old = [id_ for id_ in running.old if id_ in here]
        rung = [
            name
            for name in running.preferences.get("AlarmSpecification", {}).get("Alarms", ())
            if alarms.get(name) == "ALARM"
        ]
        warmup = timedelta(seconds=running.preferences["InstanceWarmup"])
        new = [m for m in here.values() if m.launched > running.began.replace(microsecond=0)]
        ready = [m for m in new if _is_ready(group, m, now, warmup)]
        if rung:
            self._give_up(group, running, now, f"alarm {rung[0]} went into ALARM", leave)
        elif not running.old:
            running.end("Successful", now)
        elif len(ready) > running.total - len(running.old):
            machine = here[running.old.pop(0)]
            leave(group, machine)
            running.moved, running.launches = now, bool(running.old)
        elif now - running.moved > GIVES_UP + warmup:
            said = "instances failed to become healthy"
            self._give_up(group, running, now, said, leave)
        else:
            running.launches = True
            waits = ", ".join(m.id for m in new) or "a launch"
            running.reason = f"waiting for {waits}"

    def cancel(
        self,
        group: FakeGroup,
        now: datetime,
        leave: Callable[[FakeGroup, Machine], None],
        reason: str = "cancelled by a user",
    ) -> None:
        """Cancel the one in progress."""
        if self.running is not None:
            self._give_up(group, self.running, now, reason, leave, status="Cancelled")

    def _give_up(  # noqa: PLR0913, PLR0917 - who, when, why and how
        self,
        group: FakeGroup,
        running: FakeRefresh,
        now: datetime,
        why: str,
        leave: Callable[[FakeGroup, Machine], None],
        status: str = "Failed",
    ) -> None:
        """End it; of more members than are desired those that are not healthy leave first."""
        running.end(status, now, why)
        here = group.counted()
        surplus = len(here) - group.desired
        ill = [m for m in here if not _is_ready(group, m, now, timedelta(0))]
        ill.sort(key=lambda m: m.launched, reverse=True)
        running.chose = len(ill) < surplus
        for machine in ill[: max(0, surplus)]:
            leave(group, machine)


def _is_ready(group: FakeGroup, machine: Machine, now: datetime, warmup: timedelta) -> bool:
    """Say whether a member is in service, healthy where its group asks, and has warmed up."""
    state, checked = machine.state(now), group.balanced and group.checks == "ELB"
    in_service = state == "InService" and machine.health == "Healthy"
    well = not checked or machine.target == "healthy"
    return in_service and well and now - machine.in_service >= warmup
