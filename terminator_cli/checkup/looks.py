"""What the checks look at: AWS's describes, each answer or why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from terminator.clients import Aws
from terminator.config.deployment import Bucket
from terminator.errors import Failure, attempt, code
from terminator.model import Released
from terminator.observe import autoscaling as describe
from terminator.observe import releases
from terminator_cli.checkup.boot import Source
from terminator_cli.checkup.deployed import FunctionSeen
from terminator_cli.checkup.network import Probe
from terminator_cli.checkup.releases import AppSeen, BucketSeen

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import SecurityGroupTypeDef
    from types_boto3_s3.client import S3Client

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroups.html
_VALUES_A_FILTER: Final = 200
_DEFAULT: Final = "$Default"


def bucket(s3: S3Client, name: str) -> BucketSeen:
    """Look at a bucket."""
    return BucketSeen(
        name=name,
        exists=attempt(lambda: dict(s3.head_bucket(Bucket=name))),
        versioning=attempt(lambda: dict(s3.get_bucket_versioning(Bucket=name))),
        notifications=attempt(lambda: dict(s3.get_bucket_notification_configuration(Bucket=name))),
        encryption=attempt(partial(_encryption, s3, name)),
    )


def _encryption(s3: S3Client, name: str) -> Mapping[str, Any] | None:
    try:
        return dict(s3.get_bucket_encryption(Bucket=name))
    except ClientError as error:
        if code(error) == "ServerSideEncryptionConfigurationNotFoundError":
            return None
        raise


def app(s3: S3Client, of: Bucket, name: str) -> AppSeen:
    """Look at what an app is to run, and at the zip of it."""
    released = attempt(partial(releases.find, s3, of.name, of.template, name))
    if not isinstance(released, Released):
        return AppSeen(name, released)
    key = released.release.key
    return AppSeen(name, released, attempt(partial(releases.zip_problem, s3, of.name, key)))


def function(aws: Aws, name: str) -> FunctionSeen:
    """Look at a function of this name."""
    described = attempt(partial(_configuration, aws, name))
    if described is None or isinstance(described, Failure):
        return FunctionSeen(name, described)
    return FunctionSeen(name, described, attempt(partial(_reserved, aws, name)))


def _configuration(aws: Aws, name: str) -> Mapping[str, Any] | None:
    try:
        return dict(aws.functions.get_function_configuration(FunctionName=name))
    except aws.functions.exceptions.ResourceNotFoundException:
        return None


def _reserved(aws: Aws, name: str) -> int | None:
    answer = aws.functions.get_function_concurrency(FunctionName=name)
    return answer.get("ReservedConcurrentExecutions")


def probe(aws: Aws, vpc: str, seen: FunctionSeen) -> Probe | Failure | None:
    """Return the probe of a VPC from what Lambda says of its function."""
    if seen.configuration is None or isinstance(seen.configuration, Failure):
        return seen.configuration
    within = seen.configuration.get("VpcConfig", {})
    networks = attempt(partial(_networks, aws, within.get("SubnetIds", ())))
    if isinstance(networks, Failure):
        return networks
    return Probe(vpc, tuple(within.get("SecurityGroupIds", ())), networks)


def _networks(aws: Aws, subnets: Sequence[str]) -> tuple[IPv4Network, ...]:
    if not subnets:
        return ()
    described = aws.ec2.describe_subnets(SubnetIds=list(subnets))["Subnets"]
    return tuple(IPv4Network(each["CidrBlock"]) for each in described if "CidrBlock" in each)


def security_groups(aws: Aws, ids: Iterable[str]) -> dict[str, SecurityGroupTypeDef] | Failure:
    """Describe security groups, by id; those that are not there are left out."""
    return attempt(partial(_security_groups, aws, sorted(ids)))


def _security_groups(aws: Aws, ids: list[str]) -> dict[str, SecurityGroupTypeDef]:
    paginator = aws.ec2.get_paginator("describe_security_groups")
    found: dict[str, SecurityGroupTypeDef] = {}
    for batch in describe.batches(ids, _VALUES_A_FILTER):
        for page in paginator.paginate(Filters=[{"Name": "group-id", "Values": batch}]):
            found |= {each["GroupId"]: each for each in page["SecurityGroups"]}
    return found


def template(aws: Aws, specification: Mapping[str, Any]) -> Source | Failure:
    """Look at a launch template, in the version that a group names."""
    return attempt(partial(_template, aws, specification))


def _template(aws: Aws, specification: Mapping[str, Any]) -> Source:
    name = specification.get("LaunchTemplateName", specification.get("LaunchTemplateId", ""))
    version = specification.get("Version", _DEFAULT)
    if "LaunchTemplateId" in specification:
        id_ = specification["LaunchTemplateId"]
        [described] = aws.ec2.describe_launch_templates(LaunchTemplateIds=[id_])["LaunchTemplates"]
    else:
        [described] = aws.ec2.describe_launch_templates(LaunchTemplateNames=[name])[
            "LaunchTemplates"
        ]
    versions = aws.ec2.describe_launch_template_versions(
        LaunchTemplateId=described["LaunchTemplateId"], Versions=[version]
    )["LaunchTemplateVersions"]
    return Source(
        name=f"launch template {name}",
        version=version,
        latest=described.get("LatestVersionNumber"),
        default=described.get("DefaultVersionNumber"),
        user_data=versions[0]["LaunchTemplateData"].get("UserData"),
    )


def configuration(aws: Aws, name: str) -> Source | Failure:
    """Look at a launch configuration."""
    return attempt(partial(_launch_configuration, aws, name))


def _launch_configuration(aws: Aws, name: str) -> Source:
    [described] = aws.autoscaling.describe_launch_configurations(LaunchConfigurationNames=[name])[
        "LaunchConfigurations"
    ]
    return Source(f"launch configuration {name}", None, None, None, described.get("UserData"))
