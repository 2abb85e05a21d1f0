"""MiniStack, with what this deployment needs beside it.

It does not know saved queries: they are no more than named texts to CloudFormation, and nothing
here runs them. Of its policies, which it enforces, two need help. It is asked over plain HTTP on
loopback, which the policies of our bucket, our queue and the CDK's bucket deny: they are told
that it came over TLS, so that they stay in force. And it does not tell policies which sources
the events of a PutEvents have, which ours are about.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from ministack import app
from ministack.core import iam_actions, iam_evaluator
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


if __name__ == "__main__":
    app.pin_request_origin = _pin_origin_as_over_tls
    iam_actions.request_tag_context = _with_sources(iam_actions.request_tag_context)
    provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {  # noqa: SLF001 - it has no other door
        "create": _create,
        "update": _update,
        "delete": _delete,
    }
    app.main()
