"""Rules of the decision, each with the change to the source that takes it out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """A rule, and how to take it out: in `module`, `text` becomes `instead`."""

    name: str
    module: str
    text: str
    instead: str

    def taken_out(self, source: str) -> str:
        """Return the module's source without the rule; raise ValueError where it is not there."""
        if source.count(self.text) != 1:
            raise ValueError(f"{self.module} has {source.count(self.text)} times {self.text!r}")
        return source.replace(self.text, self.instead)


RULES = (
    # Target
    Rule(
        "a pointer names the release",
        "releases",
        "    if listing.pointed:",
        "    if listing.pointed and not listing.releases:",
    ),
    Rule(
        "a pointer to none holds: it is no fall-back",
        "releases",
        'return NoRelease(f"the pointer {key} names {version}, which is no release of {app}")',
        "return _newest(listing)",
    ),
    Rule(
        "the newest release is that of the highest precedence",
        "releases",
        "return release.version, release.modified, release.key",
        "return release.modified, release.version, release.key",
    ),
    Rule(
        "of equal releases the last modified is the newest",
        "releases",
        "return release.version, release.modified, release.key",
        "return release.version, release.key",
    ),
    Rule(
        "build metadata counts where both have it",
        "facts",
        "return same_release(instance.version, self.target)",
        "return instance.version == self.target",
    ),
    Rule(
        "what runs above a released target is outdated",
        "facts",
        "return same_release(instance.version, self.target)",
        "return instance.version >= self.target",
    ),
    Rule(
        "without a bucket the target is the highest",
        "facts",
        'return self.highest if self.source == "highest" else None',
        'return self.lowest if self.source == "highest" else None',
    ),
    # Since
    Rule(
        "a rollback by deleting is dated by the delete marker",
        "releases",
        "max([highest.modified, *(each.modified for each in gone), *unpointed])",
        "max([highest.modified, *unpointed])",
    ),
    Rule(
        "a rollback is dated by taking the pointer away",
        "releases",
        "max([highest.modified, *(each.modified for each in gone), *unpointed])",
        "max([highest.modified, *(each.modified for each in gone)])",
    ),
    Rule(
        "a target is dated by the later of its pointer and its zip",
        "releases",
        'since=max(answer["LastModified"], release.modified)',
        "since=release.modified",
    ),
    Rule(
        "where nothing dates a change down, since is unknown",
        "facts",
        "return released.since if dated else None",
        "return released.since",
    ),
    Rule(
        "presumed outdated was launched over a minute before since",
        "facts",
        "return launch(instance) < self.since - CLOCK_DOUBT and",
        "return launch(instance) < self.since + CLOCK_DOUBT and",
    ),
    Rule(
        "a silent canary was not launched over a minute before since",
        "facts",
        "doubt = self.since - CLOCK_DOUBT",
        "doubt = self.since + CLOCK_DOUBT",
    ),
    Rule(
        "a stale boot was launched at least a minute after since",
        "facts",
        "doubt = self.since + CLOCK_DOUBT",
        "doubt = self.since - CLOCK_DOUBT",
    ),
    # Observation
    Rule(
        "what was not asked is not planned",
        "planning",
        "if failure := observe.problem(subject.described, subject.policy, run.snapshot):",
        "failure = observe.problem(subject.described, subject.policy, run.snapshot)\n    if False:",
    ),
    Rule(
        "an answer counts only if it is the only one",
        "sightings",
        " and times[row[0]] == 1",
        "",
    ),
    Rule(
        "unhealthy at a load balancer is not available",
        "observe",
        "complaint = reason or balancers.complaint(id_, health)",
        "complaint = reason",
    ),
    # Words
    Rule(
        "what leaves, stands by or is warm does not count",
        "model",
        "return not self.lifecycle.startswith(ASIDE)",
        "return True",
    ),
    Rule(
        "unknown lifecycle states are in flight",
        "facts",
        "counted = sum(instance.counted for instance in self.group.instances)",
        "counted = seen",
    ),
    Rule(
        "what is missed through desired capacity is in flight",
        "facts",
        "return max(counted, self.group.desired) - seen",
        "return counted - seen",
    ),
    Rule(
        "only what is InService and Healthy is available",
        "model",
        'return self.lifecycle == "InService" and self.health == "Healthy"',
        'return self.lifecycle == "InService"',
    ),
    # Holds
    Rule(
        "a setting that cannot be read holds",
        "plan",
        "    if policy.problems:",
        "    if policy.problems and not policy.app:",
    ),
    Rule("a group being deleted holds", "holds", '\n    "deleting": _deleting,', ""),
    Rule("pausing holds", "holds", '\n    "paused": _paused,', ""),
    Rule("suspended processes hold", "holds", '\n    "processes_suspended": _suspended,', ""),
    Rule("HealthCheck suspended holds", "holds", '"Terminate", "HealthCheck"', '"Terminate"'),
    Rule("weighted capacity holds", "holds", '\n    "weighted_capacity": _weighted,', ""),
    Rule("a since in the future holds", "holds", '\n    "release_in_future": _in_the_future,', ""),
    Rule("nothing available holds", "holds", '\n    "nothing_available": _nothing_available,', ""),
    Rule("all protected holds, and says so", "holds", '\n    "all_protected": _protected,', ""),
    Rule(
        "the first hold that applies is the reason",
        "holds",
        '"nothing_outdated": _nothing_outdated,\n    "all_protected": _protected,',
        '"all_protected": _protected,\n    "nothing_outdated": _nothing_outdated,',
    ),
    Rule("protected instances stay", "plan", " if not instance.protected]", "]"),
    # How many
    Rule(
        "the budget counts no more available than desired",
        "facts",
        "return min(len(self.available), self.group.desired) - self.minimum",
        "return len(self.available) - self.minimum",
    ),
    Rule(
        "the minimum stays",
        "facts",
        "return max(0, min(self.spare, room))",
        "return max(0, min(self.spare + 1, room))",
    ),
    Rule(
        "a minimum in per cent is rounded up",
        "policy",
        "return self.minimum.rounded_up(desired)",
        "return self.minimum.rounded_down(desired)",
    ),
    Rule(
        "a batch in per cent is rounded down",
        "policy",
        "return max(1, self.batch.rounded_down(desired))",
        "return max(1, self.batch.rounded_up(desired))",
    ),
    Rule(
        "what is in flight uses up the batch",
        "facts",
        "room = self.batch - self.in_flight - len(self.unreadable)",
        "room = self.batch - len(self.unreadable)",
    ),
    Rule(
        "what is unreadable uses up the batch",
        "facts",
        "room = self.batch - self.in_flight - len(self.unreadable)",
        "room = self.batch - self.in_flight",
    ),
    Rule(
        "a presumed outdated one goes alone",
        "plan",
        "return _presumed(facts, min(presumed, key=_age_first))",
        "choice = _presumed(facts, min(presumed, key=_age_first))\n"
        "        pair = tuple(sorted(presumed, key=_age_first)[:2])\n"
        "        return _Choice(choice.kind, choice.reason, pair, second_look=choice.second_look)",
    ),
    Rule(
        "a presumed outdated one goes before any outdated one",
        "plan",
        "if presumed and waits is None:",
        "if presumed and waits is None and not facts.outdated:",
    ),
    Rule(
        "a presumed outdated one goes whatever the budget",
        "plan",
        "if presumed and waits is None:",
        "if presumed and waits is None and facts.budget:",
    ),
    Rule(
        "presumed outdated ones go with nothing in flight",
        "holds",
        '    if facts.in_flight:\n        return f"{facts.in_flight} in flight"',
        "    if not facts:\n        return None",
    ),
    Rule(
        "presumed outdated ones wait for a silent canary",
        "holds",
        '    if facts.silent:\n        return f"others',
        '    if not facts:\n        return f"others',
    ),
    Rule("presumed outdated ones keep the minimum", "holds", "facts.spare < 0", "facts.spare < -9"),
    Rule(
        "presumed outdated has had its retry time and grace",
        "facts",
        "return self.age(instance) > max(self.group.grace, self.policy.canary_retry)",
        "return self.age(instance) > timedelta(0)",
    ),
    Rule(
        "one slow answer does not kill",
        "second_look",
        "    if _is_available(victim):",
        "    if victim is None:",
    ),
    Rule("the second look is 30 seconds later", "second_look", "Final = 30.0", "Final = 20.0"),
    Rule(
        "where no other answers again, nothing goes",
        "second_look",
        "    if of.others and not any(",
        "    if not of and not any(",
    ),
    Rule(
        "proof is of an instance past its grace period",
        "facts",
        "if self.age(i) >= self.group.grace)",
        "if self.age(i) >= timedelta(0))",
    ),
    Rule(
        "all launched at the second of the proof or later run the target",
        "facts",
        "return all(self.on_target(i) for i in self.available if _second(i) >= second)",
        "return self.on_target(settled[0])",
    ),
    Rule("a target soaks", "holds", 'return first({"soaking": _soaking}, facts)', "return None"),
    Rule(
        "the longest-lived instance on target has soaked",
        "holds",
        "longest = max(",
        "longest = min(",
    ),
    Rule(
        "without proof one goes",
        "plan",
        "allowed = facts.budget if facts.proof else 1",
        "allowed = facts.budget",
    ),
    Rule(
        "no canary goes while any is in flight",
        "holds",
        '\n    "members_in_flight": _incoming,',
        "",
    ),
    Rule(
        "no canary goes while proof is on its way",
        "holds",
        '\n    "proof_on_its_way": _proof_on_its_way,',
        "",
    ),
    Rule(
        "no canary goes while one is silent", "holds", '\n    "canary_silent": _silent_canary,', ""
    ),
    Rule(
        "after a stale boot the next canary waits",
        "holds",
        '\n    "boots_stale": _stale_boots,',
        "",
    ),
    Rule(
        "with each stale boot the wait doubles",
        "holds",
        "facts.policy.canary_retry * 2**doublings",
        "facts.policy.canary_retry",
    ),
    Rule(
        "it doubles five times", "holds", "_MOST_DOUBLINGS: Final = 5", "_MOST_DOUBLINGS: Final = 2"
    ),
    Rule(
        "with since unknown the last launch has its time",
        "holds",
        '\n    "launched_lately": _last_launch,',
        "",
    ),
    Rule(
        "with since unknown the last launched must answer",
        "holds",
        "silent = [instance for instance in newest if instance.reason is not None]",
        "silent = [instance for instance in newest if instance is None]",
    ),
    # Order
    Rule(
        "above the target goes first",
        "plan",
        "(*sorted(above, reverse=True), *sorted(tiers.keys() - above))",
        "sorted(tiers)",
    ),
    Rule(
        "above the target the highest goes first",
        "plan",
        "*sorted(above, reverse=True)",
        "*sorted(above)",
    ),
    Rule(
        "below the target the lowest goes first",
        "plan",
        "*sorted(tiers.keys() - above)",
        "*sorted(tiers.keys() - above, reverse=True)",
    ),
    Rule(
        "the fullest Availability Zone gives first",
        "plan",
        "(-left[name], _age_first(queues[name][0]))",
        "_age_first(queues[name][0])",
    ),
    Rule(
        "of one zone the oldest goes first",
        "plan",
        "return launch(instance), instance.id",
        "return instance.id, launch(instance)",
    ),
    # Guards
    Rule(
        "nothing goes outside the window",
        "holds",
        '\n    "window_closed": _window_closed,',
        "",
    ),
    Rule(
        "nothing goes during an instance refresh",
        "holds",
        '\n    "instance_refresh": _refreshing,',
        "",
    ),
    Rule(
        "nothing goes under an alarm",
        "holds",
        '\n    "alarm_rings": _alarmed,',
        "",
    ),
    Rule(
        "an alarm that does not exist holds",
        "guards",
        'if states.get(name, "ALARM") == "ALARM"',
        'if states.get(name) == "ALARM"',
    ),
    Rule(
        "what runs above the target goes in spite of window and alarms",
        "plan",
        "return (*corpses, *filter(facts.above_target, facts.outdated))",
        "return tuple(corpses)",
    ),
    Rule(
        "a bad release's corpse goes in spite of window and alarms",
        "plan",
        "return (*corpses, *filter(facts.above_target, facts.outdated))",
        "return tuple(filter(facts.above_target, facts.outdated))",
    ),
    Rule(
        "any other presumed outdated one waits for window and alarms",
        "plan",
        "if newest is None or launch(i) > newest",
        "",
    ),
    Rule(
        "no canary goes for a zip that cannot be read",
        "plan",
        'if choice.kind == "canary" and (hold := holds.zip_unreadable(facts)):',
        'if choice.kind == "hold" and (hold := holds.zip_unreadable(facts)):',
    ),
    # Act
    Rule(
        "both plans must choose a victim",
        "finish",
        "if victim in chosen)",
        "if victim)",
    ),
    Rule(
        "the group is planned anew over fresh states",
        "finish",
        "second = plan(group, fresh.policy, world.clock())",
        "second = outcome.decision",
    ),
    Rule(
        "settings that were looked with must not change",
        "finish",
        "if _looked_otherwise(subject.policy, fresh.policy):",
        "if not subject:",
    ),
    Rule(
        "desired capacity is kept",
        "act",
        "ShouldDecrementDesiredCapacity=False",
        "ShouldDecrementDesiredCapacity=True",
    ),
    Rule(
        "a deferral leaves the group alone for this run",
        "act",
        "            return _stopped(tuple(terminated), victim, error)",
        "            if _is_deferral(error):\n                continue\n"
        "            return _stopped(tuple(terminated), victim, error)",
    ),
    Rule(
        "a failed termination leaves the group alone for this run",
        "act",
        "            return _stopped(tuple(terminated), victim, error)",
        "            if not _is_deferral(error):\n                continue\n"
        "            return _stopped(tuple(terminated), victim, error)",
    ),
    Rule("a dry run stops before acting", "finish", " and not outcome.dry_run", ""),
    Rule(
        "one group's failure never stops another",
        "planning",
        "    served = attempt(serve)",
        "    served = serve()",
    ),
)
