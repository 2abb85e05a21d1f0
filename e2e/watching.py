"""What watches a deployment, on a local AWS: dashboard, alarms, topic, and events that arrive."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sandbox.local_aws import REGION

if TYPE_CHECKING:
    import boto3

    from e2e.drive import Drive

EVENTS: Final = "events-of-terminator"
_ALARMS: Final = 6


def see(drive: Drive, log_group: str) -> None:
    """See the dashboard, and the alarms that tell the topic."""
    cloudwatch = _beside_the_functions(drive).client("cloudwatch")
    body = cloudwatch.get_dashboard(DashboardName=f"terminator-{REGION}")["DashboardBody"]
    drive.check("there is a dashboard", holds=log_group in body, shown=body)
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix="terminator-")["MetricAlarms"]
    told = {arn for alarm in alarms for arn in (*alarm["AlarmActions"], *alarm["OKActions"])}
    topics = {
        each["TopicArn"]
        for each in _beside_the_functions(drive).client("sns").list_topics()["Topics"]
    }
    names = sorted(alarm["AlarmName"] for alarm in alarms)
    drive.check(
        "six alarms tell the topic", holds=len(names) == _ALARMS and told == topics, shown=names
    )


def listen(drive: Drive) -> None:
    """Have a queue be told of the events of Terminator, as a pipeline would."""
    session = _beside_the_functions(drive)
    sqs, events = session.client("sqs"), session.client("events")
    url = sqs.create_queue(QueueName=EVENTS)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    events.put_rule(Name=EVENTS, EventPattern=json.dumps({"source": ["terminator"]}))
    events.put_targets(Rule=EVENTS, Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}])


def hear(drive: Drive) -> None:
    """See that every termination was told, and nothing else."""
    told = [event for event in _heard(drive) if event["detail-type"] == "Terminator Replacement"]
    ids = sorted(id_ for event in told for id_ in event["detail"]["terminated"])
    gone = sorted(machine.id for machine in drive.fleet.gone)
    drive.check("events tell of what was terminated", holds=ids == gone, shown=(ids, gone))
    session = _beside_the_functions(drive)
    session.client("events").remove_targets(Rule=EVENTS, Ids=["queue"])
    session.client("events").delete_rule(Name=EVENTS)


def _heard(drive: Drive) -> list[dict[str, Any]]:
    sqs = _beside_the_functions(drive).client("sqs")
    url, heard = sqs.get_queue_url(QueueName=EVENTS)["QueueUrl"], list[dict[str, Any]]()
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            heard.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return heard


def _beside_the_functions(drive: Drive) -> boto3.Session:
    # Alarms, queues and events are where the stack is, not where the groups are.
    return replace(drive.fleet.local, elsewhere={}).session()
