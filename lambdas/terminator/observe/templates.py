"""What launches of a group use now: its launch templates, resolved, or its launch configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from terminator.errors import code, explain
from terminator.model import Launches, NoTemplate, Origin, Unobserved
from terminator.text import plain

if TYPE_CHECKING:
    from types_boto3_autoscaling.type_defs import (
        AutoScalingGroupTypeDef,
        InstanceTypeDef,
        LaunchTemplateOverridesOutputTypeDef,
        LaunchTemplateSpecificationTypeDef,
    )
    from types_boto3_ec2.client import EC2Client
    from types_boto3_ec2.type_defs import DescribeLaunchTemplateVersionsRequestTypeDef

# What EC2 answers where a template, a version or a parameter does not exist, or is not valid:
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_DOES_NOT_EXIST: Final = ("InvalidLaunchTemplate", "InvalidParameter", "InvalidAMIID")
# The version of a specification that gives none:
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LaunchTemplateSpecification.html
_DEFAULT: Final = "$Default"


@dataclass(frozen=True, order=True)
class Specification:
    """A version of a launch template as a group names it: a number, `$Latest` or `$Default`.

    `template` is its id, or its name where the group gives none. `aliases` says whether an image
    that is named by a parameter of Systems Manager is to be looked up.
    """

    template: str
    version: str
    aliases: bool = False

    def __str__(self) -> str:
        return f"version {plain(self.version)} of launch template {plain(self.template)}"


@dataclass(frozen=True)
class TemplateVersion:
    """A version of a launch template, and when it was made."""

    origin: Origin
    created: datetime


Described = TemplateVersion | NoTemplate | Unobserved


def specifications(group: AutoScalingGroupTypeDef, *, aliases: bool) -> list[Specification]:
    """Return the versions of launch templates that launches of a group use, each once."""
    own, overrides = _launches(group)
    rows = [own, *(each.get("LaunchTemplateSpecification") for each in overrides)]
    return sorted({_specification(row, aliases=aliases) for row in rows if row})


def describe_version(ec2: EC2Client, of: Specification) -> TemplateVersion | NoTemplate:
    """Describe a version of a launch template; one that does not exist is data.

    Other errors of AWS pass through.
    """
    asked: DescribeLaunchTemplateVersionsRequestTypeDef = {
        "Versions": [of.version],
        "ResolveAlias": of.aliases,
    }
    if of.template.startswith("lt-"):
        asked["LaunchTemplateId"] = of.template
    else:
        asked["LaunchTemplateName"] = of.template
    try:
        found = ec2.describe_launch_template_versions(**asked)["LaunchTemplateVersions"]
    except ClientError as error:
        if not code(error).startswith(_DOES_NOT_EXIST):
            raise
        return NoTemplate(f"{of} cannot be described: {explain(error)}")
    if not found:
        return NoTemplate(f"{of} does not exist")
    image = found[0].get("LaunchTemplateData", {}).get("ImageId") if of.aliases else None
    origin = Origin(found[0]["LaunchTemplateId"], found[0]["VersionNumber"], image)
    return TemplateVersion(origin, found[0]["CreateTime"])


def launches_of(
    group: AutoScalingGroupTypeDef, *, aliases: bool, described: Mapping[Specification, Described]
) -> Launches | NoTemplate | Unobserved:
    """Return what launches of a group use now, as its templates were described."""
    own, overrides = _launches(group)
    if own is None:
        name = group.get("LaunchConfigurationName")
        missing = NoTemplate("the group names neither a launch template nor a launch configuration")
        return Launches(Origin(name)) if name else missing
    known: dict[Specification, TemplateVersion] = {}
    for each in specifications(group, aliases=aliases):
        what = described.get(each, Unobserved(f"{each} was not described"))
        if not isinstance(what, TemplateVersion):
            return what
        known[each] = what
    found: list[tuple[str | None, Origin]] = []
    for override in overrides:
        row = override.get("LaunchTemplateSpecification", own)
        origin = known[_specification(row, aliases=aliases)].origin
        image = override.get("ImageId")
        found.append((override.get("InstanceType"), replace(origin, image=image or origin.image)))
    return Launches(
        own=known[_specification(own, aliases=aliases)].origin,
        overrides=tuple(found),
        dated=max(each.created for each in known.values()),
    )


def origin_of(member: InstanceTypeDef, image: str | None) -> Origin | None:
    """Return what a member was launched from; `image` is what EC2 says it runs, if that matters.

    None where Auto Scaling lists neither, as of one that was attached by hand.
    """
    # Where its root volume was replaced, or an override named the image, Auto Scaling says so.
    image = image and member.get("ImageId", image)
    template = member.get("LaunchTemplate", {})
    if name := template.get("LaunchTemplateId"):
        version = template.get("Version", "")
        return Origin(name, int(version), image) if version.isdecimal() else None
    configuration = member.get("LaunchConfigurationName")
    return Origin(configuration) if configuration else None


def _launches(
    group: AutoScalingGroupTypeDef,
) -> tuple[
    LaunchTemplateSpecificationTypeDef | None, Sequence[LaunchTemplateOverridesOutputTypeDef]
]:
    """Return the group's own template, None for none, and the overrides of its mixed instances."""
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    own = mixed.get("LaunchTemplateSpecification") or group.get("LaunchTemplate")
    return own, mixed.get("Overrides", ())


def _specification(row: LaunchTemplateSpecificationTypeDef, *, aliases: bool) -> Specification:
    template = row.get("LaunchTemplateId") or row.get("LaunchTemplateName", "")
    return Specification(template, row.get("Version") or _DEFAULT, aliases)
