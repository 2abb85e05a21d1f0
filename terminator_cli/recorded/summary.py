"""What became of a group in a few words and figures, for the top of the report: pure."""

from __future__ import annotations

from dataclasses import dataclass

from terminator.text import count
from terminator_cli.recorded import texts
from terminator_cli.recorded.record import FAILED
from terminator_cli.recorded.rollouts import Rollout, available
from terminator_cli.recorded.timeline import GroupTimeline


@dataclass(frozen=True)
class Figure:
    """A figure with its name, and what has to be known beside it."""

    name: str
    value: str
    note: str = ""
    alarming: bool = False


def versions(of: GroupTimeline) -> str:
    """Return what a group ran first and last: `1.0.266 → 1.0.274`."""
    seen = [ran for record in of.records if (ran := available(record))]
    return texts.arrow(seen[0], seen[-1]) if seen else "not known"


def rolled(of: GroupTimeline) -> Figure:
    """Return how long a group's one rollout took, or how many there were."""
    match of.rollouts:
        case ():
            return Figure("rollout", "none")
        case (only,) if only.begin == only.end:
            return Figure("rollout", lasted(only), f"at {only.begin:%H:%M}")
        case (only,):
            return Figure("rollout", lasted(only), f"{only.begin:%H:%M} to {only.end:%H:%M}")
        case many:
            return Figure("rollouts", str(len(many)), f"the last: {lasted(many[-1])}")


def lasted(rollout: Rollout) -> str:
    """Return how long a rollout took."""
    if rollout.begin == rollout.end:
        return "just begun"
    return texts.lasted(rollout.end - rollout.begin)


def state(of: GroupTimeline) -> str:
    """Return how the last decision found the group."""
    last = of.records[-1]
    return {"converged": "converged", "hold": "held", FAILED: "failed"}.get(
        last.decision, "under way"
    )


def terminated(of: GroupTimeline) -> int:
    """Return how many instances were terminated."""
    return len({id_ for kill in of.kills for id_ in kill.ids})


def lowest(of: GroupTimeline) -> Figure:
    """Return the fewest that were available after any run, against the minimum."""
    if of.lowest is None or of.minimum is None:
        return Figure("lowest available", "not known")
    below = of.lowest < of.minimum
    note = f"{'below the' if below else 'with a'} minimum of {of.minimum}"
    return Figure("lowest available", str(of.lowest), note, alarming=below)


def figures(of: GroupTimeline) -> list[Figure]:
    """Return the figures of a group."""
    runs = f"in {count(len(of.records), 'run')}"
    gone = Figure("terminated", count(terminated(of), "instance"), runs)
    return [Figure("versions", versions(of), _now(of)), rolled(of), lowest(of), gone]


def _now(of: GroupTimeline) -> str:
    target = of.records[-1].target
    to = f", target {target}" if target and state(of) != "converged" else ""
    return f"now {state(of)}{to}"


def sentence(of: GroupTimeline) -> str:
    """Return what became of the group, in a sentence or two."""
    told = _moved(of)
    if not of.kills:
        return f"{told} Nothing was terminated."
    number = terminated(of)
    verb = "was" if number == 1 else "were"
    return f"{told} {count(number, 'instance')} {verb} terminated{_kept(of)}."


def _kept(of: GroupTimeline) -> str:
    least = lowest(of)
    if of.lowest is None:
        return ""
    if least.alarming:
        return f"; at the lowest {least.value} available, {least.note}"
    return f", and never were fewer than {least.value} available"


def _moved(of: GroupTimeline) -> str:
    if not of.rollouts:
        return f"It ran {versions(of)}." if of.versions else "What it ran is not known."
    last = of.rollouts[-1]
    before = ", ".join(last.before) or "what did not answer"
    many = f"The last of {len(of.rollouts)} rollouts: " if len(of.rollouts) > 1 else ""
    match last.state:
        case "converged":
            return f"{many}{last.target} replaced {before} in {lasted(last)}."
        case "held":
            reason = of.records[-1].reason
            return f"{many}{last.target} is to replace {before}; held: {reason}."
        case _:
            return f"{many}{last.target} is replacing {before}."
