"""What happens to groups besides releases, by name, and how an operator mends it all at last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ClientError

from tests.fakes.cloud import OLD, Cloud, FakeGroup, Machine, minutes
from tests.fakes.groups import Boots, LaunchHook, Program, Template
from tests.search import history
from tests.search.history import RANKS
from tests.search.oracle import DEFAULTS, UNREADABLE, WINDOW

# The highest version, released once everything is mended.
LAST = max(RANKS, key=lambda version: RANKS[version])

# The tag of an instance that says from when on it is to be replaced.
TAINT = "terminator:replace-after"

Change = Callable[[Cloud, FakeGroup, int], None]


def _to_one(do: Callable[[Cloud, Machine], None]) -> Change:
    """Return a change to one of the members, by number."""

    def change(cloud: Cloud, group: FakeGroup, number: int) -> None:
        if staying := group.staying():
            do(cloud, staying[number % len(staying)])

    return change


def _flip(name: str, value: object, other: object) -> Change:
    """Return a change that gives one of the members a value, or the other if it has that."""

    def flip(_cloud: Cloud, machine: Machine) -> None:
        setattr(machine, name, other if getattr(machine, name) == value else value)

    return _to_one(flip)


def _tag(name: str, *texts: str) -> Change:
    """Return a change that sets a tag to one of the texts, by number; "" takes it away."""

    def change(_cloud: Cloud, group: FakeGroup, number: int) -> None:
        text = texts[number % len(texts)]
        group.tags.pop(f"terminator:{name}", None)
        group.tags |= {f"terminator:{name}": text} if text else {}

    return change


def _more(name: str, *values: object) -> Change:
    """Return a change of what describes show of the group besides; None takes it away."""

    def change(_cloud: Cloud, group: FakeGroup, number: int) -> None:
        value = values[number % len(values)]
        group.more.pop(name, None)
        group.more |= {} if value is None else {name: value}

    return change


def _vanish(cloud: Cloud, machine: Machine) -> None:
    machine.leaves = cloud.now


def _stop_or_start(cloud: Cloud, machine: Machine) -> None:
    if machine.ec2 == "running":
        cloud.stop(machine)
    elif machine.ec2 == "stopped":
        cloud.restart(machine, silent=4)


def _restart(cloud: Cloud, machine: Machine) -> None:
    cloud.stop(machine)
    cloud.restart(machine, silent=4)


def _reboot(cloud: Cloud, machine: Machine) -> None:
    cloud.reboot(machine, silent=40)


def _stand_by(cloud: Cloud, group: FakeGroup, number: int) -> None:
    """Put a member in Standby, or back into service with what is released by then."""
    if staying := group.staying():
        machine = staying[number % len(staying)]
        if machine.lifecycle == "Standby":
            cloud.return_to_service(group, machine)
        elif machine.lifecycle is None:
            machine.lifecycle = "Standby"


def _attach(cloud: Cloud, group: FakeGroup, _number: int) -> None:
    cloud.attach(group, OLD, minutes(3000))


def _shift(_cloud: Cloud, group: FakeGroup, number: int) -> None:
    zone = frozenset({f"eu-west-1{'abc'[number % 3]}"})
    group.shifted = frozenset() if group.shifted else zone


def _serve_zones(_cloud: Cloud, group: FakeGroup, number: int) -> None:
    group.served_zones = (None, frozenset({"eu-west-1a", "eu-west-1b"}))[number % 2]


def _hook(_cloud: Cloud, group: FakeGroup, number: int) -> None:
    hooks = (None, LaunchHook(minutes(20)), LaunchHook(reports=True))
    group.hook = hooks[number % 3]


def _warm_pool(_cloud: Cloud, group: FakeGroup, number: int) -> None:
    group.pool = number % 3


def _fall_ill(cloud: Cloud, machine: Machine) -> None:
    machine.health, machine.ill_since = "Unhealthy", cloud.now


def _go_deaf(_cloud: Cloud, machine: Machine) -> None:
    machine.deaf = True


def _flap(_cloud: Cloud, machine: Machine) -> None:
    machine.flaps = True


def _scale(cloud: Cloud, group: FakeGroup, number: int) -> None:
    group.desired = number % 7
    cloud.tick()


def _rebalance(cloud: Cloud, group: FakeGroup, _number: int) -> None:
    cloud.launch(group)


def _launch_old(cloud: Cloud, group: FakeGroup, _number: int) -> None:
    cloud.launch(group, what=(OLD, "good"))


def _launching(_cloud: Cloud, group: FakeGroup, number: int) -> None:
    modes = ("works", "fails", "hangs")
    group.launching = modes[number % 3]  # type: ignore[assignment]


def _leave_slowly(_cloud: Cloud, group: FakeGroup, number: int) -> None:
    group.leave = (minutes(0), minutes(10), minutes(2880))[number % 3]


def _repair_nothing(_cloud: Cloud, group: FakeGroup, _number: int) -> None:
    group.replaces = not group.replaces


def _refresh(cloud: Cloud, group: FakeGroup, number: int) -> None:
    statuses = ("", "InProgress", "Baking", "Successful")
    cloud.refreshes[group.name] = statuses[number % 4]


def _start_refresh(cloud: Cloud, group: FakeGroup, _number: int) -> None:
    """Let somebody begin an instance refresh, where none is in progress."""
    preferences = {
        "MinHealthyPercentage": 100,
        "MaxHealthyPercentage": 100,
        "InstanceWarmup": 300,
        "ScaleInProtectedInstances": "Ignore",
    }
    with suppress(ClientError):
        cloud.start_refresh(group, preferences)


def _cancel_refresh(cloud: Cloud, group: FakeGroup, _number: int) -> None:
    cloud.cancel_refresh(group)


def _max_size(_cloud: Cloud, group: FakeGroup, number: int) -> None:
    """Leave no room for more members than are desired, or much."""
    group.max_size = (group.desired, 1000)[number % 2]


def _checks(_cloud: Cloud, group: FakeGroup, number: int) -> None:
    if group.balanced:
        group.checks = "ELB" if number % 2 else "EC2"


def _set_alarm(cloud: Cloud, _group: FakeGroup, number: int) -> None:
    cloud.alarms["errors"] = ("OK", "ALARM", "INSUFFICIENT_DATA")[number % 3]


# What a template may have besides the versions that its first image is named in: one that is no
# more, and a launch configuration in the place of all.
_ELSEWHERE = (("lt-other", "$Latest"), ("lt-other", "1"), (None, "1"))


def template_of(app: str) -> str:
    """Return the id of the launch template that the groups of an app share."""
    return f"lt-{app}"


def make_version(
    cloud: Cloud,
    template: str,
    boots: Boots | Program = "good",
    tags: Mapping[str, str] = MappingProxyType({}),
) -> Template:
    """Make a version of a template; in some its image is named by a parameter."""
    name = f"resolve:ssm:/golden/{template}"
    if template in {"lt-api", "lt-other"}:
        return cloud.make_version(template, boots=boots, tags=tags)
    cloud.parameters.setdefault(name, f"ami-{template}")
    return cloud.make_version(template, name, boots, tags)


def _make_version(cloud: Cloud, group: FakeGroup, number: int) -> None:
    ways: Sequence[Boots] = ("good", "dead", "sick", "late", "good", "stale", "flapping", "good")
    make_version(cloud, group.template or template_of(group.app), ways[number % 8])


def _make_tainting_version(cloud: Cloud, group: FakeGroup, number: int) -> None:
    """Make a version that taints each instance it launches, with one and the same text."""
    template = group.template or template_of(group.app)
    make_version(cloud, template, tags={TAINT: taint_of(cloud, number)})


def taint_of(cloud: Cloud, number: int) -> str:
    """Return the text of a taint, by number: a time that has come, or will, or none at all."""
    now = cloud.now.replace(microsecond=0)
    texts = (
        now.isoformat(),
        (now + minutes(120)).isoformat(),
        "soon",
        (now - minutes(300)).replace(tzinfo=None).isoformat(),
        "2026-13-45T00:00:00Z",
        "2020-01-01",
        "0001-01-01T00:00:00+14:00",
        (now - minutes(30)).isoformat(),
    )
    return texts[number % len(texts)]


def _taint(cloud: Cloud, group: FakeGroup, number: int) -> None:
    if staying := group.staying():
        staying[number % len(staying)].labels[TAINT] = taint_of(cloud, number)


def _taint_all(cloud: Cloud, group: FakeGroup, number: int) -> None:
    for machine in group.staying():
        machine.labels[TAINT] = taint_of(cloud, number)


def _delete_version(cloud: Cloud, group: FakeGroup, _number: int) -> None:
    cloud.delete_version(group.template or template_of(group.app))


def _set_default(cloud: Cloud, group: FakeGroup, number: int) -> None:
    template = group.template or template_of(group.app)
    versions = cloud.templates[template]
    cloud.default_versions[template] = versions[number % len(versions)].number


def _repoint(_cloud: Cloud, group: FakeGroup, number: int) -> None:
    """Let a group launch from another version, another template, or a launch configuration."""
    own = [(template_of(group.app), version) for version in ("$Latest", "1", "$Default", "2", "99")]
    group.template, group.template_version = (*own, *_ELSEWHERE)[number % 8]
    group.more.pop("LaunchConfigurationName", None)
    if group.template is None:
        group.more["LaunchConfigurationName"] = "web-2019"


def _renew_image(cloud: Cloud, group: FakeGroup, _number: int) -> None:
    for name in cloud.parameters:
        if name.endswith(f"/{group.template}"):
            cloud.parameters[name] = f"ami-{group.template}-{cloud.rounds}"


_PROCESSES = (
    *("Launch", "Terminate", "HealthCheck", "AddToLoadBalancer", "AZRebalance"),
    "ReplaceUnhealthy",
)

CHANGES: Mapping[str, Change] = {
    "vanish": _to_one(_vanish),
    "reclaim": _to_one(Cloud.reclaim),
    "stop or start": _to_one(_stop_or_start),
    "restart": _to_one(_restart),
    "reboot": _to_one(_reboot),
    "fall ill": _to_one(_fall_ill),
    "go deaf": _to_one(_go_deaf),
    "flap": _to_one(_flap),
    "sicken": _flip("sick", True, False),
    "unhear": _flip("unheard", True, False),
    "stand by": _stand_by,
    "attach": _attach,
    "shift": _shift,
    "serve zones": _serve_zones,
    "protect": _flip("protected", True, False),
    "hide": _flip("hidden", True, False),
    "lose its address": _flip("address", None, "10.0.0.1"),
    "weigh": _flip("weight", "2", None),
    "Pending:Wait": _flip("lifecycle", "Pending:Wait", None),
    "Quarantined": _flip("lifecycle", "Quarantined", None),
    "Detaching": _flip("lifecycle", "Detaching", None),
    "EnteringStandby": _flip("lifecycle", "EnteringStandby", None),
    "scale": _scale,
    "rebalance": _rebalance,
    "launch the old release": _launch_old,
    "hook": _hook,
    "warm pool": _warm_pool,
    "launching": _launching,
    "leave slowly": _leave_slowly,
    "repair nothing": _repair_nothing,
    "refresh": _refresh,
    "start a refresh": _start_refresh,
    "cancel the refresh": _cancel_refresh,
    "surge": _tag("surge", "", "refresh", "refresh", UNREADABLE),
    "max size": _max_size,
    "checks": _checks,
    "set an alarm": _set_alarm,
    "make a version": _make_version,
    "delete a version": _delete_version,
    "set the default version": _set_default,
    "repoint": _repoint,
    "renew the image": _renew_image,
    "make a tainting version": _make_tainting_version,
    "taint": _taint,
    "taint all": _taint_all,
    "ill": _tag("ill", "", "replace", "replace", "ignore"),
    "max-age": _tag("max-age", "", "1h", "12h", "1d", "30d", "6h"),
    "follow": _tag("follow", "", "template", "release template"),
    "images": _tag("images", "", "true"),
    "pause": _tag("pause", "deploying", "", "", ""),
    "mistype": _tag("minimun", "", "", "1"),
    "minimum": _tag("minimum", "0", "1", "2", "50%", "100%", "34%", "", UNREADABLE),
    "max-unavailable": _tag("max-unavailable", "1", "2", "25%", "100%", "50%", ""),
    "bake-time": _tag("bake-time", "", "0m", "45m"),
    "warm-up": _tag("warm-up", "", "0m", "10m"),
    "canary-retry": _tag("canary-retry", "", "5m", "60m"),
    "window": _tag("window", "", WINDOW),
    "alarms": _tag("alarms", "", "errors", "errors unknown"),
    "suspend": _more(
        "SuspendedProcesses", None, *([{"ProcessName": process}] for process in _PROCESSES)
    ),
    "delete": _more("Status", None, None, "Delete in progress"),
    "maintain": _more("InstanceMaintenancePolicy", None, {"MinHealthyPercentage": 100}),
    "operate": _more("Operator", None, None, {"Managed": True, "Principal": "eks"}),
    "lattice": _more(
        "TrafficSources", None, None, [{"Type": "vpc-lattice", "Identifier": "arn:x/y/z"}]
    ),
    "weigh all": _more("DesiredCapacityType", None, None, "vcpu", "units"),
}


def heal(cloud: Cloud, way: int, down: str | None = None) -> None:
    """Mend everything, and release: newer, or by pointing to what has run before.

    Before a newer one every member goes `down`, if that says how: deaf, or sick.
    """
    mend(cloud)
    newer = way % 3 != 1
    if down and newer and cloud.bucket and cloud.versioned:
        for machine in (m for group in cloud.by_name() for m in group.counted()):
            setattr(machine, down, True)
        cloud.wait(61)
    _release(cloud, newer=newer)


def mend(cloud: Cloud) -> None:
    """Repair everything but what is released, and wait a little."""
    cloud.wait(max(0, cloud.skew / minutes(1)))  # S3's clock never goes back
    cloud.lag = cloud.skew = minutes(0)
    cloud.deaf_until = 0
    cloud.keeps = cloud.expires_after = None
    cloud.refreshes.clear()
    for group in cloud.by_name():
        cloud.cancel_refresh(group)
    cloud.alarms = {"errors": "OK", "unknown": "OK"}
    for key in cloud.comes_up:
        cloud.comes_up[key] = "good"
    for versions in cloud.templates.values():
        versions[:] = [replace(each, boots="good", tags={}) for each in versions]
    for group in cloud.by_name():
        _repair(cloud, group)
    cloud.wait(4)


def can_boot(cloud: Cloud, app: str, version: str) -> bool:
    """Say whether the zip of a release of an app is there, and one."""
    zipped = cloud.current().get(f"{app}/{version}.zip")
    return zipped is not None and zipped.data != b"broken"


def _release(cloud: Cloud, *, newer: bool) -> None:
    for app in ("web", "api"):
        if not newer and can_boot(cloud, app, OLD):
            cloud.put(f"{app}/current", OLD.encode())
            continue
        if f"{app}/current" in cloud.current():
            cloud.put(f"{app}/current", None)
        cloud.upload(app, LAST)
    for template in cloud.templates:
        if newer:
            make_version(cloud, template)
    for group in cloud.by_name():
        group.template_version = "$Latest" if newer else str(_oldest_version(cloud, group))
        _replace_silent(cloud, group)
    cloud.wait(1)


def _oldest_version(cloud: Cloud, group: FakeGroup) -> int:
    return min(each.number for each in cloud.templates[group.template or ""])


def _repair(cloud: Cloud, group: FakeGroup) -> None:
    for tag in ("pause", "minimun", "window", "max-age", "ill"):
        group.tags.pop(f"terminator:{tag}", None)
    group.tags = {tag: text for tag, text in group.tags.items() if text != UNREADABLE}
    if group.tags.get("terminator:images") and "template" not in group.follows:
        del group.tags["terminator:images"]
    group.more.clear()
    if not group.template or not cloud.can_launch(group):
        group.template, group.template_version = template_of(group.app), "$Latest"
    group.image, group.launching, group.replaces = (LAST, "good"), "works", True
    group.leave = min(group.leave, minutes(10))
    group.shifted, group.served_zones = frozenset(), None
    if group.hook:
        group.hook = LaunchHook(minutes(5))
    for machine in group.staying():
        machine.protected, machine.hidden, machine.weight = False, False, None
        machine.labels.pop(TAINT, None)
        machine.flaps = machine.sick = machine.unheard = False
        if machine.ec2 == "stopped":
            cloud.restart(machine, silent=0)
        if machine.ec2 == "running":
            machine.address = "10.0.0.1"
        hangs = machine.in_service > cloud.now + minutes(60) or machine.health != "Healthy"
        odd = machine.lifecycle not in {None, "Standby", "Warmed:Stopped", "Warmed:Pending"}
        if hangs or odd:
            machine.leaves = cloud.now


def is_of(machine: Machine, launch: Template) -> bool:
    """Say whether a machine was launched from a version of a template."""
    of = machine.template
    return of is not None and (of.id, of.number) == (launch.id, launch.number)


def _comes_up(machine: Machine) -> bool:
    return not (machine.version is None or machine.deaf or machine.program.dies)


def _replace_silent(cloud: Cloud, group: FakeGroup) -> None:
    """Let those leave that are silent, and of which no rule knows that they are dead.

    Empty the warm pool where nothing dates the release: no rule knows what that holds.
    """
    target = history.find(group.app, cloud.stored) if cloud.bucket else None
    target = target if group.boots_releases else None
    launch = cloud.launched_from(group) if "template" in group.follows else None
    dated = target is not None and target.since is not None
    for machine in group.staying():
        starts = (machine.launched, machine.attached or machine.launched)
        drifted = bool(launch and machine.template and not is_of(machine, launch))
        known = drifted or (target is not None and target.cannot_run_on(*starts))
        is_held = (machine.lifecycle or "").startswith("Warmed:")
        leaves = (is_held and not dated) or (not known and not _comes_up(machine))
        if leaves:
            machine.leaves = cloud.now


def minimum(group: FakeGroup) -> int:
    """Return how many of a group must stay, by its tags; 0 where they cannot be read."""
    policy = group.more.get("InstanceMaintenancePolicy")
    default = f"{policy['MinHealthyPercentage']}%" if policy else DEFAULTS["minimum"]
    text = group.tags.get("terminator:minimum", default)
    if text == UNREADABLE:
        return 0
    return -(-group.desired * int(text[:-1]) // 100) if text[-1] == "%" else int(text)


def surges(group: FakeGroup) -> bool:
    """Say whether a group is one that is replaced by an instance refresh, and has to stay."""
    asks = group.tags.get("terminator:surge") == "refresh"
    is_one = group.desired == 1 <= minimum(group)
    watched = group.balanced and group.checks == "ELB"
    return asks and is_one and watched and group.max_size > 1 and not group.pool


def cannot_converge(group: FakeGroup) -> str | None:
    """Say why a group cannot converge by the rules themselves, None where it can."""
    if group.desired and minimum(group) >= group.desired and not surges(group):
        return "its minimum is all that is desired"
    return None


def unconverged(cloud: Cloud, records: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the groups that can converge and have not, with why not."""
    can = [group.name for group in cloud.by_name() if not cannot_converge(group)]
    waiting = [name for name in can if records[name]["decision"] != "converged"]
    return {name: str(records[name]["reason"]) for name in waiting}
