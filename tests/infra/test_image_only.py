"""What deploying by image alone takes: the reconcile function, and nothing for releases."""

from __future__ import annotations

import json

from tests.infra.image_page import by_image
from tests.infra.synthesized import listed, resources, template, warnings


def test_it_is_one_function_outside_any_vpc_and_warns_of_nothing() -> None:
    of = template(by_image())
    [function] = resources(of, "AWS::Lambda::Function").values()
    assert function["Properties"]["Handler"] == "terminator.handlers.reconcile"
    assert "VpcConfig" not in function["Properties"]
    environment = function["Properties"]["Environment"]["Variables"]
    assert json.loads(environment["TERMINATOR_CONFIG"]) == by_image()
    assert warnings(by_image()) == []


def test_there_is_neither_bucket_nor_probe_nor_anything_that_waits_for_uploads() -> None:
    of = template(by_image())
    kinds = {each["Type"] for each in of["Resources"].values()}
    assert not {kind for kind in kinds if kind.startswith(("AWS::S3::", "AWS::EC2::", "Custom::"))}
    [rule] = resources(of, "AWS::Events::Rule").values()
    assert "ScheduleExpression" in rule["Properties"]
    assert len(resources(of, "AWS::IAM::Role")) == 1
    assert len(resources(of, "AWS::SQS::Queue")) == 1


def test_its_role_may_neither_read_s3_nor_invoke_a_function() -> None:
    of = template(by_image())
    policies = resources(of, "AWS::IAM::Policy").values()
    said = [
        each for policy in policies for each in policy["Properties"]["PolicyDocument"]["Statement"]
    ]
    actions = {action for each in said for action in listed(each["Action"])}
    assert "ec2:DescribeLaunchTemplateVersions" in actions
    assert not {each for each in actions if each.startswith(("s3:", "lambda:", "ssm:", "kms:"))}
