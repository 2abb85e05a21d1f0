"""The process of the local AWS: moto's server on the sandbox's clock.

`python -m sandbox.aws_server CLOCK_FILE` prints the port that it listens on at 127.0.0.1.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from datetime import datetime
from pathlib import Path

import moto.core.utils
from moto.core.responses import ActionResult
from werkzeug.serving import make_server

from sandbox.local_aws import Clock


def main() -> None:
    """Serve until the parent process ends."""
    clock = Clock(Path(sys.argv[1]))

    def utcnow() -> datetime:
        return clock.now().replace(tzinfo=None)

    moto.core.utils.utcnow = utcnow
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - takes utcnow at import
        DomainDispatcherApplication,
        create_backend_app,
    )

    _add_instance_refreshes()
    _name_unknown_instances()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    print(server.port, flush=True)  # noqa: T201 - the parent reads it
    server.serve_forever()


def _end_with_parent() -> None:
    # However the parent ends, its end of this pipe closes.
    sys.stdin.read()
    os._exit(0)


def _add_instance_refreshes() -> None:
    """Answer DescribeInstanceRefreshes, which moto does not know, with none."""
    from moto.autoscaling.responses import AutoScalingResponse  # noqa: PLC0415 - as above

    def describe_instance_refreshes(_self: AutoScalingResponse) -> ActionResult:
        return ActionResult({"InstanceRefreshes": []})

    AutoScalingResponse.describe_instance_refreshes = describe_instance_refreshes  # type: ignore[attr-defined]


def _name_unknown_instances() -> None:
    """Answer as AWS does when the instance to terminate is in no group; moto answers 500."""
    from moto.autoscaling.exceptions import ValidationError  # noqa: PLC0415 - as above
    from moto.autoscaling.models import AutoScalingBackend  # noqa: PLC0415 - as above

    terminate = AutoScalingBackend.terminate_instance

    def checked(backend: AutoScalingBackend, instance_id: str, *rest: bool) -> object:
        try:
            return terminate(backend, instance_id, *rest)
        except StopIteration:
            raise ValidationError(f"Instance Id not found - {instance_id}") from None

    AutoScalingBackend.terminate_instance = checked  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    main()
