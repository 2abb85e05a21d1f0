"""`make lint` looks at templates: that it finds what is wrong with one."""

from __future__ import annotations

import json
import re

import pytest
from aws_cdk import App, CfnResource, Stack
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from infra import checks


def test_a_bucket_that_anybody_may_reach_without_tls_is_found() -> None:
    app = App(builtin_cloud_formation_validation=False)
    s3.Bucket(Stack(app, "Wrong"), "Bucket")
    assert any("AwsSolutions-S10" in each for each in checks.problems(app, "eu-west-1"))


def test_a_property_that_cloudformation_does_not_know_is_found() -> None:
    app = App(builtin_cloud_formation_validation=False)
    properties = {"KmsMasterKeyId": "k", "Colour": 1}
    CfnResource(Stack(app, "Wrong"), "Topic", type="AWS::SNS::Topic", properties=properties)
    assert any("E3002" in each and "Colour" in each for each in checks.problems(app, "eu-west-1"))


PARTITION = {"eu-west-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"}


@pytest.mark.parametrize("region", checks.PARTITIONS)
def test_what_is_deployed_to_a_region_names_no_other_partition(region: str) -> None:
    partition = PARTITION[region]
    app = checks.everything(region)
    for stack in app.node.children:
        assert isinstance(stack, Stack)
        made = json.dumps(Template.from_stack(stack).to_json())
        assert set(re.findall(r"arn:(aws[a-z-]*):", made)) <= {partition}


@pytest.mark.parametrize(("found", "status"), [([], 0), (["Wrong: it is"], 1)])
def test_lint_fails_where_anything_is_found_and_says_what(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: list[str],
    status: int,
) -> None:
    monkeypatch.setattr(checks, "everything", str)
    monkeypatch.setattr(checks, "problems", lambda _app, region: found if "gov" in region else [])
    assert checks.main() == status
    nothing = "cdk-nag and cfn-lint: nothing found for eu-west-1, cn-north-1, us-gov-west-1\n"
    told = "".join(f"us-gov-west-1: {each}\n" for each in found)
    assert capsys.readouterr().out == (told or nothing)
