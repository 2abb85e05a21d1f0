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

    from sandbox import aws_additions  # noqa: PLC0415 - as above

    aws_additions.add()
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


if __name__ == "__main__":
    main()
