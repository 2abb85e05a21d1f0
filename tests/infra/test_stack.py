"""The synthesized stack: what is deployed, and how it hangs together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from terminator.config.deployment import from_settings
from tests.infra.synthesized import (
    FULL,
    KMS_KEY,
    LEAST,
    OTHER,
    SUBNETS,
    VPC,
    anew,
    complaints,
    functions,
    listed,
    only,
    resources,
    template,
    text,
    warnings,
)

HANDLERS: Final = {
    "reconcile": "terminator.handlers.reconcile",
    "release": "terminator.handlers.release",
    "probe": "terminator.probe.handler.probe",
    "withdraw": "terminator.handlers.withdraw",
}
ALL = pytest.mark.parametrize("of", [FULL, OTHER, LEAST], ids=["full", "other", "least"])
Settings = Mapping[str, Any]


def id_of(handler: str, of: dict[str, Any]) -> str:
    [id_] = [
        id_
        for id_, each in resources(of, "AWS::Lambda::Function").items()
        if each["Properties"]["Handler"] == HANDLERS[handler]
    ]
    return id_


def variables(of: dict[str, Any], handler: str) -> dict[str, Any]:
    return dict(functions(of)[handler]["Environment"]["Variables"])


def rule(of: dict[str, Any], field: str, about: str = "") -> dict[str, Any]:
    rules = (each["Properties"] for each in resources(of, "AWS::Events::Rule").values())
    [found] = (each for each in rules if field in each and about in json.dumps(each))
    return dict(found)


def dead_letters(of: dict[str, Any]) -> dict[str, list[str]]:
    [queue] = resources(of, "AWS::SQS::Queue")
    return {"Fn::GetAtt": [queue, "Arn"]}


@pytest.mark.parametrize(
    ("of", "warned"),
    [
        (FULL, set()),
        (OTHER, set()),
        (LEAST, {"noVpcs"}),
    ],
    ids=["full", "other", "least"],
)
def test_synthesizing_warns_of_what_would_not_work(of: Settings, warned: set[str]) -> None:
    assert {each.removeprefix("terminator:") for each in warnings(of)} == warned


@ALL
def test_the_cdks_own_validation_has_no_complaint(of: Settings) -> None:
    assert complaints(of) == []


@pytest.mark.parametrize(
    ("of", "handlers"),
    [(FULL, {"reconcile", "release", "probe", "withdraw"}), (LEAST, {"reconcile"})],
    ids=["full", "least"],
)
def test_there_are_no_functions_but_those_that_are_needed(of: Settings, handlers: set[str]) -> None:
    made = resources(template(of), "AWS::Lambda::Function").values()
    assert {each["Properties"]["Handler"] for each in made} == {
        HANDLERS[handler] for handler in handlers
    }


@ALL
def test_every_function_is_python_3_13_and_from_the_one_bundle(of: Settings) -> None:
    made = functions(template(of)).values()
    assert {each["Runtime"] for each in made} == {"python3.13"}
    architecture = of.get("architecture", "arm64")
    assert [each["Architectures"] for each in made] == [[architecture]] * len(made)
    assert len({json.dumps(each["Code"], sort_keys=True) for each in made}) == 1


def test_functions_are_named_after_the_deployment() -> None:
    names = {handler: each["FunctionName"] for handler, each in functions(template(FULL)).items()}
    assert names == {
        "reconcile": "keeper-reconcile",
        "release": "keeper-release",
        "probe": f"keeper-probe-{VPC}",
        "withdraw": "keeper-withdraw",
    }


@ALL
def test_no_function_but_the_probe_is_in_a_vpc(of: Settings) -> None:
    placed = {handler for handler, each in functions(template(of)).items() if "VpcConfig" in each}
    assert placed <= {"probe"}


def test_reconcile_and_release_run_once_at_a_time() -> None:
    made = functions(template(FULL))
    assert made["reconcile"]["ReservedConcurrentExecutions"] == 1
    assert made["release"]["ReservedConcurrentExecutions"] == 1
    assert "ReservedConcurrentExecutions" not in made["probe"]


def test_an_account_that_cannot_reserve_need_not() -> None:
    made = functions(template(OTHER)).values()
    assert not any("ReservedConcurrentExecutions" in each for each in made)


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [("rate(1 minute)", 2), ("rate(5 minutes)", 5), ("rate(15 minutes)", 15), ("rate(1 hour)", 60)],
)
def test_a_run_starts_each_period_and_its_event_waits_for_one_more_and_the_time_of_a_run(
    schedule: str, minutes: int
) -> None:
    """Two minutes at least, as EventBridge may deliver an event late."""
    of = template({**LEAST, "schedule": schedule})
    rules = [each["Properties"] for each in resources(of, "AWS::Events::Rule").values()]
    assert [each["ScheduleExpression"] for each in rules] == [schedule]
    [invokes] = resources(of, "AWS::Lambda::EventInvokeConfig").values()
    assert invokes["Properties"]["MaximumEventAgeInSeconds"] == (minutes + 5) * 60


def test_a_failed_run_is_not_retried_and_ends_in_the_dead_letter_queue() -> None:
    of = template(FULL)
    invokes = resources(of, "AWS::Lambda::EventInvokeConfig").values()
    by_function = {
        each["Properties"]["FunctionName"]["Ref"]: each["Properties"] for each in invokes
    }
    reconcile = by_function[id_of("reconcile", of)]
    assert reconcile["MaximumRetryAttempts"] == 0
    assert by_function[id_of("release", of)]["MaximumEventAgeInSeconds"] == 60 * 60
    assert reconcile["Qualifier"] == "$LATEST"
    destinations = [each["DestinationConfig"]["OnFailure"] for each in by_function.values()]
    assert destinations == [{"Destination": dead_letters(of)}] * 3
    told = ("reconcile", "release", "withdraw")
    assert by_function.keys() == {id_of(handler, of) for handler in told}
    assert by_function[id_of("withdraw", of)]["MaximumRetryAttempts"] == 0


def test_reconcile_knows_the_function_that_takes_releases_back_only_where_it_is_deployed() -> None:
    of = template(FULL)
    told = variables(of, "reconcile")["TERMINATOR_WITHDRAW"]
    assert told == {"Ref": id_of("withdraw", of)}
    without = template({**FULL, "releases": {"bucket": "releases"}})
    assert "withdraw" not in functions(without)
    assert "TERMINATOR_WITHDRAW" not in variables(without, "reconcile")


def test_the_schedule_starts_reconcile_and_what_cannot_be_delivered_is_kept() -> None:
    of = template(FULL)
    schedule = rule(of, "ScheduleExpression")
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert rule(template(OTHER), "ScheduleExpression")["ScheduleExpression"] == "rate(1 hour)"
    assert rule(template(LEAST), "ScheduleExpression")["ScheduleExpression"] == "rate(5 minutes)"
    assert schedule["State"] == "ENABLED"
    [target] = schedule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [id_of("reconcile", of), "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": dead_letters(of)}


def test_uploads_of_zips_and_pointers_to_that_bucket_start_release() -> None:
    of = template(FULL)
    uploads = rule(of, "EventPattern", "Object Created")
    [bucket] = resources(of, "AWS::S3::Bucket")
    assert uploads["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [{"Ref": bucket}]},
            "object": {"key": [{"suffix": ".zip"}, {"suffix": "/current"}]},
        },
    }
    [target] = uploads["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [id_of("release", of), "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": dead_letters(of)}


def test_deletions_by_anybody_but_a_lifecycle_rule_start_release() -> None:
    of = template(FULL)
    pattern = rule(of, "EventPattern", "Object Deleted")["EventPattern"]
    uploads = rule(of, "EventPattern", "Object Created")["EventPattern"]
    assert pattern == {
        "source": ["aws.s3"],
        "detail-type": ["Object Deleted"],
        "detail": {**uploads["detail"], "reason": [{"anything-but": ["Lifecycle Expiration"]}]},
    }
    [target] = rule(of, "EventPattern", "Object Deleted")["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [id_of("release", of), "Arn"]}


def test_eventbridge_may_invoke_what_its_rules_start_and_nothing_else_may() -> None:
    of = template(FULL)
    permissions = [each["Properties"] for each in resources(of, "AWS::Lambda::Permission").values()]
    assert {each["Principal"] for each in permissions} == {"events.amazonaws.com"}
    allowed = {(text(each["FunctionName"]), text(each["SourceArn"])) for each in permissions}
    rules = resources(of, "AWS::Events::Rule").items()
    assert allowed == {
        (text(each["Properties"]["Targets"][0]["Arn"]), f"${{{id_}.Arn}}") for id_, each in rules
    }


def test_the_dead_letter_queue_takes_from_the_rules_over_tls_and_is_encrypted() -> None:
    of = template(FULL)
    queue = only(of, "AWS::SQS::Queue")
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 60 * 60
    said = only(of, "AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"]
    allowed = [each for each in said if each["Effect"] == "Allow"]
    assert {each["Action"] for each in allowed} == {"sqs:SendMessage"}
    assert {text(each["Condition"]["ArnEquals"]["aws:SourceArn"]) for each in allowed} == {
        f"${{{id_}.Arn}}" for id_ in resources(of, "AWS::Events::Rule")
    }
    assert insecure(said) == [dead_letters(of)]


def insecure(said: list[dict[str, Any]]) -> list[Any]:
    """Return what nobody may reach without TLS."""
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    return [
        resource
        for each in said
        if (each["Effect"], each.get("Condition")) == ("Deny", plain)
        for resource in listed(each["Resource"])
    ]


def test_the_bucket_that_is_made_is_versioned_encrypted_and_private() -> None:
    bucket = only(template(FULL), "AWS::S3::Bucket")
    assert bucket["BucketName"] == "releases"
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    [encrypted] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encrypted == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert bucket["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }


def test_the_bucket_that_is_made_is_encrypted_with_the_key_that_is_given() -> None:
    releases = {**FULL["releases"], "kms_key": KMS_KEY}
    bucket = only(template({**FULL, "releases": releases}), "AWS::S3::Bucket")
    [encrypted] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encrypted["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": KMS_KEY,
    }
    assert encrypted["BucketKeyEnabled"] is True


def test_the_bucket_that_is_made_tells_eventbridge() -> None:
    bucket = only(template(FULL), "AWS::S3::Bucket")
    told = bucket["NotificationConfiguration"]["EventBridgeConfiguration"]
    assert told == {"EventBridgeEnabled": True}


def test_the_bucket_that_is_made_takes_nothing_without_tls() -> None:
    of = template(FULL)
    [id_] = resources(of, "AWS::S3::Bucket")
    said = only(of, "AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    assert [text(each) for each in insecure(said)] == [f"${{{id_}.Arn}}", f"${{{id_}.Arn}}/*"]


def test_the_bucket_that_is_made_outlives_the_stack() -> None:
    [bucket] = resources(template(FULL), "AWS::S3::Bucket").values()
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == (
        "RetainExceptOnCreate",
        "Retain",
    )


def test_an_existing_bucket_is_left_as_it_is() -> None:
    of = template(OTHER)
    assert not any(each["Type"].startswith("AWS::S3::") for each in of["Resources"].values())
    assert not any(each["Type"].startswith("Custom::") for each in of["Resources"].values())
    uploads = rule(of, "EventPattern", "Object Created")["EventPattern"]
    assert uploads["detail"]["bucket"] == {"name": ["theirs"]}


def test_without_a_bucket_there_is_nothing_to_start_release() -> None:
    of = template(LEAST)
    assert len(resources(of, "AWS::Events::Rule")) == 1
    assert resources(of, "AWS::S3::Bucket") == {}


def test_the_probe_stands_in_its_subnets_with_its_own_security_group() -> None:
    of = template(FULL)
    [group] = resources(of, "AWS::EC2::SecurityGroup")
    assert functions(of)["probe"]["VpcConfig"] == {
        "SubnetIds": SUBNETS,
        "SecurityGroupIds": [{"Fn::GetAtt": [group, "GroupId"]}],
        "Ipv6AllowedForDualStack": True,
    }


def test_without_a_network_of_ipv6_the_probe_has_no_address_of_ipv6() -> None:
    placed = functions(template(OTHER))["probe"]["VpcConfig"]
    assert "Ipv6AllowedForDualStack" not in placed


def test_the_probe_reaches_the_version_ports_and_nothing_else() -> None:
    of = template(FULL)
    group = only(of, "AWS::EC2::SecurityGroup")
    assert group["VpcId"] == VPC
    reached = [
        (
            *(rule.get("CidrIp", "-"), rule.get("CidrIpv6", "-")),
            *(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]),
        )
        for rule in egress(group)
    ]
    assert sorted(reached) == [
        ("-", "2001:db8::/56", "tcp", 80, 80),
        ("-", "2001:db8::/56", "tcp", 8080, 8080),
        ("10.1.0.0/16", "-", "tcp", 80, 80),
        ("10.1.0.0/16", "-", "tcp", 8080, 8080),
    ]
    assert "SecurityGroupIngress" not in group
    assert resources(of, "AWS::EC2::SecurityGroupEgress") == {}
    assert resources(of, "AWS::EC2::SecurityGroupIngress") == {}


def egress(group: dict[str, Any]) -> list[dict[str, Any]]:
    return list(group["SecurityGroupEgress"])


def test_unless_told_otherwise_the_probe_reaches_port_80_of_private_addresses() -> None:
    rules = egress(only(template(OTHER), "AWS::EC2::SecurityGroup"))
    assert {(rule["CidrIp"], rule["FromPort"], rule["ToPort"]) for rule in rules} == {
        ("10.0.0.0/8", 80, 80),
        ("172.16.0.0/12", 80, 80),
        ("192.168.0.0/16", 80, 80),
    }


def test_the_probes_security_group_is_an_output_to_be_let_in() -> None:
    of = template(FULL)
    [group] = resources(of, "AWS::EC2::SecurityGroup")
    [output] = [each for id_, each in of["Outputs"].items() if id_.startswith("ProbeSecurityGroup")]
    assert output["Value"] == {"Fn::GetAtt": [group, "GroupId"]}
    assert VPC in output["Description"]


@pytest.mark.parametrize(("of", "days"), [(FULL, 90), (LEAST, 30)], ids=["full", "least"])
def test_every_function_has_a_log_group_that_is_cleared_and_removed(
    of: Settings, days: int
) -> None:
    made = template(of)
    groups = resources(made, "AWS::Logs::LogGroup")
    used = [each["LoggingConfig"]["LogGroup"]["Ref"] for each in functions(made).values()]
    assert sorted(used) == sorted(groups)
    for group in groups.values():
        assert group["Properties"]["RetentionInDays"] == days
        assert group["DeletionPolicy"] in {"Retain", "RetainExceptOnCreate"}


@ALL
def test_functions_log_json(of: Settings) -> None:
    made = functions(template(of)).values()
    assert {each["LoggingConfig"]["LogFormat"] for each in made} == {"JSON"}


def test_tracing_is_off_until_it_is_asked_for() -> None:
    off = functions(template(FULL)).values()
    assert not any(each.get("TracingConfig", {}).get("Mode") == "Active" for each in off)
    on = functions(template(OTHER)).values()
    assert [each["TracingConfig"] for each in on] == [{"Mode": "Active"}] * 4


@pytest.mark.parametrize(
    ("of", "handler"),
    [(of, handler) for of in (FULL, OTHER) for handler in ("reconcile", "release")],
)
def test_reconcile_and_release_read_the_settings_that_were_checked(
    of: Settings, handler: str
) -> None:
    read = json.loads(variables(template(of), handler)["TERMINATOR_CONFIG"])
    assert from_settings(read) == from_settings(of)


def test_reconcile_knows_the_probe_function_of_each_vpc() -> None:
    of = template(FULL)
    probes = json.loads(text(variables(of, "reconcile")["TERMINATOR_PROBES"]))
    assert probes == {VPC: f"${{{id_of('probe', of)}}}"}
    assert json.loads(variables(template(LEAST), "reconcile")["TERMINATOR_PROBES"]) == {}


def test_release_knows_the_reconcile_function() -> None:
    of = template(FULL)
    assert variables(of, "release")["TERMINATOR_RECONCILE"] == {"Ref": id_of("reconcile", of)}


def test_the_probe_is_told_its_networks_and_nothing_else() -> None:
    told = variables(template(FULL), "probe")
    assert [name for name in told if name.startswith("TERMINATOR_")] == ["TERMINATOR_NETWORKS"]


def test_the_same_settings_lead_to_the_same_template() -> None:
    assert anew(FULL) == template(FULL)
