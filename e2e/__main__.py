"""`make e2e`: a real deployment to a local AWS, from upload to convergence, and back to nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from e2e.cloud import Deployment, deployable
from sandbox import local_aws, store
from sandbox.endpoints import Endpoints
from sandbox.fleet import Fleet
from sandbox.local_aws import REGION
from sandbox.store import Program

if TYPE_CHECKING:
    import boto3

GROUP: Final = "live_asg_web"
SIZE: Final = 3
RECONCILE: Final = "/aws/lambda/terminator-reconcile"
RELEASE: Final = "/aws/lambda/terminator-release"
WITHDRAW: Final = "/aws/lambda/terminator-withdraw"
# What never answers.
SILENT: Final = "1.0.275"
EVENTS: Final = "events-of-terminator"
TAGS: Final = {
    "terminator:app": "web",
    "terminator:minimum": "1",
    "terminator:max-unavailable": "100%",
    # Nobody waits here for what a release has to last.
    "terminator:bake-time": "0m",
}
# Deployed by image, without a bucket and without /version: one gets a good image, one a bad one.
GOOD: Final = "live_asg_good"
BAD: Final = "live_asg_bad"
IMAGED: Final = {
    **{name: text for name, text in TAGS.items() if name != "terminator:app"},
    "terminator:follow": "template",
    "terminator:canary-retry": "1m",
}
ALARMS: Final = 8
# An hour of fleet, so that its instances are old when the release comes.
SETTLED: Final = timedelta(hours=1)
BOOT: Final = timedelta(seconds=3)
_LOOK_SECONDS: Final = 0.5


class BrokenError(Exception):
    """Something that the deployment promises did not come about; the message says what."""


@dataclass
class Drive:
    """A deployment and the fleet that it keeps up to date."""

    fleet: Fleet
    deployment: Deployment
    begun: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Print a step with the seconds since the beginning."""
        print(f"{time.monotonic() - self.begun:6.1f} s  {text}", flush=True)  # noqa: T201

    def until(self, what: str, holds: Callable[[], bool], seconds: float) -> None:
        """Wait until something holds, letting machines boot meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.fleet.sync()
            if holds():
                return self.say(what)
            time.sleep(_LOOK_SECONDS)
        raise BrokenError(f"in {seconds:.0f} seconds it did not come about that {what}")

    def check(self, what: str, *, holds: bool, shown: object = "") -> None:
        """Say what holds; raise BrokenError where it does not."""
        if not holds:
            raise BrokenError(f"it does not hold that {what}: {shown}")
        self.say(what)

    def versions(self, group: str = GROUP) -> list[str]:
        """Return what the machines of a group run that are up."""
        now = self.fleet.clock.now()
        machines = self.fleet.of(group)
        return [machine.program.version for machine in machines if machine.answers(now)]

    def lost(self, group: str) -> int:
        """Return how many machines a group has lost."""
        return sum(machine.group == group for machine in self.fleet.gone)

    def messages(self, log_group: str) -> list[str]:
        """Return the messages in a log group of CloudWatch Logs."""
        logs = self.fleet.local.session().client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=log_group)
        texts = [event["message"] for page in pages for event in page["events"]]
        return [str(json.loads(text).get("message")) for text in texts if text.startswith("{")]

    def beside_the_functions(self) -> boto3.Session:
        """Return a session where alarms, queues and events are: with the stack, not the groups."""
        return replace(self.fleet.local, elsewhere={}).session()

    def is_there(self, version: str) -> bool:
        """Say whether a release of the app web is there."""
        listed = self.fleet.aws.s3.list_objects_v2(Bucket=store.BUCKET, Prefix=f"web/{version}.zip")
        return listed["KeyCount"] == 1

    def terminator(self, *command: str) -> list[dict[str, Any]]:
        """Run the command line on the deployment; return the records it prints."""
        records: list[dict[str, Any]] = self.ask(*command)
        return records

    def ask(self, *command: str) -> Any:  # noqa: ANN401 - as the command has it
        """Run the command line on the deployment; return the JSON that it prints."""
        config = self.deployment.folder / "cdk.json"
        config.write_text(json.dumps({"context": {"terminator": self.deployment.settings}}))
        done = subprocess.run(  # noqa: S603 - our own program
            [Path(sys.executable).with_name("terminator"), *command, "--json", "--config", config],
            env=self.deployment.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BrokenError(
                f"terminator {' '.join(command)} ended with {done.returncode}: {done.stderr}"
            )
        return json.loads(done.stdout)


def main() -> int:
    """Return 0 where everything holds, 1 otherwise, with what the local AWS said last."""
    with TemporaryDirectory() as name:
        folder, endpoints = Path(name), Endpoints()
        try:
            with local_aws.started() as beside, deployable(beside, folder) as local:
                local.clock.sleep(-SETTLED.total_seconds())
                fleet = Fleet(local, endpoints, BOOT)
                play(Drive(fleet, Deployment(local, settings(fleet), folder)))
        except (BrokenError, RuntimeError, TimeoutError) as error:
            print(f"BROKEN: {error}", file=sys.stderr)  # noqa: T201
            with (folder / "ministack.log").open() as lines:
                shutil.copyfileobj(lines, sys.stderr)
            return 1
        finally:
            endpoints.stop()
    print("all of it holds")  # noqa: T201
    return 0


def settings(fleet: Fleet) -> dict[str, object]:
    """Return the settings: a run a minute, a bucket of its own, and an app that takes back."""
    vpc = {"subnets": [fleet.subnet], "ports": [fleet.endpoints.port]}
    return {
        "dry_run": False,
        "schedule": "rate(1 minute)",
        "groups": {"tagged": True},
        "releases": {
            "bucket": store.BUCKET,
            "create": True,
            "apps": {"web": {"withdraw": {"silent": True}}},
        },
        # A canary that is silent for twice as long has its release taken back.
        "policy": {"canary-retry": "1m"},
        "vpcs": {fleet.vpc: vpc},
    }


def play(drive: Drive) -> None:
    """Play the whole life of a deployment; raise BrokenError at the first broken promise."""
    deploy(drive)
    look_at_what_watches_it(drive)
    grow(drive)
    listen_to_events(drive)
    release_images(drive)
    release(drive)
    converge(drive)
    deploy_again(drive)
    converge_images(drive)
    take_back(drive)
    hear_of_terminations(drive)
    ask_from_the_command_line(drive)
    put_back(drive)
    destroy(drive)


def deploy(drive: Drive) -> None:
    """Bootstrap and deploy the real stacks."""
    drive.deployment.bootstrap()
    drive.say("bootstrapped")
    drive.deployment.deploy()
    drive.say("deployed")


def look_at_what_watches_it(drive: Drive) -> None:
    """See the dashboard, and the alarms that tell the topic."""
    session = drive.beside_the_functions()
    cloudwatch = session.client("cloudwatch")
    body = cloudwatch.get_dashboard(DashboardName=f"terminator-{REGION}")["DashboardBody"]
    drive.check("there is a dashboard", holds=RECONCILE in body, shown=body)
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix="terminator-")["MetricAlarms"]
    told = {arn for alarm in alarms for arn in (*alarm["AlarmActions"], *alarm["OKActions"])}
    topics = {each["TopicArn"] for each in session.client("sns").list_topics()["Topics"]}
    names = sorted(alarm["AlarmName"] for alarm in alarms)
    as_deployed = len(names) == ALARMS and told == topics
    drive.check("eight alarms tell the topic", holds=as_deployed, shown=names)


def grow(drive: Drive) -> None:
    """Make groups of three, an hour old: on the old release, and on the first image."""
    store.upload(drive.fleet.aws, "web", Program("1.0.266"))
    for group in (GOOD, BAD):
        drive.fleet.bake(group, Program("image 1"))
        drive.fleet.create_group(group, SIZE, tags=IMAGED, template=group)
    drive.fleet.create_group(GROUP, SIZE, tags=TAGS)
    drive.fleet.wait(SETTLED)
    drive.until("the fleet runs 1.0.266", lambda: drive.versions() == ["1.0.266"] * SIZE, 30)


def listen_to_events(drive: Drive) -> None:
    """Have a queue be told of the events of Terminator, as a pipeline would."""
    session = drive.beside_the_functions()
    sqs, events = session.client("sqs"), session.client("events")
    url = sqs.create_queue(QueueName=EVENTS)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    events.put_rule(Name=EVENTS, EventPattern=json.dumps({"source": ["terminator"]}))
    events.put_targets(Rule=EVENTS, Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}])


def release(drive: Drive) -> None:
    """Upload a zip, and see release, reconcile and probe run as functions from their bundles."""
    store.upload(drive.fleet.aws, "web", Program("1.0.274"))
    drive.until("the upload cost one canary", lambda: drive.lost(GROUP) > 0, 60)
    drive.check("it was one", holds=drive.lost(GROUP) == 1)
    verdict = "s3://releases/web/1.0.274.zip => reconciling the groups of web"
    drive.until("release said so", lambda: verdict in drive.messages(RELEASE), 60)


def release_images(drive: Drive) -> None:
    """Make new versions of launch templates, one with a bad image, and pin that group back."""
    drive.fleet.bake(GOOD, Program("image 2"))
    drive.fleet.bake(BAD, Program("image 2", "silent"))
    records = drive.terminator("apply", "--yes", "--group", GOOD, "--group", BAD)
    went = [len(record["terminated"]) for record in records]
    drive.check("each of two new images starts with one", holds=went == [1, 1], shown=records)
    drive.fleet.pin(BAD, BAD, "1")


def converge(drive: Drive) -> None:
    """Let the one-minute rule fire by itself until all run the release."""
    drive.until("the schedule did the rest", lambda: drive.versions() == ["1.0.274"] * SIZE, 240)
    lowest = drive.fleet.watches[GROUP].lowest or 0
    drive.check("the minimum stayed available", holds=lowest >= 1, shown=lowest)
    line = f"{GROUP} => lowest version 1.0.266, highest version 1.0.274, 2 instances to terminate"
    # The log of a run is there once it has ended, which is after what it terminated has gone.
    drive.until(f"CloudWatch Logs holds: {line}", lambda: line in drive.messages(RECONCILE), 60)


def converge_images(drive: Drive) -> None:
    """See one group on its new image, and the other as it was before the bad one."""
    expected = {GOOD: ["image 2"] * SIZE, BAD: ["image 1"] * SIZE}
    drive.until(
        "one runs its new image, the other its old one again",
        lambda: {group: drive.versions(group) for group in expected} == expected,
        240,
    )
    lost = {group: drive.lost(group) for group in expected}
    drive.check("the bad image cost one", holds=lost == {GOOD: SIZE, BAD: 2}, shown=lost)
    lowest = [drive.fleet.watches[group].lowest or 0 for group in expected]
    drive.check("their minimum stayed available", holds=min(lowest) >= 1, shown=lowest)


def take_back(drive: Drive) -> None:
    """Release what never answers, and touch nothing until all is as it was before."""
    before = drive.lost(GROUP)
    store.upload(drive.fleet.aws, "web", Program(SILENT, "silent"))
    drive.until("a bad release cost one canary", lambda: drive.lost(GROUP) > before, 60)
    drive.until("it was taken back by itself", lambda: not drive.is_there(SILENT), 360)
    drive.until(
        "the fleet is whole again without a person",
        lambda: drive.versions() == ["1.0.274"] * SIZE,
        240,
    )
    lost = drive.lost(GROUP) - before
    drive.check("it cost the canary, and what came up silent", holds=lost == SIZE - 1, shown=lost)
    told = [each["withdrawn"] for each in drive.terminator("history") if each["withdrawn"]]
    drive.check("terminator history tells of it once", holds=told == [SILENT], shown=told)
    said = drive.messages(WITHDRAW)
    line = f"s3://releases/web/{SILENT}.zip => taken back, and tagged "
    drive.check("withdraw said so", holds=any(text.startswith(line) for text in said), shown=said)


def put_back(drive: Drive) -> None:
    """Restore what was taken back: its marker goes, its tag stays."""
    told = drive.ask("restore", "--app", "web", SILENT, "--yes")
    drive.check("terminator restore puts it back", holds=drive.is_there(SILENT), shown=told)
    key = f"web/{SILENT}.zip"
    tags = drive.fleet.aws.s3.get_object_tagging(Bucket=store.BUCKET, Key=key)["TagSet"]
    names = [each["Key"] for each in tags]
    drive.check("it keeps its tag", holds=names == ["terminator:withdrawn"], shown=names)


def hear_of_terminations(drive: Drive) -> None:
    """See that every termination and what was taken back were told as events."""
    session = drive.beside_the_functions()
    sqs, events, ids = session.client("sqs"), session.client("events"), list[str]()
    withdrawn: list[str] = []
    url = sqs.get_queue_url(QueueName=EVENTS)["QueueUrl"]
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            event = json.loads(message["Body"])
            if event["detail-type"] == "Terminator Replacement":
                ids += event["detail"]["terminated"]
            if event["detail-type"] == "Terminator Withdrawal":
                withdrawn.append(event["detail"]["withdrawn"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    gone = sorted(machine.id for machine in drive.fleet.gone)
    drive.check("events tell of what was terminated", holds=sorted(ids) == gone, shown=(ids, gone))
    drive.check("and of the release", holds=withdrawn == [SILENT], shown=withdrawn)
    events.remove_targets(Rule=EVENTS, Ids=["queue"])
    events.delete_rule(Name=EVENTS)


def ask_from_the_command_line(drive: Drive) -> None:
    """Plan and apply through the deployed function, and read back from its log what it decided."""
    for command, dry_run in ((("plan",), True), (("apply", "--yes"), False)):
        drive.until("the fleet has settled", lambda: len(drive.versions()) == SIZE, 30)
        [record] = drive.terminator(*command, "--group", GROUP)
        as_asked = (record["decision"], record["dry_run"]) == ("converged", dry_run)
        drive.check(f"terminator {command[0]} asks the function", holds=as_asked, shown=record)
    told = sorted(id_ for record in drive.terminator("history") for id_ in record["terminated"])
    gone = sorted(machine.id for machine in drive.fleet.gone)
    drive.check("terminator history tells what was terminated", holds=told == gone, shown=told)


def deploy_again(drive: Drive) -> None:
    """Deploy what is deployed already."""
    said = drive.deployment.deploy()
    drive.check("deploying again changes nothing", holds="no changes" in said, shown=said)


def destroy(drive: Drive) -> None:
    """Remove the stacks; the bucket with its releases stays."""
    drive.deployment.destroy()
    functions = drive.fleet.local.session().client("lambda").list_functions()["Functions"]
    names = [each["FunctionName"] for each in functions]
    ours = [name for name in names if name.startswith("terminator")]
    drive.check("nothing of it is left running", holds=not ours, shown=ours)
    kept = drive.fleet.aws.s3.list_objects_v2(Bucket=store.BUCKET)["KeyCount"]
    drive.check("the releases are kept", holds=kept > 0)


if __name__ == "__main__":
    sys.exit(main())
