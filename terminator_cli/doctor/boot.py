"""Whether new instances will boot the release: their launch template and user data."""

from __future__ import annotations

import base64
import binascii
import email
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from terminator.clients import Aws
from terminator.config.deployment import Bucket
from terminator_cli.doctor.findings import Finding, Unseen, about, look

if TYPE_CHECKING:
    from terminator.observe.snapshot import OptedIn

_DEFAULT: Final = "$Default"
_GZIP: Final = b"\x1f\x8b"
# EC2 takes 16 KB of user data; what unpacks to more than this is no boot script.
_MOST_BYTES: Final = 2**24


@dataclass(frozen=True)
class Source:
    """What a group launches instances from.

    `version` is as the group names it (`$Latest`, `3`; None for a launch configuration),
    `latest` and `default` are the template's, `user_data` is as AWS gives it: Base64.
    """

    name: str
    version: str | None
    latest: int | None
    default: int | None
    user_data: str | None


def examine(aws: Aws, group: OptedIn, bucket: Bucket | None) -> Iterator[Finding]:
    """Check everything that a group launches from."""
    name = bucket.name if bucket else None
    configuration = group.described.get("LaunchConfigurationName")
    if configuration:
        yield from check(group.name, look(partial(_configuration, aws, configuration)), name)
    for template in templates(group.described):
        yield from check(group.name, look(partial(_template, aws, template)), name)


def templates(group: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the launch templates that a group names, overrides of a mix included."""
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    found = [group.get("LaunchTemplate"), mixed.get("LaunchTemplateSpecification")]
    found += [each.get("LaunchTemplateSpecification") for each in mixed.get("Overrides", ())]
    unique: list[Mapping[str, Any]] = []
    for each in found:
        if each and each not in unique:
            unique.append(each)
    return unique


def _configuration(aws: Aws, name: str) -> Source:
    answer = aws.autoscaling.describe_launch_configurations(LaunchConfigurationNames=[name])
    [described] = answer["LaunchConfigurations"]
    return Source(f"launch configuration {name}", None, None, None, described.get("UserData"))


def _template(aws: Aws, specification: Mapping[str, Any]) -> Source:
    id_, name = specification.get("LaunchTemplateId"), specification.get("LaunchTemplateName")
    if id_ is not None:
        answer = aws.ec2.describe_launch_templates(LaunchTemplateIds=[id_])
    else:
        answer = aws.ec2.describe_launch_templates(LaunchTemplateNames=[name or ""])
    [described] = answer["LaunchTemplates"]
    version = specification.get("Version", _DEFAULT)
    versions = aws.ec2.describe_launch_template_versions(
        LaunchTemplateId=described["LaunchTemplateId"], Versions=[version]
    )["LaunchTemplateVersions"]
    return Source(
        name=f"launch template {name or id_}",
        version=version,
        latest=described.get("LatestVersionNumber"),
        default=described.get("DefaultVersionNumber"),
        user_data=versions[0]["LaunchTemplateData"].get("UserData"),
    )


def check(group: str, source: Source | Unseen, bucket: str | None) -> Iterator[Finding]:
    """Check what a group launches from; without a bucket its user data may say anything."""
    of = about("group", group)
    if isinstance(source, Unseen):
        yield of.unseen("boot", source, "ec2:DescribeLaunchTemplateVersions")
        return
    if source.version is not None:
        template = f"{source.name} at {source.version}"
        used = source.default if source.version == _DEFAULT else source.version
        if source.version == "$Latest" or str(used) == str(source.latest):
            yield of.ok("launch template", template)
        else:
            at = f" (version {used})" if source.version == _DEFAULT else ""
            seen = f"{template}{at}, but its latest version is {source.latest}"
            remedy = "use $Latest, or make sure that the older version is meant"
            yield of.warning("launch template", seen, remedy)
    if bucket is not None:
        yield _user_data(group, source, bucket)


def _user_data(group: str, source: Source, bucket: str) -> Finding:
    of = about("group", group)
    remedy = "boot the release that its pointer names, else the newest; unless the image does it"
    if not source.user_data:
        return of.warning("boot", f"{source.name} has no user data", remedy)
    try:
        data = decoded(source.user_data)
    except ValueError as error:
        seen = f"the user data of {source.name} cannot be read: {error}"
        return of.warning("boot", seen, remedy)
    if bucket.encode() in data:
        return of.ok("boot", f"the user data of {source.name} mentions {bucket}")
    return of.warning("boot", f"the user data of {source.name} does not mention {bucket}", remedy)


def decoded(user_data: str) -> bytes:
    """Return user data as text in bytes, unpacked; raise ValueError where it is neither.

    It may be Base64, gzip within, and a MIME archive of parts, as cloud-init takes it:
    https://docs.cloud-init.io/en/latest/explanation/format.html
    """
    try:
        data = base64.b64decode(user_data, validate=False)
    except binascii.Error as error:
        raise ValueError("it is not Base64") from error
    data = _unpacked(data)
    if b"MIME-Version" not in data[:4096] and b"Content-Type: multipart" not in data[:4096]:
        return data
    parts = email.message_from_bytes(data).walk()
    payloads = (part.get_payload(decode=True) for part in parts if not part.is_multipart())
    return b"\n".join(_unpacked(each) for each in payloads if isinstance(each, bytes))


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data
    try:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return unpacker.decompress(data, _MOST_BYTES)
    except zlib.error as error:
        raise ValueError("its gzip is damaged") from error
