"""Questions to the log of reconcile, in the language of CloudWatch Logs Insights.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html

Every decision record has a `reason` as a field of its own, and no other line has. What is None
is left out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aws_cdk import aws_logs as logs
from constructs import Construct

LAST_DECISIONS: Final = """\
fields @timestamp, group, decision, hold, target, available, outdated, unavailable, in_flight, reason
| filter ispresent(reason)
| sort @timestamp desc
| limit 50"""

GROUPS_NOW: Final = """\
filter ispresent(reason)
| stats latest(target) as target, latest(lowest) as lowest, latest(highest) as highest,
    latest(desired) as desired, latest(available) as available, latest(outdated) as outdated,
    latest(unavailable) as unavailable, latest(in_flight) as in_flight, latest(reason) as reason
  by group
| sort group asc
| limit 100"""

GROUPS_OVER_TIME: Final = """\
filter ispresent(available)
| stats latest(target) as target, latest(lowest) as lowest, latest(highest) as highest,
    min(available) as least_available, max(outdated) as most_outdated,
    max(unavailable) as most_unreadable
  by bin(15m) as time, group
| sort time desc, group asc
| limit 500"""

HOLDS: Final = """\
filter ispresent(hold)
| stats count(*) as runs by hold
| sort runs desc"""

DECISIONS_OF_A_GROUP: Final = """\
# Write the name of your group, or a part of it, between the slashes.
fields @timestamp, decision, hold, target, lowest, highest, desired, minimum, available, outdated,
    unavailable, in_flight, reason, group
| filter ispresent(reason) and group like /./
| sort @timestamp desc
| limit 200"""

WHY_HELD: Final = """\
# Since when, how often and why each group is held, in the time that is looked at.
filter ispresent(hold)
| stats latest(reason) as reason, count(*) as runs, min(@timestamp) as first_seen,
    max(@timestamp) as last_seen, latest(since) as target_since, latest(needs_attention) as needs_attention,
    latest(overdue) as overdue_instances, latest(stale) as stale_boots
  by group, hold
| sort last_seen desc"""

TERMINATED: Final = """\
# What was terminated, and when.
fields @timestamp, message
| parse message "* => terminating instance ids [*]" as of_group, instances
| filter ispresent(instances)
| sort @timestamp desc
| display @timestamp, of_group, instances
| limit 200"""

UNREADABLE: Final = """\
# What instances said instead of their version.
fields @timestamp, group, jsonParse(@message) as record
| filter unavailable > 0
| unnest record.instances into instance
| filter instance.reason like /./ and instance.reason != "null"
| stats latest(instance.reason) as why, count(*) as runs, min(@timestamp) as first_seen,
    max(@timestamp) as last_seen, latest(instance.launched) as launched
  by group, instance.id
| sort last_seen desc
| limit 200"""

FAILURES: Final = """\
# What failed, and what could not be put or delivered.
fields @timestamp, level, group, message
| filter level = "ERROR" or level = "WARNING"
| sort @timestamp desc
| limit 200"""

SAVED: Final[Mapping[str, str]] = {
    "decisions of a group": DECISIONS_OF_A_GROUP,
    "why a group is held": WHY_HELD,
    "what was terminated": TERMINATED,
    "unavailable instances": UNREADABLE,
    "failures": FAILURES,
}


def bare(query: str) -> str:
    """Return a query without its comments."""
    return "\n".join(line for line in query.splitlines() if not line.startswith("#"))


class SavedQueries(Construct):
    """The saved queries of a deployment, in a folder of its name; without charge until run."""

    def __init__(self, scope: Construct, id_: str, *, name: str, log_group: logs.ILogGroup) -> None:
        super().__init__(scope, id_)
        for title, query in SAVED.items():
            logs.CfnQueryDefinition(
                self,
                title.title().replace(" ", ""),
                name=f"{name}/{title}",
                query_string=query,
                log_group_names=[log_group.log_group_name],
            )
