"""Tainting instances by hand, and taking that back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sandbox import runs
from sandbox.fleet import WEB, Fleet
from tests.cli.calls import documented, recording
from tests.cli.runs import Caller

TAG = "terminator:replace-after"


def tagged(of: Fleet, id_: str) -> str | None:
    found = of.aws.ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [id_]}])["Tags"]
    return next((each["Value"] for each in found if each["Key"] == TAG), None)


def test_what_is_tainted_goes_and_what_is_untainted_stays(old_fleet: Fleet, on: Caller) -> None:
    one, other, _ = (machine.id for machine in old_fleet.of(WEB))
    at = (old_fleet.clock.now() - timedelta(minutes=5)).isoformat()
    with recording() as made:
        said = on.run("taint", one, other, "--after", at)
    assert said.exit_code == 0
    assert said.stdout.splitlines()[0].startswith(f"{one} of {WEB} is due from ")
    assert made == documented("taint")
    with recording() as made:
        assert on.json("untaint", other)["instances"] == [
            {"instance": other, "group": WEB, "replace_after": None}
        ]
    assert made == documented("untaint")
    assert tagged(old_fleet, one)
    assert tagged(old_fleet, other) is None
    record = runs.run(old_fleet).about(WEB)
    assert record is not None
    assert (record.decision, record.terminated, record.due) == ("recycle", (one,), 1)
    assert [each.cause for each in record.instances if each.id == one] == ["taint"]
    for _ in range(3):
        old_fleet.wait(timedelta(minutes=5))
        runs.run(old_fleet)
    assert [machine.id for machine in old_fleet.gone] == [one]


def test_a_dry_run_tags_nothing_and_a_stranger_is_refused(old_fleet: Fleet, on: Caller) -> None:
    one = old_fleet.of(WEB)[0].id
    assert "would be due from" in on.run("taint", one, "--dry-run").stdout
    assert tagged(old_fleet, one) is None
    refused = on.run("taint", one, "i-0123456789abcdef0")
    assert (refused.exit_code, tagged(old_fleet, one)) == (2, None)
    assert "in no group that opted in" in refused.stderr
    unread = on.run("taint", one, "--after", "soon")
    assert unread.exit_code == 2
    told = " ".join(unread.stderr.split())
    assert "'--after': \"soon\" is not a time such as 2026-11-30T06:00:00Z" in told


def test_a_taint_may_say_how_long_from_now(old_fleet: Fleet, on: Caller) -> None:
    one = old_fleet.of(WEB)[0].id
    now = datetime.now(UTC)
    (row,) = on.json("taint", one, "--after", "1h30m", "--dry-run")["instances"]
    after = datetime.fromisoformat(row["replace_after"]) - now
    assert timedelta(minutes=89) < after < timedelta(minutes=92)
