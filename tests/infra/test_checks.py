"""`make lint` looks at templates: that it finds what is wrong with one."""

from __future__ import annotations

import pytest
from aws_cdk import App, CfnResource, Stack
from aws_cdk import aws_s3 as s3

from infra import checks


def test_a_bucket_that_anybody_may_reach_without_tls_is_found() -> None:
    app = App(builtin_cloud_formation_validation=False)
    s3.Bucket(Stack(app, "Wrong"), "Bucket")
    assert any("AwsSolutions-S10" in each for each in checks.problems(app))


def test_a_property_that_cloudformation_does_not_know_is_found() -> None:
    app = App(builtin_cloud_formation_validation=False)
    properties = {"KmsMasterKeyId": "k", "Colour": 1}
    CfnResource(Stack(app, "Wrong"), "Topic", type="AWS::SNS::Topic", properties=properties)
    assert any("E3002" in each and "Colour" in each for each in checks.problems(app))


@pytest.mark.parametrize(("found", "status"), [([], 0), (["Wrong: it is"], 1)])
def test_lint_fails_where_anything_is_found_and_says_what(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: list[str],
    status: int,
) -> None:
    monkeypatch.setattr(checks, "everything", App)
    monkeypatch.setattr(checks, "problems", lambda _app: found)
    assert checks.main() == status
    assert capsys.readouterr().out == (found or ["cdk-nag and cfn-lint: nothing found"])[0] + "\n"
