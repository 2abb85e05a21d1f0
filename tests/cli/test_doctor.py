"""The doctor on a local account: what is deployed there, and what is not."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import fleet, store
from sandbox.fleet import Fleet
from sandbox.local_aws import CREDENTIALS, REGION, LocalAws
from terminator.clients import Aws
from tests.cli.calls import documented, recording
from tests.cli.runs import SERVING, Caller, caller, words, write
from tests.fakes.lambda_server import denying

WEB = "live_asg_web"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@pytest.fixture(scope="module")
def account(shared_aws: LocalAws) -> Iterator[Fleet]:
    """Run the demo's groups, with functions that are deployed in part."""
    with fleet.running(ahead=fleet.SETTLED, on=shared_aws) as running:
        fleet.prepare(running)
        yield running


@pytest.fixture
def on(account: Fleet, tmp_path: Path) -> Caller:
    return caller(account, tmp_path)


def findings(on: Caller, status: int = 1) -> dict[tuple[str, str], Any]:
    return {(each["about"], each["check"]): each for each in on.json("doctor", status=status)}


def levels(on: Caller, status: int = 1) -> dict[tuple[str, str], str]:
    return {key: each["level"] for key, each in findings(on, status).items()}


def deploy(
    fleet_: Fleet, name: str, settings: dict[str, object] | None = None, **more: Any
) -> None:
    """Deploy a function of this name."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("handler.py", "")
    variables = {"TERMINATOR_CONFIG": json.dumps(settings or {})}
    session = fleet_.local.session()
    iam = session.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    fleet_.aws.functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role["Arn"],
        Handler="handler.handler",
        Code={"ZipFile": body.getvalue()},
        Environment={"Variables": variables},
        **more,
    )


def test_what_is_not_deployed_is_a_problem_with_its_remedy(account: Fleet, on: Caller) -> None:
    found = findings(on)
    reconcile = found["function terminator-reconcile", "exists"]
    assert (reconcile["level"], reconcile["remedy"]) == ("problem", "make deploy")
    probe = found[f"group {WEB}", "probe"]
    assert probe["seen"] == f"no probe function is deployed for {account.vpc}"
    assert found["bucket releases", "versioning"]["level"] == "ok"
    assert found["bucket releases", "events"]["level"] == "warning"
    assert found["app web", "release"]["seen"].startswith("1.0.266 is the one to run")
    assert found[f"group {WEB}", "boot"]["level"] == "ok"


@pytest.mark.parametrize("columns", [60, 120])
def test_on_a_narrow_terminal_findings_fold_and_lose_nothing(
    account: Fleet, on: Caller, columns: int
) -> None:
    status, screen = on.at_width(columns, "doctor")
    assert status == 1
    assert max(map(len, screen.splitlines())) <= columns
    assert f"probe: no probe function is deployed for {account.vpc}" in words(screen)
    assert "5 problems" in screen
    assert "…" not in screen


def security_group(account: Fleet, name: str) -> str:
    made = account.aws.ec2.create_security_group(
        GroupName=name, Description=name, VpcId=account.vpc
    )
    return made["GroupId"]


def test_a_deployment_that_works_has_no_problem(account: Fleet, tmp_path: Path) -> None:
    aws = account.aws
    settings: dict[str, object] = {**SERVING, "dry_run": False}
    probe = security_group(account, "probe")
    deploy(account, "terminator-reconcile", settings)
    deploy(account, "terminator-release")
    schedule(account)
    network = {"SubnetIds": [account.subnet], "SecurityGroupIds": [probe]}
    deploy(account, f"terminator-probe-{account.vpc}", VpcConfig=network)
    aws.s3.put_bucket_notification_configuration(
        Bucket=store.BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    let_in(account, probe)
    boot(aws, "aws s3 cp s3://releases/web/current .")
    on = caller(account, tmp_path, settings)

    with recording() as made:
        found = levels(on, status=0)
    assert made <= documented("doctor")
    assert documented("doctor") - made == {
        "autoscaling:DescribeLaunchConfigurations",
        "cloudwatch:DescribeAlarms",
    }
    assert {key for key, level in found.items() if level != "ok"} == set()
    assert found[f"group {WEB}", "probe is let in"] == "ok"
    assert found[f"group {WEB}", "probe may send"] == "ok"

    stopped(account)
    assert levels(on)["function terminator-reconcile", "concurrency"] == "problem"
    assert (
        levels(caller(account, tmp_path))["function terminator-reconcile", "settings"] == "warning"
    )


def schedule(account: Fleet) -> None:
    """Have a rule start reconcile."""
    name, events = "terminator-reconcile", account.local.session().client("events")
    arn = account.aws.functions.get_function_configuration(FunctionName=name)["FunctionArn"]
    events.put_rule(Name="schedule", ScheduleExpression="rate(5 minutes)")
    events.put_targets(Rule="schedule", Targets=[{"Id": "it", "Arn": arn}])


def let_in(account: Fleet, probe: str) -> None:
    """Put all instances into a security group that lets the probe's in."""
    own, ec2, port = security_group(account, "web"), account.aws.ec2, account.endpoints.port
    allowed: Any = {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "UserIdGroupPairs": [{"GroupId": probe}],
    }
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[allowed])
    for id_ in account.machines:
        ec2.modify_instance_attribute(InstanceId=id_, Groups=[own])


def boot(aws: Aws, script: str) -> None:
    """Give the fleet's launch template user data, as its default and latest version."""
    data: Any = {"UserData": base64.b64encode(script.encode()).decode()}
    version = aws.ec2.create_launch_template_version(
        LaunchTemplateName="sandbox", LaunchTemplateData=data
    )["LaunchTemplateVersion"]["VersionNumber"]
    aws.ec2.modify_launch_template(LaunchTemplateName="sandbox", DefaultVersion=str(version))


def stopped(account: Fleet) -> None:
    account.aws.functions.put_function_concurrency(
        FunctionName="terminator-reconcile", ReservedConcurrentExecutions=0
    )


def test_a_name_that_matches_no_group_and_a_bucket_that_is_not_there_are_problems(
    account: Fleet, tmp_path: Path
) -> None:
    settings = {"groups": {"names": ["ghost"]}, "releases": {"bucket": "nowhere"}}
    found = levels(caller(account, tmp_path, settings))
    assert found["group ghost", "exists"] == "problem"
    assert found["groups", "opted in"] == "problem"
    assert found["bucket nowhere", "exists"] == "problem"


def test_a_group_from_a_launch_configuration_is_looked_at(account: Fleet, tmp_path: Path) -> None:
    autoscaling = account.aws.autoscaling
    autoscaling.create_launch_configuration(
        LaunchConfigurationName="old", ImageId="ami-00000000", InstanceType="t3.nano",
        UserData="get s3://releases",  # boto3 encodes it
    )  # fmt: skip
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="old", MinSize=0, MaxSize=1, DesiredCapacity=0,
        LaunchConfigurationName="old", VPCZoneIdentifier=account.subnet,
    )  # fmt: skip
    settings = {"groups": {"names": ["old"]}, "releases": {"bucket": store.BUCKET}}
    found = findings(caller(account, tmp_path, settings))
    assert found["group old", "boot"]["seen"] == (
        "the user data of launch configuration old mentions releases"
    )
    assert found["group old", "probe"]["seen"] == "there is no instance to look at"


def test_without_permission_each_look_is_a_warning_that_names_it(tmp_path: Path) -> None:
    with denying() as environment:
        on = Caller(write(tmp_path), environment)
        found = on.json("doctor", status=1)
    assert [(each["about"], each["level"]) for each in found] == [
        ("settings", "ok"),
        ("settings", "ok"),
        ("account", "problem"),
    ]


def test_what_may_not_be_looked_at_is_not_taken_for_right(account: Fleet, tmp_path: Path) -> None:
    with denying() as denied:
        elsewhere = {
            f"AWS_ENDPOINT_URL_{service}": denied["AWS_ENDPOINT_URL"]
            for service in ("EC2", "LAMBDA", "S3", "AUTO_SCALING")
        }
        environment = {**account.local.environment, **elsewhere}
        found = findings(Caller(write(tmp_path), environment))
    assert found["function terminator-reconcile", "exists"]["seen"] == (
        "not checked: AccessDeniedException: no"
    )
    groups = found["groups", "opted in"]
    assert groups["remedy"].startswith("allow autoscaling:DescribeAutoScalingGroups")
    assert found["bucket releases", "exists"]["level"] == "problem"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"tracing": "yes"}, 'tracing says "yes"; accepted is true or false'),
        ({"vpcs": {"vpc-x": {}}}, 'vpcs says "vpc-x"; accepted is the id of a VPC, such as vpc-'),
        ({"log_retention_days": 5}, 'log_retention_days says "5"; accepted is one of 1, 7, '),
        (
            {"releases": {"bucket": store.BUCKET, "create": "yes"}},
            'releases.create says "yes"; accepted is true or false',
        ),
    ],
    ids=str,
)
def test_settings_that_a_deployment_refuses_are_a_problem_and_the_rest_is_looked_at(
    account: Fleet, tmp_path: Path, setting: dict[str, object], told: str
) -> None:
    on = caller(account, tmp_path, {**SERVING, **setting})
    found = findings(on)
    settings = found["settings", "readable"]
    assert settings["level"] == "problem"
    assert settings["seen"].startswith(f"{on.config}: {told}")
    assert settings["remedy"] == f"correct {on.config}, or name another with --config"
    assert found[f"group {WEB}", "settings"]["level"] == "ok"


@pytest.mark.parametrize(
    ("text", "environment", "told"),
    [
        ("{", {}, "not JSON"),
        (None, {}, "no Region: say --region, or set AWS_DEFAULT_REGION"),
        (None, {"AWS_DEFAULT_REGION": REGION}, "no credentials: say --profile, or set AWS_PROFILE"),
        (None, {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "EndpointConnectionErr"),
    ],
)
def test_without_settings_or_credentials_that_is_the_problem(
    tmp_path: Path, text: str | None, environment: dict[str, str], told: str
) -> None:
    config = write(tmp_path)
    if text is not None:
        config.write_text(text)
    nothing: dict[str, str | None] = dict.fromkeys(CREDENTIALS)
    done = Caller(config, {**nothing, **environment}).run("doctor")
    assert done.exit_code == 1
    assert told in done.stdout
    assert "1 problem" in done.stdout
    assert "Traceback" not in done.output


def test_a_group_whose_opt_in_does_not_say_true_is_named_with_the_command_that_mends_it(
    account: Fleet, on: Caller
) -> None:
    account.create_group("typo", 0, tags={"terminator:enabled": "True"})
    found = findings(on)["group typo", "settings"]
    assert found["seen"] == 'tag terminator:enabled says "True"; accepted is true'
    assert found["remedy"] == (
        "aws autoscaling create-or-update-tags --tags ResourceType=auto-scaling-group,"
        "ResourceId=typo,Key=terminator:enabled,Value=true,PropagateAtLaunch=false; until then "
        "it is held"
    )
    account.aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="typo", ForceDelete=True)


def test_a_taint_that_says_no_time_and_a_misspelt_opt_in_are_named(
    account: Fleet, on: Caller
) -> None:
    account.create_group("misspelt", 0, tags={"terminator:enable": "true"})
    here: Any = {"ResourceId": "misspelt", "ResourceType": "auto-scaling-group"}
    here["Key"] = "terminator:enabled"
    account.aws.autoscaling.delete_tags(Tags=[here])
    id_ = account.of(WEB)[0].id
    tag: Any = {"Key": "terminator:replace-after", "Value": "tonight"}
    account.aws.ec2.create_tags(Resources=[id_], Tags=[tag])
    found = findings(on)
    taint, opted = found[f"group {WEB}", "taint"], found["group misspelt", "opted in"]
    assert taint["level"] == "warning"
    assert taint["seen"] == f'{id_}: its tag terminator:replace-after says "tonight": no time'
    assert taint["remedy"] == f"terminator taint {id_}; or untaint it"
    assert opted["seen"].startswith('its tag "terminator:enable" does not opt in')
    tag["Value"] = "2026-11-30T06:00:00Z"
    account.aws.ec2.create_tags(Resources=[id_], Tags=[tag])
    assert (f"group {WEB}", "taint") not in findings(on)
    account.aws.ec2.delete_tags(Resources=[id_], Tags=[tag])
    account.aws.autoscaling.delete_auto_scaling_group(
        AutoScalingGroupName="misspelt", ForceDelete=True
    )


def test_an_app_that_a_group_goes_after_in_a_circle_is_named(account: Fleet, on: Caller) -> None:
    for app, after in (("a", "b"), ("b", "a")):
        account.create_group(app, 0, tags={"terminator:after": after})
    found = findings(on)
    for name, circle in (("a", "a after b after a"), ("b", "b after a after b")):
        seen = found[f"group {name}", "settings"]
        assert (seen["level"], circle in seen["seen"]) == ("problem", True)
        account.aws.autoscaling.delete_auto_scaling_group(
            AutoScalingGroupName=name, ForceDelete=True
        )
