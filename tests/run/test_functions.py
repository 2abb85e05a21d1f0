"""Invoking functions: whatever comes back is an answer or a clear failure."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from terminator.errors import UnknownGroupsError
from terminator.invoke import ReconcileError, ask_reconcile, probe_through, run_reconcile
from terminator.observe.versions import ProbeError
from terminator.probe.ask import Question
from tests.decide.builders import NOW
from tests.fakes.cloud import refusal
from tests.probe.asking import question

ASKED: list[Question] = [question("http://10.0.0.1/", "i-1")]


class Lambda:
    """Lambda's Invoke, with an answer given beforehand; remembers what it was asked."""

    def __init__(self, body: bytes, error: str | None = None) -> None:
        self.asked: dict[str, Any] = {}
        self._body, self._error = body, error

    def invoke(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        failed = {"FunctionError": self._error} if self._error else {}
        return {"Payload": io.BytesIO(self._body), **failed}


def as_client(fake: Lambda) -> Any:
    return fake


def waiting(fake: Lambda) -> Any:
    """Return what gives the fake as a client, however long it may wait."""
    return lambda _seconds: fake


def test_the_probe_function_of_the_vpc_is_asked() -> None:
    functions = Lambda(b'[{"instance": "i-1", "version": "1.0", "reason": null}]')
    answers = probe_through(waiting(functions), {"vpc-1": "probe-1"})("vpc-1", ASKED, 30.0)
    assert answers == [{"instance": "i-1", "version": "1.0", "reason": None}]
    assert functions.asked["FunctionName"] == "probe-1"
    assert json.loads(functions.asked["Payload"]) == {"questions": ASKED, "seconds": 30.0}


@pytest.mark.parametrize(("vpc", "named"), [("vpc-2", "vpc-2"), ("", "no VPC"), ("v\n", r"v\\n")])
def test_a_vpc_without_a_function_is_a_failure_that_names_it(vpc: str, named: str) -> None:
    with pytest.raises(ProbeError, match=f"no probe function is configured for {named}$"):
        probe_through(waiting(Lambda(b"")), {"vpc-1": "probe-1"})(vpc, ASKED, 30.0)


@pytest.mark.parametrize("body", [b"", b"not JSON", b'{"unfinished', b"\xff"])
def test_an_answer_that_is_no_json_is_a_failure(body: bytes) -> None:
    with pytest.raises(ProbeError, match=r"^the probe function of vpc-1 failed: "):
        probe_through(waiting(Lambda(body)), {"vpc-1": "probe-1"})("vpc-1", ASKED, 30.0)


def test_a_function_that_fails_is_a_failure_with_its_words_escaped() -> None:
    functions = Lambda(b'{"errorMessage": "\x1b[2J"}', error="Unhandled")
    with pytest.raises(ProbeError) as caught:
        probe_through(waiting(functions), {"vpc-1": "probe-1"})("vpc-1", ASKED, 30.0)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("body", [b"{}", b'"text"', b"null", b"7"])
def test_an_answer_of_another_shape_answers_nothing(body: bytes) -> None:
    asked = probe_through(waiting(Lambda(body)), {"vpc-1": "probe-1"})
    assert asked("vpc-1", ASKED, 30.0) == []


def test_release_does_not_wait_for_reconcile() -> None:
    functions = Lambda(b"")
    ask_reconcile(as_client(functions), "reconcile", "web", NOW)
    assert functions.asked == {
        "FunctionName": "reconcile",
        "InvocationType": "Event",
        "Payload": b'{"app": "web", "time": "2026-11-18T12:00:00+00:00"}',
    }


RECORDS: list[dict[str, Any]] = [{"group": "live_asg_web", "decision": None, "failed": {}}]


def test_the_records_of_a_run_that_failed_are_read_too() -> None:
    told = {"errorType": "RunFailedError", "errorMessage": json.dumps(RECORDS)}
    functions = Lambda(json.dumps(told).encode(), error="Unhandled")
    assert run_reconcile(as_client(functions), "reconcile", {"dry_run": True}) == RECORDS
    assert json.loads(functions.asked["Payload"]) == {"dry_run": True, "records": True}


def test_a_run_that_did_not_get_so_far_is_an_error_that_says_why() -> None:
    told = {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out\nafter 300 seconds"}
    functions = Lambda(json.dumps(told).encode(), error="Unhandled")
    with pytest.raises(ReconcileError) as caught:
        run_reconcile(as_client(functions), "reconcile", {})
    assert str(caught.value) == (
        "reconcile failed: Sandbox.Timedout: Task timed out\\nafter 300 seconds"
    )


def test_a_run_that_could_not_list_its_groups_is_an_error_that_says_why() -> None:
    why = "the groups could not be served: Throttling: slow down"
    told = {"errorType": "RunFailedError", "errorMessage": why}
    functions = Lambda(json.dumps(told).encode(), error="Unhandled")
    with pytest.raises(ReconcileError) as caught:
        run_reconcile(as_client(functions), "reconcile", {})
    assert str(caught.value) == f"reconcile failed: {why}"


def test_a_group_that_has_not_opted_in_is_told_apart() -> None:
    why = "no group of this name has opted in, by name or by tag: ghost"
    told = {"errorType": "UnknownGroupsError", "errorMessage": why}
    functions = Lambda(json.dumps(told).encode(), error="Unhandled")
    with pytest.raises(UnknownGroupsError, match=f"^{why}$"):
        run_reconcile(as_client(functions), "reconcile", {})


def test_errors_of_aws_pass_through_to_who_asked() -> None:
    class Refusing(Lambda):
        def invoke(self, **_asked: Any) -> dict[str, Any]:
            raise refusal("TooManyRequestsException")

    waits: list[float] = []
    probe = probe_through(waiting(Refusing(b"")), {"vpc-1": "p"}, waits.append)
    with pytest.raises(ProbeError, match="TooManyRequestsException"):
        probe("vpc-1", ASKED, 30.0)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0]
