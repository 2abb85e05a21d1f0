"""The deployment's settings: `context.terminator` of `cdk.json`, or the function's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from terminator.config import tags as policy
from terminator.config.release_keys import KeyTemplate, KeyTemplateError
from terminator.config.tags import Policy, SettingError
from terminator.text import quoted

Read = TypeVar("Read")

DEFAULT_KEY: Final = "{app}/{version}.zip"
# What the functions and the command line read.
RUNTIME: Final = frozenset({"name", "dry_run", "groups", "releases", "policy", "group_metrics"})
# What only a deployment reads; listed so that a typing error is found here too.
_DEPLOYMENT: Final = frozenset(
    {
        "schedule",
        "vpcs",
        "reserve_concurrency",
        "log_retention_days",
        "tracing",
        "example",
        "alarm_email",
    }
)
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,35}")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET: Final = re.compile(
    r"(?=.{3,63}$)(?!([0-9]+\.){3}[0-9]+$)[a-z0-9]+(-+[a-z0-9]+)*(\.[a-z0-9]+(-+[a-z0-9]+)*)*"
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
    group that has no tags; `name` begins the names of what is deployed; `group_metrics`
    adds a CloudWatch dimension for each group.
    """

    names: tuple[str, ...]
    tagged: bool
    bucket: Bucket | None
    defaults: Policy
    name: str = "terminator"
    dry_run: bool = True
    group_metrics: bool = False


def from_file(path: Path) -> Config:
    """Read the configuration from a `cdk.json`; raise ConfigError naming file and setting."""
    return of_file(path, from_settings)


def of_file(path: Path, read: Callable[[object], Read]) -> Read:
    """Return what `read` makes of the settings in a `cdk.json`; raise ConfigError likewise."""
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
    try:
        return read(settings)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def from_settings(settings: object) -> Config:
    """Read the configuration from the mapping under `terminator`; raise ConfigError."""
    mapping = mapping_of("terminator", settings, RUNTIME | _DEPLOYMENT)
    groups = mapping_of("groups", mapping.get("groups", {}), frozenset({"names", "tagged"}))
    config = Config(
        names=_names(groups.get("names", [])),
        tagged=boolean("groups.tagged", groups.get("tagged", False)),
        bucket=_bucket(mapping.get("releases")),
        defaults=_defaults(mapping.get("policy", {})),
        name=_name(mapping.get("name", "terminator")),
        dry_run=boolean("dry_run", mapping.get("dry_run", True)),
        group_metrics=boolean("group_metrics", mapping.get("group_metrics", False)),
    )
    if not config.names and not config.tagged:
        raise ConfigError(
            "no groups: list their names in groups.names, or set groups.tagged to true to "
            f"serve every group with the tag {policy.ENABLED_TAG}=true"
        )
    return config


def mapping_of(name: str, value: object, known: frozenset[str]) -> Mapping[str, object]:
    """Read an object with no other than the known settings; raise ConfigError otherwise."""
    if not isinstance(value, dict):
        raise refused(name, value, "an object")
    unknown = sorted(set(value) - known)
    if unknown:
        accepted = ", ".join(sorted(known))
        raise ConfigError(f"{name}: unknown setting {quoted(unknown[0])}; accepted are {accepted}")
    return value


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise refused("groups.names", value, "a list of names of Auto Scaling groups")
    return tuple(dict.fromkeys(value))


def _name(value: object) -> str:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise refused("name", value, "up to 36 small letters, digits and -, such as terminator")
    return value


def boolean(name: str, value: object) -> bool:
    """Read true or false; raise ConfigError for anything else."""
    if not isinstance(value, bool):
        raise refused(name, value, "true or false")
    return value


def _bucket(value: object) -> Bucket | None:
    if value is None:
        return None
    mapping = mapping_of("releases", value, frozenset({"bucket", "key", "create"}))
    name, key = mapping.get("bucket"), mapping.get("key", DEFAULT_KEY)
    if not isinstance(name, str) or _BUCKET.fullmatch(name) is None:
        raise refused("releases.bucket", name, "the name of a bucket, such as acme-releases")
    if not isinstance(key, str):
        raise refused("releases.key", key, "a template such as {app}/{version}.zip")
    try:
        return Bucket(name, KeyTemplate.parse(key))
    except KeyTemplateError as error:
        raise ConfigError(f"releases.key: {error}") from error


def _defaults(value: object) -> Policy:
    if not isinstance(value, dict):
        raise refused("policy", value, "an object")
    try:
        return policy.defaults(value)
    except SettingError as error:
        raise ConfigError(str(error)) from error


def refused(name: str, value: object, accepted: str) -> ConfigError:
    """Return the error for a setting: its name, its text and what is accepted."""
    text = quoted(value if isinstance(value, str) else json.dumps(value))
    return ConfigError(f"{name} says {text}; accepted is {accepted}")
