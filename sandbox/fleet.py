"""A fleet: groups in the local AWS, machines that boot from its S3, and a watch over both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from typing import TYPE_CHECKING, Final

from sandbox import local_aws, store
from sandbox.clock import Clock
from sandbox.endpoints import Endpoints
from sandbox.local_aws import LocalAws
from sandbox.program import Program
from terminator.clients import Aws
from terminator.observe.autoscaling import describe_groups, describe_instances, tags_of

if TYPE_CHECKING:
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef
    from types_boto3_ec2.type_defs import InstanceTypeDef

# An address under 127.0.0.0/8 is loopback on Linux, so these instances are on this machine.
_NETWORK: Final = "127.1.0.0/16"
_TEMPLATE: Final = "sandbox"
# Machines boot from a zip, so any image will do, one that is not there too.
_IMAGE: Final = "ami-00000000"


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
    """What was seen of a group: `lowest` is the lowest available since it was complete."""

    available: int = 0
    lowest: int | None = None

    def then(self, desired: int, available: int) -> Watch:
        """Return the watch after another look."""
        if self.lowest is None:
            return Watch(available, available if available >= desired else None)
        return Watch(available, min(available, self.lowest))


@dataclass
class Fleet:
    """Groups, machines and releases on a local AWS; `boot` is how long a machine takes."""

    local: LocalAws
    clock: Clock
    endpoints: Endpoints
    boot: timedelta
    machines: dict[str, Machine] = field(default_factory=dict)
    gone: list[Machine] = field(default_factory=list)
    watches: dict[str, Watch] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the network and the launch template."""
        self.aws = Aws(self.local.session())
        self._open: set[str] = set()
        self._lock = RLock()
        vpc = self.aws.ec2.create_vpc(CidrBlock=_NETWORK)["Vpc"]["VpcId"]
        subnet = self.aws.ec2.create_subnet(VpcId=vpc, CidrBlock=_NETWORK)["Subnet"]
        self.vpc, self.subnet = vpc, subnet["SubnetId"]
        self.aws.ec2.create_launch_template(
            LaunchTemplateName=_TEMPLATE,
            LaunchTemplateData={"ImageId": _IMAGE, "InstanceType": "t4g.nano"},
        )

    def create_group(
        self, name: str, desired: int, *, grace: int = 1, tags: Mapping[str, str] | None = None
    ) -> None:
        """Make a group that opted in, on the endpoints' port.

        `grace` is in seconds, at least 1: the local AWS takes 0 for its default.
        """
        port = {"terminator:enabled": "true", "terminator:port": str(self.endpoints.port)}
        self.aws.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=0,
            MaxSize=1000,
            DesiredCapacity=desired,
            LaunchTemplate={"LaunchTemplateName": _TEMPLATE},
            VPCZoneIdentifier=self.subnet,
            HealthCheckGracePeriod=grace,
            Tags=[
                {"Key": key, "Value": value, "PropagateAtLaunch": False}
                for key, value in {**port, **(tags or {})}.items()
            ],
        )

    def wait(self, span: timedelta) -> None:
        """Let time pass: machines come up as it does."""
        self.sync()
        self.clock.sleep(span.total_seconds())
        self.sync()

    def sync(self) -> None:
        """Boot what was launched, end what was terminated, and take note of availability."""
        with self._lock:
            groups = describe_groups(self.aws.autoscaling, [], tagged=True)
            homes = {
                member["InstanceId"]: group for group in groups for member in group["Instances"]
            }
            for gone in self.machines.keys() - homes.keys():
                self._end(gone)
            self._launch({id_: homes[id_] for id_ in homes.keys() - self.machines.keys()})
            self._come_up()
            for group in groups:
                self._note(group)

    def _end(self, id_: str) -> None:
        machine = self.machines.pop(id_)
        self.gone.append(machine)
        self._open.discard(id_)
        self.endpoints.close(machine.address)

    def _launch(self, homes: Mapping[str, AutoScalingGroupTypeDef]) -> None:
        rows, _ = describe_instances(self.aws.ec2, sorted(homes))
        apps = {id_: self._app(homes[id_]) for id_ in rows}
        programs = {app: store.boot(self.aws, app) for app in set(apps.values())}
        for id_, row in rows.items():
            name = homes[id_]["AutoScalingGroupName"]
            self.machines[id_] = self._machine(row, name, programs[apps[id_]])

    def _machine(self, row: InstanceTypeDef, group: str, program: Program) -> Machine:
        launched = row["LaunchTime"]
        return Machine(
            row["InstanceId"],
            row["PrivateIpAddress"],
            group,
            launched,
            launched + self.boot,
            program,
        )

    @staticmethod
    def _app(group: AutoScalingGroupTypeDef) -> str:
        return tags_of(group).get("terminator:app", group["AutoScalingGroupName"])

    def _come_up(self) -> None:
        now = self.clock.now()
        for id_, machine in self.machines.items():
            if id_ not in self._open and now >= machine.up_at:
                self._open.add(id_)
                self.endpoints.open(machine.address, machine.program)

    def _note(self, group: AutoScalingGroupTypeDef) -> None:
        name, now = group["AutoScalingGroupName"], self.clock.now()
        available = sum(machine.answers(now) for machine in self.of(name))
        before = self.watches.get(name, Watch())
        self.watches[name] = before.then(group["DesiredCapacity"], available)

    def of(self, group: str) -> list[Machine]:
        """Return the machines of a group, the oldest first."""
        mine = (machine for machine in self.machines.values() if machine.group == group)
        return sorted(mine, key=lambda machine: (machine.launched, machine.id))


@contextmanager
def running(
    boot: timedelta = timedelta(minutes=2), *, ahead: timedelta = timedelta(0)
) -> Iterator[Fleet]:
    """Run an empty fleet for as long as the block; nothing of it is left behind.

    Its clock begins so far behind the real one as it will be put `ahead`.
    """
    with TemporaryDirectory() as folder:
        clock_file = Path(folder) / "clock"
        clock = Clock(clock_file)
        clock.sleep(-ahead.total_seconds())
        endpoints = Endpoints()
        try:
            with local_aws.started(clock_file) as local:
                fleet = Fleet(local, clock, endpoints, boot)
                store.create(fleet.aws)
                yield fleet
        finally:
            endpoints.stop()
