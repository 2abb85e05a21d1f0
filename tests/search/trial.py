"""Reading the tape of a run: what it was shown of each group, and what it did."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from tests.fakes.region import RANKS, same
from tests.search.seen import Member, Seen, Target, unlaunched
from tests.search.tape import TERMINATE, Call, Run

GROUPS = "describe_auto_scaling_groups"
REFRESHES = "describe_instance_refreshes"
_ZIP = re.compile(r"(?P<app>[^/]+)/(?P<version>.+)\.zip")


@dataclass(frozen=True)
class Look:
    """What EC2, the load balancers and the instances said, up to some call."""

    rows: Mapping[str, Mapping[str, Any]]
    answers: Mapping[str, Mapping[str, Any]]
    health: Mapping[str, Mapping[str, str] | None]


@dataclass(frozen=True)
class Served:
    """The calls made to serve one group: its guards, its second describe, its terminations."""

    guards: tuple[Call, ...] = ()
    confirm: Call | None = None


@dataclass(frozen=True)
class Trial:
    """A run, read for judgement."""

    run: Run

    @property
    def _calls(self) -> list[Call]:
        return self.run.tape.calls

    @cached_property
    def listing(self) -> dict[str, Mapping[str, Any]]:
        """The groups as the run listed them."""
        first = self._calls[: self._listed]
        rows = [row for call in first if call.what for row in call.what["AutoScalingGroups"]]
        return {row["AutoScalingGroupName"]: row for row in rows}

    @cached_property
    def _listed(self) -> int:
        others = (n for n, call in enumerate(self._calls) if call.name != GROUPS)
        return next(others, len(self._calls))

    @cached_property
    def later(self) -> list[Call]:
        """The calls after the listing."""
        return self._calls[self._listed :]

    @cached_property
    def slept(self) -> int | None:
        """Where the run waited for its second look."""
        return next((n for n, call in enumerate(self.later) if call.name == "sleep"), None)

    @cached_property
    def owners(self) -> dict[str, str]:
        """The group of each instance."""
        return {
            m["InstanceId"]: name for name, row in self.listing.items() for m in row["Instances"]
        }

    @cached_property
    def tries(self) -> list[tuple[str, str | None]]:
        """The terminations tried, in order, each with why it failed."""
        made = [call for call in self.later if call.name == TERMINATE]
        return [(call.asked["InstanceId"], call.failed) for call in made]

    def tried(self, name: str) -> list[tuple[str, str | None]]:
        """The terminations tried in a group."""
        return [each for each in self.tries if self.owners.get(each[0]) == name]

    def served(self, name: str, *, again: bool) -> Served:
        """Return how a group was served, before the second look or after it."""
        split = len(self.later) if self.slept is None else self.slept
        part = self.later[split:] if again else self.later[:split]
        guards: list[Call] = []
        confirm, current = None, ""
        for call in part:
            current = call.asked["AutoScalingGroupName"] if call.name == REFRESHES else current
            if call.name == GROUPS and call.asked.get("AutoScalingGroupNames") == [name]:
                confirm = call
            asks_zip = call.name == "head_object" or "Range" in call.asked
            if current == name and (call.name in {REFRESHES, "describe_alarms"} or asks_zip):
                guards.append(call)
            current = "" if call.name == GROUPS else current
        return Served(tuple(guards), confirm)

    def look(self, *, again: bool) -> Look:
        """Return what was seen, in the first look or in both."""
        upto = len(self.later) if again or self.slept is None else self.slept
        rows: dict[str, Any] = {}
        answers: dict[str, Any] = {}
        health: dict[str, Any] = {}
        for call in self.later[:upto]:
            match call.name:
                case "describe_instances":
                    found = [
                        r for e in (call.what or {}).get("Reservations", ()) for r in e["Instances"]
                    ]
                    rows |= {row["InstanceId"]: row for row in found}
                    for id_ in {*call.asked.get("InstanceIds", ())} - {
                        r["InstanceId"] for r in found
                    }:
                        answers.pop(id_, None)
                case "describe_target_health":
                    health[call.asked["TargetGroupArn"].split("/")[1]] = _healths(call)
                case "probe":
                    for id_ in call.asked["ids"]:
                        answers.pop(id_, None)
                    answers |= _answers(call)
        return Look(rows, answers, health)

    def target(self, app: str) -> Target | str | None:
        """Return what the app should run, None for no release, a text where it was not read."""
        listings = self._of("list_object_versions", Prefix=f"{app}/")
        if not listings or listings[0].what is None:
            return "not listed"
        page = listings[0].what
        latest = [row for row in page["Versions"] if row["IsLatest"]]
        zips = [(row, v) for row in latest if (v := _zip(app, row["Key"]))]
        pointer = f"{app}/current"
        if any(row["Key"] == pointer for row in latest):
            reads = [
                call for call in self._of("get_object", Key=pointer) if "Range" not in call.asked
            ]
            if not reads or reads[0].what is None:
                return "pointer not read"
            return _pointed(reads[0].what, zips)
        return _newest(app, zips, page["DeleteMarkers"])

    def _of(self, name: str, **asked: object) -> list[Call]:
        return [c for c in self.later if c.name == name and asked.items() <= c.asked.items()]

    def see(self, row: Mapping[str, Any], look: Look, now: datetime, spared: str | None) -> Seen:
        """Return a group as shown by a describe and a look."""
        name = row["AutoScalingGroupName"]
        balanced = bool(row["TargetGroupARNs"])
        health = (look.health.get(name) or {}) if balanced else None
        members = tuple(_member(each, look, health, spared) for each in row["Instances"])
        bucket = self.run.config.bucket is not None
        target = self.target(tags(row).get("terminator:app", name)) if bucket else None
        return Seen(row, members, now, bucket, target if isinstance(target, Target) else None)

    def unobserved(self, row: Mapping[str, Any], look: Look) -> bool:
        """Say whether anything that the rules need was not observed."""
        name = row["AutoScalingGroupName"]
        bucket = self.run.config.bucket is not None
        if bucket and isinstance(self.target(tags(row).get("terminator:app", name)), str):
            return True
        if row["TargetGroupARNs"] and look.health.get(name) is None:
            return True
        asked = [m["InstanceId"] for m in row["Instances"] if _serves(m)]
        return any(i not in look.answers or not look.rows[i].get("PrivateIpAddress") for i in asked)

    def guarded(self, seen: Seen, served: Served) -> Seen:
        """Return a group with what its guards were found to say."""
        statuses = {"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"}
        asked = [call for call in served.guards if call.name == REFRESHES]
        shown = asked[-1].what["InstanceRefreshes"] if asked and asked[-1].what else ()
        return replace(
            seen,
            refresh=any(each["Status"] in statuses for each in shown),
            ringing=_rings(seen, served),
            zip_bad=_zip_bad(served),
        )


def _healths(call: Call) -> dict[str, str] | None:
    if call.what is None:
        return None
    rows = call.what["TargetHealthDescriptions"]
    return {row["Target"]["Id"]: row["TargetHealth"]["State"] for row in rows}


def _answers(call: Call) -> dict[str, Any]:
    rows = [r for r in call.what if isinstance(r, dict)] if isinstance(call.what, list) else []
    times = Counter(row["instance"] for row in rows)
    return {
        r["instance"]: r
        for r in rows
        if r["instance"] in call.asked["ids"] and times[r["instance"]] == 1
    }


def _zip(app: str, key: str) -> str | None:
    match = _ZIP.fullmatch(key)
    return match["version"] if match and match["app"] == app and match["version"] in RANKS else None


def _best(zips: Sequence[tuple[Any, str]]) -> tuple[Any, str]:
    return max(zips, key=lambda each: (RANKS[each[1]], each[0]["LastModified"], each[0]["Key"]))


def _pointed(pointer: Mapping[str, Any], zips: Sequence[tuple[Any, str]]) -> Target | None:
    named = pointer["Body"].decode()
    fitting = [each for each in zips if same(each[1], named)]
    if not fitting:
        return None
    row, version = _best(fitting)
    since = max(row["LastModified"], pointer["LastModified"])
    return Target(version, row["Key"], since, dated=True)


def _newest(
    app: str, zips: Sequence[tuple[Any, str]], markers: Sequence[Mapping[str, Any]]
) -> Target | None:
    if not zips:
        return None
    row, version = _best(zips)
    gone = [(m, v) for m in markers if m["Key"] != row["Key"] and (v := _zip(app, m["Key"]))]
    higher = [(m, v) for m, v in gone if RANKS[v] >= RANKS[version]]
    unpointed = [m["LastModified"] for m in markers if m["Key"] == f"{app}/current"]
    since = max([row["LastModified"], *(m["LastModified"] for m, _ in higher), *unpointed])
    return Target(version, row["Key"], since, bool(unpointed), tuple(v for _, v in higher))


def tags(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a group as described."""
    return {tag["Key"]: tag["Value"] for tag in row["Tags"]}


def _serves(member: Mapping[str, Any]) -> bool:
    return (member["LifecycleState"], member["HealthStatus"]) == ("InService", "Healthy")


def _member(
    shown: Mapping[str, Any], look: Look, health: Mapping[str, str] | None, spared: str | None
) -> Member:
    id_ = shown["InstanceId"]
    answer = look.answers.get(id_) if _serves(shown) else None
    version, reason = (answer["version"], answer["reason"]) if answer else (None, None)
    if version and health is not None and health.get(id_) not in {"healthy", "unused"}:
        reason = "unhealthy at its target group"
    row = look.rows.get(id_)
    return Member(
        id=id_,
        zone=shown["AvailabilityZone"],
        state=shown["LifecycleState"],
        health=shown["HealthStatus"],
        launched=row["LaunchTime"] if row else unlaunched(),
        version=version,
        reason=reason,
        protected=shown["ProtectedFromScaleIn"] or id_ == spared,
        weighted="WeightedCapacity" in shown,
    )


def _rings(seen: Seen, served: Served) -> bool:
    names = seen.tags.get("alarms", "").split()
    asked = [call for call in served.guards if call.name == "describe_alarms"]
    if not names or not asked or not asked[-1].what:
        return bool(names)
    states = {a["AlarmName"]: a["StateValue"] for a in asked[-1].what["MetricAlarms"]}
    return any(states.get(name, "ALARM") == "ALARM" for name in names)


def _zip_bad(served: Served) -> bool:
    heads = [call for call in served.guards if call.name == "head_object"]
    reads = [call for call in served.guards if call.name in {"head_object", "get_object"}]
    failed = any(call.failed for call in reads)
    return failed or any(call.what["ContentLength"] < 22 for call in heads if call.what)
