"""Whether a group can be replaced at all, from how it is described."""

from __future__ import annotations

import shlex

from terminator.decide.holds import NEEDED_PROCESSES
from terminator.observe.survey import Subject
from terminator.text import count, quoted
from terminator_cli.checkup.findings import Finding, about


def check(subject: Subject) -> list[Finding]:
    """Check a group that opted in."""
    found = [_settings(subject)]
    if not subject.policy.problems:
        found.append(headroom(subject))
    checks = (_status(subject), _pause(subject), _processes(subject), _weights(subject))
    found += [each for each in (*checks, _grace(subject)) if each is not None]
    return found


def missing(name: str) -> Finding:
    """Return the finding for a configured name that matches no group."""
    remedy = "correct groups.names, or make the group; until then every run fails"
    return about("group", name).problem("exists", "no Auto Scaling group has this name", remedy)


def _settings(subject: Subject) -> Finding:
    group, problems = about("group", subject.name), subject.policy.problems
    if problems:
        remedy = "correct the tags: until then the group is held"
        return group.problem("settings", "; ".join(problems), remedy)
    return group.ok("settings", f"opted in, runs releases of {subject.policy.app}")


def headroom(subject: Subject) -> Finding:
    """Check that the minimum leaves room for one to go."""
    group, policy = about("group", subject.name), subject.policy
    desired = subject.described["DesiredCapacity"]
    minimum, max_unavailable = policy.minimum_of(desired), policy.max_unavailable_of(desired)
    seen = f"minimum {minimum} ({policy.minimum}) of {desired} desired"
    if desired == 0:
        return group.ok("capacity", "0 desired: there is nothing to replace")
    if minimum >= desired:
        remedy = f"set the tag terminator:minimum to {desired - 1} or less, or raise desired"
        return group.problem("capacity", f"{seen}: none may ever go", remedy)
    at_once = min(max_unavailable, desired - minimum)
    return group.ok("capacity", f"{seen}: up to {count(at_once, 'instance')} at once")


def _status(subject: Subject) -> Finding | None:
    status = subject.described.get("Status")
    if status is None:
        return None
    return about("group", subject.name).problem("status", status, "it is being deleted: nothing is")


def _pause(subject: Subject) -> Finding | None:
    text = subject.policy.pause
    if text is None:
        return None
    remedy = f"terminator resume {shlex.quote(subject.name)}"
    return about("group", subject.name).warning("pause", f"paused: {quoted(text, 256)}", remedy)


def _processes(subject: Subject) -> Finding | None:
    found = {each.get("ProcessName") for each in subject.described.get("SuspendedProcesses", ())}
    needed = [name for name in NEEDED_PROCESSES if name in found]
    if not needed:
        return None
    remedy = (
        f"aws autoscaling resume-processes --auto-scaling-group-name {shlex.quote(subject.name)} "
        f"--scaling-processes {' '.join(needed)}"
    )
    seen = f"suspended: {', '.join(needed)}"
    return about("group", subject.name).problem("processes", seen, remedy)


def _weights(subject: Subject) -> Finding | None:
    described = subject.described
    kind = described.get("DesiredCapacityType", "units")
    weighted = any("WeightedCapacity" in each for each in described.get("Instances", ()))
    if kind == "units" and not weighted:
        return None
    seen = f"desired capacity counts {kind if kind != 'units' else 'weights'}, not instances"
    remedy = "such groups are always held: use a group without weights"
    return about("group", subject.name).problem("weights", seen, remedy)


def _grace(subject: Subject) -> Finding | None:
    kind = subject.described.get("HealthCheckType", "EC2")
    if subject.described.get("HealthCheckGracePeriod", 0) > 0 or kind == "EC2":
        return None
    seen = f"the grace period is 0 with a health check of {kind}"
    remedy = "set HealthCheckGracePeriod to the time that a boot takes, or boots end unhealthy"
    return about("group", subject.name).warning("grace period", seen, remedy)
