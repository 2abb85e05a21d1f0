"""What people read: log lines and records, whatever AWS and instances say."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from terminator.decide.plan import plan
from terminator.model import Group
from terminator.report.log_lines import Line, closing, opening
from terminator.report.metrics import metrics
from terminator.report.record import Record
from terminator.terminate import Terminations
from terminator.text import plain
from tests.decide.builders import NOW, decide, group, member, policy, released, unasked


def recorded(of: Group, done: Terminations | None = None, **texts: str) -> Record:
    return Record.of(of.name, "web", of, decide(of, **texts), done, dry_run=False)


def failure(why: str) -> Record:
    return Record.of("gone", error=why, dry_run=False)


def proven() -> Group:
    old = (member("i-a", up=30), member("i-b", up=20))
    return group(*old, member("i-n", "1.0.274", up=10), unasked("i-x", "Terminating"))


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def test_a_failed_termination_is_the_last_line_and_an_error() -> None:
    acted = Terminations(("i-a",), failed={"i-b": "AccessDenied: no"})
    lines = closing(recorded(proven(), acted, minimum="1", max_unavailable="100%"))
    assert texts(lines) == [
        "live_asg_web => terminating instance ids [i-a]",
        "live_asg_web => failed to terminate i-b: AccessDenied: no",
    ]
    assert lines[-1].level == "error"
    assert lines[-1].fields["failed"] == {"i-b": "AccessDenied: no"}


def test_a_converged_group_says_so() -> None:
    lines = closing(recorded(group(member("i-a"))))
    assert texts(lines) == ["live_asg_web => no action taken: converged, 1 instance on 1.0.266"]


def test_with_nothing_available_no_version_is_made_up() -> None:
    silent = group(member("i-a", None, up=1), released=released("1.0", since=5))
    assert texts(opening("g", decide(silent)))[1] == (
        "g => lowest version none, highest version none, 0 instances to terminate"
    )


def test_instances_that_are_not_counted_are_listed() -> None:
    listed = recorded(proven()).to_json()["instances"]
    assert listed[-1] == {
        "id": "i-x", "zone": "eu-west-1a", "lifecycle": "Terminating", "health": "Healthy",
        "created": NOW.isoformat(), "in_service_since": None, "version": None, "reason": None,
        "available": False, "template": None, "cause": None,
    }  # fmt: skip


def test_settings_that_cannot_be_read_leave_the_figures_unknown() -> None:
    decision = plan(proven(), replace(policy(), problems=("what?",)), NOW)
    record = Record.of("g", "web", proven(), decision, dry_run=False)
    assert (record.available, record.minimum, record.target) == (None, None, None)
    assert opening("g", decision) == []


def test_metrics_count_held_and_failed_groups() -> None:
    held = recorded(proven(), pause="x")
    acted = recorded(proven(), Terminations(("i-a",), failed={"i-b": "no"}))
    assert metrics([held, acted, failure("no such group")]) == {
        "Available": 6, "Unavailable": 0, "InFlight": 0, "Outdated": 4, "Stale": 0,
        "Held": 1, "NeedsAttention": 0, "Terminated": 1, "Failed": 2,
    }  # fmt: skip


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_name_and_no_reason_reaches_a_log_unescaped(name: str, why: str) -> None:
    of = group(member("i-a", None, up=1, reason=plain(why)))
    hostile = Record.of(name, "web", of, decide(of), dry_run=False)
    lines = [*opening(name, decide(of)), *closing(hostile)]
    assert all(line.text.isprintable() for line in lines)


def test_how_many_are_overdue_is_not_said_where_a_group_could_not_be_observed() -> None:
    seen = recorded(proven())
    assert metrics([seen])["Overdue"] == 0
    assert "Overdue" not in metrics([seen, failure("no such group")])
