"""What `make deploy` brings, on a fleet's local AWS: functions, a schedule, events and a log.

The local AWS knows the functions and passes their invocations on to this process, which runs the
handlers that Lambda would run. So the command line asks them as it asks those of an account.
"""

from __future__ import annotations

import io
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from sandbox.fleet import Fleet
from sandbox.local_aws import ACCOUNT, FUNCTIONS_URL, REGION
from sandbox.store import BUCKET, TEMPLATE
from terminator.config.deployment import from_settings

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import IpPermissionTypeDef

Handler = Callable[[Mapping[str, Any], Any], object]

_NAME: Final = "terminator"
_RECONCILE: Final = f"{_NAME}-reconcile"
_RELEASE: Final = f"{_NAME}-release"
_WITHDRAW: Final = f"{_NAME}-withdraw"
_FUNCTION_SECONDS: Final = 300
_POLL_SECONDS: Final = 1


def settings_of(fleet: Fleet, takes_back: str, policy: Mapping[str, str]) -> dict[str, Any]:
    """Return settings that serve a fleet, and take back what is silent of one of its apps."""
    return {
        "dry_run": False,
        "groups": {"tagged": True},
        "releases": {
            "bucket": BUCKET,
            "key": TEMPLATE.text,
            "apps": {takes_back: {"withdraw": {"silent": True}}},
        },
        "policy": policy,
        "vpcs": {fleet.vpc: {"subnets": [fleet.subnet], "ports": [fleet.endpoints.port]}},
    }


@contextmanager
def deployed(
    fleet: Fleet, settings: Mapping[str, object], log: Path, every: float
) -> Iterator[None]:
    """Deploy to the fleet for as long as the block; reconcile runs `every` so many seconds.

    `settings` are those of `context.terminator`. What reconcile and release log is written to
    the file `log`, a JSON object a line. It takes the environment of this process, which is to
    be the fleet's alone.
    """
    probe = f"{_NAME}-probe-{fleet.vpc}"
    os.environ.update(
        {
            **fleet.local.environment,
            "TERMINATOR_ACCOUNT": ACCOUNT,
            "TERMINATOR_CONFIG": json.dumps(settings),
            "TERMINATOR_PROBES": json.dumps({fleet.vpc: probe}),
            "TERMINATOR_RECONCILE": _RECONCILE,
            # Metrics go to standard output, where CloudWatch would find them.
            "POWERTOOLS_METRICS_DISABLED": "true",
        }
    )
    from terminator import handlers  # noqa: PLC0415 - Powertools reads the environment at import
    from terminator.probe.handler import probe as ask  # noqa: PLC0415 - as above

    handlers_by_name: dict[str, Handler] = {
        _RECONCILE: handlers.reconcile,
        _RELEASE: handlers.release,
        probe: ask,
    }
    bucket = from_settings(settings).bucket
    if bucket is not None and bucket.withdraws:
        handlers_by_name[_WITHDRAW] = handlers.withdraw
        os.environ["TERMINATOR_WITHDRAW"] = _WITHDRAW
    [logged] = logging.getLogger(handlers.SERVICE).handlers
    ended = threading.Event()
    with (
        log.open("w", encoding="utf-8", buffering=1) as written,
        _serving(handlers_by_name) as url,
    ):
        if isinstance(logged, logging.StreamHandler):
            logged.setStream(written)
        _register(fleet, settings, url, handlers_by_name, probe)
        queue = _uploads(fleet)
        threads = [
            threading.Thread(target=_follow_schedule, args=(fleet, every, ended), daemon=True),
            threading.Thread(target=_follow_uploads, args=(fleet, queue, ended), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            if isinstance(logged, logging.StreamHandler):
                logged.setStream(io.StringIO())


@contextmanager
def _serving(handlers_by_name: Mapping[str, Handler]) -> Iterator[str]:
    """Run functions over HTTP on loopback, `POST /NAME` with the event; yield the URL."""

    class Invocations(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            name = self.path.rpartition("/")[2]
            status, answer = HTTPStatus.OK, b""
            try:
                answer = json.dumps(handlers_by_name[name](event, _context(name))).encode()
            except Exception as error:
                status = HTTPStatus.INTERNAL_SERVER_ERROR
                logging.getLogger(_NAME).exception("%s failed", name)
                told = {"errorType": type(error).__name__, "errorMessage": str(error)}
                answer = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing: the functions have a log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Invocations)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _context(name: str) -> object:
    """Return what Lambda tells a handler of its invocation."""
    end = time.monotonic() + _FUNCTION_SECONDS
    return SimpleNamespace(
        function_name=name,
        memory_limit_in_mb=512,
        invoked_function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}",
        aws_request_id="sandbox",
        get_remaining_time_in_millis=lambda: max(0, int((end - time.monotonic()) * 1000)),
    )


def _register(
    fleet: Fleet, settings: Mapping[str, object], url: str, names: Iterable[str], probe: str
) -> None:
    """Make the functions known to the local AWS, and let the probe reach the instances."""
    ec2 = fleet.aws.ec2
    own = ec2.create_security_group(
        GroupName=probe, Description="The probe of Terminator", VpcId=fleet.vpc
    )["GroupId"]
    way_in: IpPermissionTypeDef = {
        "IpProtocol": "tcp",
        "FromPort": fleet.endpoints.port,
        "ToPort": fleet.endpoints.port,
        "UserIdGroupPairs": [{"GroupId": own}],
    }
    ec2.authorize_security_group_ingress(GroupId=fleet.security_group, IpPermissions=[way_in])
    iam = fleet.local.session().client("iam")
    trust = {"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **trust}]})
    role = iam.create_role(RoleName=_NAME, AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    within = {"SubnetIds": [fleet.subnet], "SecurityGroupIds": [own]}
    for name in names:
        more = {"VpcConfig": within} if name == probe else {}
        fleet.aws.functions.create_function(
            FunctionName=name,
            Role=role,
            Runtime="python3.13",
            Handler="terminator.handlers.reconcile",
            Code={"ZipFile": b"played by the sandbox"},
            Environment={
                "Variables": {"TERMINATOR_CONFIG": json.dumps(settings), FUNCTIONS_URL: url}
            },
            **more,  # type: ignore[arg-type] # that of a function within a VPC
        )

    # For those who look; the local AWS starts nothing by itself, _follow_schedule does. Without a
    # pattern it would take every event for this rule's.
    never = json.dumps({"source": [f"{_NAME}.schedule"]})
    fleet.aws.events.put_rule(Name=_NAME, ScheduleExpression="rate(1 minute)", EventPattern=never)
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{_RECONCILE}"
    fleet.aws.events.put_targets(Rule=_NAME, Targets=[{"Id": "reconcile", "Arn": arn}])


def _uploads(fleet: Fleet) -> str:
    """Let the bucket's events come to a queue, and return its URL."""
    session = fleet.local.session()
    queue: str = session.client("sqs").create_queue(QueueName="uploads")["QueueUrl"]
    fleet.aws.s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created", "Object Deleted"]}
    fleet.aws.events.put_rule(Name="uploads", EventPattern=json.dumps(pattern))
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:uploads"
    fleet.aws.events.put_targets(Rule="uploads", Targets=[{"Id": "queue", "Arn": arn}])
    return queue


def _follow_uploads(fleet: Fleet, queue: str, ended: threading.Event) -> None:
    """Invoke release with each event of the bucket."""
    sqs = fleet.local.session().client("sqs")
    while not ended.wait(_POLL_SECONDS):
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get(
            "Messages", ()
        ):
            with suppress(fleet.aws.functions.exceptions.TooManyRequestsException):
                fleet.aws.functions.invoke(FunctionName=_RELEASE, Payload=message["Body"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def _follow_schedule(fleet: Fleet, every: float, ended: threading.Event) -> None:
    """Invoke reconcile on the schedule; one that is stopped is not run."""
    while not ended.is_set():
        with suppress(fleet.aws.functions.exceptions.TooManyRequestsException):
            fleet.aws.functions.invoke(FunctionName=_RECONCILE, Payload=b"{}")
        ended.wait(every)
