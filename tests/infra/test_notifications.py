"""Whom alarms tell, and what: the topic, and the text of each notification."""

from __future__ import annotations

import pytest

from tests.fakes.alarm_model import of_name
from tests.infra.synthesized import FULL, LEAST, only, resources, template, text

ALARMS = ["dead-letters", "failing", "held", "not-running", "stale", "unavailable"]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_what_where_since_when_and_what_to_do(name: str) -> None:
    tells = of_name(name, LEAST).properties["AlarmDescription"]
    parts = ["WHAT: ", " WHERE: ", " SINCE: ", " DO: "]
    assert [tells.index(part) for part in parts] == sorted(tells.index(part) for part in parts)
    assert tells.endswith(f"See docs/runbook.md, alarm {name}.")
    assert len(tells) <= 1024
    assert tells.isascii()


def test_every_alarm_tells_the_topic_when_it_rings_and_when_it_is_over() -> None:
    made = template(FULL)
    [topic] = resources(made, "AWS::SNS::Topic")
    for alarm in resources(made, "AWS::CloudWatch::Alarm").values():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": topic}]
        assert alarm["Properties"]["OKActions"] == [{"Ref": topic}]


def test_cloudwatch_may_publish_to_the_topic_and_no_key_stands_in_its_way() -> None:
    made = template(FULL)
    [topic] = resources(made, "AWS::SNS::Topic")
    assert "KmsMasterKeyId" not in only(made, "AWS::SNS::Topic")
    said = only(made, "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    [allowed] = [each for each in said if each["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert (allowed["Action"], allowed["Resource"]) == ("sns:Publish", {"Ref": topic})
    assert text(allowed["Condition"]["StringEquals"]["aws:SourceAccount"]) == "${AWS::AccountId}"
    [denied] = [each for each in said if each["Effect"] == "Deny"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_an_address_is_mailed_and_none_unless_it_is_given() -> None:
    made = template({**LEAST, "alarm_email": "oncall@example.com"})
    subscription = only(made, "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "oncall@example.com")
    assert resources(template(LEAST), "AWS::SNS::Subscription") == {}


def test_the_topic_is_an_output_to_subscribe_to() -> None:
    made = template(LEAST)
    [topic] = resources(made, "AWS::SNS::Topic")
    assert made["Outputs"]["AlarmTopic"]["Value"] == {"Ref": topic}
