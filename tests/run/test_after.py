"""Groups that go after an app: what a run observes for that, and what it does not know."""

from __future__ import annotations

from typing import Any

import pytest

from terminator.model import Request
from terminator.observe import snapshot
from terminator.observe.autoscaling import ListedInPartError, describe_groups
from terminator.observe.snapshot import Scope
from terminator.reconcile import ServedInPartError, Supposing, reconcile
from tests.fakes.cloud import Cloud, fleet, refusal
from tests.fakes.cloud_api import run, settings, world
from tests.fakes.groups import minutes

ASKED = "DescribeScalingActivities"


def pair(**more: Any) -> tuple[Cloud, Any, Any]:
    """Return groups of two apps that are both behind, of which the second goes after the first."""
    cloud, [api, web] = fleet("api", "web", own_apps=True, **more)
    web.tags["terminator:after"] = "api"
    return cloud, api, web


def has_followed(group: Any) -> None:
    for machine in group.machines:
        machine.version = "1.0.274"


@pytest.mark.parametrize("scope", [Scope(), Scope(app="web"), Scope(groups=frozenset({"web"}))])
def test_a_run_for_some_groups_observes_those_that_go_before_them(scope: Scope) -> None:
    cloud, api, _ = pair()
    records = run(cloud, scope=scope)
    assert records["web"].hold == "other_app_first"
    assert ("api" in records) == (scope == Scope())
    has_followed(api)
    assert run(cloud, scope=scope)["web"].decision == "canary"


def test_a_run_for_the_app_that_goes_first_observes_none_of_those_after_it() -> None:
    cloud, _, _ = pair()
    assert list(run(cloud, scope=Scope(app="api"))) == ["api"]
    assert cloud.calls[ASKED] == 1


def test_since_when_those_before_are_in_service_is_asked_while_one_after_them_moves() -> None:
    cloud, api, web = pair(grace=minutes(20))
    web.tags["terminator:pause"] = "freeze"
    has_followed(api)
    run(cloud)
    before = cloud.calls[ASKED]
    has_followed(web)
    run(cloud)
    assert cloud.calls[ASKED] == before
    assert before == 2


def test_one_before_that_is_whole_but_in_its_grace_period_has_proved_nothing() -> None:
    cloud, api, _ = pair(grace=minutes(20))
    api.machines, api.activities = [], []
    for _ in range(3):
        cloud.launch(api)
    cloud.wait(10)
    assert run(cloud)["web"].reason == "api goes first: api has no proof of 1.0.274 yet"
    cloud.wait(11)
    assert run(cloud)["web"].decision == "canary"


def test_one_before_that_could_not_be_observed_holds() -> None:
    cloud, api, _ = pair()
    has_followed(api)
    api.machines[0].version = "1.0.266"
    cloud.faults[ASKED, "api"] = refusal("Throttling")
    assert run(cloud)["web"].reason == "api goes first: api could not be observed"


def test_where_not_all_groups_could_be_listed_nobody_moves_forward_after_an_app(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The app may have groups on the pages that could not be read, even all of its groups."""
    cloud, api, web = pair()
    has_followed(api)
    for after in ("api", "worker"):
        web.tags["terminator:after"] = after
        with monkeypatch.context() as patch:
            patch.setattr(snapshot, "describe_groups", listing_in_part)
            with pytest.raises(ServedInPartError) as raised:
                run(cloud)
        [record] = [each for each in raised.value.records if each.group == "web"]
        assert record.hold == "other_app_first"
        assert record.reason == f"{after} may have groups that could not be listed"
    assert cloud.kills == []


def listing_in_part(*arguments: Any, **named: Any) -> Any:
    raise ListedInPartError(describe_groups(*arguments, **named), refusal("Throttling"))


def test_tags_that_are_supposed_are_looked_at_like_any_others() -> None:
    cloud, _, web = pair()
    supposing = Supposing(tags={"web": {**web.tags, "terminator:after": "web"}})
    records = reconcile(world(cloud), settings(), supposing=supposing)
    assert {record.group: record.hold for record in records} == {
        "api": None,
        "web": "settings_unreadable",
    }


def test_a_person_is_told_that_another_app_would_go_first() -> None:
    cloud, _, web = pair()
    id_ = web.machines[0].id
    records = reconcile(world(cloud), settings(), request=Request((id_,), "ops"))
    [record] = records
    assert record.terminated == (id_,)
    assert "overrides: api goes first: api has 3 outdated" in record.reason
