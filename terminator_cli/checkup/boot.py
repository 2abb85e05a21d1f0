"""Whether new instances will boot the release: their launch template and user data."""

from __future__ import annotations

import base64
import binascii
import email
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from terminator.errors import Failure
from terminator_cli.checkup.findings import Finding, about

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


def specifications(group: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the launch templates that a group names, overrides of a mix included."""
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    found = [group.get("LaunchTemplate"), mixed.get("LaunchTemplateSpecification")]
    found += [each.get("LaunchTemplateSpecification") for each in mixed.get("Overrides", ())]
    unique: list[Mapping[str, Any]] = []
    for each in found:
        if each and each not in unique:
            unique.append(each)
    return unique


def check(group: str, source: Source | Failure, bucket: str | None) -> list[Finding]:
    """Check what a group launches from."""
    if isinstance(source, Failure):
        return [about("group", group).unseen("boot", source, "ec2:DescribeLaunchTemplateVersions")]
    found = [] if source.version is None else [_version(group, source)]
    return [*found, *([] if bucket is None else [_user_data(group, source, bucket)])]


def _version(group: str, source: Source) -> Finding:
    of = about("group", group)
    template = f"{source.name} at {source.version}"
    used = source.default if source.version == "$Default" else source.version
    if source.version == "$Latest" or str(used) == str(source.latest):
        return of.ok("launch template", template)
    at = f" (version {used})" if source.version == "$Default" else ""
    seen = f"{template}{at}, but its latest version is {source.latest}"
    remedy = "use $Latest, or make sure that the older version is meant"
    return of.warning("launch template", seen, remedy)


def _user_data(group: str, source: Source, bucket: str) -> Finding:
    of = about("group", group)
    remedy = "boot the release that its pointer names, else the newest; unless the image does it"
    if not source.user_data:
        return of.warning("boot", f"{source.name} has no user data", remedy)
    try:
        data = decoded(source.user_data)
    except ValueError as error:
        return of.warning("boot", f"the user data of {source.name} is unavailable: {error}", remedy)
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
