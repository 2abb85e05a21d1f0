"""The Lambda entry points, on a local fleet; invoking each other stays in this process."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox import fleet, store
from sandbox.fleet import Fleet
from sandbox.local_aws import LocalAws
from sandbox.store import Program, pack
from terminator import handlers
from terminator.clients import Aws
from terminator.errors import UnknownInstancesError
from tests.fakes import lambda_like
from tests.fakes.lambda_like import HANDLERS, context

SETTINGS = {"groups": {"tagged": True}, "releases": {"bucket": store.BUCKET}}
SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@pytest.fixture(scope="module")
def local(shared_aws: LocalAws) -> Iterator[Fleet]:
    """Run the demo's groups on the old release."""
    with fleet.running(ahead=fleet.SETTLED, on=shared_aws) as running:
        fleet.prepare(running)
        yield running


class Functions:
    """Lambda's Invoke, answered in this process: JSON in, JSON out, errors as AWS has them."""

    def __init__(self) -> None:
        self.invoked: list[tuple[str, str]] = []

    def invoke(self, FunctionName: str, Payload: bytes, InvocationType: str = "") -> Any:  # noqa: N803
        self.invoked.append((FunctionName, InvocationType))
        try:
            answer = HANDLERS[FunctionName](json.loads(Payload), context())
        except Exception as error:  # noqa: BLE001 - whatever it is, Lambda answers 200
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(str(error).encode())}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return what the handlers log."""
    written = io.StringIO()
    lambda_like.log_to(monkeypatch, written)
    return written


@pytest.fixture
def deployed(local: Fleet, monkeypatch: pytest.MonkeyPatch) -> Functions:
    """Deploy the handlers: their environment, and clients for the fleet."""
    vpcs = {vpc["VpcId"]: "probe" for vpc in local.aws.ec2.describe_vpcs()["Vpcs"]}
    functions = Functions()
    monkeypatch.setattr(Aws, "functions_within", lambda _aws, _seconds: functions)
    monkeypatch.setitem(vars(local.aws), "functions", functions)
    lambda_like.deploy(monkeypatch, local.aws, SETTINGS, vpcs)
    return functions


def configure(monkeypatch: pytest.MonkeyPatch, **more: object) -> None:
    lambda_like.configure(monkeypatch, {**SETTINGS, **more})


def entries(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def metrics(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if "_aws" in line]


def test_by_default_a_scheduled_run_is_dry(
    deployed: Functions, local: Fleet, log: io.StringIO
) -> None:
    store.upload(local.aws, "web", Program("1.0.274"))
    handlers.reconcile(SCHEDULED, context())
    local.sync()
    assert local.gone == []
    assert deployed.invoked == [("probe", "")]
    messages = [entry["message"] for entry in entries(log) if "message" in entry]
    assert any(line.startswith("live_asg_web => dry run: would terminate") for line in messages)


def test_the_last_line_of_a_group_carries_its_decision_as_fields(
    deployed: Functions, log: io.StringIO
) -> None:
    records: Any = handlers.reconcile({"records": True}, context())
    last = [entry for entry in entries(log) if "group" in entry]
    assert deployed.invoked
    assert [entry["group"] for entry in last] == ["live_asg_api", "live_asg_web"]
    for entry, record in zip(last, records, strict=True):
        assert {k: v for k, v in record.items() if v is not None}.items() <= entry.items()
        assert entry["level"] == "INFO"
        assert entry["service"] == "terminator"
        assert entry["function_request_id"] == "request-1"


@pytest.mark.usefixtures("deployed")
def test_on_a_schedule_a_run_answers_with_a_summary() -> None:
    assert handlers.reconcile(SCHEDULED, context()) == {"groups": 2, "terminated": 0}


@pytest.mark.usefixtures("deployed")
def test_records_that_a_function_may_not_return_leave_out_instances(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    whole: Any = handlers.reconcile({"records": True, "dry_run": True}, context())
    assert [len(each["instances"]) for each in whole] == [3, 3]
    monkeypatch.setattr(handlers, "LONGEST_ANSWER", 100)
    cut: Any = handlers.reconcile({"records": True, "dry_run": True}, context())
    assert [each["group"] for each in cut] == [each["group"] for each in whole]
    assert all(len(each["instances"]) == 0 for each in cut)
    assert "too many instances to answer with" in log.getvalue()


@pytest.mark.parametrize(
    ("minutes", "period", "runs"),
    [
        (0, 5, True),
        (4.9, 5, True),
        (5.1, 5, False),
        (600, 60, False),
        (1.9, 1, True),
        (2.1, 1, False),
    ],
)
def test_an_event_that_is_older_than_a_period_is_dropped_as_done(  # noqa: PLR0913 - fixtures
    deployed: Functions,
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
    minutes: float,
    period: int,
    *,
    runs: bool,
) -> None:
    every = {1: "rate(1 minute)", 60: "rate(1 hour)"}.get(period, f"rate({period} minutes)")
    configure(monkeypatch, schedule=every)
    time = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
    handlers.reconcile({**SCHEDULED, "time": time.replace("+00:00", "Z")}, context())
    assert bool(deployed.invoked) == runs
    assert ("nothing done: the event is" in log.getvalue()) != runs


def test_an_event_from_the_future_or_without_a_time_is_not_late(deployed: Functions) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for event in ({"time": later}, {}, {"time": None}):
        handlers.reconcile(event, context())
    assert len(deployed.invoked) == 3


def test_a_time_that_cannot_be_read_is_an_error(deployed: Functions) -> None:
    with pytest.raises(handlers.EventError, match="time must be a time such as"):
        handlers.reconcile({"time": "yesterday"}, context())
    assert deployed.invoked == []


@pytest.mark.usefixtures("deployed")
def test_metrics_are_summed_over_the_groups(capsys: pytest.CaptureFixture[str]) -> None:
    handlers.reconcile(SCHEDULED, context())
    [emitted] = metrics(capsys)
    [directive] = emitted["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Terminator"
    assert directive["Dimensions"] == [["service"]]
    assert {each["Name"]: emitted[each["Name"]] for each in directive["Metrics"]} == {
        "Available": [6.0],
        "Unavailable": [0.0],
        "InFlight": [0.0],
        "Outdated": [3.0],
        "Stale": [0.0],
        "Overdue": [0.0],
        "Held": [0.0],
        "NeedsAttention": [0.0],
        "Terminated": [0.0],
        "Failed": [0.0],
    }


@pytest.mark.usefixtures("deployed")
def test_a_dimension_for_each_group_is_opt_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(monkeypatch, group_metrics=True)
    handlers.reconcile(SCHEDULED, context())
    emitted = metrics(capsys)
    assert [entry.get("group") for entry in emitted] == [None, "live_asg_api", "live_asg_web"]


@pytest.mark.usefixtures("deployed")
def test_metrics_are_those_of_the_deployment_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(monkeypatch, group_metrics=True, name="terminator-eu")
    handlers.reconcile(SCHEDULED, context())
    emitted = metrics(capsys)
    assert [entry["service"] for entry in emitted] == ["terminator-eu"] * 3
    for entry in emitted:
        [directive] = entry["_aws"]["CloudWatchMetrics"]
        assert all("service" in names for names in directive["Dimensions"])


@pytest.mark.usefixtures("deployed")
def test_a_group_that_could_not_be_observed_has_no_numbers_but_that_it_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(monkeypatch, group_metrics=True)
    monkeypatch.setenv("TERMINATOR_PROBES", "{}")
    with pytest.raises(handlers.RunFailedError):
        handlers.reconcile(SCHEDULED, context())
    _, *groups = metrics(capsys)
    assert [group["Failed"] for group in groups] == [[1.0], [1.0]]
    assert not any("Available" in group for group in groups)


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("event", "started_by"),
    [
        (SCHEDULED, "schedule"),
        ({"app": "web", "time": "now"}, "event"),
        ({"app": "web", "records": True, "dry_run": True}, "command"),
    ],
)
def test_a_record_says_what_began_its_run(
    event: dict[str, object], started_by: str, log: io.StringIO
) -> None:
    if "app" in event and "time" in event:
        event = {**event, "time": datetime.now(UTC).isoformat()}
    handlers.reconcile(event, context())
    logged = [entry["started_by"] for entry in entries(log) if "group" in entry]
    assert set(logged) == {started_by}


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize("narrowed", [{"app": "web"}, {"groups": ["live_asg_web"]}])
def test_a_run_for_some_of_the_groups_does_not_tell_how_all_are(
    capsys: pytest.CaptureFixture[str], narrowed: dict[str, object]
) -> None:
    handlers.reconcile(narrowed, context())
    [emitted] = metrics(capsys)
    [directive] = emitted["_aws"]["CloudWatchMetrics"]
    assert {each["Name"] for each in directive["Metrics"]} == {"Terminated", "Failed"}


@pytest.mark.usefixtures("deployed")
def test_a_run_in_which_anything_failed_ends_as_failed_after_serving_the_others(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    configure(monkeypatch, groups={"names": ["ghost\n"], "tagged": True})
    with pytest.raises(handlers.RunFailedError, match=r"^failed in ghost\\n$"):
        handlers.reconcile(SCHEDULED, context())
    last = [entry for entry in entries(log) if "group" in entry]
    assert [(entry["group"], entry["level"]) for entry in last] == [
        ("ghost\n", "ERROR"),
        ("live_asg_api", "INFO"),
        ("live_asg_web", "INFO"),
    ]


def test_a_vpc_without_a_probe_function_fails_its_groups(
    deployed: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERMINATOR_PROBES", "{}")
    with pytest.raises(handlers.RunFailedError):
        handlers.reconcile(SCHEDULED, context())
    assert deployed.invoked == []


def test_a_probe_function_that_fails_fails_its_groups(
    local: Fleet,
    deployed: Functions,
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
) -> None:
    vpcs = {vpc["VpcId"]: "no_such" for vpc in local.aws.ec2.describe_vpcs()["Vpcs"]}
    monkeypatch.setenv("TERMINATOR_PROBES", json.dumps(vpcs))
    with pytest.raises(handlers.RunFailedError):
        handlers.reconcile(SCHEDULED, context())
    assert deployed.invoked == [("no_such", "")]
    assert "the probe function no_such failed" in entries(log)[0]["message"]


@pytest.mark.parametrize("value", [True, "false", 0, None, "no"])
def test_an_event_ends_the_dry_run_only_with_a_plain_false(
    deployed: Functions, local: Fleet, value: object
) -> None:
    handlers.reconcile({"dry_run": value}, context())
    local.sync()
    assert deployed.invoked
    assert local.gone == []


@pytest.mark.parametrize("event", [{"app": 7}, {"groups": "live_asg_web"}, {"groups": [1]}])
def test_an_event_that_narrows_the_run_wrongly_is_an_error(
    deployed: Functions, event: dict[str, object]
) -> None:
    with pytest.raises(handlers.EventError):
        handlers.reconcile(event, context())
    assert deployed.invoked == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"replace": []},
        {"replace": "i-1"},
        {"replace": [7]},
        {"replace": ["i-1"], "requested_by": None},
        {"replace": ["i-1"], "requested_by": ""},
        {"replace": ["i-1"], "app": "web"},
        {"replace": ["i-1"], "groups": ["live_asg_web"]},
    ],
)
def test_what_asks_to_replace_in_other_words_is_refused(
    deployed: Functions, wrong: dict[str, Any]
) -> None:
    with pytest.raises(handlers.EventError):
        handlers.reconcile({"requested_by": "kim", **wrong}, context())
    assert deployed.invoked == []


def test_a_person_may_ask_to_replace_an_instance_and_the_record_says_who(
    deployed: Functions, local: Fleet, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = min(machine.id for machine in local.of(fleet.WEB))
    event = {"replace": [victim], "requested_by": "arn:aws:iam::1:user/kim", "dry_run": True}
    answer: Any = handlers.reconcile({**event, "records": True}, context())
    [record] = answer
    assert (record["to_terminate"], record["requested_by"]) == ([victim], event["requested_by"])
    assert entries(log)[-1]["requested_by"] == event["requested_by"]
    with pytest.raises(UnknownInstancesError, match="in no group that opted in: i-ghost"):
        handlers.reconcile({**event, "replace": [victim, "i-ghost"]}, context())
    assert deployed.invoked
    assert capsys.readouterr().out == ""


def test_a_failed_run_that_was_asked_for_records_has_them_in_its_error(
    deployed: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, groups={"names": ["ghost"]})
    with pytest.raises(handlers.RunFailedError) as caught:
        handlers.reconcile({"records": True}, context())
    [record] = json.loads(str(caught.value))
    assert (record["group"], record["decision"]) == ("ghost", None)
    assert deployed.invoked == []


def test_an_upload_has_reconcile_replace_one_canary_of_its_app(
    deployed: Functions,
    local: Fleet,
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
) -> None:
    configure(monkeypatch, dry_run=False)
    event = store.upload(local.aws, "api", Program("1.0.274"))
    for _ in range(2):
        handlers.release(event, context())
    local.sync()
    assert [machine.group for machine in local.gone] == ["live_asg_api"]
    assert deployed.invoked == [("reconcile", "Event"), ("probe", "")] * 2
    messages = [entry["message"] for entry in entries(log) if "message" in entry]
    assert messages[0] == "s3://releases/api/1.0.274.zip => reconciling the groups of api"


def test_a_release_that_is_deleted_has_reconcile_asked_at_once(
    deployed: Functions, local: Fleet, log: io.StringIO
) -> None:
    store.upload(local.aws, "api", Program("1.0.280"))
    handlers.release(store.delete(local.aws, "api", "1.0.280"), context())
    said = "s3://releases/api/1.0.280.zip => deleted: reconciling the groups of api"
    assert (entries(log)[0]["message"], entries(log)[0]["level"]) == (said, "INFO")
    assert deployed.invoked == [("reconcile", "Event"), ("probe", "")]


def test_what_happens_to_an_object_otherwise_asks_for_nothing_and_is_no_warning(
    deployed: Functions, local: Fleet, log: io.StringIO
) -> None:
    event = store.put(local.aws, "api/1.0.266.zip", pack(Program("1.0.266")))
    handlers.release({**event, "detail-type": "Object Restore Completed"}, context())
    [entry] = entries(log)
    said = "s3://releases/api/1.0.266.zip => nothing to do: Object Restore Completed"
    assert (entry["message"], entry["level"]) == (said, "INFO")
    assert deployed.invoked == []


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("web/latest.zip", 'key "web/latest.zip" names no version: not a version: "latest"'),
        ("web/1.0.275.zip", "the zip cannot be read: File is not a zip file"),
        ("web/current", "the pointer web/current names 9.9.9, which is no release of web"),
    ],
)
def test_a_bad_upload_is_refused_with_a_warning_and_asks_for_nothing(
    deployed: Functions, local: Fleet, log: io.StringIO, key: str, why: str
) -> None:
    data = {"web/latest.zip": pack(Program("1")), "web/current": b"9.9.9"}.get(key, b"PK\x03\x04")
    handlers.release(store.put(local.aws, key, data), context())
    local.aws.s3.delete_object(Bucket=store.BUCKET, Key=key)
    [entry] = entries(log)
    assert entry["level"] == "WARNING"
    assert entry["message"] == f"s3://releases/{key} => refused: {why}"
    assert deployed.invoked == []
