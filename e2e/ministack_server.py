"""MiniStack, with the one kind of resource of ours that it does not know: saved queries.

They are no more than named texts to CloudFormation, and nothing here runs them.
"""

from __future__ import annotations

from collections.abc import Mapping

from ministack.app import main
from ministack.services.cloudformation import provisioners

Props = Mapping[str, object]


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


if __name__ == "__main__":
    provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {  # noqa: SLF001 - it has no other door
        "create": _create,
        "update": _update,
        "delete": _delete,
    }
    main()
