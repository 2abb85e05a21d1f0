"""Judging a run by its tape: whether what it did is what the rules say of what it was shown.

A run may ask in any order, but for these: a group's guards before it acts, the group once more
right before, and after a wait of 30 seconds those that are dead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from tests.search import oracle
from tests.search.history import RANKS
from tests.search.oracle import NOT_KNOWN, Member, Seen
from tests.search.tape import ACTIVITIES, ALARMS, GROUPS, Call, Look, Run, read_activities, tags

_SECOND_LOOK = timedelta(seconds=30)
_NEIGHBOURS = 10
_PLENTY_OF_SECONDS = 300.0
_LONGEST_HOOK = timedelta(days=2)
# So long are scaling activities kept.
_KEPT = timedelta(weeks=6)
# Failures after which an instance may have been terminated all the same.
_UNCLEAR = {"lost"}

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Expected:
    """Who must go by the rules, over what was seen, and how far it got.

    With `surges` it is an instance refresh that must replace the one that goes.
    """

    goes: list[str]
    seen: Seen
    yet: str
    surges: bool = False


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
    acted = run.tries or run.starts
    promise(not (run.config.dry_run and acted), "a dry run stops before acting")
    promise(set(run.owners) >= {id_ for id_, _ in run.tries}, "no other group is touched")
    promise(len(set(run.tries)) == len(run.tries), "no termination is tried twice")
    started = [call.asked["AutoScalingGroupName"] for call in run.starts]
    promise(len(set(started)) == len(started), "no refresh is tried twice", started)
    promise(set(started) <= run.listing.keys(), "no other group is touched", started)
    for line in run.tape.lines:
        text = line.text.replace("…", "")
        promise(text.isprintable() and text.isascii(), "logs are safe", line.text)
    covered = [name for name, row in run.listing.items() if run.scope.app in {None, run.app(row)}]
    promise(set(covered) == set(run.records), "every group is served", covered)
    for name in covered:
        _reported(run, name, run.records[name])
    yield from Judge(run).groups(covered)


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
    starts = run.started(name)
    promise(not (starts and tried), "a surge never runs beside our own terminations", name)
    begun = [call.what["InstanceRefreshId"] for call in starts if call.what]
    promise([record["refresh"]] == (begun or [None]), "what was begun is told", (record, begun))
    failed = {record["to_refresh"] for call in starts if call.failed is not None}
    promise(told >= failed, "a refresh that was refused is told", record)


@dataclass(frozen=True)
class Judge:
    """The judgement of the groups of a run; `sent` maps apps to who sent a canary in it."""

    run: Run
    sent: dict[str, str] = field(default_factory=dict)

    def groups(self, covered: Sequence[str]) -> Iterator[str]:
        """Judge the groups: those that lose nothing dead first, in order, since those go first."""
        self._asked_no_more()
        late = {name: self._goes_late(name) for name in covered}
        for name in sorted(covered, key=lambda name: (late[name], name)):
            yield from self._group(name, self.run.records[name])

    def _goes_late(self, name: str) -> bool:
        call = self.run.confirmation(name)
        return call is not None and self.run.is_late(call)

    def _asked_no_more(self) -> None:
        """Check that guards are asked of groups that would act, and history of none that rests.

        It is asked once, where something was terminated on request once more, and of no app all
        whose groups have converged.
        """
        acting = sum(map(self.run.is_guard, self.run.calls))
        alarms = sum(call.name == ALARMS for call in self.run.calls)
        zips = sum(call.name == "get_object" and "Range" in call.asked for call in self.run.calls)
        promise(
            alarms <= acting and (acting or not zips), "guards are asked of groups that would act"
        )
        for name, row in self.run.listing.items():
            asked = self.run.made(ACTIVITIES, name)
            if not asked:
                continue
            # Once more, back to since when the target is it, where any were terminated on request.
            most = 2 if asked[0].what and read_activities(asked[0]).taken else 1
            promise(len(asked) <= most, "scaling activities are listed once", name)
            app = [e for e in self.run.listing.values() if self.run.app(e) == self.run.app(row)]
            seen = [self.run.see(each, self.run.first_look, self.run.looked) for each in app]
            moves = [each for each in seen if not each.settled or each.has_due]
            promise(moves, "what has converged costs no listing of activities", name)

    def _app(self, name: str) -> list[Seen]:
        """Return the groups of the app of a group, as far as they were observed."""
        run, app = self.run, self.run.app(self.run.listing[name])
        rows = [row for row in run.listing.values() if run.app(row) == app]
        shown = [run.see(row, run.first_look, run.looked) for row in rows]
        return [
            each
            for each in shown
            if not oracle.broken_settings(each) and not run.is_unobserved(each.row, run.first_look)
        ]

    def _group(self, name: str, record: Record) -> Iterator[str]:
        run = self.run
        tried = run.tried(name)
        goes = [id_ for id_, _ in tried]
        is_canary = bool(goes) and self._harmless(name, goes)
        if is_canary:
            self._alone(name)
        if is_canary and tried[0][1] in {None, *_UNCLEAR}:
            self.sent[run.app(run.listing[name])] = name
        for start in run.started(name):
            self._well_begun(name, start)
            if start.failed in {None, *_UNCLEAR}:
                self.sent[run.app(run.listing[name])] = name
        if _is_hindered(run, name):
            yield "hindered"
            return
        is_planned = record["decision"] is not None
        row = run.listing[name]
        observed = not any(run.is_unobserved(row, look) for look in (run.first_look, run.last_look))
        promise(is_planned or not observed, "every group that was observed is planned", record)
        expected = self._expected(name)
        if expected is None:
            promise(not is_planned and not goes, "what was not observed is not planned", record)
            yield "not observed"
            return
        promise(is_planned, "every group that was observed is planned", record)
        self._as_expected(name, record, expected)
        alone = expected.seen.converged or expected.seen.ill or not expected.seen.proof
        if run.config.dry_run and expected.goes and alone:
            self.sent.setdefault(run.app(row), name)
        dead = goes and any(m.id == goes[0] for m in expected.seen.dead)
        yield f"{record['decision']} ({expected.yet}){' of the dead' if dead else ''}"
        yield from _recycled(expected, record)

    def _as_expected(self, name: str, record: Record, expected: Expected) -> None:
        wanted, seen = expected.goes, expected.seen
        shown = Telling(seen, wanted, record)
        goes, one = ([], wanted[0]) if expected.surges else (wanted, None)
        promise(record["to_terminate"] == goes, "all that may go goes, in its order", shown)
        begins = record["to_refresh"] == one
        promise(begins, "a refresh begins where it is due, and nowhere else", shown)
        whole = self.run.config.dry_run or _is_whole(self.run, name, goes)
        started = bool(one and not self.run.config.dry_run)
        promise(whole, "what was decided is done", shown)
        promise(len(self.run.started(name)) == started, "what was decided is begun", shown)
        if not wanted:
            _reasoned(expected, record, shown)
        if not oracle.broken_settings(seen):
            figures = oracle.figures(seen)
            if seen.settled:  # nobody asked since when
                del figures["since"]
            counted = {name: RANKS.get(record[name], record[name]) for name in figures}
            promise(counted == figures, "what was counted is told", (figures, counted, shown))
        attention = oracle.needs_attention(seen, record["hold"])
        promise(record["needs_attention"] == attention, "who needs a person says so", shown)

    # What went.

    def _harmless(self, name: str, goes: Sequence[str]) -> bool:
        """Check that those that went could go; return whether they went without proof."""
        confirmed = self._confirmed_to_break_nothing(name, goes, oracle.broken)
        return confirmed.converged or bool(confirmed.ill) or not confirmed.proof

    def _well_begun(self, name: str, start: Call) -> None:
        """Check that a refresh could begin, and that what it asks for launches first."""
        record = self.run.records[name]
        promise(record["to_refresh"], "what a refresh replaces is told", record)
        confirmed = self._confirmed_to_break_nothing(name, [record["to_refresh"]], oracle.spoiled)
        asked = (start.asked.get("Strategy"), start.asked.get("Preferences"))
        wanted = ("Rolling", confirmed.preferences)
        promise(asked == wanted, "a refresh launches first, and waits", (asked, wanted))
        promise(
            start.asked.keys() == {"AutoScalingGroupName", "Strategy", "Preferences"},
            "a refresh changes nothing of its group",
            start.asked,
        )
        self._alone(name)

    def _confirmed_to_break_nothing(
        self, name: str, goes: Sequence[str], breaks: Callable[[Seen, list[Member]], str | None]
    ) -> Seen:
        """Check that no promise breaks, as it was planned and as the group was described again.

        Return the latter.
        """
        run = self.run
        call = run.confirmation(name)
        if call is None or not call.what or not call.what["AutoScalingGroups"]:
            raise BrokenPromiseError("a group is described once more before it is acted on", name)
        promise(run.is_guarded(name), "guards are asked of groups that would act", name)
        row, at = run.listing[name], run.planned_at(name)
        planned = run.guarded(run.see(row, run.first_look, at))
        look = run.last_look if run.is_late(call) else run.first_look
        if run.is_late(call) and goes[0] not in {m.id for m in oracle.chosen(planned)}:
            planned = run.guarded(run.see(row, look, at))
        planned = oracle.with_others(planned, self._app(name))
        confirmed = run.guarded(run.see(call.what["AutoScalingGroups"][0], look, call.at))
        for seen in (planned, confirmed):
            members = [m for m in seen.members if m.id in goes]
            promise(len(members) == len(goes), "only members go", goes)
            told = Telling(seen, goes, run.records[name])
            broken = breaks(seen, members)
            promise(broken is None, broken or "", told)
            asks = seen.converged or seen.ill or not seen.proof
            read = not asks or not seen.by_bucket or run.zip_reads(seen)
            promise(read, "no canary goes before its zip was read", told)
        return confirmed

    def _alone(self, name: str) -> None:
        """Check that in this run no other group of its app has sent a canary."""
        run, app = self.run, self.run.app(self.run.listing[name])
        seen = run.see(run.listing[name], run.first_look, run.looked)
        recycles = seen.converged or seen.ill
        proven = not recycles and oracle.is_proven(seen, self._app(name))
        promise(app not in self.sent or proven, "one goes for the app", (name, self.sent))

    # What should have gone.

    def _expected(self, name: str) -> Expected | None:
        """Return who must go by the rules, over what, and how far it got; None if unobserved."""
        run = self.run
        row, look = run.listing[name], run.first_look
        plain = run.see(row, look, run.planned_at(name))
        if oracle.broken_settings(plain):
            return Expected([], plain, "planned")
        if run.is_unobserved(row, look):
            return None
        first = self._guarded(plain)
        goes = oracle.chosen(first)
        if not goes:
            return Expected([], first, "planned")
        if first.is_doubted(goes[0]):
            return self._looked_again(first, goes)
        return self._confirmed(first, goes)

    def _guarded(self, seen: Seen) -> Seen:
        """Return what a group was planned over: with its guards, where anything would go."""
        run, name = self.run, seen.name
        would_go = oracle.chosen(oracle.unguarded(seen))
        told = Telling(seen, [m.id for m in would_go], run.records[name])
        if not would_go:
            asked = run.is_guarded(name)
            promise(not asked, "guards are asked of groups that would act only", told)
            return seen
        promise(run.is_guarded(name), "guards are asked of groups that would act", told)
        early = run.made(ACTIVITIES, name)[0].at - oracle.longest_age(seen) - _LONGEST_HOOK
        entered = run.entered(name)
        reads = entered is not None and entered.read_from <= early
        promise(reads, "activities are read as far back as rules ask", name)
        if entered is not None and entered.taken and seen.since and (seen.dead or seen.stale):
            early = max(seen.since, run.made(ACTIVITIES, name)[-1].at - _KEPT)
            reads = entered.read_from <= early
            promise(reads, "what a target has cost is read as far back as it is the target", name)
        return oracle.with_others(run.guarded(seen), self._app(name))

    def _looked_again(self, first: Seen, goes: Sequence[Member]) -> Expected | None:
        run, chosen = self.run, [m.id for m in goes]
        promise(run.slept is not None, "one slow answer does not kill", chosen)
        slept = run.calls[run.slept or 0]
        looks = "probe" if first.probed else "describe_instances"
        first_asked = next(call.at for call in run.calls if call.name == looks)
        later = slept.at - first_asked >= _SECOND_LOOK
        promise(later, "the second look is 30 seconds later", slept)
        row, look = run.listing[first.name], run.last_look
        if run.is_unobserved(row, look):
            return None
        spared = self._spared(first, goes, look)
        left = [m for m in goes if m.id not in spared]
        if left:
            return self._confirmed(first, left, spared)
        after = run.see(row, look, slept.at, spared)
        again = oracle.chosen(oracle.unguarded(after))
        if not again or after.is_doubted(again[0]):
            return Expected([], after, "looked twice")
        after = self._guarded(after)
        again = oracle.chosen(after)
        return self._confirmed(after, again, spared) if again else Expected([], after, "planned")

    def _spared(self, first: Seen, goes: Sequence[Member], look: Look) -> frozenset[str]:
        """Return who is spared: who is away in another way, or all if nobody else answers."""
        run = self.run
        chosen = frozenset(m.id for m in goes)
        seen = run.see(first.row, look, first.now)
        before = run.first_look
        answered = sorted(i for i, a in before.answers.items() if a["version"])
        others = [i for i in answered if i in {m.id for m in first.members}]
        if not others and first.probed:
            vpcs = {before.rows[i]["VpcId"] for i in chosen}
            others = [i for i in answered if before.rows[i]["VpcId"] in vpcs][:_NEIGHBOURS]
        others = [i for i in others if i not in chosen]
        if others and not any(look.answers.get(i, {}).get("version") for i in others):
            return chosen
        now = {m.id: m for m in seen.members}
        back = [
            m.id
            for m in goes
            if not now[m.id].serving
            or (now[m.id].version and now[m.id].traffic)
            or now[m.id].silent != m.silent
        ]
        return frozenset(back)

    def _confirmed(
        self, seen: Seen, before: Sequence[Member], spared: frozenset[str] = frozenset()
    ) -> Expected:
        run, name = self.run, seen.name
        call = run.confirmation(name)
        promise(call, "a group is described once more before it is acted on", name)
        rows = call.what["AutoScalingGroups"] if call and call.what else ()
        if call is None or not rows or _looked_otherwise(seen.row, rows[0]):
            return Expected([], seen, "changed")
        look = run.last_look if run.is_late(call) else run.first_look
        plain = run.see(rows[0], look, call.at, spared)
        fresh = replace(plain, refresh=seen.refresh, alarms=seen.alarms, zip_bad=seen.zip_bad)
        now = oracle.chosen(fresh)
        if not now:
            return Expected([], fresh, "planned")
        otherwise = _kind(seen, before[0].id) != _kind(fresh, now[0].id)
        recycles = fresh.converged or fresh.ill
        unproven = not recycles and seen.proof and not fresh.proof
        agreed = [m.id for m in now if m.id in {each.id for each in before}]
        if not agreed or otherwise or unproven:
            return Expected([], fresh, "changed")
        sent = self.sent.get(run.app(run.listing[name]), name)
        alone = recycles or not (fresh.proof or oracle.is_proven(fresh, self._app(name)))
        if sent != name and alone:
            return Expected([], replace(fresh, first=(sent,)), "planned")
        return Expected(agreed, fresh, "confirmed", surges=not oracle.owed(fresh))


def _kind(seen: Seen, id_: str) -> tuple[bool, bool, bool]:
    """Say whether one that goes runs what it should, is away, and is replaced by a refresh."""
    [member] = [m for m in seen.members if m.id == id_]
    recycles = seen.converged or member in seen.ill
    return recycles, seen.is_doubted(member), not oracle.owed(seen)


def _recycled(expected: Expected, record: Record) -> Iterator[str]:
    """Yield what was met of age and taint; text that is no time is told, and does nothing."""
    seen = expected.seen
    if seen.ill and not seen.converged:
        yield f"ill, and {'goes' if expected.goes else 'stays'}"
    if not seen.converged or oracle.broken_settings(seen):
        return
    unread = [m for m in seen.counted if m.taint is not None and oracle.time_of(m.taint) is None]
    told = "tag terminator:replace-after says" in record["reason"]
    if unread and not seen.due and not record["hold"]:
        promise(told, "a taint that is no time is told", record)
        yield "converged beside a taint that is no time"
    if seen.due and not expected.goes:
        yield "due, and waits"
    for id_ in expected.goes:
        [member] = [m for m in seen.members if m.id == id_]
        is_tainted = member.tainted_from == seen.due_from(member)
        yield f"due by {'taint' if is_tainted else 'age'}, and goes"


def _is_whole(run: Run, name: str, wanted: Sequence[str]) -> bool:
    """Say whether a group's terminations were tried in order, up to the first refusal."""
    tried = run.tried(name)
    ids = [id_ for id_, _ in tried]
    refused = bool(tried) and tried[-1][1] is not None
    return ids == list(wanted[: len(ids)]) and (refused or len(ids) == len(wanted))


def _reasoned(expected: Expected, record: Record, shown: Telling) -> None:
    """Check that the reason why nothing goes is the first that applies."""
    seen, yet = expected.seen, expected.yet
    if yet in {"planned", "confirmed"} and seen.converged and not oracle.broken_settings(seen):
        promise(record["decision"] == "converged", "what has converged is converged", record)
        return
    later = {"changed": "group_changed", "looked twice": "instance_spared"}
    held = later.get(yet) or oracle.reason(seen)
    promise(record["hold"] == held, f"the first hold is the reason: {held}", shown)


@dataclass(frozen=True)
class Telling:
    """What was seen and decided, for a person: worked out only where somebody reads it."""

    seen: Seen
    goes: Sequence[str]
    record: Record

    def __str__(self) -> str:
        seen, record = self.seen, self.record
        members = [
            f"{m.id} {m.state} {m.health} {m.version} {m.reason} {_age(seen, m)}"
            for m in seen.members
        ]
        return (
            f"wanted {list(self.goes)}, decided {record['decision']}: {record['reason']}, over "
            f"{seen.target} since {seen.since} at {seen.now} {members}"
        )


def _age(seen: Seen, member: Member) -> str:
    if member.made == NOT_KNOWN:
        return "?"
    entered = "?" if member.entered is None else f"{seen.now - member.entered}"
    return f"made {seen.now - member.made} ago, entered {entered} ago"


def _is_hindered(run: Run, name: str) -> bool:
    """Say whether a fault, or lack of time, could have kept a group from being served."""
    if run.tape.seconds < _PLENTY_OF_SECONDS:
        return True
    # What was not observed is told from what was shown.
    failed = [call for call in run.calls if call.failed is not None]
    return any(_touches(call, name) for call in failed if call is not run.observed(name))


def _touches(call: Call, name: str) -> bool:
    asked = call.asked
    match call.name:
        case "describe_auto_scaling_groups":
            return asked.get("AutoScalingGroupNames") == [name]
        case "describe_instance_refreshes":
            return bool(asked["AutoScalingGroupName"] == name)
        case "get_object":
            return "Range" in asked
        case "head_object":
            return "VersionId" not in asked
        case (
            "describe_target_health"
            | "describe_instance_health"
            | "describe_scaling_activities"
            | "describe_instances"
            | "describe_launch_template_versions"
            | "get_bucket_lifecycle_configuration"
            | "list_object_versions"
            | "probe"
            | "terminate_instance_in_auto_scaling_group"
            | "start_instance_refresh"
        ):
            return False
        case _:
            return True


def _looked_otherwise(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    settings = ("terminator:app", "terminator:alarms", "terminator:images")
    if any(tags(one).get(name) != tags(other).get(name) for name in settings):
        return True
    follow = [tags(each).get("terminator:follow", "release").split() for each in (one, other)]
    templates = [each.get("LaunchTemplate") for each in (one, other)]
    return follow[0] != follow[1] or ("template" in follow[0] and templates[0] != templates[1])
