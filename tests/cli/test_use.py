"""Which release an app is to run: another one, the newest, or the one before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sandbox import store
from sandbox.fleet import WEB, Fleet
from sandbox.store import Program
from terminator.config.release_keys import pointer_key
from tests.cli.conftest import RELEASES
from tests.cli.runs import SERVING, Caller, caller, releases, words
from tests.fakes.lambda_server import functions

USE = ("use", "--app", "web", "--local")


def pointer(fleet: Fleet) -> str | None:
    s3 = fleet.aws.s3
    try:
        answer = s3.get_object(Bucket=store.BUCKET, Key=pointer_key("web"))
    except s3.exceptions.NoSuchKey:
        return None
    return answer["Body"].read().decode()


def test_using_a_release_shows_what_goes_and_sets_the_pointer(released: Fleet, on: Caller) -> None:
    told = on.json(*USE, "1.0.250", "--yes")
    assert (told["before"], told["before_source"]) == ("1.0.274", "newest")
    assert (told["target"], told["target_source"], told["changed"]) == ("1.0.250", "pointer", True)
    [group] = told["groups"]
    oldest = released.of(WEB)[0].id
    assert (group["group"], group["instances"], group["outdated"]) == (WEB, 3, {"1.0.266": 3})
    assert group["decision"] == "canary"
    assert group["reason"].endswith("goes first, to prove 1.0.250")
    assert oldest.startswith("i-")
    assert pointer(released) == "1.0.250\n"
    assert releases(on)["target_source"] == "pointer"


def test_what_it_says_would_go_is_what_a_plan_says_afterwards(released: Fleet, on: Caller) -> None:
    gone = list(released.gone)
    [supposed] = on.json(*USE, "1.0.250", "--yes")["groups"]
    [planned] = on.json("plan", "--local", "--group", WEB)
    assert (supposed["decision"], supposed["reason"]) == (planned["decision"], planned["reason"])
    assert released.gone == gone


def test_a_release_that_all_run_already_replaces_nothing(on: Caller) -> None:
    [group] = on.json(*USE, "1.0.266", "--dry-run")["groups"]
    assert (group["outdated"], group["decision"]) == ({}, "converged")


def test_a_dry_run_and_a_refusal_change_nothing(released: Fleet, on: Caller) -> None:
    assert on.run(*USE, "1.0.266", "--dry-run").exit_code == 0
    done = on.run(*USE, "1.0.266")
    assert done.exit_code == 2
    assert "Set web/current to 1.0.266? Nobody can be asked here: say --yes" in done.stderr
    assert pointer(released) is None


def test_on_a_terminal_of_60_columns_it_asks(released: Fleet, on: Caller) -> None:
    status, screen = on.on_terminal(*USE, "1.0.250", columns=60, keys=b"n\n")
    assert status == 1
    said = words(screen)
    assert (
        "3 of 3 instances to replace: 1.0.266 on 3 instances; at least 2 of 3 stay available"
        in said
    )
    assert "goes first, to prove 1.0.250" in said
    assert "Set web/current to 1.0.250? [y/N]" in said
    assert "nothing was changed" in said
    assert pointer(released) is None


def test_newest_removes_the_pointer(released: Fleet, on: Caller) -> None:
    store.point(released.aws, "web", "1.0.266")
    told = on.json(*USE, "newest", "--yes")
    assert (told["before"], told["target"], told["changed"]) == ("1.0.266", "1.0.274", True)
    assert told["groups"][0]["decision"] == "canary"
    assert pointer(released) is None


def test_of_equal_versions_the_one_that_is_spelled_so_is_used(released: Fleet, on: Caller) -> None:
    store.put(released.aws, "web/v1.0.266.zip", b"")
    for spelled in ("1.0.266", "v1.0.266"):
        assert on.json(*USE, spelled, "--yes")["target"] == spelled
        assert pointer(released) == f"{spelled}\n"


def test_what_is_so_already_is_not_asked_about(released: Fleet, on: Caller) -> None:
    done = on.run(*USE, "newest")
    assert (done.exit_code, "nothing to change" in done.stdout) == (0, True)
    store.point(released.aws, "web", "1.0.266")
    assert not on.json(*USE, "1.0.266")["changed"]


def test_a_version_that_is_no_release_is_refused(released: Fleet, on: Caller) -> None:
    done = on.run(*USE, "1.0.999", "--yes")
    assert (done.exit_code, done.stdout) == (2, "")
    known = "the newest are 1.0.274, 1.0.266, 1.0.250"
    here = "s3://releases (account 000000000000, eu-west-1)"
    assert f"1.0.999 is no release of web in {here}; {known}" in done.stderr
    assert pointer(released) is None


ROLLBACK = ("rollback", "--app", "web", "--local")


def test_rollback_goes_to_what_runs_and_no_further_when_it_is_repeated(
    released: Fleet, on: Caller
) -> None:
    store.upload(released.aws, "web", Program("1.0.270"))  # that nobody runs
    told = on.json(*ROLLBACK, "--yes")
    assert (told["target"], pointer(released)) == ("1.0.266", "1.0.266\n")
    done = on.run(*ROLLBACK, "--yes")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "web is back on 1.0.266 already (1.0.274 is the newest)" in done.stderr
    assert on.json(*ROLLBACK, "--to", "1.0.250", "--yes")["target"] == "1.0.250"


def test_what_a_pointer_does_is_said_with_how_to_watch_it_and_how_to_undo_it(on: Caller) -> None:
    done = on.run(*ROLLBACK, "--yes")
    assert done.stdout.splitlines()[-2:] == [
        "done; watch it: terminator status --watch --app web --version 1.0.266",
        "the pointer keeps it there until: terminator use --app web newest",
    ]
    assert "dry_run" not in done.stdout
    back = on.run(*USE, "newest", "--yes").stdout
    assert back.endswith("terminator status --watch --app web --version 1.0.274\n")


def test_where_dry_run_is_on_it_says_that_nobody_goes(released: Fleet, tmp_path: Path) -> None:
    on = caller(released, tmp_path, {**SERVING, "dry_run": True})
    done = on.run(*USE, "1.0.250", "--dry-run")
    assert "dry_run is true in the settings: what is deployed terminates nobody" in done.stdout


def by_upload(fleet: Fleet, folder: Path) -> Caller:
    app = {"bucket": store.BUCKET, "order": "uploaded"}
    return caller(fleet, folder, {**SERVING, "releases": app})


def test_rollback_of_an_app_ordered_by_upload_goes_to_what_ran_before_and_no_further(
    released: Fleet, tmp_path: Path
) -> None:
    on = by_upload(released, tmp_path)
    for version in RELEASES:
        store.delete(released.aws, "web", version)
    # By their names the order would be another one.
    for version in ("build-9", "1.0.266", "build-7", "build-8"):
        released.wait(timedelta(seconds=2))
        store.upload(released.aws, "web", Program(version))
    try:
        # Nobody runs build-7: what ran before build-8 is what the fleet still runs.
        told = on.json(*ROLLBACK, "--yes")
        assert (told["before"], told["target"]) == ("build-8", "1.0.266")
        done = on.run(*ROLLBACK, "--yes")
        assert (done.exit_code, done.stdout) == (1, "")
        assert "web is back on 1.0.266 already (build-8 is the newest)" in done.stderr
        assert pointer(released) == "1.0.266\n"
        assert on.json(*ROLLBACK, "--to", "build-9", "--yes")["target"] == "build-9"
    finally:
        for version in RELEASES:
            store.upload(released.aws, "web", Program(version))


def test_rollback_from_the_oldest_upload_refuses(released: Fleet, tmp_path: Path) -> None:
    on = by_upload(released, tmp_path)
    store.upload(released.aws, "shop", Program("build-9"))
    done = on.run("rollback", "--app", "shop", "--local", "--yes")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "shop has no release below build-9 to go back to (account" in done.stderr
    store.delete(released.aws, "shop", "build-9")


def test_rollback_says_why_there_is_nothing_to_go_back_to(released: Fleet, on: Caller) -> None:
    store.point(released.aws, "web", None)
    done = on.run(*ROLLBACK, "--to", "1.0.999", "--yes")
    assert (done.exit_code, "1.0.999 is no release of web" in done.stderr) == (2, True)
    assert pointer(released) is None


def test_where_only_the_deployed_reconcile_sees_instances_it_says_who_is_not_on_the_target(
    released: Fleet, on: Caller
) -> None:
    seen = on.json("apply", "--dry-run", "--local")
    seen[1]["instances"][0] |= {"version": None, "reason": "timeout"}
    with functions({"terminator-reconcile": lambda _event: seen}) as lambdas:
        told = on.json("use", "--app", "web", "1.0.250", "--yes", env=lambdas)
    assert told["groups"] == [
        {
            "group": WEB,
            "instances": 3,
            "outdated": {"1.0.266": 2},
            "unknown": 1,
            "desired": 3,
            "minimum": 2,
            "decision": None,
            "standing": None,
            "reason": None,
        }
    ]
    assert pointer(released) == "1.0.250\n"
