"""MiniStack, with what this deployment needs beside it.

It does not know saved queries: they are no more than named texts to CloudFormation, and nothing
here runs them. Of its policies, which it enforces, three need help. It is asked over plain HTTP on
loopback, which the policies of our bucket, our queue and the CDK's bucket deny: they are told
that it came over TLS, so that they stay in force. And it does not tell policies which sources
the events of a PutEvents have, nor of a request to S3 that it is conditional, which ours are about.
Nor does it know tags of a version below a delete marker, which S3 has. And it dates objects with
milliseconds, where S3 dates them to the second: an instance that was launched in the same second
as an upload would pass for one that was launched before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.services import s3
from ministack.services.cloudformation import provisioners

Props = Mapping[str, object]
# Service, action, body and parameters of a request; returned are keys of conditions.
Context = Callable[[str, str, bytes, Props], dict[str, object]]


def _create(_logical_id: str, props: Props, _stack: str) -> tuple[str, dict[str, object]]:
    for name in ("Name", "QueryString"):
        if not props.get(name):
            raise ValueError(f"{name} is required for AWS::Logs::QueryDefinition")
    return f"query-{props['Name']}", {"QueryDefinitionId": f"query-{props['Name']}"}


def _update(
    _physical_id: str, _old: Props, props: Props, stack: str
) -> tuple[str, dict[str, object]]:
    return _create("", props, stack)


def _delete(_physical_id: str, _props: Props) -> None:
    """Forget it: nothing was kept."""


def _pin_origin_as_over_tls(source_ip: str, _is_secure: bool) -> None:  # noqa: FBT001 - MiniStack's own
    iam_evaluator.pin_request_origin(source_ip, secure_transport=True)


def _with_sources(of: Context) -> Context:
    """Return what tells policies of a request, with the sources of the events that it puts."""

    def context(service: str, action: str, body: bytes, params: Props) -> dict[str, object]:
        told = of(service, action, body, params)
        if action != "events:PutEvents":
            return told
        return {**told, "events:source": [each["Source"] for each in json.loads(body)["Entries"]]}

    return context


def _with_conditions(of: Callable[..., dict[str, object]]) -> Callable[..., dict[str, object]]:
    """Return what tells policies of a request to S3, with the ETag that it names, if any."""

    def context(action: str, query: Props, path: str, headers: Mapping[str, str]) -> Props:
        told = of(action, query, path, headers)
        etag = headers.get("if-match")
        return {**told, "s3:if-match": etag} if etag else told

    return context  # type: ignore[return-value] # as MiniStack calls it


def _of_hidden_versions(of: Callable[..., object]) -> Callable[..., object]:
    """Return what reads or writes tags, also those of a version below a delete marker."""

    def tagging(bucket: str, key: str, *rest: object) -> object:
        objects = (s3._ensure_bucket(bucket) or {}).get("objects", {})  # noqa: SLF001 - no other door
        asked = rest[-1]
        if key in objects or not isinstance(asked, Mapping) or "versionId" not in asked:
            return of(bucket, key, *rest)
        objects[key] = {}
        try:
            return of(bucket, key, *rest)
        finally:
            del objects[key]

    return tagging


def _to_the_second(of: Callable[[], str]) -> Callable[[], str]:
    """Return what dates objects, with the fraction of a second cut off as S3 does."""
    return lambda: f"{of().partition('.')[0]}.000Z"


if __name__ == "__main__":
    s3.now_iso = _to_the_second(s3.now_iso)
    s3._get_object_tagging = _of_hidden_versions(s3._get_object_tagging)  # noqa: SLF001 - no other door
    s3._put_object_tagging = _of_hidden_versions(s3._put_object_tagging)  # noqa: SLF001 - likewise
    iam_actions.s3_service_context = _with_conditions(iam_actions.s3_service_context)
    app.pin_request_origin = _pin_origin_as_over_tls
    iam_actions.request_tag_context = _with_sources(iam_actions.request_tag_context)
    provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {  # noqa: SLF001 - it has no other door
        "create": _create,
        "update": _update,
        "delete": _delete,
    }
    app.main()
