"""A tape of a run: every call it made of AWS and of the probe, what it was shown, and when.

It stands between reconcile and the model, so it can also let things happen, or fail, at a call.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import NoCredentialsError, ReadTimeoutError
from terminator.observe.survey import Scope, World

from terminator.config.deployment import Config
from terminator.probe.ask import Question
from terminator.reconcile import reconcile
from terminator.report.record import Line, Outcome
from tests.fakes import cloud_api
from tests.fakes.cloud import refusal
from tests.fakes.region import Region

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
    """The calls of one run over a region, in order; `seconds` are left to the run."""

    region: Region
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
            self.calls.append(Call(name, self.region.now, asked, failed=fault or str(error)))
            raise
        self.calls.append(Call(name, self.region.now, asked, what))
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
        return World(
            aws=self.clients(),
            probe=self.probe,
            clock=lambda: self.region.now,
            sleep=self.sleep,
            remaining=lambda: self.seconds,
            say=self.lines.append,
        )

    def probe(self, vpc: str, questions: Sequence[Question], seconds: float) -> Any:
        """Ask instances."""
        asked = {"vpc": vpc, "ids": [each["instance"] for each in questions]}
        return self.call("probe", asked, lambda: self.region.probe(vpc, questions, seconds))

    def sleep(self, seconds: float) -> None:
        """Let time pass in the region too."""
        self.call("sleep", {"seconds": seconds}, lambda: self.region.wait(seconds / 60))

    def clients(self) -> Any:
        """Return what stands for `Aws`."""
        real = cloud_api.clients(self.region)
        names = ("ec2", "cloudwatch", "elbv2", "s3", "elb")
        autoscaling = Client(self, real.autoscaling)
        others = {name: Client(self, getattr(real, name)) for name in names}
        return SimpleNamespace(autoscaling=autoscaling, terminating=autoscaling, **others)


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
        """Return a paginator; the model's fleets fit into one page."""
        return SimpleNamespace(paginate=lambda **asked: [self._page(name, asked)])

    def _page(self, name: str, asked: Mapping[str, Any]) -> Any:
        def do() -> dict[str, Any]:
            (page,) = self.real.get_paginator(name).paginate(**asked)
            groups = page.get("AutoScalingGroups", ())
            shown = [self.tape.region.shown(row["AutoScalingGroupName"]) for row in groups]
            return {**page, "AutoScalingGroups": shown}

        return self.tape.call(name, asked, do)


@dataclass(frozen=True)
class Run:
    """A run of reconcile: its tape, what it was told to do, and what it returned or raised."""

    tape: Tape
    config: Config
    scope: Scope
    outcomes: Mapping[str, Outcome]
    raised: Exception | None
    began: datetime


def run(tape: Tape, config: Config, scope: Scope | None = None) -> Run:
    """Run reconcile once, on tape."""
    began, scope = tape.region.now, scope or Scope()
    try:
        outcomes = reconcile(tape.world(), config, scope)
    except Exception as error:  # noqa: BLE001 - the judge says whether it may
        return Run(tape, config, scope, {}, error, began)
    return Run(tape, config, scope, {each.name: each for each in outcomes}, None, began)
