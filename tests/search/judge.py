"""Judging a run by its tape: whether what it did is what the rules say of what it was shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from terminator.report.record import Outcome, record
from tests.search import oracle
from tests.search.seen import Member, Seen, unlaunched
from tests.search.tape import Call, Run
from tests.search.trial import GROUPS, Look, Trial, tags

_SECOND_LOOK = timedelta(seconds=30)
_NEIGHBOURS = 10
_PLENTY_OF_SECONDS = 300.0


class BrokenPromiseError(AssertionError):
    """A promise that a run broke."""

    def __init__(self, promise: str, detail: object = "") -> None:
        super().__init__(f"{promise}: {detail}")
        self.promise = promise


def promise(kept: object, name: str, detail: object = "") -> None:
    """Raise where a promise is not kept."""
    if not kept:
        raise BrokenPromiseError(name, detail)


def judge(run: Run) -> Iterator[str]:
    """Raise BrokenPromiseError where the run broke a promise; yield what it met on its way."""
    trial = Trial(run)
    if run.raised is not None:
        unlisted = any(call.failed for call in run.tape.calls if call.name == GROUPS)
        promise(unlisted and not trial.later, "a failure stops nobody else", repr(run.raised))
        yield "listing failed"
        return
    _reported(trial)
    promise(set(trial.owners) >= {id_ for id_, _ in trial.tries}, "no other group is touched")
    covered = [name for name in trial.listing if _in_scope(run, trial.listing[name])]
    promise(set(covered) == set(run.outcomes), "every group is served", covered)
    for name in covered:
        yield from _judge_group(trial, name, run.outcomes[name])


def _in_scope(run: Run, row: Mapping[str, Any]) -> bool:
    app = tags(row).get("terminator:app", row["AutoScalingGroupName"])
    return run.scope.app in {None, app}


def _reported(trial: Trial) -> None:
    """Check that the run said what it did, in words that are safe, and each group once."""
    run = trial.run
    promise(not (run.config.dry_run and trial.tries), "a dry run stops before acting")
    promise(len(set(trial.tries)) == len(trial.tries), "no termination is tried twice")
    for line in run.tape.lines:
        text = line.text.replace("…", "")
        promise(text.isprintable() and text.isascii(), "logs are safe", line.text)
    for name, outcome in run.outcomes.items():
        records = [line.fields for line in run.tape.lines if line.fields.get("group") == name]
        promise(records == [record(outcome)], "each group has one record", records)
        promise(json.dumps(records[0]["reason"]) != '""', "every decision has a reason", name)
        done = [id_ for id_, failed in trial.tried(name) if failed is None]
        promise(list(outcome.acted.terminated) == done, "what was done is told", (outcome, done))
        promise([f for _, f in trial.tried(name)[:-1] if f] == [], "a refusal ends it", name)
        told = {*outcome.acted.deferred, *outcome.acted.failed}
        refused = {id_ for id_, failed in trial.tried(name) if failed is not None}
        promise(told >= refused, "what was refused is told", (outcome.acted, refused))


def _judge_group(trial: Trial, name: str, outcome: Outcome) -> Iterator[str]:
    goes = [id_ for id_, _ in trial.tried(name)]
    views = list(_views(trial, name))
    for _, seen in views:
        members = [m for m in seen.members if m.id in goes]
        promise(len(members) == len(goes), "only members go", goes)
        name_of = oracle.broken(seen, members)
        promise(name_of is None, name_of or "", _telling(seen, goes, outcome))
    if _hindered(trial, name):
        yield "hindered"
        return
    expected = _expected(trial, name)
    if expected is None:
        promise(outcome.error and not goes, "what was not observed is not planned", outcome)
        yield "not observed"
        return
    promise(outcome.decision is not None, "every group that was observed is planned", outcome)
    wanted, seen, yet = expected
    shown = _telling(seen, wanted, outcome)
    promise(list(outcome.to_terminate) == wanted, "all that may go goes, in its order", shown)
    whole = run_to_end(trial, name, wanted)
    promise(trial.run.config.dry_run or whole, "what was decided is done", shown)
    if not wanted and outcome.decision is not None and yet == "planned":
        _reasoned(seen, outcome)
    presumed = " of a presumed outdated one" if outcome.is_doubted and goes else ""
    yield f"{outcome.decision.kind if outcome.decision else 'failed'} ({yet}){presumed}"


def run_to_end(trial: Trial, name: str, wanted: Sequence[str]) -> bool:
    """Say whether a group's terminations were tried in order, up to the first refusal."""
    tried = trial.tried(name)
    ids = [id_ for id_, _ in tried]
    refused = bool(tried) and tried[-1][1] is not None
    return ids == list(wanted[: len(ids)]) and (refused or len(ids) == len(wanted))


def _reasoned(seen: Seen, outcome: Outcome) -> None:
    decision = outcome.decision
    if decision is None:
        return
    if seen.converged and not oracle.broken_settings(seen):
        promise(decision.kind == "converged", "what has converged is converged", decision)
        return
    possible = oracle.reasons(seen)
    says = any(re.search(words, decision.reason) for _, words in possible)
    promise(decision.kind == "hold" and says, "the first hold is the reason", (possible, decision))


def _telling(seen: Seen, goes: Sequence[str], outcome: Outcome) -> str:
    """Tell a person what was seen."""
    members = [
        f"{m.id} {m.state} {m.health} {m.version} {m.reason} {_age(seen, m)}" for m in seen.members
    ]
    decided = outcome.decision or outcome.error
    return (
        f"wanted {list(goes)}, decided {decided}, over {seen.target} since {seen.since} {members}"
    )


def _age(seen: Seen, member: Member) -> str:
    return "?" if member.launched == unlaunched() else str(seen.now - member.launched)


def _views(trial: Trial, name: str) -> Iterator[tuple[str, Seen]]:
    """Yield the views that a group's terminations must be right over: the last two plans'."""
    again = trial.slept is not None and bool(trial.served(name, again=True).guards)
    served = trial.served(name, again=again)
    look = trial.look(again=again)
    now = served.guards[0].at if served.guards else trial.run.began
    yield "planned", trial.guarded(trial.see(trial.listing[name], look, now, None), served)
    if (
        served.confirm is not None
        and served.confirm.what
        and served.confirm.what["AutoScalingGroups"]
    ):
        (row,) = served.confirm.what["AutoScalingGroups"]
        confirmed = trial.guarded(trial.see(row, look, served.confirm.at, None), served)
        yield "confirmed", confirmed
    elif trial.tried(name):
        raise BrokenPromiseError("a group is described once more before it is acted on", name)


def _hindered(trial: Trial, name: str) -> bool:
    """Say whether a fault, or lack of time, could have kept a group from being served."""
    if trial.run.tape.seconds < _PLENTY_OF_SECONDS:
        return True
    return any(call.failed is not None and _touches(call, name) for call in trial.later)


def _touches(call: Call, name: str) -> bool:
    asked = call.asked
    match call.name:
        case "describe_auto_scaling_groups":
            return asked.get("AutoScalingGroupNames") == [name]
        case "describe_instance_refreshes":
            return bool(asked["AutoScalingGroupName"] == name)
        case "describe_target_health" | "list_object_versions" | "probe" | "describe_instances":
            return False  # what was not observed is told from what was shown
        case "get_object" | "head_object":
            return "Range" in asked or call.name == "head_object"
        case "terminate_instance_in_auto_scaling_group":
            return False
        case _:
            return True


Expected = tuple[list[str], Seen, str]


def _expected(trial: Trial, name: str) -> Expected | None:
    """Return who must go by the rules, over what, and how far it got; None if unobserved."""
    row, look = trial.listing[name], trial.look(again=False)
    plain = trial.see(row, look, trial.run.began, None)
    if oracle.broken_settings(plain):
        return [], plain, "planned"
    if trial.unobserved(row, look):
        return None
    first = _planned(trial, plain, name, again=False)
    if not oracle.owed(first):
        return [], first, "planned"
    if oracle.owed(first)[0] in first.presumed:
        return _looked_again(trial, name, first)
    return _confirmed(trial, name, first, again=False, spared=None)


def _planned(trial: Trial, seen: Seen, name: str, *, again: bool) -> Seen:
    """Return what a group was planned over: with its guards, where anybody would go."""
    if not oracle.owed(seen):
        return seen
    served = trial.served(name, again=again)
    promise(served.guards, "guards are asked of groups that would act", name)
    return trial.guarded(seen, served)


def _looked_again(trial: Trial, name: str, first: Seen) -> Expected | None:
    chosen = oracle.owed(first)[0]
    promise(trial.slept is not None, "one slow answer does not kill", chosen.id)
    slept = trial.later[trial.slept or 0]
    first_asked = next(call.at for call in trial.later if call.name == "probe")
    later = slept.at - first_asked >= _SECOND_LOOK
    promise(later, "the second look is 30 seconds later", slept)
    row, look = trial.listing[name], trial.look(again=True)
    if trial.unobserved(row, look):
        return None
    spared = _spared(trial, first, chosen, look)
    seen = trial.see(row, look, slept.at, chosen.id if spared else None)
    after = _planned(trial, seen, name, again=True)
    wanted = oracle.owed(after)
    if not wanted or (wanted[0] in after.presumed and (spared or wanted[0].id != chosen.id)):
        return [], after, "looked twice"
    return _confirmed(trial, name, after, again=True, spared=chosen.id if spared else None)


def _spared(trial: Trial, first: Seen, chosen: Member, look: Look) -> bool:
    """Say whether the second look spares: the chosen is back, or nobody else answered either."""
    seen = trial.see(trial.listing[first.row["AutoScalingGroupName"]], look, first.now, None)
    if any(m.id == chosen.id for m in seen.available):
        return True
    before = trial.look(again=False)
    answered = sorted(i for i, a in before.answers.items() if a["version"])
    near = [i for i in answered if before.rows[i]["VpcId"] == before.rows[chosen.id]["VpcId"]]
    others = [m.id for m in first.available] or near[:_NEIGHBOURS]
    return bool(others) and not any(look.answers.get(i, {}).get("version") for i in others)


def _confirmed(trial: Trial, name: str, seen: Seen, *, again: bool, spared: str | None) -> Expected:
    served = trial.served(name, again=again)
    promise(served.confirm, "a group is described once more before it is acted on", name)
    call = served.confirm
    rows = call.what["AutoScalingGroups"] if call and call.what else ()
    if call is None or not rows or _looked_otherwise(seen.row, rows[0]):
        return [], seen, "changed"
    plain = trial.see(rows[0], trial.look(again=again), call.at, spared)
    fresh = replace(plain, refresh=seen.refresh, ringing=seen.ringing, zip_bad=seen.zip_bad)
    before, now = oracle.owed(seen), oracle.owed(fresh)
    if not now:
        return [], fresh, "planned"
    otherwise = (before[0] in seen.presumed) != (now[0] in fresh.presumed)
    unproven = seen.proof and not fresh.proof
    agreed = [m.id for m in now if m.id in {each.id for each in before}]
    return ([], fresh, "changed") if otherwise or unproven else (agreed, fresh, "confirmed")


def _looked_otherwise(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    settings = ("app", "alarms")
    return any(
        tags(one).get(f"terminator:{name}") != tags(other).get(f"terminator:{name}")
        for name in settings
    )
