"""The user data of the example's instances: puts `boot.py` there and has systemd run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from terminator.config.deployment import Bucket

APP: Final = "example"
PORT: Final = 8080
_BOOT: Final = Path(__file__).with_name("boot.py")

# Without HOME the aws command tries to keep its cache in the root directory, and fails. The
# release is unpacked under /var/tmp, since /tmp is memory; PrivateTmp empties it at each restart.
_UNIT: Final = """\
[Unit]
Description=The release that {app} should be on
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
DynamicUser=yes
PrivateTmp=yes
StateDirectory={app}
Environment=HOME=/var/lib/{app} TMPDIR=/var/tmp PORT={port} AWS_DEFAULT_REGION={region}
ExecStart=/usr/bin/python3 /opt/{app}/boot.py {arguments}
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
_USER_DATA: Final = """\
#!/bin/bash
set -eu

mkdir -p /opt/{app}
cat >/opt/{app}/boot.py <<'END_OF_FILE'
{boot}END_OF_FILE

cat >/etc/systemd/system/{app}.service <<'END_OF_FILE'
{unit}END_OF_FILE

systemctl daemon-reload
systemctl enable --now {app}.service
"""


def user_data(bucket: Bucket, region: str) -> str:
    """Return the shell script that an instance runs at its first boot."""
    arguments = " ".join(map(_quoted, (bucket.name, APP, bucket.template.text)))
    unit = _UNIT.format(app=APP, port=PORT, region=region, arguments=arguments)
    return _USER_DATA.format(app=APP, boot=_BOOT.read_text(encoding="utf-8"), unit=unit)


def _quoted(word: str) -> str:
    """Return the word as systemd reads it back: it knows C's escapes, variables and specifiers."""
    return json.dumps(word).replace("%", "%%").replace("$", "$$")
