"""The holds: why nothing is done to a group that has not converged.

`HOLDS` is the one table of them. Each rule takes the state of a group and returns its reason,
or None where it does not apply. Settings that cannot be read hold before any of them.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from terminator.config.tags import ENABLED_TAG, TAG_PREFIX
from terminator.decide.figures import figures
from terminator.decide.group_state import DAY, TROUBLED, GroupState, began, latest
from terminator.model import (
    Alarm,
    Canary,
    Decision,
    HoldName,
    Instance,
    Kind,
    NoRelease,
    NoTemplate,
    Released,
)
from terminator.text import ago, count, few, lasting, left, plain, quoted

# The processes without which a replacement cannot go well:
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html
NEEDED_PROCESSES: Final = ("Launch", "Terminate", "HealthCheck", "AddToLoadBalancer")

_NOTHING: Final = timedelta(0)


@dataclass(frozen=True)
class HoldRule:
    """A hold by its name.

    It needs attention at once where it `never_ends` by itself, else once the group has been
    behind its target for a day; or for `patience` where its launches fail, its canary is overdue
    or a refresh has replaced nothing. `remedy` is what a person does then: what to do in words,
    and the command, in which `{group}`, `{app}` and `{resource}` (of a tag) stand for those of the
    group. `reason` is None where the hold is found by more than the state of the group. `canary`
    is what the group waits for, where that is one.
    """

    name: HoldName
    remedy: str
    reason: Callable[[GroupState], str | None] | None = None
    never_ends: bool = False
    patience: timedelta = TROUBLED
    canary: Callable[[GroupState], Canary | None] | None = None


def first(rules: Iterable[HoldRule], state: GroupState) -> Decision | None:
    """Return the hold of the first rule that applies, None where none does."""
    for rule in rules:
        reason = rule.reason(state) if rule.reason else None
        if reason is not None:
            return hold(rule.name, reason, state)
    return None


def hold(name: HoldName, reason: str, state: GroupState | None = None) -> Decision:
    """Return the decision to do nothing, by the name of the hold and its reason."""
    rule = HOLDS[name]
    attention = rule.never_ends or (state is not None and is_late(state, rule.patience))
    counted = figures(state) if state else None
    canary = rule.canary(state) if state and rule.canary else None
    return Decision("hold", reason, counted, hold=name, needs_attention=attention, canary=canary)


def remedy(decision: Decision, group: str, app: str | None) -> str | None:
    """Return what a person does about a group that needs attention, None of any other.

    What is pasted into a shell names the group and the app, whatever they are called.
    """
    if not decision.needs_attention:
        return None
    told = HOLDS[decision.hold].remedy if decision.hold else _REMEDIES[decision.kind]
    name = plain(group)
    return told.format(
        group=shlex.quote(name),
        app=shlex.quote(plain(app or "APP")),
        resource=shlex.quote(f"ResourceType=auto-scaling-group,ResourceId={name}"),
    )


def is_late(state: GroupState, patience: timedelta = TROUBLED) -> bool:
    """Say whether the group has not converged for so long that a person has to act.

    That is at once where nobody replaces what is unhealthy, a day behind its target, or
    `patience` where its launches fail, its canary is overdue, a refresh has replaced nothing, or
    Auto Scaling has replaced boots that fail its health checks for three hours. A group that is
    on target but not whole is late where one has been away, or launches have failed, for three
    hours, where Auto Scaling has replaced for as long and fewer than the minimum are available,
    or one has been on its way in for a day.
    """
    if state.converged:
        return False
    if state.kept_unhealthy:
        return True
    failing, refused = state.failing_since, state.refused_since
    if not state.outdated and not state.dead:
        lasting = [state.age(instance) for instance in state.overdue]
        lasting += [state.now - failing] if failing else []
        lasting += [state.now - refused] if refused and state.lacks else []
        entering = (i for i in state.on_their_way if i.lifecycle.startswith("Pending"))
        stuck = any(state.now - began(instance) > DAY for instance in entering)
        return stuck or max(lasting, default=_NOTHING) > TROUBLED
    trouble = failing is not None or any(map(state.is_overdue, state.not_come_up))
    trouble |= any(refresh.replaced_nothing for _, refresh in state.refresh_tries)
    trouble |= refused is not None and state.now - refused > TROUBLED
    return state.behind is not None and state.behind > (patience if trouble else DAY)


def _deleting(state: GroupState) -> str | None:
    status = state.group.status
    return None if status is None else f"the group is being deleted ({plain(status)})"


def _operator(state: GroupState) -> str | None:
    operator = state.group.operator
    return None if operator is None else f"the group is managed by {plain(operator)}"


def _paused(state: GroupState) -> str | None:
    text = state.policy.pause
    if text is None:
        return None
    return f"paused: {quoted(text, limit=256)}" if text else "paused"


def _suspended(state: GroupState) -> str | None:
    suspended = [name for name in NEEDED_PROCESSES if name in state.group.suspended]
    return f"suspended processes: {', '.join(suspended)}" if suspended else None


def _weighted(state: GroupState) -> str | None:
    kind = state.group.capacity_type
    if kind not in {None, "units"}:
        return f"weighted capacity: the group's desired capacity is measured in {plain(str(kind))}"
    weighted = [instance for instance in state.group.instances if instance.weight is not None]
    weighted.sort(key=lambda instance: instance.id)
    return f"weighted capacity: {_ids(weighted)}" if weighted else None


def _traffic_unknown(state: GroupState) -> str | None:
    sources = state.group.unknown_sources
    return f"the health at {few(sources)} cannot be known" if sources else None


def _no_release(state: GroupState) -> str | None:
    released = state.group.released
    return released.reason if isinstance(released, NoRelease) else None


def _template_unknown(state: GroupState) -> str | None:
    launches = state.group.launches
    return launches.reason if isinstance(launches, NoTemplate) else None


def _in_the_future(state: GroupState) -> str | None:
    released = state.group.released
    if not isinstance(released, Released) or released.since is None:
        return None
    if released.since <= state.now + timedelta(minutes=1):
        return None
    ahead = left(released.since - state.now)
    return f"the release is dated {ahead} in the future ({released.since.isoformat()})"


def _nothing_available(state: GroupState) -> str | None:
    if state.available or state.dead or state.group.desired == 0:
        return None
    seen = f": {_why(state.unavailable)}" if state.unavailable else ""
    return f"nothing is available and nothing is dead{seen}{_kept(state)}"


def _nothing_outdated(state: GroupState) -> str | None:
    if state.outdated or state.dead:
        return None
    waiting = [f"{state.in_flight} in flight"] if state.in_flight else []
    waiting += [f"unavailable {_why(state.unavailable)}"] if state.unavailable else []
    return f"nothing is outdated, but {' and '.join(waiting)}{_kept(state)}"


def _protected(state: GroupState) -> str | None:
    candidates = (*state.dead, *state.outdated)
    if not all(instance.protected for instance in candidates):
        return None
    return f"all that is outdated is protected from scale-in: {_ids(candidates)}"


def _members_in_flight(state: GroupState) -> str | None:
    """Hold while anything of since then is in flight, or the group is short of members."""
    failing = ": launches fail" if state.failing_since else ""
    if state.coming:
        newest = latest(state.coming)[0]
        where = newest.lifecycle if newest.running else "not running"
        return (
            f"no proof yet: {count(len(state.coming), 'member')} in flight, the newest "
            f"{newest.id} ({plain(where)}){_pool(state)}{failing}"
        )
    if not state.missing:
        return None
    return f"no proof yet: {count(state.missing, 'member')} missing{failing}"


def _proof_on_its_way(state: GroupState) -> str | None:
    if not state.newest or not all(state.on_target(instance) for instance in state.newest):
        return None
    wait = left(state.group.grace - max(map(state.age, state.newest)))
    runs = "runs" if len(state.newest) == 1 else "run"
    return (
        f"no proof yet: {_ids(state.newest)} {runs} {state.goal}; the health check grace "
        f"period has {wait} to go"
    )


def _canary_not_come_up(state: GroupState) -> str | None:
    if not state.not_come_up:
        return None
    newest, wait = latest(state.not_come_up, began)[0], state.retry_wait(state.not_come_up)
    goes = "no other goes until it comes up or is replaced"
    if state.canary_is_lost and wait > _NOTHING:
        goes = f"the next dead one goes in {left(wait)}"
    return (
        f"no proof yet: {newest.id} entered service {ago(state.age(newest))} and is unavailable "
        f"({newest.reason}){_pool(state)}; {goes}"
    )


def _booting(state: GroupState) -> Canary | None:
    """Return the one boot of the target that is on its way; of several nobody knows which it is."""
    boots = [each for each in state.coming if state.tries_target(each)]
    if len(state.coming) != 1 or not boots:
        return None
    [one] = boots
    return Canary(one.id, began(one), f"booting for {lasting(state.now - began(one))}")


def _not_up(state: GroupState) -> Canary | None:
    if state.proof or not state.not_come_up:
        return None
    newest = latest(state.not_come_up, began)[0]
    if not state.tries_target(newest):
        return None
    says = f"booting for {lasting(state.now - began(newest))}"
    if state.is_overdue(newest):
        says = f"not up, in service for {lasting(state.age(newest))}"
    return Canary(newest.id, began(newest), says)


def _in_grace(state: GroupState) -> Canary | None:
    tries = [each for each in state.newest if state.tries_target(each)]
    if len(state.newest) != 1 or not tries:
        return None
    [one] = tries
    return Canary(one.id, began(one), f"up, in service for {lasting(state.age(one))}")


def _boots_stale(state: GroupState) -> str | None:
    boots = state.tries(state.stale)
    if not boots:
        return None
    newest = max(boots, key=lambda instance: (began(instance), instance.id))
    wait = state.stale_wait
    if wait <= _NOTHING:
        return None
    proof, goes = ("", "one goes") if state.proof else ("no proof yet: ", "canary")
    return (
        f"{proof}{newest.id} created {ago(state.now - began(newest))} still "
        f"{_runs(newest)}{_pool(state)}; next {goes} in {left(wait)}"
    )


def _launched_lately(state: GroupState) -> str | None:
    """Where nobody knows since when: hold for the last boot, whatever it runs."""
    newest = latest(state.past_warmup, began)
    if state.since is not None or not newest:
        return None
    wait = state.policy.canary_retry - (state.now - began(newest[0]))
    if wait <= _NOTHING:
        return None
    return (
        f"no proof yet: {newest[0].id} was created {ago(state.now - began(newest[0]))}"
        f"{_pool(state)}; next canary in {left(wait)}"
    )


def baking(state: GroupState) -> str | None:
    """Say for how long the target still bakes, None where it has baked."""
    if state.baking <= _NOTHING:
        return None
    return f"baking {state.goal} for {left(state.baking).replace(' ', ' more ', 1)}"


def no_budget(state: GroupState) -> str:
    """Say in figures why no more may go now."""
    figures = [
        f"{len(state.available)} available of {state.group.desired} desired",
        f"minimum {state.minimum}",
        f"max-unavailable {state.max_unavailable}",
        f"{state.in_flight} in flight",
        f"{len(state.unavailable)} unavailable",
    ]
    if state.leaving:
        figures.append(f"{len(state.leaving)} leaving")
    if state.policy.minimum is None and state.group.healthy_percentage is not None:
        percentage = f"{state.group.healthy_percentage}%"
        figures[1] += f" (its instance maintenance policy keeps {percentage} healthy)"
    return f"no budget: {', '.join(figures)}{_pool(state)}{_kept(state)}"


def _window_closed(state: GroupState) -> str | None:
    window = state.policy.window
    if window is None or window.is_open(state.now):
        return None
    return f"outside the maintenance window {window.text}"


def _instance_refresh(state: GroupState) -> str | None:
    refresh = state.preflight.refresh
    return f"an instance refresh is in progress ({plain(refresh)})" if refresh else None


def _alarm(state: GroupState) -> str | None:
    alarms = state.preflight.alarms
    holding = [alarm for alarm in alarms if alarm.state in {None, "ALARM"}]
    return "; ".join(_alarm_reason(state, alarm) for alarm in holding) or None


def _alarm_lately(state: GroupState) -> str | None:
    return "; ".join(_alarm_reason(state, alarm) for alarm in holding_alarms(state)) or None


def holding_alarms(state: GroupState) -> list[Alarm]:
    """Return the alarms that stand in the way.

    Those are in ALARM, missing, or have left ALARM for less than the bake time: one that flaps
    is in ALARM. INSUFFICIENT_DATA does not hold.
    """
    alarms = state.preflight.alarms
    return [
        alarm
        for alarm in alarms
        if alarm.state in {None, "ALARM"}
        or (alarm.last_alarm and state.now - alarm.last_alarm < state.policy.bake_time)
    ]


def _alarm_reason(state: GroupState, alarm: Alarm) -> str:
    name = f"alarm {quoted(alarm.name, limit=255)}"
    if alarm.state is None:
        return f"{name} does not exist"
    if alarm.state == "ALARM" or alarm.last_alarm is None:
        return f"{name} is in ALARM"
    wait = state.policy.bake_time - (state.now - alarm.last_alarm)
    lately = ago(state.now - alarm.last_alarm)
    return f"{name} was in ALARM {lately}; it has to stay OK for {left(wait)}"


def _zip_unreadable(state: GroupState) -> str | None:
    problem = state.preflight.zip_problem
    return f"the zip of {state.target} cannot be read: {problem}" if problem else None


def _other_app_first(state: GroupState) -> str | None:
    return state.preflight.other_app


_ACTIVITIES: Final = "aws autoscaling describe-scaling-activities --auto-scaling-group-name {group}"
_SET_TAG: Final = "aws autoscaling create-or-update-tags --tags {resource},PropagateAtLaunch=false"
_UNTAG: Final = "aws autoscaling delete-tags --tags {resource}"
_OPT_OUT: Final = f"{_UNTAG},Key={ENABLED_TAG}"
_GO_BACK: Final = "terminator rollback --app {app}"
_UPLOAD: Final = "terminator release FILE --app {app} --version VERSION"
_LOWER_MINIMUM: Final = f"{_SET_TAG},Key={TAG_PREFIX}minimum,Value=NUMBER"
_WHAT_BOOTS: Final = "mend what its instances boot (launch template, image, boot script)"

# In the order in which they are asked.
STANDING: Final = (
    HoldRule(
        "deleting",
        f"see what keeps it from going: {_ACTIVITIES}",
        _deleting,
    ),
    HoldRule(
        "operator_managed",
        f"leave its instances to what manages it, and opt it out: {_OPT_OUT}",
        _operator,
        never_ends=True,
    ),
    HoldRule("paused", "let it go on: terminator resume {group}", _paused),
    HoldRule(
        "processes_suspended",
        "let it launch and terminate: "
        "aws autoscaling resume-processes --auto-scaling-group-name {group}",
        _suspended,
        never_ends=True,
    ),
    HoldRule(
        "weighted_capacity",
        f"take the weights away, or opt it out: {_OPT_OUT}",
        _weighted,
        never_ends=True,
    ),
    HoldRule(
        "traffic_unknown",
        "detach that traffic source: aws autoscaling detach-traffic-sources "
        f"--auto-scaling-group-name {{group}} --traffic-sources SOURCE; or opt it out: {_OPT_OUT}",
        _traffic_unknown,
        never_ends=True,
    ),
    HoldRule(
        "no_release",
        f"upload a release: {_UPLOAD}; where its pointer is wrong: "
        "terminator use newest --app {app}",
        _no_release,
        never_ends=True,
    ),
    HoldRule(
        "template_unknown",
        "point it at a version that exists: aws autoscaling update-auto-scaling-group "
        "--auto-scaling-group-name {group} --launch-template TEMPLATE",
        _template_unknown,
        never_ends=True,
    ),
    HoldRule(
        "release_in_future",
        f"set that clock right, then upload the release as a new version: {_UPLOAD}",
        _in_the_future,
    ),
    HoldRule(
        "nothing_available",
        f"see why none serves: terminator doctor; where the release is bad: {_GO_BACK}",
        _nothing_available,
    ),
    HoldRule(
        "nothing_outdated",
        f"replace what does not answer: terminator replace INSTANCE; where none comes: "
        f"{_ACTIVITIES}",
        _nothing_outdated,
    ),
    HoldRule(
        "all_protected",
        "end the protection: aws autoscaling set-instance-protection --no-protected-from-scale-in "
        "--auto-scaling-group-name {group} --instance-ids INSTANCE",
        _protected,
    ),
)
BOOTS_STALE: Final = HoldRule("boots_stale", f"{_WHAT_BOOTS}, or go back: {_GO_BACK}", _boots_stale)
WITHOUT_PROOF: Final = (
    HoldRule(
        "members_in_flight",
        f"see why none enters service: {_ACTIVITIES}",
        _members_in_flight,
        canary=_booting,
    ),
    HoldRule(
        "proof_on_its_way",
        "shorten the grace period: aws autoscaling update-auto-scaling-group "
        "--auto-scaling-group-name {group} --health-check-grace-period SECONDS",
        _proof_on_its_way,
        canary=_in_grace,
    ),
    HoldRule(
        "canary_not_come_up",
        f"upload a fix, or go back: {_GO_BACK}",
        _canary_not_come_up,
        canary=_not_up,
    ),
    BOOTS_STALE,
    HoldRule("launched_lately", f"{_WHAT_BOOTS}, or go back: {_GO_BACK}", _launched_lately),
)
WITH_PROOF: Final = (
    HoldRule(
        "baking",
        f"shorten the bake time: {_SET_TAG},Key={TAG_PREFIX}bake-time,Value=DURATION",
        baking,
    ),
)
# Asked only of groups that would act.
GUARDS: Final = (
    HoldRule(
        "window_closed",
        f"open the window: {_SET_TAG},Key={TAG_PREFIX}window,Value=always",
        _window_closed,
        patience=DAY,
    ),
    HoldRule(
        "instance_refresh",
        "let it end, or cancel it: "
        "aws autoscaling cancel-instance-refresh --auto-scaling-group-name {group}",
        _instance_refresh,
    ),
    HoldRule(
        "alarm",
        "see to what it watches: aws cloudwatch describe-alarms --alarm-names ALARM; "
        f"one that does not exist: {_SET_TAG},Key={TAG_PREFIX}alarm,Value=ALARM",
        _alarm,
        never_ends=True,
    ),
    HoldRule(
        "alarm_lately",
        "see what it watches: aws cloudwatch describe-alarm-history --alarm-name ALARM",
        _alarm_lately,
    ),
)
ZIP_UNREADABLE: Final = HoldRule(
    "zip_unreadable",
    f"upload it again: {_UPLOAD}; or go back: {_GO_BACK}",
    _zip_unreadable,
    never_ends=True,
)
# Holds only those that would move forward.
OTHER_APP_FIRST: Final = HoldRule(
    "other_app_first",
    "see to the groups of that app: terminator status; to go ahead all the same: "
    f"{_UNTAG},Key={TAG_PREFIX}after",
    _other_app_first,
)
# Found by plan and reconcile, not by the state of the group alone.
_FOUND_ELSEWHERE: Final = (
    HoldRule(
        "settings_unreadable",
        "correct that setting, by the command that this prints: terminator doctor",
        never_ends=True,
    ),
    HoldRule(
        "no_budget",
        "raise its desired capacity: aws autoscaling set-desired-capacity "
        "--auto-scaling-group-name {group} --desired-capacity NUMBER; or lower its minimum: "
        f"{_LOWER_MINIMUM}",
        patience=DAY,
    ),
    HoldRule(
        "surge_unfit",
        "give it what it lacks: aws autoscaling update-auto-scaling-group "
        "--auto-scaling-group-name {group} --max-size 2 --health-check-type ELB; or have it "
        f"released with a gap: {_LOWER_MINIMUM.replace('NUMBER', '0')}",
        never_ends=True,
    ),
    HoldRule("surge_waits", f"{_WHAT_BOOTS}, or go back: {_GO_BACK}"),
    HoldRule(
        "dead_wait",
        "see to what is named; where that instance serves nobody: aws autoscaling "
        "terminate-instance-in-auto-scaling-group --no-should-decrement-desired-capacity "
        "--instance-id INSTANCE",
        canary=_not_up,
    ),
    HoldRule("another_group_first", "see to that group: terminator status --app {app}"),
    HoldRule("group_changed", f"see what changes it: {_ACTIVITIES}"),
    HoldRule("instance_spared", "replace what serves nobody: terminator replace INSTANCE"),
    HoldRule(
        "terminations_limit",
        "raise limits.terminations, and deploy; where all this should not go: terminator stop",
    ),
    HoldRule(
        "release_withdrawn",
        "see what was taken back, and why: terminator history --since 2d --group {group}",
    ),
    HoldRule("request_refused", f"lower its minimum, then ask again: {_LOWER_MINIMUM}"),
)
# What is done about groups that act, or have converged, and need attention all the same.
_LOOK_BACK: Final = "see what keeps it: terminator history --since 2d --group {group}"
_REMEDIES: Final[Mapping[Kind, str]] = {
    "replace": _LOOK_BACK,
    "canary": _LOOK_BACK,
    "surge": f"{_WHAT_BOOTS}, or go back: {_GO_BACK}",
    "recycle": f"raise its maximum age: {_SET_TAG},Key={TAG_PREFIX}max-age,Value=DURATION",
    "converged": f"raise its maximum age: {_SET_TAG},Key={TAG_PREFIX}max-age,Value=DURATION",
}
HOLDS: Final[Mapping[HoldName, HoldRule]] = {
    rule.name: rule
    for rule in (
        *STANDING,
        *WITHOUT_PROOF,
        *WITH_PROOF,
        *GUARDS,
        ZIP_UNREADABLE,
        OTHER_APP_FIRST,
        *_FOUND_ELSEWHERE,
    )
}


def _runs(instance: Instance) -> str:
    if instance.version is not None:
        return f"reports {instance.version}"
    return f"comes from {instance.origin}"


def _pool(state: GroupState) -> str:
    return " (replacements come from its warm pool)" if state.group.warm_pool else ""


def _kept(state: GroupState) -> str:
    kept = state.kept_unhealthy
    return f" (ReplaceUnhealthy is suspended: nobody replaces {_ids(kept)})" if kept else ""


def _ids(instances: Sequence[Instance]) -> str:
    return few([instance.id for instance in instances])


def _why(instances: Sequence[Instance]) -> str:
    return few([f"{instance.id} ({instance.reason})" for instance in instances])
