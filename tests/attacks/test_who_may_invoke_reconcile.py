"""Somebody may invoke reconcile, and wants the log, the metrics and those on call to drown."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from terminator import handlers
from terminator.errors import UnknownGroupsError, UnknownInstancesError
from tests.fakes import lambda_like
from tests.fakes.cloud import Cloud, fleet, refusal
from tests.fakes.cloud_api import BUCKET, clients

Invoke = Callable[[dict[str, Any]], Any]
SETTINGS = {"group_metrics": True, "releases": {"bucket": BUCKET.name}}
NAMES = [f"ghost-{number:03}{'x' * 200}\n" for number in range(999)]


class Deployed:
    """Reconcile, deployed to a model of AWS in which `web` has opted in."""

    def __init__(self, patch: pytest.MonkeyPatch, **groups: object) -> None:
        self.cloud: Cloud
        self.cloud, _ = fleet("web")
        self.events: list[Any] = []
        self.log = io.StringIO()
        aws = clients(self.cloud)
        aws.events = SimpleNamespace(put_events=self._put)
        aws.functions_within = lambda _seconds: SimpleNamespace(invoke=self._probe)
        settings = {**SETTINGS, "groups": {"tagged": True, **groups}, "dry_run": False}
        lambda_like.deploy(patch, aws, settings, {"vpc-1": "probe"})
        lambda_like.keep_time(patch, self.cloud)
        lambda_like.log_to(patch, self.log)

    def _put(self, *, Entries: list[Any]) -> Any:  # noqa: N803 - AWS's name
        self.events += Entries
        return {"Entries": [{} for _ in Entries]}

    def _probe(self, **asked: Any) -> Any:
        of = json.loads(asked["Payload"])
        answers = self.cloud.probe("vpc-1", of["questions"], of["seconds"])
        return {"Payload": io.BytesIO(json.dumps(answers).encode())}

    def invoke(self, event: dict[str, Any]) -> Any:
        """Invoke reconcile."""
        return handlers.reconcile(event, lambda_like.context())

    def refuse_the_second_listing(self, patch: pytest.MonkeyPatch) -> Iterator[int]:
        """Refuse the listing of what is tagged; yield the number of listings so far."""
        number, called = count(), self.cloud.called

        def refusing(operation: str, *subjects: str) -> None:
            if operation == "DescribeAutoScalingGroups" and next(number) == 1:
                raise refusal("AccessDenied")
            called(operation, *subjects)

        patch.setattr(self.cloud, "called", refusing)
        return number

    def lines(self) -> list[dict[str, Any]]:
        """Return what it has logged."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


def metrics(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what was emitted to CloudWatch."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if "_aws" in line]


@pytest.mark.parametrize("more", [{}, {"records": True}, {"dry_run": True}, {"dry_run": False}])
def test_hundreds_of_names_that_nobody_serves_come_to_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: dict[str, object]
) -> None:
    deployed = Deployed(monkeypatch)
    with pytest.raises(UnknownGroupsError) as caught:
        deployed.invoke({"groups": [*NAMES, "web"], **more})
    told = str(caught.value)
    assert told.startswith("no group of this name has opted in, by name or by tag: ghost-000xx")
    assert told.endswith(" and 996 more")
    assert told.isprintable()
    assert len(told) < 1000
    assert [line["message"] for line in deployed.lines()] == [told]
    assert (deployed.events, metrics(capsys), deployed.cloud.kills) == ([], [], [])


@pytest.mark.parametrize("more", [{}, {"records": True}, {"dry_run": True}])
def test_instances_that_nobody_has_come_to_one_line_and_no_event(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: dict[str, object]
) -> None:
    deployed = Deployed(monkeypatch)
    ids = [f"i-{number}\n{'x' * 1000}" for number in range(5000)]
    with pytest.raises(UnknownInstancesError) as caught:
        deployed.invoke({"replace": ids, "requested_by": "nobody", **more})
    told = str(caught.value)
    assert told.startswith("in no group that opted in: i-0\\nxx")
    assert told.endswith(" and 4997 more")
    assert told.isprintable()
    assert len(told) < 1000
    assert [line["message"] for line in deployed.lines()] == [told]
    assert (deployed.events, metrics(capsys), deployed.cloud.kills) == ([], [], [])


def test_instances_are_not_unknown_where_not_all_groups_could_be_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployed = Deployed(monkeypatch, names=["web"])
    pages = deployed.refuse_the_second_listing(monkeypatch)
    with pytest.raises(handlers.RunFailedError, match=r"i-ghost; not all groups could be listed"):
        deployed.invoke({"replace": ["i-ghost"], "requested_by": "somebody"})
    assert next(pages) == 2
    assert len(deployed.events) == 1


@pytest.mark.parametrize("said", [0, None, "false"])
def test_who_asks_for_a_plan_in_a_way_of_their_own_quiets_no_alarm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: object
) -> None:
    deployed = Deployed(monkeypatch)
    assert deployed.invoke({"dry_run": said}) == {"groups": 1, "terminated": 0}
    assert (deployed.events, metrics(capsys), deployed.cloud.kills) == ([], [], [])


def test_a_name_of_the_deployments_own_that_no_group_has_fails_the_run_and_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed = Deployed(monkeypatch, names=["ghost"])
    for event in ({}, {"groups": ["ghost", "web"]}):
        deployed.events.clear()
        with pytest.raises(handlers.RunFailedError, match=r"^failed in ghost$"):
            deployed.invoke(event)
        told = [json.loads(entry["Detail"])["group"] for entry in deployed.events]
        assert "ghost" in told
        assert "ghost" in [each.get("group") for each in metrics(capsys)]


def test_the_groups_that_are_served_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = Deployed(monkeypatch)
    assert deployed.invoke({"groups": ["web"]}) == {"groups": 1, "terminated": 1}
