"""What the doctor makes of what was described: each check, as a table."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from terminator.config.tags import Limits
from terminator.config.values import Amount
from terminator.model import NoRelease, Release, Released
from terminator.observe.snapshot import OptedIn
from terminator.version import Version
from terminator_cli.doctor import deployed, groups, releases
from terminator_cli.doctor.deployed import FunctionSeen
from terminator_cli.doctor.findings import Unseen
from terminator_cli.doctor.releases import AppSeen, BucketSeen
from tests.cli.checkups import CONFIG, DENIED, bad, described

LIMITED = replace(CONFIG, defaults=replace(CONFIG.defaults, limits=Limits(minimum=Amount(2))))
MINIMUM_SAYS = (
    'tag terminator:minimum says "lots"; accepted is a number such as 2 or a percentage of '
    "desired such as 50%"
)


def test_a_group_that_is_as_it_should_be_has_no_complaint() -> None:
    found = list(groups.check(described()))
    assert bad(found) == []
    assert [each.seen for each in found] == [
        "opted in, runs releases of web",
        "minimum 2 (50%) of 4 desired: up to 1 instance at once",
        "none: an instance is available once it answers",
    ]


@pytest.mark.parametrize(
    ("group", "complaint"),
    [
        (
            described({"terminator:minimum": "4"}),
            ("capacity", "problem", "minimum 4 (4) of 4 desired: none may ever go"),
        ),
        (
            described(DesiredCapacity=1),
            (
                "capacity",
                "problem",
                (
                    "minimum 1 (50%) of 1 desired: none may ever go, and it never comes back from "
                    "a release that does not answer"
                ),
            ),
        ),
        (
            described(DesiredCapacity=1, TargetGroupARNs=["arn:x:targetgroup/web/1"]),
            (
                "capacity",
                "problem",
                (
                    "minimum 1 (50%) of 1 desired: none may ever go but one that its load "
                    "balancers call unhealthy"
                ),
            ),
        ),
        (
            described(InstanceMaintenancePolicy={"MinHealthyPercentage": 100}),
            (
                "capacity",
                "problem",
                (
                    "minimum 4 (its instance maintenance policy keeps 100% healthy) of 4 desired: "
                    "none may ever go"
                ),
            ),
        ),
        (
            described({"terminator:enabled": "True"}),
            ("settings", "problem", 'tag terminator:enabled says "True"; accepted is true'),
        ),
        (
            described(Operator={"Principal": "ecs.amazonaws.com"}),
            ("operator", "problem", "managed by ecs.amazonaws.com: the group is held"),
        ),
        (
            described(TrafficSources=[{"Identifier": "arn:tg-1", "Type": "vpc-lattice"}]),
            (
                "traffic source",
                "problem",
                "the health at vpc-lattice arn:tg-1 cannot be known: the group is held",
            ),
        ),
        (
            described(WarmPoolConfiguration={"PoolState": "Stopped"}, WarmPoolSize=2),
            (
                "warm pool",
                "warning",
                "replacements come from its warm pool (2 instances), set up by the release of then",
            ),
        ),
        (
            described({"terminator:minimum": "lots"}),
            (
                "settings",
                "problem",
                MINIMUM_SAYS,
            ),
        ),
        (described({"terminator:pause": "wait"}), ("pause", "warning", 'paused: "wait"')),
        (described(Status="Delete in progress"), ("status", "problem", "Delete in progress")),
        (
            described(
                SuspendedProcesses=[{"ProcessName": "AZRebalance"}, {"ProcessName": "Launch"}]
            ),
            ("processes", "problem", "suspended: Launch"),
        ),
        (
            described(DesiredCapacityType="vcpu"),
            ("weights", "problem", "desired capacity counts vcpu, not instances"),
        ),
        (
            described(Instances=[{"InstanceId": "i-1", "WeightedCapacity": "2"}]),
            ("weights", "problem", "desired capacity counts weights, not instances"),
        ),
        (
            described(HealthCheckType="ELB", HealthCheckGracePeriod=0),
            (
                "grace period",
                "warning",
                "the grace period is 0 with a health check of ELB: boots end there",
            ),
        ),
        (
            described(HealthCheckGracePeriod=0),
            (
                "grace period",
                "warning",
                "the grace period is 0: the first answer of a canary proves its release",
            ),
        ),
        (
            described({"terminator:minimum": "0"}, LIMITED),
            ("limits", "warning", "minimum 0 asked, 2 is the lowest that limits allow"),
        ),
    ],
)
def test_what_keeps_a_group_from_being_replaced_is_named(
    group: OptedIn, complaint: tuple[str, str, str]
) -> None:
    assert bad(groups.check(group)) == [complaint]


@pytest.mark.parametrize(
    "group",
    [
        described(DesiredCapacity=0),
        described(SuspendedProcesses=[{"ProcessName": "AZRebalance"}]),
        described({"terminator:minimum": "0"}, DesiredCapacity=1),
        described(
            {"terminator:minimum": "2"}, InstanceMaintenancePolicy={"MinHealthyPercentage": 100}
        ),
        described(InstanceMaintenancePolicy={"MinHealthyPercentage": -1}),
        described(TargetGroupARNs=["arn:x:targetgroup/web/1"], LoadBalancerNames=["classic"]),
        described(DefaultInstanceWarmup=1200),
    ],
)
def test_what_does_not_matter_is_not_complained_of(group: OptedIn) -> None:
    assert bad(groups.check(group)) == []


SURGE = {"terminator:surge": "refresh"}
FIT: dict[str, Any] = {
    "DesiredCapacity": 1,
    "MaxSize": 2,
    "HealthCheckType": "EC2,ELB",
    "TargetGroupARNs": ["arn:x:targetgroup/web/1"],
}


@pytest.mark.parametrize(
    ("group", "complaint"),
    [
        (described(SURGE, **FIT), []),
        (described(SURGE, **FIT | {"DesiredCapacity": 0}), []),
        (
            described(SURGE, **FIT | {"MaxSize": 1}),
            [("surge", "problem", "its MaxSize leaves no room for a second one")],
        ),
        (
            described(SURGE, **FIT | {"HealthCheckType": "EC2"}),
            [("surge", "problem", "its health checks do not include its load balancer")],
        ),
        (
            described(SURGE, **FIT | {"TargetGroupARNs": []}),
            [("surge", "problem", "it has no load balancer")],
        ),
        (
            described({**SURGE, "terminator:minimum": "0"}, **FIT),
            [
                (
                    "surge",
                    "warning",
                    "its minimum of 0 lets the one go first: it is released with a gap",
                )
            ],
        ),
        (
            described(SURGE, **FIT | {"DesiredCapacity": 3}),
            [
                (
                    "surge",
                    "warning",
                    "it is for a group of one, and 3 are desired: budget and minimum rule",
                )
            ],
        ),
    ],
)
def test_whether_a_group_that_asks_for_surge_is_fit_for_it(
    group: OptedIn, complaint: list[tuple[str, str, str]]
) -> None:
    assert bad(groups.check(group)) == complaint


def test_a_group_of_one_that_keeps_one_is_told_of_surge() -> None:
    [capacity] = [each for each in groups.check(described(**FIT)) if each.check == "capacity"]
    assert "behind a load balancer, the tag terminator:surge = refresh" in str(capacity.remedy)
    assert "Key=terminator:minimum,Value=0" in str(capacity.remedy)


@pytest.mark.parametrize(
    ("group", "told"),
    [
        (described(DefaultInstanceWarmup=-1), "none: an instance is available once it answers"),
        (described(DefaultInstanceWarmup=1200), "1200 seconds, its DefaultInstanceWarmup"),
        (
            described({"terminator:warm-up": "10m"}, DefaultInstanceWarmup=1200),
            "600 seconds, as its tag or the deployment says",
        ),
    ],
)
def test_how_long_instances_warm_up_is_told(group: OptedIn, told: str) -> None:
    assert told in [each.seen for each in groups.check(group) if each.check == "warm-up"]


@pytest.mark.parametrize(
    ("group", "command"),
    [
        (described({"terminator:enabled": "True"}), "Key=terminator:enabled,Value=true,"),
        (described(DesiredCapacity=1), "Key=terminator:minimum,Value=0,"),
        (
            described(InstanceMaintenancePolicy={"MinHealthyPercentage": 100}),
            "ResourceId=web-1,Key=terminator:minimum,Value=3,PropagateAtLaunch=false",
        ),
        (described(WarmPoolConfiguration={}), "aws autoscaling delete-warm-pool"),
        (
            described(TrafficSources=[{"Identifier": "arn:tg-1", "Type": "vpc-lattice"}]),
            "--traffic-sources Identifier=arn:tg-1,Type=vpc-lattice",
        ),
        (described(HealthCheckGracePeriod=0), "--health-check-grace-period 300"),
    ],
)
def test_a_remedy_is_the_command_or_the_tag_that_mends_it(group: OptedIn, command: str) -> None:
    [found] = [each for each in groups.check(group) if each.level != "ok"]
    assert command in (found.remedy or "")


def test_a_remedy_is_safe_in_a_shell() -> None:
    hostile = described(
        SuspendedProcesses=[{"ProcessName": "Launch"}], AutoScalingGroupName="a; rm -rf $HOME\x1b"
    )
    remedies = [each.remedy for each in groups.check(hostile) if each.remedy]
    assert any("'a; rm -rf $HOME\\u001b'" in remedy for remedy in remedies)


def test_a_name_that_matches_no_group_is_a_problem() -> None:
    assert bad(groups.check_names({"web-1"}, replace(CONFIG, names=("ghost",)))) == [
        ("exists", "problem", "no Auto Scaling group has this name")
    ]


WHEN = datetime(2026, 1, 1, tzinfo=UTC)
FINE: dict[str, Any] = {"EventBridgeConfiguration": {}}
ENABLED = {"Status": "Enabled"}


def rule(**default: str) -> dict[str, Any]:
    rules = [{"ApplyServerSideEncryptionByDefault": default}]
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


@pytest.mark.parametrize(
    ("seen", "complaints"),
    [
        (BucketSeen("acme", {}, ENABLED, FINE), []),
        (BucketSeen("acme", {}, ENABLED, {"LambdaFunctionConfigurations": [{}]}), []),
        (BucketSeen("acme", {}, ENABLED, FINE, rule(SSEAlgorithm="AES256")), []),
        (
            BucketSeen("acme", Unseen("404: Not Found"), DENIED, DENIED),
            [("exists", "problem", "cannot be reached: 404: Not Found")],
        ),
        (
            BucketSeen("acme", {}, {}, {}),
            [("versioning", "warning", "off"), ("events", "warning", "not sent to EventBridge")],
        ),
        (
            BucketSeen("acme", {}, {"Status": "Suspended"}, FINE),
            [("versioning", "warning", "suspended")],
        ),
        (
            BucketSeen("acme", {}, DENIED, DENIED, DENIED),
            [
                ("versioning", "warning", "not checked: AccessDenied: no"),
                ("events", "warning", "not checked: AccessDenied: no"),
                ("encryption", "warning", "not checked: AccessDenied: no"),
            ],
        ),
        (
            BucketSeen("acme", {}, ENABLED, FINE, rule(SSEAlgorithm="aws:kms", KMSMasterKeyID="k")),
            [("encryption", "problem", "with the KMS key k, which the functions may not use")],
        ),
    ],
)
def test_a_bucket_is_checked(seen: BucketSeen, complaints: list[tuple[str, str, str]]) -> None:
    assert bad(releases.check_bucket(seen)) == complaints


KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ALIAS = "arn:aws:kms:eu-west-1:111122223333:alias/releases"


@pytest.mark.parametrize(
    ("used", "configured", "level"),
    [
        (KEY, KEY, "ok"),
        (KEY.rpartition("/")[2], KEY, "ok"),
        ("arn:aws:kms:eu-west-1:111122223333:alias/aws/s3", None, "ok"),
        ("alias/aws/s3", None, "ok"),
        (KEY, None, "problem"),
        (KEY, KEY.replace("1234abcd", "00000000"), "problem"),
        (ALIAS, None, "problem"),
        (ALIAS, KEY, "warning"),
    ],
)
def test_a_key_of_the_bucket_is_one_that_the_functions_may_use(
    used: str, configured: str | None, level: str
) -> None:
    seen = BucketSeen("acme", {}, ENABLED, FINE, rule(SSEAlgorithm="aws:kms", KMSMasterKeyID=used))
    [finding] = [
        each for each in releases.check_bucket(seen, None, configured) if each.check == "encryption"
    ]
    assert finding.level == level


ELSEWHERE = (
    "in us-east-1, not in eu-west-1: its events stay there, so that an upload waits for the "
)
ELSEWHERE += "schedule"


@pytest.mark.parametrize(
    ("there", "complaints"),
    [
        ({"BucketRegion": "eu-west-1"}, []),
        ({}, []),
        (
            {"BucketRegion": "us-east-1"},
            [
                (
                    "region",
                    "warning",
                    ELSEWHERE,
                )
            ],
        ),
    ],
)
def test_a_bucket_in_another_region_is_told(there: Any, complaints: list[Any]) -> None:
    seen = BucketSeen("acme", there, ENABLED, FINE)
    assert bad(releases.check_bucket(seen, "eu-west-1")) == complaints


EXPIRES = "the rule old expires releases or pointers: an expired release is taken back as if "
EXPIRES += "somebody had deleted it"


def lifecycle(**more: Any) -> BucketSeen:
    return BucketSeen(
        "acme", {}, ENABLED, FINE, lifecycle=[{"ID": "old", "Status": "Enabled", **more}]
    )


@pytest.mark.parametrize(
    ("seen", "complaints"),
    [
        (BucketSeen("acme", {}, ENABLED, FINE), []),
        (lifecycle(Filter={"Prefix": ""}, Expiration={"Days": 90}), [EXPIRES]),
        (lifecycle(Prefix="web/", Expiration={"Days": 90}), [EXPIRES]),
        (lifecycle(Filter={"And": {"Prefix": "we"}}, Expiration={"Date": WHEN}), [EXPIRES]),
        (lifecycle(Filter={"Prefix": "web/1."}, Expiration={"Days": 90}), [EXPIRES]),
        (lifecycle(Filter={"Prefix": "logs/"}, Expiration={"Days": 90}), []),
        (lifecycle(Status="Disabled", Expiration={"Days": 90}), []),
        (lifecycle(Expiration={"ExpiredObjectDeleteMarker": True}), []),
        (lifecycle(NoncurrentVersionExpiration={"NoncurrentDays": 7}), []),
        (
            lifecycle(NoncurrentVersionExpiration={"NoncurrentDays": 1}),
            [
                (
                    "the rule old keeps old versions for 1 day: before that nobody knows which "
                    "release an instance was made for"
                )
            ],
        ),
        (
            lifecycle(Transitions=[{"Days": 30, "StorageClass": "GLACIER"}]),
            ["the rule old moves releases to GLACIER, where no zip can be read"],
        ),
        (lifecycle(Transitions=[{"Days": 30, "StorageClass": "STANDARD_IA"}]), []),
        (
            BucketSeen("acme", {}, ENABLED, FINE, lifecycle=DENIED),
            ["not checked: AccessDenied: no"],
        ),
    ],
)
def test_rules_that_take_releases_or_their_history_away_are_told(
    seen: BucketSeen, complaints: list[str]
) -> None:
    found = bad(releases.check_lifecycle(seen, ["web/", "web/current"]))
    assert found == [("lifecycle", "warning", each) for each in complaints]


RELEASED = Released(Release("web/1.0.zip", Version.parse("1.0"), WHEN), WHEN)


@pytest.mark.parametrize(
    ("seen", "level", "remedy"),
    [
        (AppSeen("web", RELEASED), "ok", None),
        (AppSeen("web", RELEASED, "it holds no files"), "problem", "upload it again"),
        (AppSeen("web", RELEASED, DENIED), "warning", "allow s3:GetObject"),
        (AppSeen("web", NoRelease("no release of web")), "problem", "terminator release FILE.zip"),
        (AppSeen("web", NoRelease("the pointer x")), "problem", "terminator use --app web"),
        (AppSeen("web", DENIED), "warning", "allow s3:ListBucketVersions"),
    ],
)
def test_an_app_is_checked(seen: AppSeen, level: str, remedy: str | None) -> None:
    found = releases.check_app(seen)
    assert found.level == level
    assert (found.remedy or "").startswith(remedy or "")


def deployed_with(settings: dict[str, object], **more: Any) -> FunctionSeen:
    variables = {"TERMINATOR_CONFIG": json.dumps(settings)}
    return FunctionSeen("reconcile", {"Environment": {"Variables": variables}, **more})


AS_FILE: dict[str, object] = {"groups": {"tagged": True}, "releases": {"bucket": "acme"}}


@pytest.mark.parametrize(
    ("seen", "complaints"),
    [
        (FunctionSeen("f", {"State": "Active"}, 1), []),
        (FunctionSeen("f", {"State": "Inactive"}, None), []),
        (FunctionSeen("f", None), [("exists", "problem", "there is none")]),
        (FunctionSeen("f", DENIED), [("exists", "warning", "not checked: AccessDenied: no")]),
        (
            FunctionSeen("f", {"State": "Failed", "StateReason": "no role"}),
            [("exists", "problem", "its state is Failed no role")],
        ),
        (
            FunctionSeen("f", {}, 0),
            [("concurrency", "problem", "stopped: its concurrency is 0")],
        ),
        (
            FunctionSeen("f", {}, DENIED),
            [("concurrency", "warning", "not checked: AccessDenied: no")],
        ),
    ],
)
def test_a_function_is_checked(seen: FunctionSeen, complaints: list[tuple[str, str, str]]) -> None:
    assert bad(deployed.check(seen)) == complaints


@pytest.mark.parametrize(
    ("rules", "complaints"),
    [
        ({"a": "ENABLED"}, []),
        ({"a": "ENABLED", "b": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"}, []),
        ({}, [("schedule", "problem", "no rule of EventBridge starts it")]),
        ({"b": "DISABLED", "a": "ENABLED"}, [("schedule", "problem", "stopped: disabled is b")]),
        (DENIED, [("schedule", "warning", "not checked: AccessDenied: no")]),
    ],
)
def test_the_rules_that_start_it_are_checked(rules: Any, complaints: list[Any]) -> None:
    assert bad(deployed.check_rules("f", rules)) == complaints


@pytest.mark.parametrize(
    ("seen", "complaints"),
    [
        (deployed_with({**AS_FILE, "dry_run": False}), ["settings"]),
        (deployed_with(AS_FILE), ["acting"]),
        (deployed_with({**AS_FILE, "policy": {"port": 8080}}), ["acting", "settings"]),
        (deployed_with({"groups": 7}), ["settings"]),
        (FunctionSeen("f", {}), ["settings"]),
        (FunctionSeen("f", None), []),
    ],
)
def test_the_deployed_settings_are_compared_with_the_file(
    seen: FunctionSeen, complaints: list[str]
) -> None:
    assert [each[0] for each in bad(deployed.check_settings(seen, CONFIG))] == complaints


def test_alarms_that_groups_list_are_checked() -> None:
    group = described({"terminator:alarms": "fine firing gone"})
    found = groups.check_alarms(group, {"fine": "OK", "firing": "ALARM"})
    assert [(each.level, each.seen) for each in found] == [
        ("ok", "fine is OK"),
        ("warning", "firing is in ALARM"),
        ("problem", "gone does not exist"),
    ]
    assert [each[1] for each in bad(groups.check_alarms(group, DENIED))] == ["warning"]
    assert list(groups.check_alarms(described(), {})) == []


@pytest.mark.parametrize("arns", [[], ["arn:aws:elb:x:1:targetgroup/web/1"]])
def test_a_group_that_is_deployed_by_image_needs_a_load_balancer_to_tell_a_bad_one(
    arns: list[str],
) -> None:
    group = described({"terminator:follow": "template"}, TargetGroupARNs=arns)
    found = [each for each in groups.check(group) if each.check in {"settings", "image"}]
    assert found[0].seen == "opted in, follows what it launches from"
    seen = "nobody asks its instances, and no load balancer does: a bad image looks like a good one"
    assert bad(found[1:]) == [("image", "warning", seen)] * (not arns)
    assert "image" not in {each.check for each in groups.check(described())}


@pytest.mark.parametrize(
    ("name", "tags", "level", "seen"),
    [
        *(
            ("api", [tag, "Name"], "problem", f'its tag "{tag}" does not opt in: the tag is ')
            for tag in (
                *("terminator:enable", "terminator:Enabled", "Terminator:enabled"),
                *("terminator-enabled", "terminator:enabeld", "terminator.enabled"),
            )
        ),
        ("api", ["terminator:app"], "warning", 'it has the tag "terminator:app", but has not '),
    ],
)
def test_a_group_that_was_meant_to_opt_in_is_named_with_the_right_spelling(
    name: str, tags: list[str], level: str, seen: str
) -> None:
    [found] = groups.check_other(name, tags)
    assert (found.level, found.seen.startswith(seen)) == (level, True), found
    assert "ResourceId=api,Key=terminator:enabled,Value=true," in str(found.remedy)


def test_a_group_without_a_tag_of_ours_is_not_told_of() -> None:
    assert (
        list(groups.check_other("db", ["Name", "enabled", "kubernetes.io/enabled", "team"])) == []
    )


@pytest.mark.parametrize(
    ("health_check", "warns"), [("EC2", False), ("ELB", True), ("EC2,ELB", True)]
)
def test_ill_beside_a_health_check_that_asks_load_balancers_is_a_warning(
    health_check: str, *, warns: bool
) -> None:
    group = described({"terminator:ill": "replace"}, HealthCheckType=health_check)
    found = [each for each in bad(groups.check(group)) if each[0] == "ill"]
    assert [level for _, level, _ in found] == (["warning"] if warns else [])
