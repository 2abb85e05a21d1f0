"""What moto does not know of AWS, and Terminator asks for.

Scaling activities, what each member was launched from, targets that do not serve, an alarm's
history, instance refreshes, functions that run outside it, what a bucket tells EventBridge, and
AWS's own word for an instance that is in no group. To be imported
once moto's clock has been set.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import moto.core.utils
from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, InstanceState
from moto.autoscaling.responses import AutoScalingResponse
from moto.awslambda.models import LambdaBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.elbv2.models import FakeHealthStatus, FakeTargetGroup
from moto.s3.responses import S3Response

from sandbox import refreshes
from sandbox.local_aws import FUNCTIONS_URL

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend

# An instance is in service at once here, and gone at once.
_LAUNCHED = "Launching a new EC2 instance: {}"
_TERMINATED = "Terminating EC2 instance: {}"
_DIFFERENCE = "in response to a difference between desired and actual capacity."
_STARTED = f"an instance was started {_DIFFERENCE}"
_SURPLUS = f"an instance was taken out of service {_DIFFERENCE}"
_ON_REQUEST = "an instance was taken out of service in response to a user request."

# A tag of the sandbox's instances: from when on a load balancer finds one healthy, or never.
SERVES_FROM = "sandbox:serves-from"

_health_for = FakeTargetGroup.health_for
_set_desired_capacity = FakeAutoScalingGroup.set_desired_capacity
_get_bucket_notification = S3Response.get_bucket_notification
_terminate_instance = AutoScalingBackend.terminate_instance


def add() -> None:
    """Add all of it to moto, in this process."""
    FakeAutoScalingGroup.set_desired_capacity = _noting_activities  # type: ignore[method-assign, assignment]
    InstanceState.launch_template = property(_launch_template)  # type: ignore[method-assign, assignment]
    FakeTargetGroup.health_for = _health  # type: ignore[method-assign, assignment]
    AutoScalingBackend.terminate_instance = _terminate  # type: ignore[method-assign, assignment]
    AutoScalingResponse.describe_scaling_activities = _describe_scaling_activities  # type: ignore[method-assign]
    refreshes.add(_note)
    LambdaBackend.invoke = _invoke  # type: ignore[method-assign, assignment]
    S3Response.get_bucket_notification = _get_notification  # type: ignore[method-assign, assignment]
    CloudWatchResponse.describe_alarm_history = _describe_alarm_history  # type: ignore[attr-defined]


def _noting_activities(group: FakeAutoScalingGroup, new_capacity: int | None) -> None:
    """Change the capacity, as each change of a group's members does; note who came and went.

    And what each was launched from: moto tells of each what the group launches from now.
    """
    _set_desired_capacity(group, new_capacity)
    _note(group)


def _note(group: FakeAutoScalingGroup) -> None:
    """Note who came and went, and what each was launched from."""
    _activities(group)
    template = group.ec2_launch_template
    if template is None:
        return
    for state in group.instance_states:
        version = template.get_version(group.launch_template_version)
        names = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name}
        state.__dict__.setdefault("launched_from", {**names, "Version": str(version.number)})


def _launch_template(state: InstanceState) -> dict[str, str] | None:
    """Return what a member was launched from, with the number of the version."""
    launched_from: dict[str, str] | None = state.__dict__.get("launched_from")
    return launched_from


def _health(
    group: FakeTargetGroup, target: dict[str, Any], ec2_backend: EC2Backend
) -> FakeHealthStatus:
    """Tell the health of a target: one does not serve before its tag says so."""
    health = _health_for(group, target, ec2_backend)
    tags = {
        each["key"]: each["value"]
        for each in ec2_backend.describe_tags({"resource-id": [target["Id"]]})
    }
    serves_from = tags.get(SERVES_FROM)
    if health.status != "healthy" or serves_from is None:
        return health
    now = moto.core.utils.utcnow().replace(tzinfo=UTC)
    if serves_from != "never" and now >= datetime.fromisoformat(serves_from):
        return health
    return FakeHealthStatus(target["Id"], target["Port"], None, "unhealthy", "Target.Timeout")


def _activities(group: FakeAutoScalingGroup) -> list[dict[str, Any]]:
    """Return the scaling activities of a group, the newest first, up to now."""
    noted: list[dict[str, Any]] = group.__dict__.setdefault("activities", [])
    before: set[str] = group.__dict__.setdefault("members", set())
    now = {state.instance.id: state.instance.launch_time for state in group.instance_states}
    requested: set[str] = group.autoscaling_backend.__dict__.setdefault("requested", set())
    changed = [(_LAUNCHED, id_, at, _STARTED) for id_, at in now.items() if id_ not in before]
    gone = moto.core.utils.utcnow()
    changed += [
        (_TERMINATED, id_, gone, _ON_REQUEST if id_ in requested else _SURPLUS)
        for id_ in before - now.keys()
    ]
    for description, id_, at, cause in changed:
        activity = {
            "ActivityId": str(uuid.uuid4()),
            "AutoScalingGroupName": group.name,
            "Description": description.format(id_),
            "Cause": f"At {at:%Y-%m-%dT%H:%M:%SZ} {cause}",
            "StartTime": at,
            "EndTime": at,
            "StatusCode": "Successful",
            "Progress": 100,
        }
        noted.append(activity)
    group.__dict__["members"] = set(now)
    return sorted(noted, key=lambda each: each["StartTime"], reverse=True)


def _describe_scaling_activities(self: AutoScalingResponse) -> ActionResult:
    """Answer DescribeScalingActivities of a group, a page at a time."""
    group = self.autoscaling_backend.autoscaling_groups[self._get_param("AutoScalingGroupName")]
    found = _activities(group)
    for each in self._get_param("Filters", []):
        if each["Name"] == "StartTimeLowerBound":
            since = datetime.fromisoformat(each["Values"][0]).astimezone(UTC).replace(tzinfo=None)
            found = [activity for activity in found if activity["StartTime"] >= since]
    first, most = int(self._get_param("NextToken") or 0), self._get_int_param("MaxRecords", 100)
    after = first + most
    page: dict[str, Any] = {"Activities": found[first:after]}
    return ActionResult({**page, "NextToken": str(after)} if after < len(found) else page)


def _describe_alarm_history(self: CloudWatchResponse) -> ActionResult:
    """Answer DescribeAlarmHistory: the changes of an alarm's state."""
    alarm = self.cloudwatch_backend.alarms[self._get_param("AlarmName")]
    states = [(value, at) for _, _, _, value, at in alarm.history]
    states.append((alarm.state_value, alarm.state_updated_timestamp))
    begin, end = self._get_param("StartDate"), self._get_param("EndDate")
    items = [
        {
            "AlarmName": alarm.name,
            "Timestamp": at,
            "HistoryItemType": "StateUpdate",
            "HistorySummary": f"Alarm updated from {old} to {new}",
            "HistoryData": json.dumps(
                {"oldState": {"stateValue": old}, "newState": {"stateValue": new}}
            ),
        }
        for (old, _), (new, at) in pairwise(states)
        if old != new and begin <= at <= end
    ]
    step = 1 if self._get_param("ScanBy") == "TimestampAscending" else -1
    return ActionResult({"AlarmHistoryItems": items[::step]})


def _terminate(backend: AutoScalingBackend, instance_id: str, *rest: bool) -> object:
    """Note who goes on request; answer as AWS does where it is in no group: moto answers 500."""
    backend.__dict__.setdefault("requested", set()).add(instance_id)
    try:
        return _terminate_instance(backend, instance_id, *rest)
    except StopIteration:
        raise ValidationError(f"Instance Id not found - {instance_id}") from None


class _TooManyRequestsError(JsonRESTError):
    code = 429

    def __init__(self, message: str) -> None:
        super().__init__("TooManyRequestsException", message)


def _invoke(  # noqa: PLR0913, PLR0917 - as moto calls it
    backend: LambdaBackend,
    function_name: str,
    qualifier: str | None,
    body: str,
    headers: Mapping[str, str],
    response_headers: dict[str, str],
) -> bytes:
    """Pass an invocation on to where the function is run; moto would start a container."""
    function = backend.get_function(function_name, qualifier)
    # 0 is how a deployment is stopped; moto keeps it, and runs the function all the same.
    if function.reserved_concurrency == 0:
        raise _TooManyRequestsError("Rate Exceeded.")
    url = f"{function.environment_vars[FUNCTIONS_URL]}/{function.function_name}"
    request = urllib.request.Request(url, str(body or "{}").encode(), method="POST")  # noqa: S310 - on loopback
    if headers.get("X-Amz-Invocation-Type") == "Event":
        threading.Thread(target=urllib.request.urlopen, args=(request,), daemon=True).start()
        return b""
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            payload: bytes = answer.read()
    except urllib.error.HTTPError as error:
        response_headers["x-amz-function-error"] = "Unhandled"
        payload = error.read()
    response_headers["Content-Length"] = str(len(payload))
    return payload


def _get_notification(response: S3Response) -> object:
    """Answer that the bucket tells EventBridge, where it does; moto forgets that in its answer."""
    config = response.backend.get_bucket_notification_configuration(response.bucket_name)
    if config is None or config.event_bridge is None:
        return _get_bucket_notification(response)
    response.data["Action"] = "GetBucketNotificationConfiguration"
    return response.serialized(ActionResult({"EventBridgeConfiguration": {}}))
