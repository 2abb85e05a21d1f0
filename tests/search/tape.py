"""A tape of a run: every call that it made of AWS and of the probe, and what that says.

`Tape` stands between reconcile and the model, so it can also let things happen, or fail, at a
call. `Run` reads a tape for judgement: what the run was shown of each group, and what it did.
It reads what was asked of whom, not in which order groups were served.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import NoCredentialsError, ReadTimeoutError

from terminator.config.deployment import Config
from terminator.marker import Order
from terminator.observe.snapshot import Scope, World
from terminator.probe.ask import Question
from terminator.reconcile import reconcile
from terminator.report.log_lines import Line
from tests.fakes import cloud_api
from tests.fakes.cloud import Change, Cloud, refusal
from tests.fakes.objects import Stored
from tests.search import history
from tests.search.history import Target
from tests.search.oracle import NOT_KNOWN, Alarm, Launches, Member, Origin, Refresh, Seen

GROUPS = "describe_auto_scaling_groups"
ACTIVITIES = "describe_scaling_activities"
REFRESHES = "describe_instance_refreshes"
ALARMS = "describe_alarms"
TEMPLATES = "describe_launch_template_versions"
LIFECYCLE = "get_bucket_lifecycle_configuration"
TERMINATE = "terminate_instance_in_auto_scaling_group"
START = "start_instance_refresh"

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
_NO_RULES = "NoSuchLifecycleConfiguration"
_SMALLEST_ZIP = 22  # bytes: one that is empty
_INSTANCE = re.compile(r"i-[0-9a-f]+$")
# What scaling activities that put an instance in service are called.
_ENTERS = (
    "Launching a new EC2 instance",
    "Launching a new EC2 instance from warm pool",
    "Moving EC2 instance out of Standby",
    "Attaching an existing EC2 instance",
)
_POOL = _ENTERS[1]
_USED_OR_NOT = {("healthy", ""), ("healthy", "shifted"), ("unused", ""), ("unused", "shifted")}


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
    """The calls of one run over a cloud, in order; `seconds` are left to the run.

    `withdraw` takes a release back, where the run may have that done.
    """

    cloud: Cloud
    tricks: Sequence[Trick] = ()
    seconds: float = 900.0
    calls: list[Call] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    withdraw: Callable[[Order], str | None] | None = None
    # What was in the bucket, and how the alarms were, when that was last asked.
    stored: list[Stored] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

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
        if fault == "lost" and name in {TERMINATE, START}:
            do()  # what is lost is the answer
        if fault is not None:
            error = FAULTS[fault]()
            raise error
        if name == "list_object_versions":
            self.stored = list(self.cloud.stored)
        what = do()
        if name == ALARMS:
            self.changes = list(self.cloud.changes)
        return what

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
            withdraw=self.withdraw,
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
                pages = list(self.real.get_paginator(name).paginate(**asked))
                if name == ACTIVITIES:
                    return {"Activities": [row for page in pages for row in page["Activities"]]}
                (only,) = pages
                return only

            return [self.tape.call(name, asked, do)]

        return SimpleNamespace(paginate=page)


@dataclass(frozen=True)
class Look:
    """What EC2, the load balancers and the instances said, up to some call.

    `rows` are the instances that EC2 listed, `asked` the ids of those that it was asked for.
    `health` maps load balancers to their targets' states and overrides, None where it failed.
    """

    rows: Mapping[str, Mapping[str, Any]]
    asked: frozenset[str]
    answers: Mapping[str, Mapping[str, Any]]
    health: Mapping[str, Mapping[str, tuple[str, str]] | None]


@dataclass(frozen=True)
class Entered:
    """What a group's scaling activities say: None in the place of what they do not."""

    read_from: datetime
    since: Mapping[str, datetime | None]
    pooled: Mapping[str, datetime]
    left: Mapping[str, datetime]
    failed: tuple[datetime, ...]
    refused: tuple[datetime, ...]
    taken: tuple[tuple[datetime, datetime], ...]

    def entered(self, row: Mapping[str, Any] | None, id_: str, now: datetime) -> datetime | None:
        """Return since when an instance has been in service, None where that is unknown."""
        if id_ in self.since:
            return self.since[id_] or now
        made = _made(row)
        return made if row is not None and made < self.read_from else None


@dataclass(frozen=True)
class Run:
    """A run of reconcile: its tape, its settings, and what it returned (by group) or raised."""

    tape: Tape
    config: Config
    scope: Scope
    records: Mapping[str, Mapping[str, Any]]
    raised: Exception | None
    began: datetime
    known: dict[Hashable, Any] = field(default_factory=dict)

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
    def looked(self) -> datetime:
        """When the run had looked, and began to decide."""
        deciding = {REFRESHES, GROUPS, TERMINATE, START, "sleep"}
        before = self.began
        for call in self.calls:
            if call.name in deciding and not self._observes(call):
                break
            before = call.at
        return before

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

    @cached_property
    def starts(self) -> list[Call]:
        """The instance refreshes that were to be started, in order."""
        return [call for call in self.calls if call.name == START]

    def started(self, name: str) -> list[Call]:
        """The refreshes of a group that were to be started."""
        return [each for each in self.starts if each.asked["AutoScalingGroupName"] == name]

    def app(self, row: Mapping[str, Any]) -> str:
        """Return the app of a group, as described."""
        return tags(row).get("terminator:app", str(row["AutoScalingGroupName"]))

    def made(self, operation: str, name: str) -> list[Call]:
        """Return the calls of an operation about a group."""
        return self._of(operation, AutoScalingGroupName=name)

    def confirmation(self, name: str) -> Call | None:
        """Return the describe of a group right before it was acted on."""
        made = self._of(GROUPS, AutoScalingGroupNames=[name])
        return made[-1] if made else None

    def is_guarded(self, name: str) -> bool:
        """Say whether the guards of a group were asked before any of it went."""
        return bool(self._refreshes(name))

    def _refreshes(self, name: str) -> list[Call]:
        """Return the calls that asked for a group's refreshes as one of its guards."""
        asked: list[Call] = []
        for call in self.calls:
            if call.name == TERMINATE and self.owners.get(call.asked["InstanceId"]) == name:
                break
            if call.asked.get("AutoScalingGroupName") != name:
                continue
            if call.name == START:
                break
            if self.is_guard(call):
                asked.append(call)
        return asked

    def is_guard(self, call: Call) -> bool:
        """Say whether a call asked for a group's refreshes because it would act."""
        return call.name == REFRESHES and not self._observes(call)

    def _observes(self, call: Call) -> bool:
        """Say whether a call listed the refreshes of a group that surges, before it was planned."""
        return call.name == REFRESHES and call is self.observed(call.asked["AutoScalingGroupName"])

    def observed(self, name: str) -> Call | None:
        """Return the call that listed a group's refreshes before it was planned: the first.

        It is made of groups that surge and have not converged.
        """
        made: Call | None = self._once(self._find_observed, name)
        return made

    def _find_observed(self, name: str) -> Call | None:
        asked = self.made(REFRESHES, name)
        observes = bool(asked) and _surges(self.listing[name]) and not self._rested(name)
        return asked[0] if observes else None

    def _rested(self, name: str) -> bool:
        """Say whether a group had converged, whatever its history, when the run first looked."""
        return bool(self._once(self._find_rested, name))

    def _find_rested(self, name: str) -> bool:
        return self._shown(self.listing[name], self.first_look, self.began).is_settled

    def planned_at(self, name: str) -> datetime:
        """Return when a group was planned: right before its guards were asked."""
        before = self.began
        for call in self.calls:
            if self.is_guard(call) and call.asked["AutoScalingGroupName"] == name:
                return before
            before = call.at
        return self.looked

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
        described: set[str] = set()
        answers: dict[str, Any] = {}
        health: dict[str, Any] = {}
        for call in self.calls[:upto]:
            match call.name:
                case "describe_instances":
                    filters = call.asked.get("Filters", ())
                    ids = {id_ for each in filters for id_ in each["Values"]}
                    ids |= set(call.asked.get("InstanceIds", ()))
                    reservations = (call.what or {}).get("Reservations", ())
                    found = {r["InstanceId"]: r for e in reservations for r in e["Instances"]}
                    described = described | ids if call.what else described - ids
                    running = {i for i, r in found.items() if r["State"]["Name"] == "running"}
                    for id_ in ids - running:
                        answers.pop(id_, None)
                    for id_ in ids - found.keys():
                        rows.pop(id_, None)
                    rows |= found
                case "describe_target_health" | "describe_instance_health":
                    health[next(iter(call.asked.values()))] = _healths(call)
                case "probe":
                    for id_ in call.asked["ids"]:
                        answers.pop(id_, None)
                    answers |= _answers(call)
        return Look(rows, frozenset(described), answers, health)

    def _of(self, name: str, **asked: object) -> list[Call]:
        return [c for c in self.calls if c.name == name and asked.items() <= c.asked.items()]

    # What an app should run.

    def target(self, app: str, *, dated: bool) -> Target | str | None:
        """Return what the app should run, None for no release, a text where it was not read.

        Where it need not be `dated` only what is there now has to have been read.
        """
        found: Target | str | None = self._once(self._find, app, dated)
        return found

    def _once(self, do: Callable[..., Any], *asked: Hashable) -> Any:
        """Return what a method returns, and ask it once."""
        key = (do.__name__, *asked)
        if key not in self.known:
            self.known[key] = do(*asked)
        return self.known[key]

    def _find(self, app: str, dated: bool) -> Target | str | None:  # noqa: FBT001 - as `_once` asks
        listings = self._of("list_object_versions", Prefix=f"{app}/")
        if not listings or listings[0].what is None:
            return "not listed"
        pointers = [each for each in self.tape.stored if each.key == f"{app}/current"]
        reads = [c for c in self._of("get_object", Key=f"{app}/current") if "Range" not in c.asked]
        if pointers and pointers[-1].data is not None and not any(c.what for c in reads[:1]):
            return "pointer not read"
        kept = [c for c in self._of(LIFECYCLE) if _NO_RULES not in (c.failed or "")]
        denied = bool(kept) and kept[0].failed == "denied"
        if not dated or history.find(app, self.tape.stored) is None:
            return history.find(app, self.tape.stored)
        if any(c.failed for c in (*reads, *self._dating(app), *kept)) and not denied:
            return "history not read"
        return history.find(app, self.tape.stored, self._kept_from(kept, denied=denied))

    def _dating(self, app: str) -> list[Call]:
        heads = [c for c in self._of("head_object") if "VersionId" in c.asked]
        return [c for c in heads if c.asked["Key"].startswith(f"{app}/")]

    def _kept_from(self, kept: Sequence[Call], *, denied: bool) -> datetime | None:
        if denied:
            return self.looked
        keeps = self.tape.cloud.keeps
        return kept[0].at - keeps if kept and keeps is not None else None

    # What groups launch from.

    def launches(self, row: Mapping[str, Any]) -> Launches | str | None:
        """Return what launches use now, None where that is not followed, a text if unread."""
        said, named = tags(row), row.get("LaunchTemplate")
        if "template" not in said.get("terminator:follow", "").split():
            return None
        if not named:
            configuration = row.get("LaunchConfigurationName")
            return Launches(Origin(configuration)) if configuration else Launches()
        images = said.get("terminator:images") == "true"
        asked = {"LaunchTemplateId": named["LaunchTemplateId"], "Versions": [named["Version"]]}
        made = self._of(TEMPLATES, **asked, ResolveAlias=images)
        if not made or made[0].what is None:
            lost = bool(made) and "InvalidLaunchTemplate" in (made[0].failed or "")
            return Launches() if lost else "template not described"
        [version] = made[0].what["LaunchTemplateVersions"]
        image = version["LaunchTemplateData"]["ImageId"] if images else None
        origin = Origin(version["LaunchTemplateId"], version["VersionNumber"], image)
        return Launches(origin, version["CreateTime"])

    # Groups, as shown.

    def entered(self, name: str) -> Entered | None:
        """Return what a group's scaling activities said, None where that is unknown."""
        found: Entered | None = self._once(self._read_entered, name)
        return found

    def _read_entered(self, name: str) -> Entered | None:
        asked = self.made(ACTIVITIES, name)
        return read_activities(asked[-1]) if asked and asked[-1].what else None

    def see(
        self,
        row: Mapping[str, Any],
        look: Look,
        now: datetime,
        spared: frozenset[str] = frozenset(),
    ) -> Seen:
        """Return a group as shown by a describe and a look; who was spared is protected."""
        key = (id(row), id(look), now, spared)
        if key not in self.known:
            self.known[key] = self._see(row, look, now, spared)
        seen: Seen = self.known[key]
        return seen

    def _see(
        self, row: Mapping[str, Any], look: Look, now: datetime, spared: frozenset[str]
    ) -> Seen:
        seen = self._shown(row, look, now, self.entered(row["AutoScalingGroupName"]), spared)
        if seen.is_settled:
            return replace(seen, settled=True)
        dated = self.target(self.app(row), dated=True) if seen.by_bucket else None
        released = dated if isinstance(dated, Target) else None
        if released and self._rested(seen.name):  # nobody asked since when
            released = replace(released, since=None)
        asked = self.observed(seen.name)
        listed = asked.what["InstanceRefreshes"] if asked and asked.what else ()
        return replace(seen, released=released, refreshes=tuple(map(_refresh, listed)))

    def _shown(
        self,
        row: Mapping[str, Any],
        look: Look,
        now: datetime,
        said: Entered | None = None,
        spared: frozenset[str] = frozenset(),
    ) -> Seen:
        """Return a group as shown, but for what its own history and that of the bucket say."""
        launches = self.launches(row)
        by_bucket = self.config.bucket is not None and _is_probed(row)
        target = self.target(self.app(row), dated=False) if by_bucket else None
        key = ("members", id(row), id(look), said is None, spared)
        if key not in self.known:
            self.known[key] = tuple(self._members(row, look, said, spared))
        return Seen(
            row,
            self.known[key],
            now,
            bucket=self.config.bucket is not None,
            released=target if isinstance(target, Target) else None,
            failed=said.failed if said else (),
            refused=said.refused if said else (),
            taken=said.taken if said else (),
            launches=launches if isinstance(launches, Launches) else None,
        )

    def last_seen(self, name: str, id_: str) -> Member:
        """Return an instance that went, as it was shown in the last look before."""
        went = next(c for c in self.calls if c.name == TERMINATE and c.asked["InstanceId"] == id_)
        look = self.last_look if self.is_late(went) else self.first_look
        seen = self.see(self.listing[name], look, self.looked)
        return next(member for member in seen.members if member.id == id_)

    def is_unobserved(self, row: Mapping[str, Any], look: Look) -> bool:
        """Say whether anything that the rules need was not observed."""
        key = ("unobserved", id(row), id(look))
        if key not in self.known:
            self.known[key] = self._is_unobserved(row, look)
        return bool(self.known[key])

    def _is_unobserved(self, row: Mapping[str, Any], look: Look) -> bool:
        seen = self.see(row, look, self.looked)
        dated = not seen.settled
        if seen.by_bucket and isinstance(self.target(self.app(row), dated=dated), str):
            return True
        if isinstance(self.launches(row), str):
            return True
        if not seen.settled and self.entered(seen.name) is None:
            return True
        listed = self.observed(seen.name)
        if listed is not None and listed.what is None:
            return True
        if any(look.health.get(each) is None for each in _balancers(row)):
            return True
        counted = [m.id for m in seen.counted]
        asked = [m.id for m in seen.counted if m.serving and m.probed]
        return bool(set(counted) - look.asked) or any(
            i not in look.answers or not look.rows[i].get("PrivateIpAddress") for i in asked
        )

    def _members(
        self,
        group: Mapping[str, Any],
        look: Look,
        said: Entered | None,
        spared: frozenset[str],
    ) -> Iterator[Member]:
        probed = _is_probed(group)
        asked = [look.health.get(each) for each in _balancers(group)]
        used = [found for found in asked if found is not None and not _is_unused(found)]
        for shown in group["Instances"]:
            id_ = shown["InstanceId"]
            row = look.rows.get(id_)
            runs = row is not None and row["State"]["Name"] == "running"
            serves = (shown["LifecycleState"], shown["HealthStatus"]) == ("InService", "Healthy")
            answer = look.answers.get(id_) if runs and serves and probed else None
            told = [found.get(id_) for found in used]
            traffic: bool | None = all(of == ("healthy", "") for of in told)
            if any(of is not None and of[1] == "unknown" for of in told):
                traffic = None
            states = [of[0] for of in told if of is not None]
            vouched = "healthy" in states
            yield Member(
                id=id_,
                zone=shown["AvailabilityZone"],
                state=shown["LifecycleState"],
                health=shown["HealthStatus"],
                runs=runs,
                made=_made(row),
                entered=said.entered(row, id_, self.looked) if said else None,
                pooled=said.pooled.get(id_) if said else None,
                left=said.left.get(id_) if said else None,
                version=answer["version"] if answer else None,
                reason=answer["reason"] if answer else None,
                traffic=traffic,
                vouched=vouched,
                refused=bool(told) and not vouched,
                unhealthy=bool(states) and all(each == "unhealthy" for each in states),
                unused=not traffic and all(of in _USED_OR_NOT for of in told),
                protected=shown["ProtectedFromScaleIn"] or id_ in spared,
                weighted="WeightedCapacity" in shown,
                probed=probed,
                origin=_origin(shown, row),
                taint=_taint(row),
            )

    def guarded(self, seen: Seen) -> Seen:
        """Return a group with what its guards said, wherever in the run they were asked."""
        asked = [call for call in self._refreshes(seen.name) if call.what]
        shown = asked[-1].what["InstanceRefreshes"] if asked else ()
        reads = self.zip_reads(seen)
        sizes = [c.what["ContentLength"] for c in reads if c.name == "head_object" and c.what]
        read = any(c.name == "get_object" and c.what for c in reads)
        is_whole = read and any(size >= _SMALLEST_ZIP for size in sizes)
        return replace(
            seen,
            refresh=not all(_refresh(each).ended for each in shown),
            alarms=self._alarms(seen),
            zip_bad=bool(reads) and not is_whole,
        )

    def zip_reads(self, seen: Seen) -> list[Call]:
        """Return the calls that read the zip of a group's target."""
        key = seen.released.key if seen.released else None
        of_key = [call for call in self.calls if call.asked.get("Key") == key is not None]
        heads = [c for c in of_key if c.name == "head_object" and "VersionId" not in c.asked]
        return [*heads, *(c for c in of_key if "Range" in c.asked)]

    def alarm_calls(self, seen: Seen) -> list[Call]:
        """Return the calls that asked the alarms of a group."""
        names = seen.alarm_names
        asked = [c for c in self._of(ALARMS) if c.what and set(names) <= set(c.asked["AlarmNames"])]
        return asked if names else []

    def _alarms(self, seen: Seen) -> tuple[Alarm, ...]:
        asked = self.alarm_calls(seen)
        if not asked:
            return (Alarm(None),) * len(seen.alarm_names)
        states = {a["AlarmName"]: a["StateValue"] for a in asked[-1].what["MetricAlarms"]}
        return tuple(
            Alarm(states.get(name), self._rang(name, asked[-1].at)) for name in seen.alarm_names
        )

    def _rang(self, name: str, now: datetime) -> tuple[tuple[datetime, datetime], ...]:
        """Return from and until when an alarm was in ALARM."""
        mine = [each for each in self.tape.changes if each.name == name]
        ends = [*(each.when for each in mine[1:]), now]
        spans = zip(mine, ends, strict=False)
        return tuple((each.when, end) for each, end in spans if each.after == "ALARM")


def tags(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a group as described."""
    return {tag["Key"]: tag["Value"] for tag in row["Tags"]}


def _is_probed(row: Mapping[str, Any]) -> bool:
    return "release" in tags(row).get("terminator:follow", "release").split()


def _surges(row: Mapping[str, Any]) -> bool:
    return tags(row).get("terminator:surge") == "refresh"


def _refresh(row: Mapping[str, Any]) -> Refresh:
    return Refresh(row["Status"], row.get("StartTime"))


def _made(row: Mapping[str, Any] | None) -> datetime:
    """Return when an instance first started, as EC2 lists it."""
    if row is None:
        return NOT_KNOWN
    dates: list[datetime] = [row["LaunchTime"]]
    dates += [each["Attachment"]["AttachTime"] for each in row.get("NetworkInterfaces", ())]
    return min(dates)


def _taint(row: Mapping[str, Any] | None) -> str | None:
    own = {tag["Key"]: tag["Value"] for tag in row["Tags"]} if row else {}
    return own.get("terminator:replace-after")


def _origin(shown: Mapping[str, Any], row: Mapping[str, Any] | None) -> Origin | None:
    """Return what a member was launched from, as Auto Scaling and EC2 list it."""
    if template := shown.get("LaunchTemplate"):
        image = row.get("ImageId") if row else None
        return Origin(template["LaunchTemplateId"], int(template["Version"]), image)
    name = shown.get("LaunchConfigurationName")
    return Origin(name) if name else None


def _balancers(group: Mapping[str, Any]) -> list[str]:
    """Return the load balancers of a group, as they are asked for."""
    return [*group.get("TargetGroupARNs", ()), *group.get("LoadBalancerNames", ())]


def _healths(call: Call) -> dict[str, tuple[str, str]] | None:
    """Return the state of each target, and what overrides it."""
    if call.what is None:
        return None
    if call.name == "describe_instance_health":
        states = call.what["InstanceStates"]
        is_in = {row["InstanceId"]: row["State"] == "InService" for row in states}
        return {id_: ("healthy" if each else "unhealthy", "") for id_, each in is_in.items()}
    overrides = {"zonal_shift_active": "shifted", "unknown": "unknown"}
    return {
        row["Target"]["Id"]: (
            row["TargetHealth"]["State"],
            overrides.get(row.get("AdministrativeOverride", {}).get("State"), ""),
        )
        for row in call.what["TargetHealthDescriptions"]
    }


def _is_unused(found: Mapping[str, tuple[str, str]]) -> bool:
    """Say whether no load balancer uses a target group, so that it says nothing."""
    return bool(found) and all(state == "unused" for state, _ in found.values())


def read_activities(call: Call) -> Entered:
    """Return what a listing of scaling activities says."""
    [[bound]] = [f["Values"] for f in call.asked["Filters"] if f["Name"] == "StartTimeLowerBound"]
    since: dict[str, datetime | None] = {}
    pooled: dict[str, datetime] = {}
    left: dict[str, datetime] = {}
    failed: list[datetime] = []
    began: dict[str, datetime] = {}
    refused: set[str] = set()
    gone: set[str] = set()
    asked: set[str] = set()
    for row in sorted(call.what["Activities"], key=lambda row: row["StartTime"]):
        text, _, id_ = row["Description"].partition(": ")
        is_of = _INSTANCE.fullmatch(id_) is not None
        if text == "Terminating EC2 instance" and is_of:
            left[id_] = row["StartTime"]
            gone |= {id_} if "health check" in row["Cause"] else set()
            refused |= {id_} if "ELB system health check" in row["Cause"] else set()
            asked |= {id_} if row["Cause"].endswith("user request") else set()
        elif text.split(".")[0] not in _ENTERS:
            continue
        elif row["StatusCode"] in {"Failed", "Cancelled"}:
            if text.startswith("Launching"):  # an attachment is no launch
                failed.append(row["EndTime"])
        elif is_of:
            began.setdefault(id_, row["StartTime"])
            ended = row.get("EndTime")
            was = since.get(id_, ended)
            since[id_] = None if ended is None or was is None else max(was, ended)
            if text == _POOL:
                pooled[id_] = row["StartTime"]
    up = {id_: at for id_ in gone if (at := since.get(id_))}
    lost = tuple(
        began[id_]
        for id_, at in up.items()
        if id_ in refused or left[id_] - at <= timedelta(hours=1)
    )
    read_from = datetime.fromisoformat(bound)
    taken = tuple((began.get(id_, read_from), left[id_]) for id_ in asked)
    return Entered(read_from, since, pooled, left, tuple(failed), lost, taken)


def _answers(call: Call) -> dict[str, Any]:
    """Return the answers of a probe function to what it was asked, each given once."""
    rows = [r for r in call.what if isinstance(r, dict)] if isinstance(call.what, list) else []
    times = Counter(row["instance"] for row in rows)
    asked = [id_ for id_ in call.asked["ids"] if times[id_] == 1]
    return {row["instance"]: row for row in rows if row["instance"] in asked}


def run(tape: Tape, config: Config, scope: Scope | None = None) -> Run:
    """Run reconcile once, on tape."""
    began, scope = tape.cloud.now, scope or Scope()
    try:
        records = reconcile(tape.world(), config, scope)
    except Exception as error:  # noqa: BLE001 - the judge says whether it may
        return Run(tape, config, scope, {}, error, began)
    told = {record.group: record.to_json() for record in records}
    return Run(tape, config, scope, told, None, began)
