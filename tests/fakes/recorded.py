"""The deployed reconcile on the model of AWS, and what CloudWatch and EventBridge got of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from terminator import handlers
from tests.fakes.cloud import Cloud, FakeGroup, fleet
from tests.fakes.cloud_api import BUCKET, clients
from tests.fakes.lambda_like import context, deploy, keep_time, log_to

SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@dataclass(frozen=True)
class Datum:
    """A value of a metric, as CloudWatch takes it from an EMF line."""

    when: datetime
    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    value: float
    unit: str


@dataclass
class Recording:
    """Runs of reconcile, with what they logged, measured and told, and whether they failed."""

    cloud: Cloud
    logged: list[tuple[datetime, str]] = field(default_factory=list)
    measured: list[Datum] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    errors: list[tuple[datetime, int]] = field(default_factory=list)
    refuse_events: Callable[[], Any] | None = None

    def run(self, event: Mapping[str, Any] = SCHEDULED) -> None:
        """Run reconcile once, as Lambda does."""
        log, out = io.StringIO(), io.StringIO()
        failed = 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
            log_to(patch, log)
            try:
                handlers.reconcile(event, context())
            except Exception:  # noqa: BLE001 - Lambda counts it, whatever it is
                failed = 1
        self.errors.append((self.cloud.now, failed))
        lines = [*log.getvalue().splitlines(), *out.getvalue().splitlines()]
        self.logged += [(self.cloud.now, line) for line in lines]
        self.measured += [datum for line in lines for datum in self._data(json.loads(line))]

    def every(self, minutes: float, times: int) -> None:
        """Run on a schedule."""
        for _ in range(times):
            self.cloud.wait(minutes)
            self.run()

    def lines(self) -> list[dict[str, Any]]:
        """Return what was logged, read as JSON."""
        return [json.loads(line) for _, line in self.logged]

    def series(self, name: str) -> list[tuple[datetime, float]]:
        """Return the values of a metric that is summed over the groups."""
        own = frozenset({("service", "terminator")})
        return [(d.when, d.value) for d in self.measured if (d.name, d.dimensions) == (name, own)]

    def put_events(self, Entries: list[dict[str, str]]) -> Any:  # noqa: N803 - AWS's name
        """Take events, as EventBridge does."""
        if self.refuse_events is not None:
            return self.refuse_events()
        self.told += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in Entries]}

    def _data(self, line: dict[str, Any]) -> Iterator[Datum]:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            for names in directive["Dimensions"]:
                dimensions = frozenset((name, line[name]) for name in names)
                for metric in directive["Metrics"]:
                    for value in line[metric["Name"]]:
                        yield Datum(
                            self.cloud.now,
                            directive["Namespace"],
                            metric["Name"],
                            dimensions,
                            value,
                            metric["Unit"],
                        )


@contextmanager
def recording(*names: str, settings: Mapping[str, Any] | None = None) -> Iterator[Recording]:
    """Deploy reconcile on groups that run 1.0.266 and should run 1.0.274."""
    cloud, _ = fleet(*names)
    made = Recording(cloud)
    given = {
        "groups": {"tagged": True},
        "releases": {"bucket": BUCKET.name},
        "dry_run": False,
        **(settings or {}),
    }
    aws = clients(cloud)
    functions = SimpleNamespace(invoke=lambda **asked: _invoke(cloud, **asked))
    aws.functions_within = lambda _seconds: functions
    aws.events = SimpleNamespace(put_events=made.put_events)
    with pytest.MonkeyPatch.context() as patch:
        deploy(patch, aws, given, {"vpc-1": "probe"})
        keep_time(patch, cloud)
        yield made
    handlers._config.cache_clear()  # noqa: SLF001 - a container reads it once


def _invoke(cloud: Cloud, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803 - AWS's names
    """Answer as the probe, or run the function that takes releases back."""
    asked = json.loads(Payload)
    try:
        if FunctionName == "withdraw":
            answer: Any = handlers.withdraw(asked, context())
        else:
            answer = cloud.probe("vpc-1", asked["questions"], asked["seconds"])
    except Exception as error:  # noqa: BLE001 - whatever it is, Lambda answers 200
        return {"FunctionError": "Unhandled", "Payload": io.BytesIO(str(error).encode())}
    return {"Payload": io.BytesIO(json.dumps(answer).encode())}


def rollout(of: Recording) -> None:
    """Let the groups take the release to its end, on a schedule of five minutes."""
    of.every(5, 24)


def broken(of: Recording, group: FakeGroup) -> None:
    """Release what never answers, and wait for three hours."""
    group.boots = lambda _released: None
    of.cloud.upload("web", "1.0.275")
    of.every(5, 36)


def came_back_stale(of: Recording, group: FakeGroup) -> None:
    """Release what is not booted: instances come back on the old version, for an hour."""
    group.boots = lambda _released: "1.0.274"
    of.cloud.upload("web", "1.0.276")
    of.every(5, 12)


def mistyped(of: Recording, group: FakeGroup) -> None:
    """Break a setting, for two hours."""
    group.tags["terminator:minimum"] = "lots"
    of.every(5, 24)
