"""The example fleet's stack, and its user data run by a shell."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App
from aws_cdk.assertions import Match, Template

from infra.example import boot, release
from infra.example.fleet import ExampleFleetStack, user_data
from terminator.config.deployment import Bucket, ConfigError, deployment_from_settings
from terminator.config.release_keys import KeyTemplate
from terminator.config.tags import ENABLED_TAG, for_group
from terminator.config.values import Amount
from tests.decide.builders import policy as default
from tests.fakes.fake_aws import Instance
from tests.infra.synthesized import UNBUNDLED

GIVEN: dict[str, Any] = {
    "groups": {"tagged": True},
    "releases": {"bucket": "releases"},
    "example": True,
}
PSEUDO = {"AWS::Region": "eu-west-1", "AWS::Partition": "aws"}


def made(given: dict[str, Any], folder: Path) -> ExampleFleetStack:
    app = App(outdir=str(folder), context=UNBUNDLED)
    return ExampleFleetStack(app, "Example", deployment=deployment_from_settings(given))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the stack is synthesized to."""
    return tmp_path_factory.mktemp("cdk.out")


@pytest.fixture(scope="module")
def template(folder: Path) -> Template:
    """Synthesize the stack once."""
    return Template.from_stack(made(GIVEN, folder))


def resolved(value: Any) -> Any:
    """Return the value as CloudFormation would: what it refers to is named by its logical id."""
    match value:
        case {"Ref": name}:
            return PSEUDO.get(name, name)
        case {"Fn::GetAtt": [name, _]}:
            return name
        case {"Fn::Join": [by, parts]}:
            return by.join(map(resolved, parts))
        case dict():
            return {key: resolved(each) for key, each in value.items()}
        case list():
            return [resolved(each) for each in value]
    return value


def properties(template: Template, type_: str) -> list[Any]:
    found = template.find_resources(type_)
    return [resolved(each.get("Properties", {})) for each in found.values()]


def the_only(template: Template, type_: str) -> Any:
    (only,) = properties(template, type_)
    return only


def launched(template: Template) -> Any:
    return the_only(template, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]


def test_it_needs_a_bucket(tmp_path: Path) -> None:
    without = {key: value for key, value in GIVEN.items() if key != "releases"}
    with pytest.raises(ConfigError, match=r"releases\.bucket"):
        made(without, tmp_path)


@pytest.mark.usefixtures("template")
def test_cdk_finds_nothing_wrong_with_it(folder: Path) -> None:
    report = json.loads((folder / "validation-report.json").read_text(encoding="utf-8"))
    assert report["pluginReports"] == []


def test_nothing_in_it_is_a_nat_gateway_or_an_interface_endpoint(template: Template) -> None:
    template.resource_count_is("AWS::EC2::NatGateway", 0)
    endpoint = the_only(template, "AWS::EC2::VPCEndpoint")
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert endpoint["ServiceName"] == "com.amazonaws.eu-west-1.s3"


def test_instances_are_in_subnets_that_reach_s3_and_not_the_internet(template: Template) -> None:
    tables = {
        each["SubnetId"]: each["RouteTableId"]
        for each in properties(template, "AWS::EC2::SubnetRouteTableAssociation")
    }
    routed = {each["RouteTableId"] for each in properties(template, "AWS::EC2::Route")}
    own = the_only(template, "AWS::AutoScaling::AutoScalingGroup")["VPCZoneIdentifier"]
    used = {tables[subnet] for subnet in own}
    assert len(used) == 2
    assert not used & routed
    assert used == set(the_only(template, "AWS::EC2::VPCEndpoint")["RouteTableIds"])


def test_an_instance_is_small_its_disk_encrypted_and_without_ssh(template: Template) -> None:
    data = launched(template)
    assert data["InstanceType"] == "t4g.nano"
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    (disk,) = data["BlockDeviceMappings"]
    assert (disk["Ebs"]["Encrypted"], disk["Ebs"]["VolumeType"]) == (True, "gp3")
    assert "KeyName" not in data
    (image,) = template.find_parameters("*", {"Type": Match.string_like_regexp("Image")}).values()
    assert image["Default"].endswith("/al2023-ami-kernel-default-arm64")


def test_only_the_version_port_and_the_page_are_open(template: Template) -> None:
    groups = template.find_resources("AWS::EC2::SecurityGroup")
    opened = {
        (id_, rule["FromPort"], rule["ToPort"], rule["CidrIp"])
        for id_, group in groups.items()
        for rule in group["Properties"].get("SecurityGroupIngress", ())
    }
    (instances,) = launched(template)["SecurityGroupIds"]
    (balancer,) = set(groups) - {instances}
    cidr = the_only(template, "AWS::EC2::VPC")["CidrBlock"]
    assert opened == {(instances, 8080, 8080, cidr), (balancer, 80, 80, "0.0.0.0/0")}
    between = the_only(template, "AWS::EC2::SecurityGroupIngress")
    assert (between["GroupId"], between["SourceSecurityGroupId"]) == (instances, balancer)
    assert (between["FromPort"], between["ToPort"]) == (8080, 8080)


def check_own_app(statements: list[dict[str, Any]]) -> None:
    """Check that statements allow the example's own releases, in a bucket of its account."""
    listing, reading = statements
    assert (listing["Action"], listing["Resource"]) == ("s3:ListBucket", "arn:aws:s3:::releases")
    of_listing, of_reading = (each["Condition"]["StringEquals"] for each in statements)
    assert of_listing["s3:prefix"] == ["example/", "example/current"]
    accounts = of_listing["s3:ResourceAccount"], of_reading["s3:ResourceAccount"]
    assert accounts == ("AWS::AccountId",) * 2
    own = ["arn:aws:s3:::releases/example/*", "arn:aws:s3:::releases/example/current"]
    assert (reading["Action"], reading["Resource"]) == ("s3:GetObject", own)


def test_an_instance_may_read_the_releases_of_its_own_app_and_nothing_else(
    template: Template,
) -> None:
    role, policies = the_only(template, "AWS::IAM::Role"), the_only(template, "AWS::IAM::Policy")
    assert not role.keys() & {"ManagedPolicyArns", "Policies"}
    check_own_app(policies["PolicyDocument"]["Statement"])


def test_through_the_endpoint_nothing_but_these_releases_is_reached(template: Template) -> None:
    check_own_app(the_only(template, "AWS::EC2::VPCEndpoint")["PolicyDocument"]["Statement"])


def test_no_container_of_an_instance_has_its_role(template: Template) -> None:
    assert launched(template)["MetadataOptions"]["HttpPutResponseHopLimit"] == 1


def test_terminator_serves_the_group_by_its_tags(template: Template) -> None:
    group = the_only(template, "AWS::AutoScaling::AutoScalingGroup")
    tags = {tag["Key"]: tag["Value"] for tag in group["Tags"]}
    assert tags[ENABLED_TAG] == "true"
    own = for_group(group["AutoScalingGroupName"], tags, default(), named=False)
    assert own.problems == ()
    assert (own.app, own.port, own.minimum) == ("example", 8080, Amount(1))


def test_three_instances_are_healthy_where_the_balancer_says_so(template: Template) -> None:
    group = the_only(template, "AWS::AutoScaling::AutoScalingGroup")
    assert (group["MinSize"], group["MaxSize"], group["HealthCheckType"]) == ("3", "3", "ELB")
    assert group["HealthCheckGracePeriod"] > 0
    target = the_only(template, "AWS::ElasticLoadBalancingV2::TargetGroup")
    assert (target["Port"], target["HealthCheckPath"]) == (8080, "/version")


def test_what_it_says_of_its_vpc_is_what_cdk_json_takes(template: Template) -> None:
    text = resolved(template.find_outputs("Vpcs")["Vpcs"]["Value"])
    (vpc,) = template.find_resources("AWS::EC2::VPC")
    subnets = the_only(template, "AWS::AutoScaling::AutoScalingGroup")["VPCZoneIdentifier"]
    for number, id_ in enumerate(subnets):
        text = text.replace(id_, f"subnet-0000000{number}")
    vpcs = json.loads(text.replace(vpc, "vpc-00000000"))
    (probed,) = deployment_from_settings({**GIVEN, "vpcs": vpcs}).vpcs
    assert (probed.id, probed.subnets) == ("vpc-00000000", ("subnet-00000000", "subnet-00000001"))
    assert probed.ports == (8080,)
    assert probed.cidrs == (the_only(template, "AWS::EC2::VPC")["CidrBlock"],)


def test_the_user_data_is_within_what_ec2_takes(template: Template) -> None:
    assert len(user_data_of(template).encode()) < 16 * 1024


def user_data_of(template: Template) -> str:
    return str(launched(template)["UserData"]["Fn::Base64"])


def test_the_user_data_puts_the_program_there_and_starts_it(
    template: Template, tmp_path: Path
) -> None:
    instance = Instance(tmp_path)
    unit = started(instance, user_data_of(template))
    assert (tmp_path / "opt/example/boot.py").read_bytes() == Path(boot.__file__).read_bytes()
    assert {"DynamicUser=yes", "Restart=on-failure"} < set(unit)
    environment = next(line for line in unit if line.startswith("Environment="))
    assert {"PORT=8080", "AWS_DEFAULT_REGION=eu-west-1"} < set(environment.split())


@pytest.mark.parametrize("key", ["{app}/{version}.zip", r'50% "\$x/{app}/{version}.zip'])
def test_what_the_user_data_starts_serves_the_release(tmp_path: Path, key: str) -> None:
    instance = Instance(tmp_path)
    release.write("1.0.274", tmp_path / "made.zip")
    zipped = key.format(app="example", version="1.0.274")
    instance.upload(zipped, (tmp_path / "made.zip").read_bytes())
    unit = started(instance, user_data(Bucket("releases", KeyTemplate.parse(key)), "eu-west-1"))
    with instance.running(command(unit)):
        assert instance.get("/version") == (200, "1.0.274\n")


def started(instance: Instance, script: str) -> list[str]:
    """Run the user data with the instance's folder for a root; return the lines of its unit."""
    folder = instance.folder
    units, said = folder / "etc/systemd/system", folder / "said"
    units.mkdir(parents=True)
    systemctl = folder / "bin" / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >>"{said}"\n')
    systemctl.chmod(0o755)
    for path in ("/opt/", "/etc/", "/usr/bin/python3"):
        there = sys.executable if path.startswith("/usr") else f"{folder}{path}"
        script = script.replace(path, there)
    subprocess.run(["bash"], input=script, text=True, env=instance.environment, check=True)  # noqa: S607 - the shell of this machine
    assert said.read_text().splitlines() == ["daemon-reload", "enable --now example.service"]
    return (units / "example.service").read_text().splitlines()


def command(unit: list[str]) -> list[str]:
    """Return the command that systemd reads in the unit."""
    (text,) = (line for line in unit if line.startswith("ExecStart="))
    words = shlex.split(text.removeprefix("ExecStart="))
    # Single ones begin specifiers and variables.
    assert not set("%$") & set(text.replace("%%", "").replace("$$", ""))
    return [word.replace("%%", "%").replace("$$", "$") for word in words]
