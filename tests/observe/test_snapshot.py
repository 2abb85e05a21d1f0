"""What one run sees of groups and their members."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from terminator.model import Instance, NoVersion, Released
from terminator.observe.autoscaling import Ec2Instance
from terminator.version import Version
from tests.decide.builders import ago
from tests.fakes.cloud import Cloud, fleet, refusal
from tests.fakes.cloud_api import clients, run
from tests.fakes.groups import Machine, minutes
from tests.observe.looking import group_in, look_at

LATTICE = "arn:aws:vpc-lattice:eu-west-1:123456789012:targetgroup/tg-0123456789abcdef0"


def member(cloud: Cloud, machine: Machine, **otherwise: Any) -> Instance:
    """Return a member of the group `web` as one run sees it."""
    members = {each.id: each for each in group_in(cloud, **otherwise).instances}
    return members[machine.id]


# When an instance was created, and has been in service.


def row(launched: float, *attached: float | None, device: int = 0, **more: Any) -> Any:
    """Return an instance as EC2 describes it, with interfaces attached so many minutes ago."""
    interfaces = [
        {"Attachment": {"DeviceIndex": device} | ({"AttachTime": ago(each)} if each else {})}
        for each in attached
    ]
    return {
        "InstanceId": "i-1",
        "LaunchTime": ago(launched),
        "State": {"Code": 16, "Name": "running"},
        "PrivateIpAddress": "10.0.0.1",
        "VpcId": "vpc-1",
        "NetworkInterfaces": interfaces,
        **more,
    }


@pytest.mark.parametrize(
    ("described", "created"),
    [
        (row(600, 600), 600),
        (row(60, 600), 600),
        (row(600, 60), 600),
        (row(60, 600, device=1), 60),
        (row(60, None), 60),
        (row(60), 60),
        (row(60, NetworkInterfaces=[{}]), 60),
    ],
)
def test_an_instance_was_created_when_it_first_started(described: Any, created: float) -> None:
    assert Ec2Instance.of(described).created == ago(created)


@pytest.mark.parametrize(
    ("state", "running"),
    [("running", True), ("pending", False), ("shutting-down", False), ("stopped", False)],
)
def test_only_what_ec2_calls_running_runs(state: str, *, running: bool) -> None:
    assert Ec2Instance.of(row(60, State={"Name": state})).running is running


def test_an_instance_that_was_stopped_and_started_was_created_before() -> None:
    cloud, [group] = fleet()
    machine = group.machines[0]
    first = machine.launched
    cloud.stop(machine)
    cloud.wait(5)
    cloud.restart(machine, silent=0)
    assert machine.launched == cloud.now
    assert member(cloud, machine).created == first


def test_a_member_has_been_in_service_since_its_launch_ended_not_since_it_was_created() -> None:
    cloud, [group] = fleet(pending=minutes(20))
    cloud.wait(30)
    machine = cloud.launch(group, at=cloud.now - minutes(25))
    seen = member(cloud, machine)
    assert (seen.created, seen.in_service_since) == (ago(-5), ago(-25))


def test_one_that_is_on_its_way_enters_service_just_now() -> None:
    cloud, [group] = fleet(pending=minutes(20))
    machine = cloud.launch(group)
    cloud.wait(10)
    seen = member(cloud, machine)
    assert (seen.lifecycle, seen.in_service_since, seen.answer) == ("Pending", cloud.now, None)


def test_one_whose_warm_up_auto_scaling_waits_for_enters_service_just_now() -> None:
    cloud, [group] = fleet(warmup=minutes(20), waits_for_warmup=True)
    machine = cloud.launch(group)
    cloud.wait(10)
    seen = member(cloud, machine)
    assert (seen.lifecycle, seen.in_service_since) == ("InService", cloud.now)


def test_one_that_came_out_of_standby_has_been_in_service_since_then() -> None:
    cloud, [group] = fleet()
    machine = group.machines[0]
    machine.lifecycle = "Standby"
    cloud.wait(5)
    cloud.return_to_service(group, machine)
    cloud.wait(2)
    assert member(cloud, machine).in_service_since == cloud.now - minutes(1)


def test_one_that_was_attached_by_hand_has_been_in_service_since_then() -> None:
    cloud, [group] = fleet()
    machine = cloud.attach(group, "1.0.266", timedelta(days=90))
    cloud.wait(2)
    seen = member(cloud, machine)
    assert seen.in_service_since == cloud.now - minutes(1)
    assert seen.created == cloud.now - minutes(2) - timedelta(days=90)


def test_one_that_is_older_than_any_launch_hook_needs_no_activity() -> None:
    cloud, [group] = fleet()
    group.activities.clear()
    group.machines[0].launched -= timedelta(days=30)
    seen = member(cloud, group.machines[0])
    assert seen.in_service_since == seen.created == group.machines[0].launched


def test_one_that_is_younger_and_has_no_activity_is_unknown() -> None:
    cloud, [group] = fleet()
    group.activities.clear()
    assert member(cloud, group.machines[0]).in_service_since is None
    record = run(cloud)["web"]
    assert (record.available, record.in_flight, cloud.kills) == (0, 3, [])


def test_one_from_the_warm_pool_was_taken_from_it_when_that_began() -> None:
    cloud, [group] = fleet()
    machine = group.machines[0]
    group.begin("Launching a new EC2 instance from warm pool", cloud.now, machine)
    machine.in_service = cloud.now + minutes(20)
    cloud.wait(5)
    seen = member(cloud, machine)
    assert (seen.taken_from_pool, seen.in_service_since) == (cloud.now - minutes(5), cloud.now)


def test_one_that_leaves_began_to_when_it_was_terminated() -> None:
    cloud, [group] = fleet(leave=minutes(120))
    cloud.let_leave(group, group.machines[0])
    cloud.wait(60)
    seen = member(cloud, group.machines[0])
    assert (seen.lifecycle, seen.began_leaving) == ("Terminating:Wait", cloud.now - minutes(60))


# What has been terminated on request.


@pytest.mark.parametrize("of_this", [True, False])
@pytest.mark.parametrize(
    ("terminated", "is_out", "listings"), [(True, False, 2), (False, False, 1), (True, True, 1)]
)
def test_what_a_target_of_long_ago_has_cost_is_read_back_to_when_it_became_it(
    *, of_this: bool, terminated: bool, is_out: bool, listings: int
) -> None:
    """Where nothing was terminated, or all run it, it does not matter: one listing is enough."""
    cloud, [group] = fleet()
    cloud.wait(200)
    machine = cloud.launch(group) if of_this else group.machines[0]
    cloud.wait(5 * 24 * 60)
    for each in group.machines if is_out else ():
        each.version = "1.0.274"
    group.desired += 2  # it has not converged
    if terminated:
        cloud.terminate(group, machine)
    cloud.wait(30)
    cloud.calls.clear()
    seen = group_in(cloud)
    assert isinstance(seen.released, Released)
    assert seen.released.since is not None
    was_of_this = [launched >= seen.released.since for launched, _ in seen.taken]
    if listings > 1:
        assert was_of_this == [of_this]
    assert cloud.calls["DescribeScalingActivities"] == listings


# Members that are not asked, and what was not observed.


def test_what_ec2_does_not_list_has_gone_and_fails_nothing() -> None:
    cloud, [group] = fleet()
    group.machines[0].hidden = True
    seen = member(cloud, group.machines[0])
    assert (seen.running, seen.created, seen.answer) == (False, None, None)
    record = run(cloud)["web"]
    assert not record.has_failed
    assert (record.available, record.unavailable, record.in_flight) == (2, 0, 1)


@pytest.mark.parametrize("state", ["pending", "shutting-down", "terminated", "stopping", "stopped"])
def test_what_does_not_run_is_not_asked_and_fails_nothing(state: str) -> None:
    cloud, [group] = fleet()
    cloud.reclaim(group.machines[0])
    group.machines[0].ec2 = state
    seen = member(cloud, group.machines[0])
    assert (seen.lifecycle, seen.running, seen.answer) == ("InService", False, None)
    record = run(cloud)["web"]
    assert not record.has_failed
    assert (record.available, record.unavailable, record.in_flight) == (2, 0, 1)


def test_a_member_without_an_ipv4_address_could_not_be_observed() -> None:
    cloud, [group] = fleet()
    group.machines[0].address = None
    assert look_at(cloud)["web"] == (
        "could not be observed: i-0001: it has no private IPv4 address and no IPv6 address"
    )
    record = run(cloud)["web"]
    assert record.has_failed
    assert cloud.kills == []


@pytest.mark.parametrize("lifecycle", ["Standby", "Warmed:Stopped", "Terminating:Wait", "Pending"])
def test_one_that_is_not_in_service_needs_no_address(lifecycle: str) -> None:
    cloud, [group] = fleet()
    group.machines[0].address, group.machines[0].lifecycle = None, lifecycle
    assert member(cloud, group.machines[0]).answer is None


class Impaired:
    """EC2 with a zone that is impaired: a call that names an instance of it fails in some way."""

    def __init__(self, cloud: Cloud, zone: str, error: Exception | None = None) -> None:
        self.cloud, self.zone = cloud, zone
        self.error = error or refusal("Unavailable", f"{zone} is impaired")
        self.paginate_all = clients(cloud).ec2.get_paginator("describe_instances").paginate

    def get_paginator(self, _name: str) -> Any:
        return self

    def paginate(self, **asked: Any) -> Any:
        machines = [m for group in self.cloud.groups.values() for m in group.machines]
        there = {machine.id for machine in machines if machine.zone == self.zone}
        if there & set(asked["InstanceIds"]):
            raise self.error
        return self.paginate_all(**asked)


def test_an_impaired_zone_fails_the_groups_that_have_instances_there_and_no_other() -> None:
    cloud, [web, _] = fleet("web", "api")
    web.machines[0].zone = "eu-west-1b"
    aws = clients(cloud)
    aws.ec2 = Impaired(cloud, "eu-west-1b")
    seen = look_at(cloud, aws=aws)
    assert seen["web"] == (
        "could not be observed: i-0001: cannot describe instances: Unavailable: "
        "eu-west-1b is impaired"
    )
    assert not isinstance(seen["api"], str)


@pytest.mark.parametrize(
    "error",
    [
        refusal("InternalError"),
        ReadTimeoutError(endpoint_url="https://ec2"),
        EndpointConnectionError(endpoint_url="https://ec2"),
    ],
    ids=["refused", "held up", "unreachable"],
)
def test_while_a_zone_is_impaired_a_rollback_elsewhere_goes_on(error: Exception) -> None:
    cloud, [there, elsewhere] = fleet("a", "b")
    for machine in there.machines[1:]:
        machine.zone = "eu-west-1b"
    for machine in elsewhere.machines:
        machine.version = "2.0"
    elsewhere.tags["terminator:minimum"] = "2"
    aws = clients(cloud)
    aws.ec2 = Impaired(cloud, "eu-west-1b", error)
    records = run(cloud, aws=aws)
    assert records["a"].decision is None
    assert "i-0002, i-0003: cannot describe instances: " in records["a"].reason
    assert records["b"].terminated == (elsewhere.machines[0].id,)


def test_at_the_second_look_too_no_call_names_instances_of_two_zones() -> None:
    """A dead instance is asked again with others: of its group or, as here, of another."""
    cloud, [web, other] = fleet("web", "other", tags={"terminator:minimum": "0"})
    cloud.wait(120)
    for machine in web.machines:
        machine.deaf = True
    other.machines[0].zone = "eu-west-1b"
    named: list[set[str]] = []
    aws = clients(cloud)
    paginate = aws.ec2.get_paginator("describe_instances").paginate

    def noting(**asked: Any) -> Any:
        named.append(set(asked["InstanceIds"]))
        return paginate(**asked)

    aws.ec2 = SimpleNamespace(get_paginator=lambda _name: SimpleNamespace(paginate=noting))
    run(cloud, aws=aws)
    zones = {machine.id: machine.zone for group in (web, other) for machine in group.machines}
    assert len(named) == 4
    assert all(len({zones[id_] for id_ in ids}) == 1 for ids in named)


def test_one_refused_call_fails_the_groups_that_need_it_and_no_other() -> None:
    cloud, _ = fleet("a", "b", "c", "d", balanced=True)
    cloud.groups["d"].tags["terminator:app"] = "api"
    denied = refusal("AccessDenied")
    cloud.faults["DescribeScalingActivities", "a"] = denied
    cloud.faults["DescribeTargetHealth", "b"] = denied
    cloud.faults["ListObjectVersions", "api/"] = denied
    failed = {name: each for name, each in look_at(cloud).items() if isinstance(each, str)}
    assert failed == {
        "a": "could not be observed: cannot read its scaling activities: AccessDenied: no",
        "b": "could not be observed: cannot read the health at target group b: AccessDenied: no",
        "d": "could not be observed: cannot read the releases of api: AccessDenied: no",
    }


def test_a_group_that_has_converged_does_not_fail_for_want_of_dates() -> None:
    cloud, [whole, _] = fleet("whole", "moving")
    for machine in whole.machines:
        machine.version = "1.0.274"
    cloud.faults["GetBucketLifecycleConfiguration", ""] = refusal("Throttling")
    seen = look_at(cloud)
    assert "lifecycle rules: Throttling" in str(seen["moving"])
    assert not isinstance(seen["whole"], str)


# What a group says of itself.


@pytest.mark.parametrize(
    ("described", "warmup"),
    [({}, None), ({"DefaultInstanceWarmup": -1}, None), ({"DefaultInstanceWarmup": 300}, 5)],
)
def test_a_group_has_a_warm_up_where_it_says_one(described: Any, warmup: float | None) -> None:
    cloud, _ = fleet(more=described)
    assert group_in(cloud).warmup == (None if warmup is None else minutes(warmup))


@pytest.mark.parametrize(("percentage", "told"), [(None, None), (-1, None), (0, 0), (100, 100)])
def test_a_group_keeps_what_its_instance_maintenance_policy_says(
    percentage: int | None, told: int | None
) -> None:
    policy = {"MinHealthyPercentage": percentage, "MaxHealthyPercentage": 100}
    cloud, _ = fleet(more={} if percentage is None else {"InstanceMaintenancePolicy": policy})
    assert group_in(cloud).healthy_percentage == told


def test_an_operator_a_warm_pool_and_vpc_lattice_are_told() -> None:
    more = {
        "Operator": {"Principal": "batch.amazonaws.com"},
        "WarmPoolConfiguration": {"PoolState": "Stopped", "MinSize": 0},
        "TrafficSources": [{"Identifier": LATTICE, "Type": "vpc-lattice"}],
    }
    seen = group_in(fleet(more=more)[0])
    assert (seen.operator, seen.warm_pool) == ("batch.amazonaws.com", True)
    assert seen.unknown_sources == ("vpc-lattice tg-0123456789abcdef0",)
    plain = group_in(fleet()[0])
    assert (plain.operator, plain.warm_pool, plain.unknown_sources) == (None, False, ())


def test_a_group_whose_traffic_cannot_be_known_is_held() -> None:
    sources = [{"Identifier": LATTICE, "Type": "vpc-lattice"}]
    cloud, _ = fleet(more={"TrafficSources": sources})
    assert run(cloud)["web"].hold == "traffic_unknown"


def test_a_silent_member_that_its_load_balancer_calls_healthy_is_told() -> None:
    cloud, [group] = fleet(balanced=True)
    group.machines[0].deaf = True
    seen = member(cloud, group.machines[0])
    assert isinstance(seen.answer, NoVersion)
    assert seen.traffic.healthy


# Which groups are listed.


@pytest.mark.parametrize("text", ["True", "yes", "false", ""])
def test_a_group_that_was_tagged_with_another_text_than_true_is_seen_and_held(text: str) -> None:
    cloud, _ = fleet(tags={"terminator:enabled": text})
    record = run(cloud)["web"]
    assert record.hold == "settings_unreadable"
    assert f'tag terminator:enabled says "{text}"; accepted is true' in record.reason


# Releases.


def test_the_target_is_dated_and_one_that_is_supposed_is_that_from_now_on() -> None:
    cloud, _ = fleet()
    cloud.wait(5)
    seen = group_in(cloud).released
    assert isinstance(seen, Released)
    assert (seen.release.version.text, seen.since) == ("1.0.274", ago(0))
    old = next(each for each in cloud.stored if each.key.endswith("1.0.266.zip"))
    release = type(seen.release)(old.key, Version.parse("1.0.266"), old.when)
    supposed = group_in(cloud, supposed={"web": Released(release, None)}).released
    # All run it: the group has converged on what is supposed, so that nothing is dated.
    assert supposed == Released(release, None)
    cloud.groups["web"].machines[0].version = "1.0.274"
    supposed = group_in(cloud, supposed={"web": Released(release, None)}).released
    assert isinstance(supposed, Released)
    assert (supposed.since, supposed.others[-1]) == (cloud.now, (ago(0), cloud.now))


def in_service(cloud: Cloud, name: str) -> list[Any]:
    return [each.in_service_since for each in group_in(cloud, name).instances]


def test_a_converged_group_is_dated_while_another_of_its_app_has_not_converged() -> None:
    cloud, [old, new] = fleet("old", "new")
    for machine in new.machines:
        machine.version = "1.0.274"
    assert in_service(cloud, "new") == [machine.in_service for machine in new.machines]
    cloud.faults["DescribeScalingActivities", "new"] = refusal("Throttling")
    assert in_service(cloud, "new") == [None] * 3
    cloud.faults.clear()
    for machine in old.machines:
        machine.version = "1.0.274"
    assert in_service(cloud, "new") == [None] * 3


def test_a_converged_group_proves_the_release_to_the_others_of_its_app() -> None:
    cloud, [_, new] = fleet("a", "b", grace=minutes(10))
    new.machines, new.activities = [], []
    for _ in range(3):
        cloud.launch(new)
    # While its newest are in their grace period they are the canary of the app.
    cloud.wait(5)
    assert run(cloud)["a"].hold == "another_group_first"
    cloud.wait(20)
    assert run(cloud)["a"].decision == "canary"
