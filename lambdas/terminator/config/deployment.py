"""What `cdk.json` says under `context.terminator`.

The functions and the command line read a part of it, the Config; the CDK app deploys all of it,
the Deployment. A setting that cannot be read raises ConfigError, which names the setting, the
text that it had and what is accepted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args

from terminator.config import values
from terminator.config.release_keys import KeyTemplate, KeyTemplateError
from terminator.config.tags import (
    ENABLED_TAG,
    Policy,
    SettingError,
    defaults,
    known_names,
    limits,
)
from terminator.config.values import HIGHEST_PORT
from terminator.text import quoted
from terminator.version import Order

Read = TypeVar("Read")
# Lambda's names; in a few Regions there is no arm64.
Architecture = Literal["arm64", "x86_64"]
_ARCHITECTURES: Final[tuple[Architecture, ...]] = get_args(Architecture)

# What the functions and the command line read, and what only a deployment does.
_OF_CONFIG: Final = (
    *("dry_run", "group_metrics", "groups", "limits", "name", "policy", "releases", "schedule"),
)
_OF_DEPLOYMENT: Final = (
    *("alarm_email", "architecture", "example", "log_retention_days", "reserve_concurrency"),
    *("tracing", "vpcs"),
)
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,35}")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET: Final = re.compile(
    r"(?=.{3,63}$)(?!([0-9]+\.){3}[0-9]+$)[a-z0-9]+(-+[a-z0-9]+)*(\.[a-z0-9]+(-+[a-z0-9]+)*)*"
)
_RATE: Final = re.compile(
    r"rate\((?:(?P<one>1 minute)|(?P<minutes>[2-9]|[1-5][0-9]|60) minutes|1 hour)\)"
)
# EventBridge may deliver an event of the schedule a minute late.
_SHORTEST_LATENESS: Final = timedelta(minutes=2)
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
# Somebody at some domain: whether there is such a one is asked by the mail that SNS sends.
_EMAIL: Final = re.compile(
    r"(?=.{3,254}$)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
)
# https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id-key-ARN
_KMS_KEY: Final = re.compile(
    r"arn:aws[a-z-]{0,16}:kms:[a-z0-9-]{4,32}:[0-9]{12}:key/(mrk-)?[0-9a-f-]{32,36}"
)
_KMS_EXAMPLE: Final = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
_VPC: Final = re.compile(r"vpc-[0-9a-f]{8}([0-9a-f]{9})?")
_SUBNET: Final = re.compile(r"subnet-[0-9a-f]{8}([0-9a-f]{9})?")
# RFC 1918: where instances have their private addresses, unless told otherwise.
_PRIVATE: Final = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
# Where EC2 has its services for each instance; of IPv4 they are link-local.
_METADATA: Final = IPv6Network("fd00:ec2::/32")
# A security group has at most 60 rules a direction, a function 4 KB of environment:
# https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MOST_RULES: Final = 60
_MOST_BYTES: Final = 3000
_MOST_ALARMS: Final = 20
# Some of those that CloudWatch Logs knows:
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
_RETENTION_DAYS: Final = (1, 7, 14, 30, 90, 180, 365, 731)


class ConfigError(ValueError):
    """A deployment setting that cannot be read; the message names it and what is accepted."""


@dataclass(frozen=True)
class Withdraw:
    """What speaks so much against an app's newest release that it is taken back by itself.

    `silent`: its canary never answers. `alarms` are the names of CloudWatch alarms that ring.
    """

    silent: bool = False
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bucket:
    """The releases bucket, how its keys are made, and how its releases are ordered.

    `kms_key` is the ARN of the customer's KMS key that its objects are encrypted with, None where
    they are with S3's own keys. `orders` maps apps to their order, where it is another than
    `order`, and `withdraws` those apps whose releases may be taken back to when. `account` is the
    one that it has to belong to, None for the deployment's own.
    """

    name: str
    template: KeyTemplate
    kms_key: str | None = None
    order: Order = "version"
    orders: Mapping[str, Order] = field(default_factory=dict)
    account: str | None = None
    withdraws: Mapping[str, Withdraw] = field(default_factory=dict)

    def order_of(self, app: str) -> Order:
        """Return how the releases of an app are ordered."""
        return self.orders.get(app, self.order)


@dataclass(frozen=True)
class Config:
    """What a deployment serves: groups by name or by tag (the union), and how.

    `bucket` is None where no releases bucket is configured; `defaults` is the policy of a
    group that has no tags; `name` begins the names of what is deployed; `group_metrics`
    adds a CloudWatch dimension for each group; `period` is the time from one run of the
    schedule to the next.
    """

    names: tuple[str, ...]
    tagged: bool
    bucket: Bucket | None
    defaults: Policy
    name: str = "terminator"
    dry_run: bool = True
    group_metrics: bool = False
    period: timedelta = timedelta(minutes=5)

    @property
    def longest_lateness(self) -> timedelta:
        """How old an event may be that still starts a run: of an older one runs have come since."""
        return max(self.period, _SHORTEST_LATENESS)


@dataclass(frozen=True)
class ProbedVpc:
    """A VPC with instances to ask: where the probe function stands, and what it may reach.

    Where it may reach networks of IPv6 its subnets have both IPv4 and IPv6 addresses.
    """

    id: str
    subnets: tuple[str, ...]
    ports: tuple[int, ...]
    cidrs: tuple[str, ...]


@dataclass(frozen=True)
class Deployment:
    """What is deployed, and how.

    `config` is what the functions read, and `texts` is the same as JSON gives it to them.
    """

    config: Config
    texts: Mapping[str, object]
    vpcs: tuple[ProbedVpc, ...]
    create_bucket: bool
    reserve_concurrency: bool
    log_retention_days: int
    tracing: bool
    example: bool
    alarm_email: str | None
    architecture: Architecture = "arm64"


def from_file(path: Path) -> Config:
    """Read what a `cdk.json` configures; raise ConfigError naming file and setting."""
    return _read_file(path, from_settings)


def deployment_from_file(path: Path) -> Deployment:
    """Read all that a `cdk.json` deploys; raise ConfigError naming file and setting."""
    return _read_file(path, deployment_from_settings)


def read_context(path: Path) -> Mapping[str, Any]:
    """Return what a `cdk.json` has under `context`; raise ConfigError naming the file."""
    try:
        # Some editors begin a file with a byte-order mark, which the CDK reads over, too.
        document: object = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from error
    context = document.get("context") if isinstance(document, dict) else None
    return context if isinstance(context, dict) else {}


def _read_file(path: Path, read: Callable[[object], Read]) -> Read:
    settings = read_context(path).get("terminator")
    if settings is None:
        raise ConfigError(f"{path}: no settings under context.terminator")
    try:
        return read(settings)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def from_settings(settings: object) -> Config:
    """Read the Config from the object under `terminator`; raise ConfigError.

    An unknown name is an error here too, so that a typing error is found by whoever reads.
    """
    given = _object("terminator", settings, (*_OF_CONFIG, *_OF_DEPLOYMENT))
    groups = _object("groups", given.get("groups", {}), ("names", "tagged"))
    names = groups.get("names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise _refused("groups.names", names, "a list of names of Auto Scaling groups")
    policy = given.get("policy", {})
    if not isinstance(policy, dict):
        raise _refused("policy", policy, "an object")
    most = given.get("limits", {})
    if not isinstance(most, dict):
        raise _refused("limits", most, "an object")
    try:
        base = replace(defaults(policy), limits=limits(most))
    except SettingError as error:
        raise ConfigError(str(error)) from error
    _check_limits(base)
    bucket = _bucket(given["releases"]) if given.get("releases") is not None else None
    if bucket is not None and bucket.template.only_app:
        base = replace(base, app=bucket.template.only_app)
    config = Config(
        names=tuple(dict.fromkeys(names)),
        tagged=_flag("groups.tagged", groups.get("tagged", False)),
        bucket=bucket,
        defaults=base,
        name=_matching(
            "name",
            given.get("name", "terminator"),
            _NAME,
            "up to 36 small letters, digits and -, such as terminator",
        ),
        dry_run=_flag("dry_run", given.get("dry_run", True)),
        group_metrics=_flag("group_metrics", given.get("group_metrics", False)),
        period=_period(given.get("schedule", "rate(5 minutes)")),
    )
    if not config.names and not config.tagged:
        raise ConfigError(
            "no groups: list their names in groups.names, or set groups.tagged to true to "
            f"serve every group with the tag {ENABLED_TAG}=true"
        )
    return config


def _check_limits(policy: Policy) -> None:
    """Refuse a policy that asks for more than its own limits; others are held at them."""
    wanted, lowest = policy.minimum, policy.limits.minimum
    if wanted and lowest and wanted.percent == lowest.percent and wanted.number < lowest.number:
        raise _refused("policy.minimum", str(wanted), f"{lowest} or more, by limits.minimum")
    most, highest = policy.max_unavailable, policy.limits.max_unavailable
    if highest and most.percent == highest.percent and most.number > highest.number:
        accepted = f"{highest} or less, by limits.max-unavailable"
        raise _refused("policy.max-unavailable", str(most), accepted)


def deployment_from_settings(settings: object) -> Deployment:
    """Read all that is deployed from the object under `terminator`; raise ConfigError."""
    config = from_settings(settings)
    given: Mapping[str, Any] = settings if isinstance(settings, dict) else {}
    texts = {name: given[name] for name in _OF_CONFIG if name in given}
    size = len(json.dumps(texts))
    if size > _MOST_BYTES:
        raise ConfigError(
            f"the settings are {size} bytes long; accepted are {_MOST_BYTES}, since a function's "
            "environment holds them: serve groups by tag instead of by name"
        )
    vpcs = given.get("vpcs", {})
    if not isinstance(vpcs, dict):
        example = '{"vpc-0a1b2c3d": {"subnets": ["subnet-0a1b2c3d"]}}'
        raise _refused("vpcs", vpcs, f"an object such as {example}")
    days, email = given.get("log_retention_days", 30), given.get("alarm_email")
    if type(days) is not int or days not in _RETENTION_DAYS:
        accepted = ", ".join(map(str, _RETENTION_DAYS))
        raise _refused("log_retention_days", days, f"one of {accepted}")
    if email is not None:
        accepted = "an e-mail address such as oncall@example.com"
        email = _matching("alarm_email", email, _EMAIL, accepted)
    architecture = given.get("architecture", _ARCHITECTURES[0])
    if architecture not in _ARCHITECTURES:
        raise _refused("architecture", architecture, " or ".join(_ARCHITECTURES))
    return Deployment(
        config=config,
        texts=texts,
        vpcs=tuple(_vpc(id_, of, config.defaults.port) for id_, of in sorted(vpcs.items())),
        create_bucket=_flag("releases.create", (given.get("releases") or {}).get("create", False)),
        reserve_concurrency=_flag("reserve_concurrency", given.get("reserve_concurrency", True)),
        log_retention_days=days,
        tracing=_flag("tracing", given.get("tracing", False)),
        example=_flag("example", given.get("example", False)),
        alarm_email=email,
        architecture=architecture,
    )


def _bucket(value: object) -> Bucket:
    known = ("account", "app", "apps", "bucket", "create", "key", "kms_key", "order")
    given = _object("releases", value, known)
    accepted = "the name of a bucket, such as acme-releases"
    name = _matching("releases.bucket", given.get("bucket"), _BUCKET, accepted)
    account = given.get("account")
    if account is not None:
        accepted = "the 12 digits of an account, in quotes"
        account = _matching("releases.account", account, _ACCOUNT, accepted)
    key, only_app = given.get("key", "{app}/{version}.zip"), given.get("app", "")
    if not isinstance(key, str):
        raise _refused("releases.key", key, "a template such as {app}/{version}.zip")
    kms_key = given.get("kms_key")
    if kms_key is not None:
        accepted = f"the ARN of a KMS key, not of an alias, such as {_KMS_EXAMPLE}"
        kms_key = _matching("releases.kms_key", kms_key, _KMS_KEY, accepted)
    if only_app != "":
        only_app = _app("releases.app", only_app)
    try:
        template = KeyTemplate.parse(key, only_app)
    except KeyTemplateError as error:
        raise ConfigError(f"releases.key: {error}") from error
    orders, withdraws = _apps(given.get("apps", {}), template)
    order = _order("releases.order", given.get("order", "version"))
    return Bucket(name, template, kms_key, order, orders, account, withdraws)


def _apps(value: object, template: KeyTemplate) -> tuple[dict[str, Order], dict[str, Withdraw]]:
    """Read what is said of single apps: their orders, and when their releases are taken back."""
    if not isinstance(value, dict):
        raise _refused("releases.apps", value, 'an object such as {"web": {"order": "uploaded"}}')
    orders: dict[str, Order] = {}
    withdraws: dict[str, Withdraw] = {}
    for app, settings in value.items():
        where = f"releases.apps.{_app('releases.apps', app)}"
        given = _object(where, settings, ("order", "withdraw"))
        if "order" in given:
            orders[app] = _order(f"{where}.order", given["order"])
        if "withdraw" in given and template.is_fixed:
            accepted = "a releases.key with {version}, as under one name there is none before"
            raise _refused(f"{where}.withdraw", given["withdraw"], accepted)
        if "withdraw" in given:
            withdraws[app] = _withdraw(f"{where}.withdraw", given["withdraw"])
    return orders, withdraws


def _withdraw(where: str, value: object) -> Withdraw:
    given = _object(where, value, ("alarms", "silent"))
    silent, alarms = _flag(f"{where}.silent", given.get("silent", False)), given.get("alarms", [])
    # Each is asked with every run in which it may matter.
    few = isinstance(alarms, list) and len(alarms) <= _MOST_ALARMS
    if not few or not all(map(_is_alarm, alarms)):
        accepted = f"a list of at most {_MOST_ALARMS} names of CloudWatch alarms"
        raise _refused(f"{where}.alarms", alarms, accepted)
    if not silent and not alarms:
        accepted = '{"silent": true}, {"alarms": ["web-5xx"]} or both'
        raise _refused(where, value, accepted)
    return Withdraw(silent, tuple(dict.fromkeys(alarms)))


def _is_alarm(value: object) -> bool:
    try:
        return isinstance(value, str) and values.alarm(value) == value
    except ValueError:
        return False


def _order(name: str, value: object) -> Order:
    known: tuple[Order, ...] = get_args(Order)
    for each in known:
        if value == each:
            return each
    raise _refused(name, value, " or ".join(known))


def _app(name: str, value: object) -> str:
    try:
        if isinstance(value, str):
            return values.app(value)
    except ValueError:
        pass
    raise _refused(name, value, "letters, digits, '-', '_' and '.', such as web")


def _period(value: object) -> timedelta:
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _refused(
            "schedule",
            value,
            "rate(5 minutes), or another from rate(1 minute) to rate(1 hour): it says how often to "
            "look; when instances may be replaced is said by windows (terminator:window)",
        )
    return timedelta(minutes=1 if match["one"] else int(match["minutes"] or 60))


def _vpc(id_: str, value: object, port: int) -> ProbedVpc:
    where = f"vpcs.{_matching('vpcs', id_, _VPC, 'the id of a VPC, such as vpc-0a1b2c3d')}"
    given = _object(where, value, ("cidrs", "ports", "subnets"))
    subnets, cidrs = given.get("subnets"), given.get("cidrs", _PRIVATE)
    ports = given.get("ports", [port])
    networks = "networks such as 10.0.0.0/16 or, of IPv6, 2001:db8:0:1200::/56"
    vpc = ProbedVpc(
        id=id_,
        subnets=_list(f"{where}.subnets", subnets, _is_subnet, "ids of subnets of the VPC"),
        ports=_list(f"{where}.ports", ports, _is_port, "ports from 1 to 65535, without quotes"),
        cidrs=_list(f"{where}.cidrs", cidrs, _is_cidr, networks),
    )
    if len(vpc.ports) * len(vpc.cidrs) > _MOST_RULES:
        accepted = f"at most {_MOST_RULES} pairs of a port and a network"
        raise _refused(where, f"{len(vpc.ports)} ports, {len(vpc.cidrs)} cidrs", accepted)
    return vpc


def _is_subnet(value: object) -> bool:
    return isinstance(value, str) and _SUBNET.fullmatch(value) is not None


def _is_port(value: object) -> bool:
    return type(value) is int and 1 <= value <= HIGHEST_PORT


def _is_cidr(value: object) -> bool:
    try:
        # A zone index, as in fe80::%eth0/64, names an interface of one machine.
        if not isinstance(value, str) or "%" in value or str(ip_network(value)) != value:
            return False
    except ValueError:
        return False
    # No instance has an address there; only those of the sandbox are on loopback.
    read = ip_network(value)
    of_ec2 = isinstance(read, IPv6Network) and read.subnet_of(_METADATA)
    return not (read.is_loopback or read.is_link_local or read.is_multicast or of_ec2)


def _object(name: str, value: object, known: Iterable[str]) -> Mapping[str, Any]:
    """Read an object that has no other than the known names."""
    if not isinstance(value, dict):
        raise _refused(name, value, "an object")
    for unknown in sorted(set(value) - set(known)):
        accepted = known_names(unknown, sorted(known))
        raise ConfigError(f"{name}: unknown setting {quoted(unknown)}; {accepted}")
    return value


def _list(
    name: str, value: object, accepts: Callable[[object], bool], accepted: str
) -> tuple[Any, ...]:
    """Read a list of at least one, all of which are accepted."""
    if not isinstance(value, list) or not value or not all(map(accepts, value)):
        raise _refused(name, value, f"a list of {accepted}")
    return tuple(value)


def _flag(name: str, value: object) -> bool:
    """Read true or false, and nothing that is only like them."""
    if not isinstance(value, bool):
        raise _refused(name, value, "true or false")
    return value


def _matching(name: str, value: object, pattern: re.Pattern[str], accepted: str) -> str:
    """Read a text of a form."""
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise _refused(name, value, accepted)
    return value


def _refused(name: str, value: object, accepted: str) -> ConfigError:
    """Return the error for a setting: its name, its text and what is accepted."""
    text = quoted(value if isinstance(value, str) else json.dumps(value))
    return ConfigError(f"{name} says {text}; accepted is {accepted}")
