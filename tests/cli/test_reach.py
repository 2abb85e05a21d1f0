"""What commands ask of AWS, and what they say where there is nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox import store
from sandbox.fleet import WEB, Fleet
from sandbox.local_aws import REGION
from tests.cli.calls import documented, recording
from tests.cli.runs import Caller, caller
from tests.fakes.lambda_server import functions

# What is asked where nothing is found: who asks, and which name may have been meant.
WHERE_NOTHING_IS_FOUND = {"sts:GetCallerIdentity", "autoscaling:DescribeAutoScalingGroups"}


@pytest.mark.parametrize(
    ("command", "runs"),
    [
        ("plan", [("plan",)]),
        ("apply", [("apply",), ("apply", "--yes")]),
        ("status", [("status",)]),
        ("releases", [("releases",)]),
        ("release", [("release", "ZIP", "--app", "web", "--version", "1.0.260", "--yes")]),
        ("use", [("use", "--app", "web", v, "--yes") for v in ("1.0.266", "newest")]),
        ("rollback", [("rollback", "--app", "web", "--yes")]),
        ("pause", [("pause", WEB)]),
        ("resume", [("pause", WEB), ("resume", WEB)]),
    ],
)
def test_a_command_calls_what_its_documentation_says_and_no_more(
    released: Fleet, on: Caller, archive: str, command: str, runs: list[tuple[str, ...]]
) -> None:
    store.point(released.aws, "web", "1.0.274")
    with functions({"terminator-reconcile": lambda _event: []}) as lambdas, recording() as made:
        for arguments in runs:
            asked = (archive if word == "ZIP" else word for word in arguments)
            done = on.run(*asked, env=lambdas)
            assert done.exit_code == 0, done.output
    if command == "resume":
        made -= {"autoscaling:CreateOrUpdateTags"}
    assert made - (WHERE_NOTHING_IS_FOUND - documented(command)) == documented(command)


def test_in_an_empty_account_every_command_says_so(
    released: Fleet, archive: str, tmp_path: Path
) -> None:
    bucket = "nothing-yet"
    location: Any = {"LocationConstraint": REGION}
    released.aws.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
    settings = {"groups": {"tagged": True}, "releases": {"bucket": bucket}}
    on = caller(released, tmp_path, settings).elsewhere()
    use = ("use", "--app", "web", "--local")
    empty = {
        ("plan", "--local"): (0, "no group to serve"),
        ("apply", "--local"): (0, "no group to serve"),
        ("status", "--local"): (0, "no group to serve"),
        ("status", "--local", "--watch"): (1, "no group to serve"),
        ("releases", "--local"): (0, "no group has opted in"),
        ("pause", WEB): (2, 'no Auto Scaling group is named "live_asg_web"'),
        ("resume", WEB): (2, 'no Auto Scaling group is named "live_asg_web"'),
        (*use, "newest"): (1, f"no release of web in s3://{bucket}"),
        (*use, "1.0.1"): (
            2,
            f"web in s3://{bucket} (account 000000000000, us-east-1); it has none",
        ),
        ("rollback", "--app", "web", "--local"): (1, f"no release of web in s3://{bucket}"),
    }
    for command, (status, told) in empty.items():
        done = on.run(*command)
        assert (done.exit_code, told in done.stderr) == (status, True), (command, done.output)
    upload = ("release", archive, "--app", "web", "--version", "1.0.275")
    assert on.run(*upload, "--yes").exit_code == 0
