"""Somebody may invoke reconcile, and wants the log, the metrics and those on call to drown."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from terminator import handlers
from terminator.errors import UnknownGroupsError
from tests.fakes import lambda_like
from tests.fakes.cloud import Cloud, fleet
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
