"""What alarms tell: the text that a person reads at 3 a.m.

Each says what is the matter, where to look, since when, and what to do. The notification adds
the account, the Region and the time.
"""

from __future__ import annotations

from datetime import timedelta

from terminator.text import left


def failing(name: str, span: timedelta) -> str:
    """Tell of runs that fail."""
    return (
        f"WHAT: {name} fails again and again, so groups are not kept on their release. Instances "
        "that run are not touched by that. "
        f"WHERE: the function {name}-reconcile; its log group says which groups failed, and why "
        f"(saved query {name}/failures). "
        f"SINCE: at least two runs in the last {left(span)}. "
        "DO: read the error; mostly it is a permission, a limit, or a probe that cannot reach its "
        "instances. A release can wait until it is mended. See docs/runbook.md, alarm failing."
    )


def not_running(name: str, span: timedelta) -> str:
    """Tell of runs that do not come."""
    return (
        f"WHAT: no run of {name} has come to its end, so no group is kept on its release. "
        "Instances that run are not touched by that. "
        f"WHERE: the schedule and the function {name}-reconcile. "
        f"SINCE: {left(span)} ago or longer. "
        "DO: see whether somebody has stopped it (reserved concurrency 0, a disabled rule), and "
        "whether the alarm failing rings too. After a first deployment it is quiet as soon as the "
        "first run has ended. See docs/runbook.md, alarm not-running."
    )


def dead_letters(name: str) -> str:
    """Tell of what was delivered to nobody."""
    return (
        f"WHAT: a run of {name} failed, or an event could not be delivered to it. Nothing is "
        "lost: the next run on the schedule makes up for it. Where no other alarm rings this can "
        "wait until the morning. "
        f"WHERE: the dead-letter queue of the stack {name}; its messages say what failed. "
        "SINCE: the oldest message in the queue. "
        "DO: read the messages, mend the cause, and purge the queue; until then this alarm stays. "
        "See docs/runbook.md, alarm dead-letters."
    )


def held(name: str, span: timedelta) -> str:
    """Tell of groups that are held and do not get on by themselves."""
    return (
        "WHAT: a group does not get the release it should run, and will not by itself. What runs "
        "goes on running, unless the reason says that nothing is available: then look at the "
        "group first. "
        f"WHERE: the dashboard of {name} shows which group and why (or the saved query "
        f"{name}/why a group is held). "
        f"SINCE: {left(span)} ago or longer. "
        "DO: what the runbook says for that reason. See docs/runbook.md, alarm held."
    )


def unavailable(name: str, span: timedelta) -> str:
    """Tell of instances that do not answer, long after they should have booted."""
    return (
        "WHAT: an instance is in service and does not tell its version, or fails its load "
        "balancer's checks, long after it should have booted. It may be a release that does not "
        "come up: then it costs this one instance and no other goes. "
        f"WHERE: the dashboard of {name} shows which instance and why (or the saved query "
        f"{name}/unavailable instances). "
        f"SINCE: {left(span)} ago or longer. "
        "DO: look at that instance; if a release is bad, delete its zip or point to the older "
        "one. See docs/runbook.md, alarm unavailable."
    )


def stale(name: str) -> str:
    """Tell of instances that booted something else than the release."""
    return (
        "WHAT: an instance that was launched after the release came back on another version: it "
        "boots something else than it should. Terminator tries again, each time later. "
        f"WHERE: the dashboard of {name} shows the group (or the saved query {name}/why a group is "
        "held). "
        "SINCE: the run at the time of this notification. "
        "DO: look at what the instances of the group boot: launch template, image, boot script, "
        "cache. Set the tag terminator:pause to stop further tries. See docs/runbook.md, alarm "
        "stale."
    )
