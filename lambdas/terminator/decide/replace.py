"""What a person asks to have replaced: which of the instances that were named may go now.

A person's word takes what no rule would. It never takes what is protected from scale-in, in
Standby, in a warm pool or leaving, nothing that the minimum needs, and nothing of a group that
is paused or in which a replacement could not come or be counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from terminator.config.tags import Policy
from terminator.decide import holds
from terminator.decide.figures import figures
from terminator.decide.group_state import GroupState
from terminator.decide.holds import HoldRule, hold
from terminator.model import Decision, Group, Instance, Preflight, Request
from terminator.text import few, plain

_KEPT_NAMES: Final = frozenset(
    {
        *("deleting", "operator_managed", "paused", "processes_suspended"),
        *("weighted_capacity", "traffic_unknown", "instance_refresh"),
    }
)
# What holds a person too. A refresh terminates by itself, so that nobody could keep the minimum.
_KEPT: Final = tuple(r for r in (*holds.STANDING, *holds.GUARDS) if r.name in _KEPT_NAMES)
# What a person overrides, and is told of: what is wrong with the target, and what it waits for.
_TARGET: Final = tuple(
    rule
    for rule in holds.STANDING
    if rule.name in {"no_release", "template_unknown", "release_in_future"}
)
_OTHERS: Final = tuple(
    rule for rule in (*holds.GUARDS, holds.OTHER_APP_FIRST) if rule.name not in _KEPT_NAMES
)


def replace_named(
    group: Group,
    policy: Policy,
    now: datetime,
    request: Request,
    preflight: Preflight | None = None,
) -> Decision:
    """Decide which of the instances that a person named go now, in the order of their ids.

    Without a `preflight`, windows hold nobody and neither refreshes nor alarms were asked: the
    decision still has to be made again with one. Whoever of the named may not go stays, and the
    reason says why; where none may, the group is held.
    """
    if policy.problems:
        return hold("settings_unreadable", "; ".join(policy.problems))
    state = GroupState(group, policy, now, preflight or Preflight())
    if held := holds.first(_KEPT, state):
        return held
    going, stays = _choose(state, request)
    kept = few([f"{id_} stays: {why}" for id_, why in stays.items()], "; ")
    if not going:
        return hold("request_refused", kept, state)
    who = few([each.id for each in going])
    said = [f"{plain(request.by)} asked to replace {who}", *_overridden(state, going)]
    return Decision(
        "replace",
        "; ".join([*said, kept] if kept else said),
        figures(state),
        tuple(each.id for each in going),
        needs_attention=holds.is_late(state),
    )


def _choose(state: GroupState, request: Request) -> tuple[list[Instance], dict[str, str]]:
    """Return the named that go, and of the others why they stay.

    Two numbers stay at the minimum: those that are available, and those that may serve although
    nobody knows it: a silent instance may be alive behind a broken network. What certainly does
    not serve costs neither.
    """
    here = {each.id: each for each in state.group.instances}
    available = state.available_ids
    could = {each.id for each in state.members if each.id in available or _may_serve(each)}
    most = state.policy.limits.max_unavailable
    out = max(0, state.group.desired - len(available))
    going: list[Instance] = []
    stays: dict[str, str] = {}
    for id_ in sorted(set(request.ids) & here.keys()):
        lost = {each.id for each in going} | {id_}
        left = min(len(available), state.group.desired) - len(lost & available)
        could_serve = min(len(could), state.group.desired) - len(lost & could)
        if refused := _never(here[id_]):
            stays[id_] = refused
        elif id_ in available and left < state.minimum:
            stays[id_] = f"{left} would stay available, minimum {state.minimum}"
        elif id_ in could and could_serve < state.minimum:
            stays[id_] = (
                f"only {could_serve} that may serve would stay, minimum {state.minimum}; where "
                "it serves nobody, lower terminator:minimum first"
            )
        elif (
            most is not None
            and id_ in available
            and out + len(lost & available) > max(1, most.rounded_down(state.group.desired))
        ):
            stays[id_] = f"limits.max-unavailable of the deployment is {most}, {out} are out"
        else:
            going.append(here[id_])
    return going, stays


def _may_serve(instance: Instance) -> bool:
    """Say whether a member may serve, whatever else is known of it."""
    return instance.in_service and (instance.traffic.refused is None or instance.traffic.unknown)


def _never(instance: Instance) -> str | None:
    """Return why nobody's word takes an instance, None where somebody's may."""
    if not instance.counted:
        return f"it is {plain(instance.lifecycle)}"
    return "it is protected from scale-in" if instance.protected else None


def _overridden(state: GroupState, going: Sequence[Instance]) -> Iterator[str]:
    """Say what would have kept them: the target, its proof, the pace, a window, alarms."""
    told: list[str] = []
    if on_target := [each.id for each in going if state.on_target(each)]:
        runs = "runs" if len(on_target) == 1 else "run"
        told.append(f"{few(on_target)} {runs} the target {state.target}")
    lacks: tuple[HoldRule, ...] = holds.WITH_PROOF if state.proof else holds.WITHOUT_PROOF
    for rules in (_TARGET, lacks, _OTHERS):
        held = holds.first(rules, state)
        told += [held.reason] if held else []
    if state.target is not None and not state.proof and not holds.first(lacks, state):
        told.append(f"no proof of {state.target} yet")
    out = max(0, state.group.desired - len(state.available))
    out += len({each.id for each in going} & state.available_ids)
    if out > state.max_unavailable:
        told.append(f"{out} are out then, max-unavailable {state.max_unavailable}")
    yield from (f"overrides: {each}" for each in told)
