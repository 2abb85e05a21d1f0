"""Taking a release back in a run: what is asked, done, held and told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from terminator import handlers, marker
from terminator.config.deployment import Bucket, Config, Withdraw
from terminator.config.release_keys import KeyTemplate
from terminator.errors import KnownError
from terminator.observe.snapshot import Scope
from tests.fakes.cloud import Cloud, FakeGroup, fleet, minutes, refusal
from tests.fakes.cloud_api import every, run, settings, world
from tests.fakes.lambda_like import context
from tests.fakes.recorded import Recording, recording

SILENT, ALARMS = Withdraw(silent=True), Withdraw(alarms=("5xx",))
ZIP = "web/1.0.274.zip"
DOCS = Path(__file__).parents[2] / "docs"
ASKED_BEFORE = {"GetBucketVersioning", "GetObjectTagging", "DeleteObject", "PutObjectTagging"}


def on(how: Withdraw = SILENT) -> Config:
    return settings(withdraws={"web": how})


def silent(*names: str, hours: float = 1.2, **more: Any) -> tuple[Cloud, list[FakeGroup]]:
    """Return a cloud whose release has had a silent canary for longer than an hour."""
    cloud, groups = fleet(*names, **more)
    for group in groups:
        group.boots = lambda _released: None
    every(cloud, 5, 1, of=settings())
    cloud.wait(60 * hours)
    return cloud, groups


def there(cloud: Cloud) -> bool:
    return ZIP in cloud.current()


def test_a_marker_is_put_and_the_version_below_is_tagged_beside_what_it_had() -> None:
    cloud, _ = silent()
    zipped = cloud.current()[ZIP]
    zipped.tags["build"] = "77"
    record = run(cloud, on())["web"]
    assert (record.withdrawn, there(cloud)) == ("1.0.274", False)
    assert record.withdrawal is not None
    assert record.withdrawal.endswith("; 1.0.266 becomes the target")
    assert zipped.tags.keys() == {"build", "terminator:withdrawn"}
    assert zipped.tags["terminator:withdrawn"] == cloud.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert zipped in cloud.stored
    took = [text for text in cloud.said() if "took back" in text]
    assert took == [f"web => took back 1.0.274: {record.withdrawal}"]


def test_where_it_is_switched_off_it_stays_and_nothing_is_asked_for_it() -> None:
    cloud, _ = silent()
    cloud.calls.clear()
    record = run(cloud, settings(withdraws={"api": SILENT}))["web"]
    assert there(cloud)
    assert (record.withdrawn, record.withdrawal) == (None, None)
    assert not ASKED_BEFORE & cloud.calls.keys()


def test_of_an_app_that_has_converged_nothing_more_is_asked() -> None:
    cloud, [group] = fleet()
    for machine in group.machines:
        machine.version = "1.0.274"
    cloud.alarms["5xx"] = "ALARM"
    made = []
    for config in (settings(), on(Withdraw(silent=True, alarms=("5xx",)))):
        cloud.calls.clear()
        run(cloud, config)
        made.append(dict(cloud.calls))
    assert made[0] == made[1]


def test_while_nothing_speaks_against_it_only_the_tags_of_the_target_are_read() -> None:
    made = []
    for config in (settings(), on()):
        cloud, _ = silent(hours=0.5)
        cloud.calls.clear()
        assert run(cloud, config)["web"].withdrawal is None
        made.append(cloud.calls)
    assert made[1] - made[0] == {"GetObjectTagging": 1}


def test_in_a_dry_run_it_is_only_said() -> None:
    cloud, _ = silent()
    record = run(cloud, replace(on(), dry_run=True))["web"]
    assert (record.withdrawn, record.dry_run, there(cloud)) == ("1.0.274", True, True)
    assert any("web => dry run: would take back 1.0.274: " in text for text in cloud.said())


def test_what_answers_when_asked_again_lets_it_stay() -> None:
    cloud, [group] = silent()
    canary = max(group.machines, key=lambda machine: machine.launched)
    canary.version, canary.up = "1.0.274", cloud.now + minutes(0.2)
    record = run(cloud, on())["web"]
    assert there(cloud)
    assert record.withdrawal is not None
    assert record.withdrawal.endswith(", but asked again that is no longer so")


def test_where_nobody_answers_when_asked_again_it_stays() -> None:
    cloud, _ = silent()
    cloud.rounds = 0
    answer = cloud.probe

    def once(*asked: Any) -> Any:
        cloud.deaf_until = cloud.rounds + (5 if cloud.rounds else 0)
        return answer(*asked)

    record = run(cloud, on(), probe=once)["web"]
    assert there(cloud)
    assert record.withdrawal is not None
    assert "but " in record.withdrawal


@pytest.mark.parametrize(
    ("fault", "subject", "why"),
    [
        ("GetBucketVersioning", "", "it could not be looked at again: AccessDenied: no"),
        ("ListObjectVersions", "", "it could not be looked at again: AccessDenied: no"),
    ],
)
def test_what_cannot_be_asked_lets_it_stay(fault: str, subject: str, why: str) -> None:
    cloud, _ = silent()
    sleep = cloud.wait

    def refuse(number: float) -> None:
        sleep(number)
        cloud.faults[fault, subject if fault != "ListObjectVersions" else "web/"] = refusal(
            "AccessDenied"
        )

    record = run(cloud, on(), sleep=lambda seconds: refuse(seconds / 60))["web"]
    assert there(cloud)
    assert record.withdrawal is not None
    assert record.withdrawal.endswith(why)
    assert not record.has_failed


def changed_meanwhile(cloud: Cloud, what: str) -> None:
    match what:
        case "a pointer":
            cloud.point("web", "1.0.274")
        case "a newer release":
            cloud.upload("web", "1.0.275")
        case "the zip, uploaded anew":
            cloud.put(ZIP, cloud.current()[ZIP].data or b"")
            cloud.put(ZIP, b"another")
        case "the release before, deleted":
            cloud.put("web/1.0.266.zip", None)
        case "suspended":
            cloud.suspended = True


@pytest.mark.parametrize(
    "what",
    [
        "a pointer",
        "a newer release",
        "the zip, uploaded anew",
        "the release before, deleted",
        "suspended",
    ],
)
def test_what_changes_in_the_bucket_between_the_looks_lets_it_stay(what: str) -> None:
    cloud, _ = silent()
    changed: list[int] = []

    def change(seconds: float) -> None:
        cloud.wait(seconds / 60)
        if not changed:
            changed.append(1)
            changed_meanwhile(cloud, what)

    record = run(cloud, on(), sleep=change)["web"]
    assert there(cloud)
    assert changed
    assert record.withdrawal is not None
    says = "suspended" if what == "suspended" else "the bucket has changed"
    assert says in record.withdrawal


def test_a_zip_that_is_replaced_just_before_the_marker_is_put_stays() -> None:
    cloud, _ = silent()
    real = world(cloud).withdraw
    assert real is not None

    def late(order: marker.Order) -> str | None:
        cloud.put(ZIP, b"another")
        return real(order)

    record = run(cloud, on(), withdraw=late)["web"]
    assert there(cloud)
    assert record.withdrawal is not None
    assert "web/1.0.274.zip has changed: PreconditionFailed" in record.withdrawal
    assert not record.has_failed


def test_without_a_function_that_does_it_it_stays() -> None:
    cloud, _ = silent()
    record = run(cloud, on(), withdraw=None)["web"]
    assert there(cloud)
    assert record.withdrawal is not None
    assert record.withdrawal.endswith("no function that takes it back is deployed")


def test_where_it_is_not_certain_that_it_was_taken_back_the_run_fails_and_says_so() -> None:
    cloud, _ = silent()
    cloud.faults["PutObjectTagging", ZIP] = refusal("SlowDown")
    record = run(cloud, on())["web"]
    assert record.has_failed
    assert "but taking it back failed: SlowDown: no" in record.reason
    assert record.withdrawn is None


@pytest.mark.parametrize(
    "scope", [Scope(app="web"), Scope(groups=frozenset({"web"})), Scope()], ids=str
)
def test_a_run_for_some_groups_takes_back_what_one_of_them_speaks_against(scope: Scope) -> None:
    cloud, _ = silent()
    assert run(cloud, on(), scope)["web"].withdrawn
    cloud, _ = silent("a", "b")
    other = Scope(groups=frozenset({"b"}))
    assert run(cloud, on(), other)["b"].withdrawal is None
    assert there(cloud)


UNSEEN: Mapping[str, Any] = {
    "it could not be observed": lambda other: setattr(other.machines[0], "address", None),
    "its settings cannot be read": lambda other: other.tags.update({"terminator:port": "x"}),
    "it has no app that can be read": lambda other: other.tags.update({"terminator:app": "a b"}),
}


@pytest.mark.parametrize("do", UNSEEN.values(), ids=UNSEEN)
def test_a_group_that_is_or_may_be_of_the_app_and_was_not_observed_lets_it_stay(do: Any) -> None:
    cloud, [_, other] = silent("a", "b")
    do(other)
    record = run(cloud, on())["a"]
    assert there(cloud)
    assert record.withdrawal is not None
    assert record.withdrawal.endswith("not all groups of web were observed: b")


def test_a_group_of_another_app_that_was_not_observed_says_nothing() -> None:
    cloud, [_, other] = silent("a", "b")
    other.tags |= {"terminator:app": "api", "terminator:port": "x"}
    assert run(cloud, on())["a"].withdrawn


def test_a_name_that_is_no_group_lets_it_stay() -> None:
    cloud, _ = silent()
    record = run(cloud, replace(on(), names=("lost",)))["web"]
    assert there(cloud)
    assert record.withdrawal is not None
    assert record.withdrawal.endswith("not all groups of web were observed: lost")


def ringing(how: Withdraw = ALARMS) -> tuple[Cloud, FakeGroup]:
    """Return a cloud in which an alarm has gone into ALARM since the canary serves."""
    cloud, [group] = fleet(tags={"terminator:bake-time": "30m"})
    cloud.alarms["5xx"] = "OK"
    every(cloud, 5, 8, of=settings(withdraws={"web": how}))
    cloud.alarms["5xx"] = "ALARM"
    return cloud, group


def test_while_it_is_taken_back_no_group_goes_on_with_it() -> None:
    cloud, _ = ringing()
    cloud.wait(5)
    kills = len(cloud.kills)
    record = run(cloud, on(ALARMS))["web"]
    assert (record.withdrawn, record.hold) == ("1.0.274", "release_withdrawn")
    assert record.reason == "1.0.274 is being taken back"
    assert len(cloud.kills) == kills


def test_alarms_are_asked_only_while_an_instance_runs_the_release() -> None:
    cloud, _ = silent()
    cloud.calls.clear()
    run(cloud, on(ALARMS))
    assert cloud.calls["DescribeAlarms"] == 0


def test_alarms_that_cannot_be_asked_are_told_and_take_nothing_back() -> None:
    cloud, _ = ringing()
    cloud.faults["DescribeAlarms", ""] = refusal("AccessDenied")
    record = run(cloud, on(ALARMS))["web"]
    assert record.withdrawal == "its alarms could not be asked: AccessDenied: no"
    assert there(cloud)


def test_a_person_who_asks_for_something_else_takes_nothing_back() -> None:
    from terminator.model import Request  # noqa: PLC0415 - for this test alone
    from terminator.reconcile import reconcile  # noqa: PLC0415

    cloud, [group] = silent()
    reconcile(world(cloud), on(), request=Request((group.counted()[0].id,), "somebody"))
    assert there(cloud)


# Restored.


def test_what_was_restored_has_no_date_and_is_not_taken_back_again() -> None:
    cloud, [group] = silent()
    run(cloud, on())
    cloud.wait(5)
    cloud.restore("web", "1.0.274")
    every(cloud, 30, 12, of=on())
    record = run(cloud, on())["web"]
    assert there(cloud)
    assert (record.target, record.since, record.withdrawn) == ("1.0.274", None, None)
    assert group.machines
    withdrawals = record.withdrawal
    assert withdrawals is not None
    assert withdrawals.endswith("it was taken back before, and somebody put it back")


# The function.

BUCKET = Bucket(
    "releases", KeyTemplate.parse("{app}/{version}.zip"), withdraws={"web": Withdraw(silent=True)}
)
ORDER = {"app": "web", "key": ZIP, "etag": "e", "version_id": "v"}


def test_an_order_is_read() -> None:
    assert marker.read(ORDER, BUCKET) == marker.Order(**ORDER)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"etag": None}, "etag must be texts of 1 to 1024 characters"),
        ({"etag": "", "key": 7}, "etag, key must be texts"),
        ({"key": "web/" + "1" * 1100 + ".zip"}, "key must be texts"),
        ({"app": "api"}, 'releases of "api" are not taken back'),
        ({"app": "a\nb"}, 'releases of "a\\nb" are not taken back'),
        ({"key": "api/1.0.274.zip"}, '"api/1.0.274.zip" is no zip of web'),
        ({"key": "web/current"}, 'key "web/current" is not of the form'),
        ({"key": "web/x.zip"}, 'key "web/x.zip" names no version'),
    ],
)
def test_an_order_that_names_no_zip_of_an_app_that_it_is_switched_on_for_is_refused(
    more: dict[str, Any], told: str
) -> None:
    with pytest.raises(marker.OrderError) as refused:
        marker.read({**ORDER, **more}, BUCKET)
    assert told in str(refused.value)


def test_without_a_bucket_every_order_is_refused() -> None:
    with pytest.raises(marker.OrderError):
        marker.read(ORDER, None)


def test_where_versioning_was_switched_off_meanwhile_it_says_that_there_is_no_marker() -> None:
    cloud, _ = silent()
    zipped = cloud.current()[ZIP]
    cloud.versioned = False
    order = marker.Order("web", ZIP, zipped.etag.strip('"'), zipped.version_id)
    withdraw = world(cloud).withdraw
    assert withdraw is not None
    with pytest.raises(KnownError, match="S3 put no delete marker on web/"):
        withdraw(order)


@pytest.fixture
def deployed() -> Iterator[Recording]:
    apps = {"web": {"withdraw": {"silent": True}}}
    releases = {"bucket": "releases", "apps": apps}
    with recording("web", settings={"releases": releases}) as of:
        yield of


def test_what_is_deployed_tells_by_metric_event_and_log(deployed: Recording) -> None:
    [group] = deployed.cloud.groups.values()
    group.boots = lambda _released: None
    deployed.every(5, 16)
    assert not there(deployed.cloud)
    assert [value for _, value in deployed.series("Withdrawn")] == [1]
    kinds = [each["DetailType"] for each in deployed.told]
    assert kinds.count("Terminator Withdrawal") == 1
    [entry] = [each for each in deployed.told if each["DetailType"] == "Terminator Withdrawal"]
    detail = json.loads(entry["Detail"])
    assert (detail["withdrawn"], detail["group"]) == ("1.0.274", "web")
    assert detail["reason"] == detail["withdrawal"]
    schema = json.loads((DOCS / "events.schema.json").read_text(encoding="utf-8"))
    event = {"source": "terminator", "detail-type": entry["DetailType"], "detail": detail}
    Draft202012Validator(schema).validate(event)
    said = [str(line.get("message")) for line in deployed.lines()]
    assert any("s3://releases/web/1.0.274.zip => taken back, and tagged v" in t for t in said)
    assert all(failed == 0 for _, failed in deployed.errors)


def test_a_function_that_fails_fails_the_run(deployed: Recording) -> None:
    [group] = deployed.cloud.groups.values()
    group.boots = lambda _released: None
    deployed.cloud.faults["DeleteObject", ZIP] = refusal("AccessDenied")
    deployed.every(5, 16)
    assert there(deployed.cloud)
    assert [failed for _, failed in deployed.errors][-1] == 1
    record = [line for line in deployed.lines() if line.get("group") == "web"][-1]
    assert "but taking it back failed: the function withdraw failed: " in record["reason"]
    assert deployed.series("Withdrawn") == []


@pytest.mark.usefixtures("deployed")
def test_the_function_refuses_what_it_was_not_deployed_for() -> None:
    with pytest.raises(marker.OrderError):
        handlers.withdraw({**ORDER, "app": "api"}, context())
