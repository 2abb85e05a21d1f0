"""Whether the alarms that groups list exist, and are quiet."""

from __future__ import annotations

from collections.abc import Mapping

from terminator.errors import Failure
from terminator.observe.survey import Subject
from terminator_cli.checkup.findings import Finding, about


def check(subject: Subject, states: Mapping[str, str] | Failure) -> list[Finding]:
    """Check the alarms of a group; `states` maps those that exist to their state."""
    if not subject.policy.alarms:
        return []
    group = about("group", subject.name)
    if isinstance(states, Failure):
        return [group.unseen("alarms", states, "cloudwatch:DescribeAlarms")]
    return [_alarm(subject.name, name, states.get(name)) for name in subject.policy.alarms]


def _alarm(group: str, name: str, state: str | None) -> Finding:
    of = about("group", group)
    if state is None:
        remedy = "make it, or correct the tag terminator:alarms: until then the group is held"
        return of.problem("alarms", f"{name} does not exist", remedy)
    if state == "ALARM":
        remedy = "look at what it watches: the group is held while it rings"
        return of.warning("alarms", f"{name} is in ALARM", remedy)
    return of.ok("alarms", f"{name} is {state}")
