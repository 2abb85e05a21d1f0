"""The whole checkup: what is looked at, and which checks it goes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from terminator.clients import Aws
from terminator.config.deployment import Config
from terminator.config.tags import ENABLED_TAG
from terminator.errors import Failure, attempt
from terminator.observe import autoscaling as describe
from terminator.observe import preflight as guards
from terminator.observe import survey
from terminator.observe.survey import Subject
from terminator_cli import reach
from terminator_cli.checkup import alarms, boot, deployed, groups, looks, network, releases
from terminator_cli.checkup.boot import Source
from terminator_cli.checkup.findings import Finding, about
from terminator_cli.checkup.network import Target

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import InstanceTypeDef

Rows = Mapping[str, "InstanceTypeDef"]


def examine(aws: Aws, settings: Config) -> Iterator[Finding]:
    """Check a deployment and what it serves, and yield each finding; nothing is changed."""
    yield from _functions(aws, settings)
    subjects = attempt(partial(reach.subjects, aws, settings))
    if isinstance(subjects, Failure):
        action = "autoscaling:DescribeAutoScalingGroups"
        yield about("groups").unseen("opted in", subjects, action)
        subjects = []
    else:
        yield from _opted_in(subjects, settings)
    yield from _releases(aws, settings, subjects)
    for subject in subjects:
        yield from groups.check(subject)
        yield from _empty(subject)
        yield from _boot(aws, settings, subject)
        yield from alarms.check(subject, _alarm_states(aws, subject))
    yield from _network(aws, settings, subjects)


def _functions(aws: Aws, settings: Config) -> Iterator[Finding]:
    seen = looks.function(aws, f"{settings.name}-reconcile")
    yield from deployed.check(seen)
    yield from deployed.check_settings(seen, settings)
    if settings.bucket is not None:
        yield from deployed.check(looks.function(aws, f"{settings.name}-release"))


def _opted_in(subjects: Sequence[Subject], settings: Config) -> Iterator[Finding]:
    found = {subject.name for subject in subjects}
    yield from (groups.missing(name) for name in settings.names if name not in found)
    if not found:
        remedy = f"give a group the tag {ENABLED_TAG} = true, or name it in groups.names"
        yield about("groups").problem("opted in", "no group has opted in", remedy)


def _releases(aws: Aws, settings: Config, subjects: Sequence[Subject]) -> Iterator[Finding]:
    if settings.bucket is None:
        yield releases.no_bucket()
        return
    seen = looks.bucket(aws.s3, settings.bucket.name)
    yield from releases.check_bucket(seen)
    if isinstance(seen.exists, Failure):
        return
    for app in survey.apps(subjects):
        yield releases.check_app(looks.app(aws.s3, settings.bucket, app))


def _boot(aws: Aws, settings: Config, subject: Subject) -> Iterator[Finding]:
    bucket = settings.bucket.name if settings.bucket else None
    for source in _sources(aws, subject):
        yield from boot.check(subject.name, source, bucket)


def _sources(aws: Aws, subject: Subject) -> Iterator[Source | Failure]:
    configuration = subject.described.get("LaunchConfigurationName")
    if configuration:
        yield looks.configuration(aws, configuration)
    for specification in boot.specifications(subject.described):
        yield looks.template(aws, specification)


def _alarm_states(aws: Aws, subject: Subject) -> Mapping[str, str] | Failure:
    names = subject.policy.alarms
    return attempt(partial(guards.alarm_states, aws.cloudwatch, names)) if names else {}


def _network(aws: Aws, settings: Config, subjects: Sequence[Subject]) -> Iterator[Finding]:
    ids = [id_ for subject in subjects for id_ in _members(subject)]
    rows, failures = describe.describe_instances(aws.ec2, ids, more=("SecurityGroups",))
    for why in sorted(set(failures.values())):
        yield about("instances").unseen("described", Failure(why), "ec2:DescribeInstances")
    function = cache(lambda vpc: looks.function(aws, f"{settings.name}-probe-{vpc}"))
    readable = [subject for subject in subjects if not subject.policy.problems]
    targets = [each for subject in readable for each in network.targets(subject, rows)]
    vpcs = sorted({target.vpc for target in targets})
    for vpc in vpcs:
        yield from deployed.check(function(vpc))
    probes = {vpc: looks.probe(aws, vpc, function(vpc)) for vpc in vpcs}
    for target in targets:
        yield from _reach(aws, target, probes)


def _reach(
    aws: Aws, target: Target, probes: Mapping[str, network.Probe | Failure | None]
) -> Iterator[Finding]:
    probe = probes[target.vpc]
    of_probe = probe.groups if isinstance(probe, network.Probe) else ()
    known = looks.security_groups(aws, {*target.groups, *of_probe}) if of_probe else {}
    yield from network.check(target, probe, known)


def _empty(subject: Subject) -> Iterator[Finding]:
    if not _members(subject):
        remedy = "check again once it has one"
        seen = "there is no instance to look at"
        yield about("group", subject.name).warning("probe", seen, remedy)


def _members(subject: Subject) -> list[str]:
    return [each["InstanceId"] for each in subject.described.get("Instances", ())]
