"""Judging a run by its tape: whether what it did is what the rules say of what it was shown.

A run may ask in any order, but for these: a group's guards before it acts, the group once more
right before, and after a wait of 30 seconds what is only presumed to be outdated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.search import oracle
from tests.search.oracle import RANKS, UNKNOWN_LAUNCH, Member, Seen
from tests.search.tape import GROUPS, Call, Look, Run, tags

_SECOND_LOOK = timedelta(seconds=30)
_NEIGHBOURS = 10
_PLENTY_OF_SECONDS = 300.0

Record = Mapping[str, Any]
# Who must go by the rules, over what was seen, and how far it got.
Expected = tuple[list[str], Seen, str]


class BrokenPromiseError(AssertionError):
    """A promise that a run broke."""

    def __init__(self, promise: str, detail: object = "") -> None:
        super().__init__(promise, str(detail))
        self.promise = promise

    def __str__(self) -> str:
        return ": ".join(self.args)


def promise(kept: object, name: str, detail: object = "") -> None:
    """Raise where a promise is not kept."""
    if not kept:
        raise BrokenPromiseError(name, detail)


def judge(run: Run) -> Iterator[str]:
    """Raise BrokenPromiseError where the run broke a promise; yield what it met on its way."""
    if run.raised is not None:
        unlisted = any(call.failed for call in run.tape.calls if call.name == GROUPS)
        promise(unlisted and not run.calls, "a failure stops nobody else", repr(run.raised))
        yield "listing failed"
        return
    promise(not (run.config.dry_run and run.tries), "a dry run stops before acting")
    promise(set(run.owners) >= {id_ for id_, _ in run.tries}, "no other group is touched")
    promise(len(set(run.tries)) == len(run.tries), "no termination is tried twice")
    for line in run.tape.lines:
        text = line.text.replace("…", "")
        promise(text.isprintable() and text.isascii(), "logs are safe", line.text)
    covered = [name for name, row in run.listing.items() if run.scope.app in {None, run.app(row)}]
    promise(set(covered) == set(run.records), "every group is served", covered)
    for name in covered:
        _reported(run, name, run.records[name])
        yield from _judge_group(run, name, run.records[name])


def _reported(run: Run, name: str, record: Record) -> None:
    """Check that the run said once what it did to a group, and why."""
    said = [line.fields for line in run.tape.lines if line.fields.get("group") == name]
    promise(said == [record], "each group has one record", said)
    promise(record["reason"], "every decision has a reason", name)
    tried = run.tried(name)
    done = [id_ for id_, failed in tried if failed is None]
    promise(record["terminated"] == done, "what was done is told", (record, done))
    promise(not any(failed for _, failed in tried[:-1]), "a refusal ends it", name)
    refused = {id_ for id_, failed in tried if failed is not None}
    told = record["deferred"].keys() | record["failed"].keys()
    promise(told >= refused, "what was refused is told", (record, refused))


def _judge_group(run: Run, name: str, record: Record) -> Iterator[str]:
    goes = [id_ for id_, _ in run.tried(name)]
    if goes:
        _harmless(run, name, goes)
    if _is_hindered(run, name):
        yield "hindered"
        return
    is_planned = record["decision"] is not None
    row = run.listing[name]
    observed = not any(run.is_unobserved(row, look) for look in (run.first_look, run.last_look))
    promise(is_planned or not observed, "every group that was observed is planned", record)
    expected = _expected(run, name)
    if expected is None:
        promise(not is_planned and not goes, "what was not observed is not planned", record)
        yield "not observed"
        return
    promise(is_planned, "every group that was observed is planned", record)
    wanted, seen, yet = expected
    shown = _telling(seen, wanted, record)
    promise(record["to_terminate"] == wanted, "all that may go goes, in its order", shown)
    whole = run.config.dry_run or _is_whole(run, name, wanted)
    promise(whole, "what was decided is done", shown)
    if not wanted:
        _reasoned(seen, yet, record)
    if not oracle.broken_settings(seen):
        figures = oracle.figures(seen)
        counted = {name: RANKS.get(record[name], record[name]) for name in figures}
        promise(counted == figures, "what was counted is told", (figures, counted))
    held = record["hold"]
    attention = held is not None and oracle.needs_attention(seen, held)
    promise(record["needs_attention"] == attention, "who needs a person says so", shown)
    presumed = goes and any(m.id == goes[0] for m in seen.presumed)
    yield f"{record['decision']} ({yet}){' of a presumed outdated one' if presumed else ''}"


def _harmless(run: Run, name: str, goes: Sequence[str]) -> None:
    """Check that those that went could go, both as they were planned and as described again."""
    call = run.confirmation(name)
    if call is None or not call.what or not call.what["AutoScalingGroups"]:
        raise BrokenPromiseError("a group is described once more before it is acted on", name)
    promise(run.is_guarded(name), "guards are asked of groups that would act", name)
    row, at = run.listing[name], run.planned_at(name)
    planned = run.guarded(run.see(row, run.first_look, at))
    look = run.last_look if run.is_late(call) else run.first_look
    if run.is_late(call) and goes[0] not in {m.id for m in oracle.owed(planned)}:
        planned = run.guarded(run.see(row, look, at))
    confirmed = run.guarded(run.see(call.what["AutoScalingGroups"][0], look, call.at))
    for seen in (planned, confirmed):
        members = [m for m in seen.members if m.id in goes]
        promise(len(members) == len(goes), "only members go", goes)
        told = _telling(seen, goes, run.records[name])
        broken = oracle.broken(seen, members)
        promise(broken is None, broken or "", told)
        read = seen.proof or not seen.bucket or run.zip_reads(seen)
        promise(read, "no canary goes before its zip was read", told)


def _is_whole(run: Run, name: str, wanted: Sequence[str]) -> bool:
    """Say whether a group's terminations were tried in order, up to the first refusal."""
    tried = run.tried(name)
    ids = [id_ for id_, _ in tried]
    refused = bool(tried) and tried[-1][1] is not None
    return ids == list(wanted[: len(ids)]) and (refused or len(ids) == len(wanted))


def _reasoned(seen: Seen, yet: str, record: Record) -> None:
    """Check that the reason why nothing goes is the first that applies."""
    if yet == "planned" and seen.converged and not oracle.broken_settings(seen):
        promise(record["decision"] == "converged", "what has converged is converged", record)
        return
    later = {"changed": {"group_changed"}, "looked twice": {"instance_spared"}}
    possible = later.get(yet) or oracle.reasons(seen)
    promise(record["hold"] in possible, "the first hold is the reason", (possible, record))


def _telling(seen: Seen, goes: Sequence[str], record: Record) -> str:
    """Tell a person what was seen."""
    members = [
        f"{m.id} {m.state} {m.health} {m.version} {m.reason} {_age(seen, m)}" for m in seen.members
    ]
    decided = f"{record['decision']}: {record['reason']}"
    return (
        f"wanted {list(goes)}, decided {decided}, over {seen.target} since {seen.since} {members}"
    )


def _age(seen: Seen, member: Member) -> str:
    return "?" if member.launched == UNKNOWN_LAUNCH else str(seen.now - member.launched)


def _is_hindered(run: Run, name: str) -> bool:
    """Say whether a fault, or lack of time, could have kept a group from being served."""
    if run.tape.seconds < _PLENTY_OF_SECONDS:
        return True
    return any(call.failed is not None and _touches(call, name) for call in run.calls)


def _touches(call: Call, name: str) -> bool:
    asked = call.asked
    match call.name:
        case "describe_auto_scaling_groups":
            return asked.get("AutoScalingGroupNames") == [name]
        case "describe_instance_refreshes":
            return bool(asked["AutoScalingGroupName"] == name)
        case "describe_target_health" | "list_object_versions" | "probe" | "describe_instances":
            return False  # what was not observed is told from what was shown
        case "get_object":
            return "Range" in asked
        case "terminate_instance_in_auto_scaling_group":
            return False
        case _:
            return True


def _expected(run: Run, name: str) -> Expected | None:
    """Return who must go by the rules, over what, and how far it got; None if unobserved."""
    row, look = run.listing[name], run.first_look
    plain = run.see(row, look, run.began)
    if oracle.broken_settings(plain):
        return [], plain, "planned"
    if run.is_unobserved(row, look):
        return None
    first = _planned(run, plain, name)
    if not oracle.owed(first):
        return [], first, "planned"
    if oracle.owed(first)[0] in first.presumed:
        return _looked_again(run, name, first)
    return _confirmed(run, name, first)


def _planned(run: Run, seen: Seen, name: str) -> Seen:
    """Return what a group was planned over: with its guards, where anything would go."""
    if not oracle.owed(seen):
        return seen
    promise(run.is_guarded(name), "guards are asked of groups that would act", name)
    return run.guarded(seen)


def _looked_again(run: Run, name: str, first: Seen) -> Expected | None:
    chosen = oracle.owed(first)[0]
    promise(run.slept is not None, "one slow answer does not kill", chosen.id)
    slept = run.calls[run.slept or 0]
    first_asked = next(call.at for call in run.calls if call.name == "probe")
    later = slept.at - first_asked >= _SECOND_LOOK
    promise(later, "the second look is 30 seconds later", slept)
    row, look = run.listing[name], run.last_look
    if run.is_unobserved(row, look):
        return None
    if not _is_spared(run, first, chosen, look):
        return _confirmed(run, name, first)
    after = _planned(run, run.see(row, look, slept.at, chosen.id), name)
    wanted = oracle.owed(after)
    if not wanted or wanted[0] in after.presumed:
        return [], after, "looked twice"
    return _confirmed(run, name, after, spared=chosen.id)


def _is_spared(run: Run, first: Seen, chosen: Member, look: Look) -> bool:
    """Say whether the second look spares: it is back, or none of the others answered either."""
    seen = run.see(first.row, look, first.now)
    if any(m.id == chosen.id for m in seen.available):
        return True
    before = run.first_look
    answered = sorted(i for i, a in before.answers.items() if a["version"])
    near = [i for i in answered if before.rows[i]["VpcId"] == before.rows[chosen.id]["VpcId"]]
    others = [m.id for m in first.available] or near[:_NEIGHBOURS]
    return bool(others) and not any(look.answers.get(i, {}).get("version") for i in others)


def _confirmed(run: Run, name: str, seen: Seen, spared: str | None = None) -> Expected:
    call = run.confirmation(name)
    promise(call, "a group is described once more before it is acted on", name)
    rows = call.what["AutoScalingGroups"] if call and call.what else ()
    if call is None or not rows or _looked_otherwise(seen.row, rows[0]):
        return [], seen, "changed"
    look = run.last_look if run.is_late(call) else run.first_look
    plain = run.see(rows[0], look, call.at, spared)
    fresh = replace(plain, refresh=seen.refresh, alarmed=seen.alarmed, zip_bad=seen.zip_bad)
    before, now = oracle.owed(seen), oracle.owed(fresh)
    if not now:
        return [], fresh, "planned"
    otherwise = (before[0] in seen.presumed) != (now[0] in fresh.presumed)
    unproven = seen.proof and not fresh.proof
    agreed = [m.id for m in now if m.id in {each.id for each in before}]
    alike = agreed and not otherwise and not unproven
    return (agreed, fresh, "confirmed") if alike else ([], fresh, "changed")


def _looked_otherwise(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    settings = ("terminator:app", "terminator:alarms")
    return any(tags(one).get(name) != tags(other).get(name) for name in settings)
