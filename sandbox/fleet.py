"""A fleet: groups in the local AWS, machines that boot from its S3, and a watch over both."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING, Final

from sandbox import local_aws, store
from sandbox.endpoints import Endpoints
from sandbox.local_aws import LocalAws
from sandbox.store import Program
from terminator.config.deployment import Withdraw
from terminator.version import Order

if TYPE_CHECKING:
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef, TagTypeDef
    from types_boto3_ec2.type_defs import RequestLaunchTemplateDataTypeDef

# All addresses under 127.0.0.0/8 are loopback on Linux, so these instances are on this machine.
_NETWORK: Final = "127.1.0.0/16"
_TEMPLATE: Final = "sandbox"
# Machines boot from a zip, so the image need not exist.
_IMAGE: Final = "ami-00000000"
# The tag that tells the local AWS from when on a load balancer finds an instance healthy.
_SERVES_FROM: Final = "sandbox:serves-from"
BOOT: Final = timedelta(minutes=2)

# The two groups of the demo, of which many tests make use too.
WEB: Final = "live_asg_web"
API: Final = "live_asg_api"
GROUPS: Final = (WEB, API)
# The one that is deployed by image; the demo makes it when its turn comes.
IMG: Final = "live_asg_img"
SOLO: Final = "live_asg_solo"
SIZE: Final = 3
# By the default of 50%, rounded up.
MINIMUM: Final = 2
OLD: Final = "1.0.266"
# How long the groups have run the old release when `prepare` returns.
SETTLED: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Machine:
    """An instance: the program that it booted, and when that is up."""

    id: str
    address: str
    group: str
    launched: datetime
    up_at: datetime
    program: Program

    def answers(self, now: datetime) -> bool:
        """Say whether it answers with a version now."""
        return now >= self.up_at and self.program.behaviour == "answers"


@dataclass(frozen=True)
class Watch:
    """How many instances of a group are available, and the `lowest` while it was watched.

    It is watched from when it is `complete` until its programs fail.
    """

    available: int = 0
    lowest: int | None = None
    complete: bool = False

    def then(self, desired: int, available: int) -> Watch:
        """Return the watch after another look."""
        if not self.complete and available < desired:
            return replace(self, available=available)
        lowest = available if self.lowest is None else min(available, self.lowest)
        return Watch(available, lowest, complete=True)


@dataclass
class Fleet:
    """Groups, machines and releases on a local AWS; `boot` is how long a machine takes.

    `machines` are the instances that there are, by id, and `gone` those that there were. `images`
    maps the ids of images to the programs that were baked into them. `order` is that of releases,
    and `withdraws` maps apps to when theirs are taken back.
    """

    local: LocalAws
    endpoints: Endpoints
    boot: timedelta = BOOT
    machines: dict[str, Machine] = field(default_factory=dict)
    gone: list[Machine] = field(default_factory=list)
    watches: dict[str, Watch] = field(default_factory=dict)
    images: dict[str, Program] = field(default_factory=dict)
    order: Order = "version"
    withdraws: dict[str, Withdraw] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the network and the launch template."""
        self.aws, self.clock = self.local.aws, self.local.clock
        self._up: set[str] = set()
        self._lock = RLock()
        self.vpc = self.aws.ec2.create_vpc(CidrBlock=_NETWORK)["Vpc"]["VpcId"]
        subnet = self.aws.ec2.create_subnet(VpcId=self.vpc, CidrBlock=_NETWORK)["Subnet"]
        self.subnet = subnet["SubnetId"]
        self.security_group = self.aws.ec2.create_security_group(
            GroupName="instances", Description="The machines of the fleet", VpcId=self.vpc
        )["GroupId"]
        user_data = f"boot the release of s3://{store.BUCKET}"
        self.aws.ec2.create_launch_template(
            LaunchTemplateName=_TEMPLATE,
            LaunchTemplateData={
                "ImageId": _IMAGE,
                "InstanceType": "t4g.nano",
                "SecurityGroupIds": [self.security_group],
                "UserData": b64encode(user_data.encode()).decode(),
            },
        )

    def bake(self, template: str, program: Program) -> int:
        """Bake an image with a program in it, and make a version of a launch template with it.

        Makes the template, by name, with its first version. Return the version's number.
        """
        image = f"ami-{len(self.images) + 1:08x}"
        self.images[image] = program
        data: RequestLaunchTemplateDataTypeDef = {"ImageId": image, "InstanceType": "t4g.nano"}
        ec2 = self.aws.ec2
        names = {
            each["LaunchTemplateName"]
            for each in ec2.describe_launch_templates()["LaunchTemplates"]
        }
        if template not in names:
            ec2.create_launch_template(LaunchTemplateName=template, LaunchTemplateData=data)
            return 1
        made = ec2.create_launch_template_version(
            LaunchTemplateName=template, LaunchTemplateData=data
        )
        return made["LaunchTemplateVersion"]["VersionNumber"]

    def pin(self, group: str, template: str, version: str) -> None:
        """Have a group launch from a version of a template: a number, `$Latest` or `$Default`."""
        self.aws.autoscaling.update_auto_scaling_group(
            AutoScalingGroupName=group,
            LaunchTemplate={"LaunchTemplateName": template, "Version": version},
        )

    def tag(self, group: str, tags: Mapping[str, str]) -> None:
        """Give a group tags."""
        for key, value in tags.items():
            tag: TagTypeDef = {
                "ResourceId": group,
                "ResourceType": "auto-scaling-group",
                "Key": key,
                "Value": value,
                "PropagateAtLaunch": False,
            }
            self.aws.autoscaling.create_or_update_tags(Tags=[tag])

    def create_group(  # noqa: PLR0913 - what groups differ in
        self,
        name: str,
        desired: int,
        *,
        grace: int = 1,
        tags: Mapping[str, str] | None = None,
        template: str | None = None,
        balanced: bool = False,
    ) -> None:
        """Make a group that opted in, on the endpoints' port.

        `grace` is in seconds, at least 1: the local AWS takes 0 for its default. A group with a
        `template` of its own runs what is baked into the image of its latest version, behind a load
        balancer; one that is `balanced` stands behind one whose health checks it asks.
        """
        port = {"terminator:enabled": "true", "terminator:port": str(self.endpoints.port)}
        self.aws.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=0,
            MaxSize=1000,
            DesiredCapacity=desired,
            LaunchTemplate={
                "LaunchTemplateName": template or _TEMPLATE,
                "Version": "$Latest",
            },
            TargetGroupARNs=[self._target_group(name)] if template or balanced else [],
            HealthCheckType="ELB" if balanced else "EC2",
            VPCZoneIdentifier=self.subnet,
            HealthCheckGracePeriod=grace,
            Tags=[
                {"Key": key, "Value": value, "PropagateAtLaunch": False}
                for key, value in {**port, **(tags or {})}.items()
            ],
        )

    def _target_group(self, name: str) -> str:
        made = self.aws.elbv2.create_target_group(
            Name=name.replace("_", "-"), Protocol="HTTP", Port=80, VpcId=self.vpc
        )
        return made["TargetGroups"][0]["TargetGroupArn"]

    def wait(self, span: timedelta) -> None:
        """Let time pass, in which machines come up."""
        self.sync()
        self.clock.sleep(span.total_seconds())
        self.sync()

    def sync(self) -> None:
        """Boot what the groups launched, end what they terminated, and note who is available."""
        with self._lock:
            pages = self.aws.autoscaling.get_paginator("describe_auto_scaling_groups").paginate()
            groups = [group for page in pages for group in page["AutoScalingGroups"]]
            homes = {row["InstanceId"]: group for group in groups for row in group["Instances"]}
            for id_ in self.machines.keys() - homes.keys():
                machine = self.machines.pop(id_)
                self.gone.append(machine)
                self._up.discard(id_)
                self.endpoints.close(machine.address)
            if new := sorted(homes.keys() - self.machines.keys()):
                self._launch(new, homes)
            now = self.clock.now()
            for id_, machine in self.machines.items():
                if id_ not in self._up and now >= machine.up_at:
                    self._up.add(id_)
                    self.endpoints.open(machine.address, machine.program)
            for group in groups:
                name = group["AutoScalingGroupName"]
                available = sum(machine.answers(now) for machine in self.of(name))
                watch = self.watches.get(name, Watch())
                self.watches[name] = watch.then(group["DesiredCapacity"], available)

    def _launch(self, ids: list[str], homes: Mapping[str, AutoScalingGroupTypeDef]) -> None:
        """Boot these instances; all of an app boot the same program."""
        programs: dict[str, Program] = {}
        pages = self.aws.ec2.get_paginator("describe_instances").paginate(InstanceIds=ids)
        rows = [row for page in pages for of in page["Reservations"] for row in of["Instances"]]
        for row in rows:
            id_, launched = row["InstanceId"], row["LaunchTime"]
            group = homes[id_]["AutoScalingGroupName"]
            tags = {tag["Key"]: tag.get("Value", "") for tag in homes[id_]["Tags"]}
            address, up_at = row["PrivateIpAddress"], launched + self.boot
            program = self.images.get(row.get("ImageId", ""))
            if program is None:
                app = tags.get("terminator:app", group)
                if app not in programs:
                    programs[app] = store.boot(self.aws, app, self.order)
                program = programs[app]
            if homes[id_].get("TargetGroupARNs"):
                self._tell_when_it_serves(id_, up_at if program.behaviour == "answers" else None)
            self.machines[id_] = Machine(id_, address, group, launched, up_at, program)

    def _tell_when_it_serves(self, id_: str, at: datetime | None) -> None:
        text = "never" if at is None else at.isoformat()
        self.aws.ec2.create_tags(Resources=[id_], Tags=[{"Key": _SERVES_FROM, "Value": text}])

    def fail(self, group: str) -> None:
        """Let the programs of a group stop answering, which nobody's termination is behind."""
        for machine in self.of(group):
            silent = Program(machine.program.version, "silent")
            self.machines[machine.id] = replace(machine, program=silent)
            self.endpoints.open(machine.address, silent)
        self.watches[group] = replace(self.watches[group], complete=False)
        self.sync()

    def of(self, group: str) -> list[Machine]:
        """Return the machines of a group, the oldest first."""
        mine = (machine for machine in self.machines.values() if machine.group == group)
        return sorted(mine, key=lambda machine: (machine.launched, machine.id))


def prepare(fleet: Fleet, grace: int = 60) -> None:
    """Make the two groups of three instances each, which have run the old release for a while.

    `grace` is their HealthCheckGracePeriod in seconds.
    """
    for group, app in ((WEB, "web"), (API, "api")):
        store.upload(fleet.aws, app, Program(OLD))
        fleet.create_group(group, SIZE, grace=grace, tags={"terminator:app": app})
    fleet.wait(SETTLED)


@contextmanager
def running(
    boot: timedelta = BOOT, *, ahead: timedelta = timedelta(0), on: LocalAws | None = None
) -> Iterator[Fleet]:
    """Run a fleet without groups for as long as the block, on a local AWS of its own.

    Or `on` one that runs already, which is emptied first. The fleet's clock begins `ahead`
    behind the real one, so that it can be put forward by that without getting ahead of it.
    """
    with ExitStack() as stack:
        if on is None:
            local = stack.enter_context(local_aws.started())
        else:
            local = on
            local.reset()
        local.clock.sleep(-ahead.total_seconds())
        endpoints = Endpoints()
        stack.callback(endpoints.stop)
        fleet = Fleet(local, endpoints, boot)
        store.create(fleet.aws)
        yield fleet
