"""The dashboard and its queries: all that they and the alarms name is what runs emit and log."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import boto3
import pytest

from infra import dashboard
from terminator.report.record import InstanceRecord, Record
from tests.fakes.recorded import Recording, recording
from tests.infra.synthesized import FULL, LEAST, OTHER, functions, only, resources, template, text

EACH = pytest.mark.parametrize("of", [FULL, OTHER, LEAST], ids=["full", "other", "least"])
# AWS's own metrics that are watched, as their services document them:
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
AWS_METRICS = {
    ("AWS/Lambda", "Errors", "FunctionName"),
    ("AWS/Lambda", "Duration", "FunctionName"),
    ("AWS/Lambda", "Throttles", "FunctionName"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"),
}


NAMES = ("terminator", "keeper")


@pytest.fixture(scope="module")
def recorded() -> Mapping[str, Recording]:
    """Run the handler of deployments of these names once, with a dimension for each group.

    EventBridge refuses what it tells.
    """
    return {name: ran(name) for name in NAMES}


def ran(name: str) -> Recording:
    with recording("web", "api", settings={"name": name, "group_metrics": True}) as of:
        of.refuse_events = lambda: {"Entries": [{"ErrorCode": "ThrottlingException"}]}
        of.run()
        return of


def name_of(of: Any) -> str:
    return str(of.get("name", "terminator"))


def body(of: Any) -> dict[str, Any]:
    made = only(template(of), "AWS::CloudWatch::Dashboard")
    read: dict[str, Any] = json.loads(text(made["DashboardBody"]))
    return read


def widgets(of: Any, kind: str) -> list[dict[str, Any]]:
    return [each["properties"] for each in body(of)["widgets"] if each["type"] == kind]


def shown(of: Any) -> set[tuple[str, str, str, str]]:
    """Return namespace, name, dimension and its value of every metric of the dashboard."""
    entries = [metric for widget in widgets(of, "metric") for metric in widget["metrics"]]
    return {tuple(entry[:4]) for entry in entries if isinstance(entry[0], str)}


def watched(of: Any) -> set[tuple[str, str, str, str]]:
    """Return the same of every alarm."""
    alarms = resources(template(of), "AWS::CloudWatch::Alarm").values()
    found = [alarm["Properties"] for alarm in alarms]
    return {
        (each["Namespace"], each["MetricName"], only_one["Name"], text(only_one["Value"]))
        for each in found
        for [only_one] in [each["Dimensions"]]
    }


@EACH
def test_every_metric_of_the_dashboard_and_of_alarms_is_emitted(
    recorded: Mapping[str, Recording], of: Any
) -> None:
    measured = recorded[name_of(of)].measured
    emitted = {(d.namespace, d.name, *each) for d in measured for each in d.dimensions}
    # What hardly ever happens is tested where it does.
    seldom = {"PassedOver", "Withdrawn"}
    named = {each for each in shown(of) | watched(of) if each[1] not in seldom}
    assert {each for each in named if not each[0].startswith("AWS/")} <= emitted
    assert {each[:3] for each in named if each[0].startswith("AWS/")} <= AWS_METRICS


@EACH
def test_aws_metrics_are_of_this_stacks_functions_and_queue(of: Any) -> None:
    made = template(of)
    ours = {f"${{{id_}}}" for id_ in resources(made, "AWS::Lambda::Function")}
    ours |= {f"${{{id_}.QueueName}}" for id_ in resources(made, "AWS::SQS::Queue")}
    named = {each for each in shown(of) | watched(of) if each[0].startswith("AWS/")}
    assert {value for *_, value in named} == ours


def test_deployments_of_different_names_share_no_metric(
    recorded: Mapping[str, Recording],
) -> None:
    one, other = ({(d.name, d.dimensions) for d in recorded[name].measured} for name in NAMES)
    assert one.isdisjoint(other)
    assert len(one) == len(other)


def test_the_dashboard_shows_every_metric_that_is_emitted(
    recorded: Mapping[str, Recording],
) -> None:
    emitted = {datum.name for datum in recorded[name_of(LEAST)].measured}
    assert {name for space, name, *_ in shown(LEAST) if space == "Terminator"} == emitted


def test_metrics_of_each_group_are_searched_for_by_the_dimensions_that_they_have(
    recorded: Mapping[str, Recording],
) -> None:
    entries = [metric for widget in widgets(FULL, "metric") for metric in widget["metrics"]]
    searches = [entry[0]["expression"] for entry in entries if isinstance(entry[0], dict)]
    emitted = {
        (d.namespace, d.name, tuple(sorted(name for name, _ in d.dimensions)))
        for d in recorded[name_of(FULL)].measured
    }
    pattern = re.compile(
        r"SEARCH\('\{(\w+),([\w,]+)\} MetricName=\"(\w+)\" service=\"keeper\"', '\w+', 300\)"
    )
    found = [match.groups() for search in searches if (match := pattern.fullmatch(search))]
    assert len(found) == len(searches) == 3
    for namespace, dimensions, name in found:
        assert (namespace, name, tuple(sorted(dimensions.split(",")))) in emitted


@EACH
def test_by_default_no_metric_is_paid_for_each_group(of: Any) -> None:
    expressions = "expression" in json.dumps(widgets(of, "metric"))
    assert expressions == bool(of.get("group_metrics"))


@EACH
def test_queries_ask_the_log_of_reconcile(of: Any) -> None:
    made = template(of)
    log_group = f"${{{functions(made)['reconcile']['LoggingConfig']['LogGroup']['Ref']}}}"
    for widget in widgets(of, "log"):
        assert widget["query"].startswith(f"SOURCE '{log_group}' | ")
        assert "#" not in widget["query"]
    for saved in resources(made, "AWS::Logs::QueryDefinition").values():
        assert list(map(text, saved["Properties"]["LogGroupNames"])) == [log_group]


QUERIES = {name: of for name, of in vars(dashboard).items() if name.isupper() and type(of) is str}
KEYWORDS = {
    *("fields", "filter", "stats", "by", "sort", "limit", "parse", "display", "unnest"),
    *("as", "and", "or", "like", "asc", "desc", "into"),
}


def of_records() -> set[str]:
    """Return the fields of decision records in the log, and of any line of it."""
    record = {field.name for field in fields(Record)} - {"at"}
    return record | {"message", "level"}


@pytest.mark.parametrize("name", QUERIES)
def test_every_field_that_a_query_reads_is_one_that_is_logged(name: str) -> None:
    """Take the names that are followed by no bracket, and leave out those the query makes."""
    query = re.sub(r'"[^"]*"|/[^/]*/|^#.*$', "", QUERIES[name], flags=re.MULTILINE)
    made = set(re.findall(r"\b(?:as|into) (\w+(?:, \w+)*)", query))
    made = {word for words in made for word in words.split(", ")}
    words = set(re.findall(r"(?<![\w.@])[a-z]\w*(?:\.\w+)?\b(?!\()", query))
    read = {word for word in words if word.partition(".")[0] not in made} - KEYWORDS
    assert read <= of_records()
    of_instances = {word.partition(".")[2] for word in words if word.startswith("instance.")}
    assert of_instances <= {field.name for field in fields(InstanceRecord)}


def test_what_queries_read_of_a_group_comes_before_its_instances() -> None:
    """Logs Insights finds 200 fields of a line, and each instance has nine."""
    with recording("web") as of:
        of.every(5, 1)
    [record] = [list(line) for line in of.lines() if "reason" in line]
    assert not of_records() & set(record[record.index("instances") + 1 :])


def test_what_was_terminated_is_found_in_the_line_that_says_so() -> None:
    [glob] = re.findall(r'parse message "([^"]*)"', dashboard.TERMINATED)
    pattern = "(.*)".join(map(re.escape, glob.split("*")))
    with recording("web") as of:
        of.every(5, 1)
    found = [re.fullmatch(pattern, str(line.get("message"))) for line in of.lines()]
    [(_, group, instance)] = of.cloud.kills
    assert [match.groups() for match in found if match] == [(group, instance)]


def test_the_queries_of_the_dashboard_are_those_that_are_tested() -> None:
    asked = {widget["query"].partition(" | ")[2] for widget in widgets(LEAST, "log")}
    known = {re.sub(r"^#.*\n", "", query, flags=re.MULTILINE) for query in QUERIES.values()}
    assert asked <= known
    assert len(asked) == 7


def test_the_dashboard_shows_every_alarm() -> None:
    [widget] = widgets(FULL, "alarm")
    made = resources(template(FULL), "AWS::CloudWatch::Alarm")
    assert set(widget["alarms"]) == {f"${{{id_}.Arn}}" for id_ in made}


def test_what_is_deployed_is_named_after_the_deployment() -> None:
    made = template(FULL)
    board = only(made, "AWS::CloudWatch::Dashboard")
    assert text(board["DashboardName"]) == "keeper-${AWS::Region}"
    saved = resources(made, "AWS::Logs::QueryDefinition").values()
    assert {each["Properties"]["Name"] for each in saved} == {
        f"keeper/{title}" for title in dashboard.SAVED
    }
    assert {each["Properties"]["QueryString"] for each in saved} == set(dashboard.SAVED.values())


def test_watching_stays_within_what_is_free(recorded: Mapping[str, Recording]) -> None:
    """The first ten custom metrics and alarms, and three dashboards, of an account."""
    made = template(FULL)
    summed = {d.name for d in recorded[name_of(FULL)].measured if len(d.dimensions) == 1}
    # It is emitted, and paid, in the hours alone in which EventBridge refuses events.
    assert len(summed - {"EventsNotPut"}) <= 10
    assert len(resources(made, "AWS::CloudWatch::Alarm")) <= 10
    assert len(resources(made, "AWS::CloudWatch::Dashboard")) == 1


def test_cloudwatch_has_the_statistics_and_units_that_are_used(
    recorded: Mapping[str, Recording],
) -> None:
    model: Any = boto3.client("cloudwatch", region_name="eu-west-1").meta.service_model
    statistics = model.shape_for("Statistic").enum
    measured = recorded[name_of(FULL)].measured
    assert {d.unit for d in measured} <= set(model.shape_for("StandardUnit").enum)
    alarms = resources(template(FULL), "AWS::CloudWatch::Alarm").values()
    assert {each["Properties"]["Statistic"] for each in alarms} <= set(statistics)
