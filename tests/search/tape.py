"""A tape of a run: every call that it made of AWS and of the probe, and what that says.

`Tape` stands between reconcile and the model, so it can also let things happen, or fail, at a
call. `Run` reads a tape for judgement: what the run was shown of each group, and what it did.
It reads what was asked of whom, not in which order groups were served.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import NoCredentialsError, ReadTimeoutError

from terminator.config.deployment import Config
from terminator.observe.snapshot import Scope, World
from terminator.probe.ask import Question
from terminator.reconcile import reconcile
from terminator.report.log_lines import Line
from tests.fakes import cloud_api
from tests.fakes.cloud import Cloud, refusal
from tests.search.oracle import RANKS, UNKNOWN_LAUNCH, Member, Seen, Target, same

GROUPS = "describe_auto_scaling_groups"
REFRESHES = "describe_instance_refreshes"
ALARMS = "describe_alarms"
TERMINATE = "terminate_instance_in_auto_scaling_group"

FAULTS: Mapping[str, Callable[[], Exception]] = {
    "throttled": lambda: refusal("Throttling", "Rate exceeded\n\x1b[31m"),
    "failing": lambda: refusal("InternalFailure"),
    "denied": lambda: refusal("AccessDenied"),
    "expired": lambda: refusal("ExpiredToken"),
    "busy": lambda: refusal("ScalingActivityInProgress", "busy"),
    "contended": lambda: refusal("ResourceContention", "busy"),
    "lost": lambda: ReadTimeoutError(endpoint_url="https://example"),
    "without credentials": NoCredentialsError,
}
# What a probe function may do instead of answering.
TAMPERINGS: Mapping[str, Callable[[list[Any]], Any]] = {
    "answers for half": lambda rows: rows[: len(rows) // 2],
    "answers twice": lambda rows: [*rows, *rows[:1]],
    "answers nonsense": lambda rows: [*rows[1:], None, 7, {"instance": "i-9", "version": "9"}],
    "answers no list": lambda _: {"errorMessage": "Task timed out"},
}
_ACTIVE = {"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"}
_ZIP = re.compile(r"(?P<app>[^/]+)/(?P<version>.+)\.zip")
_SMALLEST_ZIP = 22  # bytes: one that is empty


@dataclass(frozen=True)
class Call:
    """A call: its name, what was asked, and what came of it; `what` is None where it failed."""

    name: str
    at: datetime
    asked: Mapping[str, Any]
    what: Any = None
    failed: str | None = None


@dataclass(frozen=True)
class Trick:
    """What happens at the `at`th call of a name: `act` before it, then perhaps a fault."""

    name: str
    at: int = 1
    act: Callable[[], object] = lambda: None
    fault: str | None = None


@dataclass
class Tape:
    """The calls of one run over a cloud, in order; `seconds` are left to the run."""

    cloud: Cloud
    tricks: Sequence[Trick] = ()
    seconds: float = 900.0
    calls: list[Call] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)

    def call(self, name: str, asked: Mapping[str, Any], do: Callable[[], Any]) -> Any:
        """Make a call, with whatever is to happen at it, and note it."""
        self.made[name] += 1
        fault = None
        for trick in self.tricks:
            if (trick.name, trick.at) == (name, self.made[name]):
                trick.act()
                fault = trick.fault
        try:
            what = self._done(name, do, fault)
        except Exception as error:
            self.calls.append(Call(name, self.cloud.now, asked, failed=fault or str(error)))
            raise
        self.calls.append(Call(name, self.cloud.now, asked, what))
        return what

    def _done(self, name: str, do: Callable[[], Any], fault: str | None) -> Any:
        if fault is not None and fault in TAMPERINGS:
            return TAMPERINGS[fault](do())
        if fault == "lost" and name == TERMINATE:
            do()  # what is lost is the answer
        if fault is not None:
            error = FAULTS[fault]()
            raise error
        return do()

    def world(self) -> World:
        """Return the world as the run reaches it."""
        real = cloud_api.clients(self.cloud)
        taped = {name: Client(self, client) for name, client in vars(real).items()}
        return World(
            aws=SimpleNamespace(**taped),  # type: ignore[arg-type]
            probe=self.probe,
            clock=lambda: self.cloud.now,
            sleep=self.sleep,
            remaining=lambda: self.seconds,
            say=self.lines.append,
        )

    def probe(self, vpc: str, questions: Sequence[Question], seconds: float) -> Any:
        """Ask instances."""
        asked = {"vpc": vpc, "ids": [each["instance"] for each in questions]}
        return self.call("probe", asked, lambda: self.cloud.probe(vpc, questions, seconds))

    def sleep(self, seconds: float) -> None:
        """Let time pass in the cloud too."""
        self.call("sleep", {"seconds": seconds}, lambda: self.cloud.wait(seconds / 60))


@dataclass(frozen=True)
class Client:
    """A client whose calls are taped."""

    tape: Tape
    real: Any

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return an operation."""
        do = getattr(self.real, name)
        return lambda **asked: self.tape.call(name, asked, lambda: do(**asked))

    def get_object(self, **asked: Any) -> Any:
        """Return an object; what the tape keeps of it can be read again."""

        def do() -> dict[str, Any]:
            answer = self.real.get_object(**asked)
            return {**answer, "Body": answer["Body"].read()}

        answer = self.tape.call("get_object", asked, do)
        return {**answer, "Body": io.BytesIO(answer["Body"])}

    def get_paginator(self, name: str) -> Any:
        """Return a paginator; what the search has fits into one page."""

        def page(**asked: Any) -> list[Any]:
            def do() -> Any:
                (only,) = self.real.get_paginator(name).paginate(**asked)
                return only

            return [self.tape.call(name, asked, do)]

        return SimpleNamespace(paginate=page)


def run(tape: Tape, config: Config, scope: Scope | None = None) -> Run:
    """Run reconcile once, on tape."""
    began, scope = tape.cloud.now, scope or Scope()
    try:
        records = reconcile(tape.world(), config, scope)
    except Exception as error:  # noqa: BLE001 - the judge says whether it may
        return Run(tape, config, scope, {}, error, began)
    told = {record.group: record.to_json() for record in records}
    return Run(tape, config, scope, told, None, began)


@dataclass(frozen=True)
class Look:
    """What EC2, the load balancers and the instances said, up to some call."""

    rows: Mapping[str, Mapping[str, Any]]
    answers: Mapping[str, Mapping[str, Any]]
    health: Mapping[str, Mapping[str, str] | None]


@dataclass(frozen=True)
class Run:
    """A run of reconcile: its tape, its settings, and what it returned (by group) or raised."""

    tape: Tape
    config: Config
    scope: Scope
    records: Mapping[str, Mapping[str, Any]]
    raised: Exception | None
    began: datetime

    @cached_property
    def listing(self) -> dict[str, Mapping[str, Any]]:
        """The groups as the run listed them."""
        first = self.tape.calls[: self._listed]
        rows = [row for call in first if call.what for row in call.what["AutoScalingGroups"]]
        return {row["AutoScalingGroupName"]: row for row in rows}

    @cached_property
    def _listed(self) -> int:
        calls = self.tape.calls
        return next((n for n, call in enumerate(calls) if call.name != GROUPS), len(calls))

    @cached_property
    def calls(self) -> list[Call]:
        """The calls after the listing."""
        return self.tape.calls[self._listed :]

    @cached_property
    def slept(self) -> int | None:
        """Where the run waited for its second look."""
        return next((n for n, call in enumerate(self.calls) if call.name == "sleep"), None)

    @cached_property
    def owners(self) -> dict[str, str]:
        """The group of each instance."""
        rows = self.listing.items()
        return {member["InstanceId"]: name for name, row in rows for member in row["Instances"]}

    @cached_property
    def tries(self) -> list[tuple[str, str | None]]:
        """The terminations tried, in order, each with why it failed."""
        made = [call for call in self.calls if call.name == TERMINATE]
        return [(call.asked["InstanceId"], call.failed) for call in made]

    def tried(self, name: str) -> list[tuple[str, str | None]]:
        """The terminations tried in a group."""
        return [each for each in self.tries if self.owners.get(each[0]) == name]

    def app(self, row: Mapping[str, Any]) -> str:
        """Return the app of a group, as described."""
        return tags(row).get("terminator:app", str(row["AutoScalingGroupName"]))

    def confirmation(self, name: str) -> Call | None:
        """Return the describe of a group right before it was acted on."""
        asked = {"AutoScalingGroupNames": [name]}.items()
        made = [c for c in self.calls if c.name == GROUPS and asked <= c.asked.items()]
        return made[-1] if made else None

    def is_guarded(self, name: str) -> bool:
        """Say whether the guards of a group were asked before any of it went."""
        return bool(self._refreshes(name))

    def _refreshes(self, name: str) -> list[Call]:
        asked: list[Call] = []
        for call in self.calls:
            if call.name == TERMINATE and self.owners.get(call.asked["InstanceId"]) == name:
                break
            if call.name == REFRESHES and call.asked["AutoScalingGroupName"] == name:
                asked.append(call)
        return asked

    def planned_at(self, name: str) -> datetime:
        """Return when a group was planned: right before its guards were asked."""
        before = self.began
        for call in self.calls:
            if call.name == REFRESHES and call.asked["AutoScalingGroupName"] == name:
                return before
            before = call.at
        return self.began

    @cached_property
    def first_look(self) -> Look:
        """What was seen before the run waited."""
        return self._look(self.slept)

    @cached_property
    def last_look(self) -> Look:
        """What was seen in both looks, the later answers in place of the earlier."""
        return self._look(None)

    def is_late(self, call: Call) -> bool:
        """Say whether a call was made after the run had waited."""
        later = self.calls[self.slept :] if self.slept is not None else ()
        return any(each is call for each in later)

    def _look(self, upto: int | None) -> Look:
        rows: dict[str, Any] = {}
        answers: dict[str, Any] = {}
        health: dict[str, Any] = {}
        for call in self.calls[:upto]:
            match call.name:
                case "describe_instances":
                    reservations = (call.what or {}).get("Reservations", ())
                    found = {r["InstanceId"]: r for e in reservations for r in e["Instances"]}
                    rows |= found
                    for id_ in call.asked.get("InstanceIds", ()):
                        if id_ not in found:
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
            reads = [c for c in self._of("get_object", Key=pointer) if "Range" not in c.asked]
            if not reads or reads[0].what is None:
                return "pointer not read"
            return _pointed(reads[0].what, zips)
        return _newest(app, zips, page["DeleteMarkers"])

    def _of(self, name: str, **asked: object) -> list[Call]:
        return [c for c in self.calls if c.name == name and asked.items() <= c.asked.items()]

    def see(
        self, row: Mapping[str, Any], look: Look, now: datetime, spared: str | None = None
    ) -> Seen:
        """Return a group as shown by a describe and a look; who was spared is protected."""
        balanced = bool(row["TargetGroupARNs"])
        health = (look.health.get(row["AutoScalingGroupName"]) or {}) if balanced else None
        members = tuple(_member(each, look, health, spared) for each in row["Instances"])
        bucket = self.config.bucket is not None
        target = self.target(self.app(row)) if bucket else None
        return Seen(row, members, now, bucket, target if isinstance(target, Target) else None)

    def is_unobserved(self, row: Mapping[str, Any], look: Look) -> bool:
        """Say whether anything that the rules need was not observed."""
        if self.config.bucket is not None and isinstance(self.target(self.app(row)), str):
            return True
        if row["TargetGroupARNs"] and look.health.get(row["AutoScalingGroupName"]) is None:
            return True
        asked = [m["InstanceId"] for m in row["Instances"] if _serves(m)]
        return any(i not in look.answers or not look.rows[i].get("PrivateIpAddress") for i in asked)

    def guarded(self, seen: Seen) -> Seen:
        """Return a group with what its guards said, wherever in the run they were asked."""
        asked = [call for call in self._refreshes(seen.row["AutoScalingGroupName"]) if call.what]
        shown = asked[-1].what["InstanceRefreshes"] if asked else ()
        reads = self.zip_reads(seen)
        sizes = [c.what["ContentLength"] for c in reads if c.name == "head_object" and c.what]
        read = any(c.name == "get_object" and c.what for c in reads)
        is_whole = read and any(size >= _SMALLEST_ZIP for size in sizes)
        return replace(
            seen,
            refresh=any(each["Status"] in _ACTIVE for each in shown),
            alarmed=self._alarmed(seen),
            zip_bad=bool(reads) and not is_whole,
        )

    def zip_reads(self, seen: Seen) -> list[Call]:
        """Return the calls that read the zip of a group's target."""
        key = seen.released.key if seen.released else None
        of_key = [call for call in self.calls if call.asked.get("Key") == key is not None]
        return [c for c in of_key if c.name == "head_object" or "Range" in c.asked]

    def _alarmed(self, seen: Seen) -> bool:
        names = set(seen.tags.get("alarms", "").split())
        asked = [c for c in self._of(ALARMS) if c.what and names <= set(c.asked["AlarmNames"])]
        if not names or not asked:
            return bool(names)
        states = {a["AlarmName"]: a["StateValue"] for a in asked[-1].what["MetricAlarms"]}
        return any(states.get(name, "ALARM") == "ALARM" for name in names)


def tags(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a group as described."""
    return {tag["Key"]: tag["Value"] for tag in row["Tags"]}


def _healths(call: Call) -> dict[str, str] | None:
    if call.what is None:
        return None
    rows = call.what["TargetHealthDescriptions"]
    return {row["Target"]["Id"]: row["TargetHealth"]["State"] for row in rows}


def _answers(call: Call) -> dict[str, Any]:
    """Return the answers of a probe function to what it was asked, each given once."""
    rows = [r for r in call.what if isinstance(r, dict)] if isinstance(call.what, list) else []
    times = Counter(row["instance"] for row in rows)
    asked = [id_ for id_ in call.asked["ids"] if times[id_] == 1]
    return {row["instance"]: row for row in rows if row["instance"] in asked}


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
    return Member(
        id=id_,
        zone=shown["AvailabilityZone"],
        state=shown["LifecycleState"],
        health=shown["HealthStatus"],
        launched=look.rows[id_]["LaunchTime"] if id_ in look.rows else UNKNOWN_LAUNCH,
        version=version,
        reason=reason,
        protected=shown["ProtectedFromScaleIn"] or id_ == spared,
        weighted="WeightedCapacity" in shown,
    )


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
