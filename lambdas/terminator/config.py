"""The deployment's settings: `context.terminator` of `cdk.json`, or the function's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from terminator import policy
from terminator.keys import KeyTemplate, KeyTemplateError
from terminator.policy import Policy, SettingError
from terminator.version import quoted

DEFAULT_KEY: Final = "{app}/{version}.zip"
# Read at deployment only; listed so that a typing error in any of them is found here too.
_DEPLOYMENT_ONLY: Final = frozenset({"schedule", "vpcs", "alarm_email"})
_KNOWN: Final = frozenset(
    {"dry_run", "groups", "releases", "policy", "group_metrics"} | _DEPLOYMENT_ONLY
)


class ConfigError(ValueError):
    """A deployment setting that cannot be read; the message names it and what is accepted."""


@dataclass(frozen=True)
class Bucket:
    """The releases bucket and how its keys are made."""

    name: str
    template: KeyTemplate


@dataclass(frozen=True)
class Config:
    """What a deployment serves: groups by name or by tag (the union), and how.

    `bucket` is None where no releases bucket is configured; `defaults` is the policy of a
    group that has no tags; `group_metrics` adds a CloudWatch dimension for each group.
    """

    names: tuple[str, ...]
    tagged: bool
    bucket: Bucket | None
    defaults: Policy
    dry_run: bool = True
    group_metrics: bool = False


def from_file(path: Path) -> Config:
    """Read the configuration from a `cdk.json`; raise ConfigError naming file and setting."""
    try:
        document: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from error
    context = document.get("context") if isinstance(document, dict) else None
    settings = context.get("terminator") if isinstance(context, dict) else None
    if settings is None:
        raise ConfigError(f"{path}: no settings under context.terminator")
    return from_settings(settings)


def from_settings(settings: object) -> Config:
    """Read the configuration from the mapping under `terminator`; raise ConfigError."""
    mapping = _mapping("terminator", settings, _KNOWN)
    groups = _mapping("groups", mapping.get("groups", {}), frozenset({"names", "tagged"}))
    config = Config(
        names=_names(groups.get("names", [])),
        tagged=_boolean("groups.tagged", groups.get("tagged", False)),
        bucket=_bucket(mapping.get("releases")),
        defaults=_defaults(mapping.get("policy", {})),
        dry_run=_boolean("dry_run", mapping.get("dry_run", True)),
        group_metrics=_boolean("group_metrics", mapping.get("group_metrics", False)),
    )
    if not config.names and not config.tagged:
        raise ConfigError(
            "no groups: list their names in groups.names, or set groups.tagged to true to "
            f"serve every group with the tag {policy.ENABLED_TAG}=true"
        )
    return config


def _mapping(name: str, value: object, known: frozenset[str]) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _refused(name, value, "an object")
    unknown = sorted(set(value) - known)
    if unknown:
        accepted = ", ".join(sorted(known))
        raise ConfigError(f"{name}: unknown setting {quoted(unknown[0])}; accepted are {accepted}")
    return value


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise _refused("groups.names", value, "a list of names of Auto Scaling groups")
    return tuple(dict.fromkeys(value))


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _refused(name, value, "true or false")
    return value


def _bucket(value: object) -> Bucket | None:
    if value is None:
        return None
    mapping = _mapping("releases", value, frozenset({"bucket", "key"}))
    name, key = mapping.get("bucket"), mapping.get("key", DEFAULT_KEY)
    if not isinstance(name, str) or not name:
        raise _refused("releases.bucket", name, "the name of a bucket")
    if not isinstance(key, str):
        raise _refused("releases.key", key, "a template such as {app}/{version}.zip")
    try:
        return Bucket(name, KeyTemplate.parse(key))
    except KeyTemplateError as error:
        raise ConfigError(f"releases.key: {error}") from error


def _defaults(value: object) -> Policy:
    if not isinstance(value, dict):
        raise _refused("policy", value, "an object")
    try:
        return policy.defaults(value)
    except SettingError as error:
        raise ConfigError(str(error)) from error


def _refused(name: str, value: object, accepted: str) -> ConfigError:
    return ConfigError(f"{name} says {quoted(json.dumps(value))}; accepted is {accepted}")
