"""Faults at the seam to AWS: the handler on the cloud model, with one call failing.

Two groups, `broken` and `other`, each have an app, a VPC, a target group, a classic load
balancer, an alarm and a pointer of their own, so that a run makes every call that reconcile
makes, and what happens to the one says nothing of the other. Both are due for a canary.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from terminator import handlers, invoke
from terminator.observe import autoscaling
from tests.fakes import cloud_api
from tests.fakes.cloud import Cloud, minutes
from tests.fakes.lambda_like import context as lambda_context
from tests.fakes.lambda_like import deploy, keep_time, log_to

if TYPE_CHECKING:
    import pytest

BROKEN, OTHER = "broken", "other"
VPCS = {BROKEN: "vpc-1", OTHER: "vpc-2"}
PROBES = {"vpc-1": "probe-1", "vpc-2": "probe-2"}
SETTINGS = {"groups": {"tagged": True}, "dry_run": False, "releases": {"bucket": "releases"}}


def answered(code: str, status: int = 400) -> ClientError:
    """Return the error that boto3 raises for an answer with this code and HTTP status."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": "said\nAWS\x1b[2J"},
            "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]
        },
        "Operation",
    )


# What may come of any call, by what is to be read of it.
FAULTS: dict[str, Exception] = {
    "Throttling": answered("Throttling"),
    "InternalFailure": answered("InternalFailure", 500),
    "ReadTimeoutError": ReadTimeoutError(endpoint_url="https://aws"),
    "EndpointConnectionError": EndpointConnectionError(endpoint_url="https://aws"),
    "AccessDenied": answered("AccessDenied", 403),
    "ValidationError": answered("ValidationError"),
    "ScalingActivityInProgress": answered("ScalingActivityInProgress"),
    "ResourceContention": answered("ResourceContention", 500),
    "ExpiredToken": answered("ExpiredToken", 403),
    "NoCredentialsError": NoCredentialsError(),
}


@dataclass(frozen=True)
class Seam:
    """A call of a run: the operation, what it is about, and which one of its kind."""

    operation: str
    subject: str = ""
    nth: int = 1


@dataclass
class Ran:
    """What a run left behind: records by group, the log, and the error it ended with."""

    records: dict[str, dict[str, Any]]
    entries: list[dict[str, Any]]
    written: str
    error: Exception | None

    def why(self, group: str = BROKEN) -> str:
        """Return the reason in a group's record."""
        return str(self.records[group]["reason"])

    def last(self, group: str = BROKEN) -> dict[str, Any]:
        """Return the last log entry of a group, which carries its record."""
        return next(each for each in reversed(self.entries) if each.get("group") == group)


class Stage:
    """The handler deployed on the cloud model; any call may be made to fail or to lie."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.cloud = _cloud()
        self.aws = cloud_api.clients(self.cloud)
        self.aws.functions_within = lambda _seconds: SimpleNamespace(invoke=self._invoke)
        self.aws.events = SimpleNamespace(put_events=lambda **_: {"Entries": []})
        self.remaining: Callable[[], float] = lambda: 300.0
        self.answer: Callable[[str, bytes], dict[str, Any]] = lambda _name, body: payload(body)
        self.log = io.StringIO()
        self.called: list[tuple[str, ...]] = []
        self.before: list[Callable[..., None]] = []
        self.cloud.called = self._note  # type: ignore[method-assign]
        _deploy(self, patch)

    def _note(self, operation: str, *subjects: str) -> None:
        call = (operation, *subjects)
        self.called.append(call)
        for told in self.before:
            told(*call)

    def fail(self, seam: Seam, fault: Exception) -> None:
        """Make one call fail."""
        left = seam.nth

        def told(operation: str, *subjects: str) -> None:
            nonlocal left
            if operation == seam.operation and seam.subject in ("", *subjects):
                left -= 1
                if left == 0:
                    raise fault

        self.before.append(told)

    def tamper(self, client: str, operation: str, change: Callable[[Any], Any]) -> None:
        """Have every answer (or page) of an operation changed on its way."""
        setattr(self.aws, client, _Tampered(getattr(self.aws, client), operation, change))

    def silence(self, group: str = BROKEN) -> None:
        """Let the first member of a group never answer, nor be healthy: it counts as dead."""
        machine = self.cloud.groups[group].machines[0]
        self.cloud.muted[machine.id], machine.target = 999, "unhealthy"

    def lost(self, group: str = BROKEN) -> int:
        """Return how many members a group lost."""
        return sum(name == group for _, name, _ in self.cloud.kills)

    def run(self, event: dict[str, Any] | None = None) -> Ran:
        """Run the handler once."""
        error: Exception | None = None
        records: list[dict[str, Any]] = []
        try:
            records = list[Any](
                handlers.reconcile({"records": True, **(event or {})}, self._context())
            )
        except Exception as raised:  # noqa: BLE001 - what it ended with is what is asked
            error = raised
            with suppress(ValueError):
                records = json.loads(str(raised))
        written = self.log.getvalue()
        entries = [json.loads(line) for line in written.splitlines()]
        return Ran({each["group"]: each for each in records}, entries, written, error)

    def _context(self) -> Any:
        context = lambda_context()
        context.get_remaining_time_in_millis = lambda: self.remaining() * 1000
        return context

    def _invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's
        self.cloud.called("Invoke", FunctionName)
        questions = json.loads(Payload)["questions"]
        answers = self.cloud.probe(FunctionName, questions, 0)
        return self.answer(FunctionName, json.dumps(answers).encode())


def payload(body: bytes, **more: str) -> dict[str, Any]:
    """Return the answer of Lambda's Invoke with this body."""
    return {"Payload": io.BytesIO(body), **more}


def _cloud() -> Cloud:
    cloud = Cloud()
    cloud.now -= minutes(6000)
    for name in VPCS:
        cloud.upload(name, "1.0.266")
    cloud.wait(6000)
    for name, vpc in VPCS.items():
        tags = {"terminator:app": name, "terminator:alarms": f"{name}-errors"}
        more = {"LoadBalancerNames": [name]}
        group = cloud.add_group(name, 3, tags=tags, balanced=True, more=more)
        for machine in group.machines:
            machine.vpc = vpc
        cloud.alarms[f"{name}-errors"] = "OK"
        cloud.upload(name, "1.0.274")
        cloud.put(f"{name}/current", b"1.0.274")
    return cloud


def _deploy(stage: Stage, patch: pytest.MonkeyPatch) -> None:
    """Deploy the handlers; pages are small, and waiting for a probe function takes no time."""
    deploy(patch, stage.aws, SETTINGS, PROBES)
    keep_time(patch, stage.cloud)
    patch.setattr(invoke, "time", SimpleNamespace(sleep=lambda _seconds: None))
    log_to(patch, stage.log)
    patch.setattr(autoscaling, "_GROUPS_A_CALL", 1)
    patch.setattr(autoscaling, "_IDS_A_CALL", 3)
    patch.setattr(cloud_api, "KEYS_A_PAGE", 2)


class _Tampered:
    """A client one of whose operations has its answers, or pages, changed on their way."""

    def __init__(self, client: Any, operation: str, change: Callable[[Any], Any]) -> None:
        self._client, self._operation, self._change = client, operation, change

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name == self._operation:
            return lambda **asked: self._change(real(**asked))
        if name != "get_paginator":
            return real

        def get_paginator(operation: str) -> Any:
            paginate = real(operation).paginate
            changed = self._change if operation == self._operation else lambda page: page
            return SimpleNamespace(paginate=lambda **asked: map(changed, paginate(**asked)))

        return get_paginator
