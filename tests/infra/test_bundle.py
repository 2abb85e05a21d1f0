"""The functions' bundle: what is in it, and that its handlers run from it as Lambda runs them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from aws_cdk import App, Stack

from infra import bundle
from sandbox import fleet, store
from sandbox.fleet import Fleet
from sandbox.local_aws import ACCOUNT, LocalAws
from sandbox.store import Program
from terminator.config.deployment import Architecture
from terminator.probe.addresses import SANDBOX_NETWORKS
from tests.fakes import runtime_api
from tests.fakes.lambda_server import functions, serving
from tests.fakes.runtime_api import Answer, Runtime
from tests.infra.synthesized import UNBUNDLED
from tests.probe import asking

# What Lambda's runtime brings itself.
BOTO3: Final = ("boto3", "botocore", "dateutil", "s3transfer", "six", "urllib3")
RUNTIME: Final = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
ELF_AARCH64: Final = 183
ELF_X86_64: Final = 62
HAS_RUNTIME: Final = importlib.util.find_spec("awslambdaric") is not None
awslambdaric = pytest.mark.skipif(not HAS_RUNTIME, reason="awslambdaric has no wheel here")


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Put the bundle together, as a deployment does."""
    folder = tmp_path_factory.mktemp("bundle")
    bundle.put_together(folder)
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand for the folder of what the runtime brings: boto3, and nothing that is ours."""
    return linked(tmp_path_factory.mktemp("runtime"), *BOTO3, *(RUNTIME if HAS_RUNTIME else ()))


def linked(folder: Path, *modules: str) -> Path:
    for module in modules:
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if spec.submodule_search_locations else origin
        (folder / source.name).symlink_to(source)
    return folder


def alone(code: str, *path: Path) -> str:
    """Run code with these folders on the path, and nothing else but the standard library."""
    begin = f"import sys; sys.path[:0] = {[str(each) for each in path]!r}\n"
    command = [sys.executable, "-I", "-S", "-B", "-c", begin + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own code
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_it_holds_the_package_whole_and_beside_it_only_pinned_requirements(bundled: Path) -> None:
    package = bundle.LAMBDAS / "terminator"
    sources = {path for path in files(package) if "__pycache__" not in path}
    assert files(bundled / "terminator") == sources
    assert all(
        (bundled / "terminator" / f).read_bytes() == (package / f).read_bytes() for f in sources
    )
    brought = {path.name for path in bundled.iterdir() if not path.name.endswith(".dist-info")}
    named = {name for path in bundled.glob("*.dist-info") for name in top_level(path)}
    assert brought == {"terminator"} | named


def top_level(dist_info: Path) -> set[str]:
    """Return what a distribution puts on the path, as it is installed here."""
    name = dist_info.name.partition("-")[0]
    found = importlib.metadata.files(name) or []
    tops = {Path(path).parts[0] for path in map(str, found)}
    return {top for top in tops if not top.endswith((".dist-info", "..", "bin", "__pycache__"))}


def test_it_holds_the_pinned_requirements_and_no_others(bundled: Path) -> None:
    pinned = (bundle.LAMBDAS / "requirements.txt").read_text(encoding="utf-8")
    pins = set(re.findall(r"^([\w-]+)==(\S+)", pinned, re.MULTILINE))
    installed = {tuple(path.stem.rsplit("-", 1)) for path in bundled.glob("*.dist-info")}
    assert {(name.replace("_", "-"), version) for name, version in installed} == pins


def test_it_stays_small(bundled: Path) -> None:
    # Every cold start fetches it; bytecode, where it is added, about doubles it.
    assert sum((bundled / each).stat().st_size for each in files(bundled)) < 3_500_000


def test_boto3_is_left_to_the_runtime(bundled: Path) -> None:
    assert not {path.stem for path in bundled.iterdir()} & set(BOTO3)


def test_whatever_is_compiled_in_it_is_for_arm64(bundled: Path) -> None:
    machines = {
        int.from_bytes(head[18:20], "little")
        for path in bundled.rglob("*")
        if path.is_file() and (head := path.read_bytes()[:20]).startswith(b"\x7fELF")
    }
    assert machines <= {ELF_AARCH64}
    tags = {
        line
        for path in bundled.glob("*.dist-info/WHEEL")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("Tag:")
    }
    assert tags
    assert all(tag.endswith(("-none-any", "aarch64")) for tag in tags)


def test_nothing_of_the_machine_that_made_it_is_in_it(bundled: Path) -> None:
    here = sys.prefix.encode()
    assert [path for path in files(bundled) if here in (bundled / path).read_bytes()] == []
    assert not any(path.endswith(".pyc") for path in files(bundled))


def test_no_script_with_this_machines_interpreter_is_in_it(bundled: Path) -> None:
    assert not (bundled / "bin").exists()
    recorded = [path.read_text(encoding="utf-8") for path in bundled.glob("*.dist-info/RECORD")]
    assert not any("/bin/" in record for record in recorded)


def test_it_is_made_the_same_each_time_and_lambda_may_read_it_whatever_the_umask(
    bundled: Path, tmp_path: Path
) -> None:
    before = os.umask(0o077)
    try:
        bundle.put_together(tmp_path)
    finally:
        os.umask(before)
    assert files(tmp_path) == files(bundled)
    assert all((tmp_path / f).read_bytes() == (bundled / f).read_bytes() for f in files(bundled))
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o644}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_dir()} == {0o755}


@pytest.mark.parametrize(
    ("handler", "module"),
    [("reconcile", "handlers"), ("release", "handlers"), ("probe", "probe.handler")],
)
def test_a_handler_is_found_with_nothing_but_the_bundle(
    bundled: Path, handler: str, module: str
) -> None:
    said = alone(
        f"import terminator.{module} as m\nprint(m.{handler}.__name__, m.__file__)", bundled
    )
    path = (bundled / "terminator").joinpath(*module.split("."))
    assert said == f"{handler} {path}.py\n"


def test_every_module_is_imported_with_nothing_but_the_bundle_and_boto3(
    bundled: Path, own: Path
) -> None:
    paths = [
        path.relative_to(bundled).with_suffix("") for path in bundled.glob("terminator/**/*.py")
    ]
    names = sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)
    alone(
        f"from importlib import import_module\nfor n in {names!r}: import_module(n)", bundled, own
    )


def test_boto3_is_not_on_the_path_of_a_bundle_alone(bundled: Path) -> None:
    found = "import importlib.util as u\nprint([u.find_spec(n) for n in ('boto3', 'botocore')])"
    assert alone(found, bundled) == "[None, None]\n"


def loaded(code: str, *path: Path) -> set[str]:
    """Return the packages that are loaded once the code has run."""
    said = alone(code + "\nprint(*{name.partition('.')[0] for name in sys.modules})", *path)
    return set(said.splitlines()[-1].split())


def test_the_probe_loads_neither_boto3_nor_powertools(bundled: Path, own: Path) -> None:
    code = "from terminator.probe import handler\nhandler.ask([], 60, ())"
    heavy = {*BOTO3, "aws_lambda_powertools", "jmespath"}
    assert loaded(code, bundled, own) & heavy == set()


def test_reconcile_and_release_load_nothing_that_asks_instances(bundled: Path, own: Path) -> None:
    code = "from terminator import clients, handlers, invoke, reconcile, upload"
    assert loaded(code, bundled, own) & {"asyncio", "h11", "httpx", "anyio"} == set()


def test_the_time_zones_are_in_it(bundled: Path) -> None:
    code = """
import zoneinfo
zoneinfo.reset_tzpath(())
print(zoneinfo.ZoneInfo('Europe/London'))
"""
    assert alone(code, bundled) == "Europe/London\n"


def test_the_probe_runs_without_boto3(bundled: Path) -> None:
    code = """
import json
import os
os.environ['TERMINATOR_SANDBOX_NETWORKS'] = '127.0.0.0/8'
from types import SimpleNamespace
from terminator.probe import handler
context = SimpleNamespace(get_remaining_time_in_millis=lambda: 120_000)
print(json.dumps(handler.probe({'questions': %s, 'seconds': 30}, context)))
"""
    with versions("1.0.274") as url:
        answers = json.loads(alone(code % [question(f"{url}/version")], bundled))
    assert answers == [{"instance": "i-1", "version": "1.0.274", "reason": None}]


def question(url: str) -> dict[str, Any]:
    return dict(asking.question(url, "i-1"))


def versions(version: str) -> AbstractContextManager[str]:
    """Serve an instance that answers with a version."""
    return serving(lambda _path, _body, _headers: (200, {}, version.encode()))


@pytest.fixture(scope="module")
def local(shared_aws: LocalAws) -> Iterator[Fleet]:
    """Run the demo's groups on the old release."""
    with fleet.running(ahead=fleet.SETTLED, on=shared_aws) as running:
        fleet.prepare(running)
        yield running


@pytest.fixture
def probe(bundled: Path, tmp_path: Path) -> Iterator[Runtime]:
    """Run the probe under awslambdaric; boto3 is not there for it to import."""
    (tmp_path / "own").mkdir()
    own = linked(tmp_path / "own", *RUNTIME)
    name, log = "terminator.probe.handler.probe", tmp_path / "probe.log"
    with runtime_api.running(name, bundled, own, {SANDBOX_NETWORKS: "127.0.0.0/8"}, log) as runtime:
        yield runtime


def environment(local: Fleet, functions: Mapping[str, str]) -> dict[str, str]:
    settings = {"groups": {"tagged": True}, "releases": {"bucket": store.BUCKET}}
    return {
        **local.local.environment,
        **functions,
        "TERMINATOR_CONFIG": json.dumps(settings),
        "TERMINATOR_ACCOUNT": ACCOUNT,
        "TERMINATOR_PROBES": json.dumps({local.vpc: "probe"}),
        "TERMINATOR_RECONCILE": "reconcile",
    }


def entries(log: Path) -> list[dict[str, Any]]:
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


@awslambdaric
def test_the_probe_answers_under_awslambdaric(probe: Runtime) -> None:
    with versions('{"version": "v2.1"}') as url:
        answer = probe.invoke({"questions": [question(f"{url}/version")], "seconds": 30})
    told = {"instance": "i-1", "version": "v2.1", "reason": None}
    assert answer == Answer("response", [told])


@awslambdaric
def test_reconcile_answers_its_records_under_awslambdaric(
    local: Fleet, bundled: Path, own: Path, probe: Runtime, tmp_path: Path
) -> None:
    store.upload(local.aws, "web", Program("1.0.274"))
    log, name = tmp_path / "reconcile.log", "terminator.handlers.reconcile"
    with (
        functions({"probe": lambda event: probe.invoke(event).value}) as invoked,
        runtime_api.running(name, bundled, own, environment(local, invoked), log) as reconcile,
    ):
        answer = reconcile.invoke({"dry_run": True, "records": True})
    assert answer.kind == "response", answer.value
    decided = {each["group"]: (each["decision"], each["dry_run"]) for each in answer.value}
    assert decided == {fleet.WEB: ("canary", True), fleet.API: ("converged", True)}
    assert {each["version"] for each in answer.value[1]["instances"]} == {"1.0.266"}
    logged = {entry["group"]: entry for entry in entries(log) if "group" in entry}
    assert logged[fleet.WEB]["to_terminate"] == answer.value[1]["to_terminate"]


@awslambdaric
def test_a_run_that_fails_is_an_error_under_awslambdaric(
    local: Fleet, bundled: Path, own: Path, tmp_path: Path
) -> None:
    told = {**environment(local, {}), "TERMINATOR_PROBES": "{}"}
    name = "terminator.handlers.reconcile"
    with runtime_api.running(name, bundled, own, told, tmp_path / "log") as reconcile:
        answer = reconcile.invoke({})
    assert answer.kind == "error"
    assert answer.value["errorType"] == "RunFailedError"
    assert answer.value["errorMessage"] == f"failed in {fleet.API}, {fleet.WEB}"


@awslambdaric
def test_release_asks_for_reconcile_under_awslambdaric(
    local: Fleet, bundled: Path, own: Path, tmp_path: Path
) -> None:
    asked: list[Any] = []
    event = store.upload(local.aws, "api", Program("1.0.266"))
    log, name = tmp_path / "release.log", "terminator.handlers.release"
    with (
        functions({"reconcile": asked.append}) as invoked,
        runtime_api.running(name, bundled, own, environment(local, invoked), log) as release,
    ):
        assert release.invoke(event) == Answer("response", None)
    [[app, time]] = [each.values() for each in asked]
    assert (app, [*asked[0]]) == ("api", ["app", "time"])
    assert datetime.fromisoformat(time).tzinfo is not None


@pytest.fixture(scope="module")
def compiled(bundled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Add bytecode to a bundle, that of the Python at hand."""
    folder = tmp_path_factory.mktemp("compiled") / "bundle"
    shutil.copytree(bundled, folder)
    bundle.add_bytecode(folder, sys.executable)
    return folder


def test_every_module_has_bytecode_that_a_start_uses(compiled: Path) -> None:
    for source in compiled.rglob("*.py"):
        assert Path(importlib.util.cache_from_source(str(source))).is_file()
    # Were the source read, this would show.
    (compiled / "terminator" / "version.py").write_text("raise RuntimeError", encoding="utf-8")
    assert (
        alone("from terminator.version import MAX_LENGTH\nprint(MAX_LENGTH)", compiled) == "128\n"
    )


def test_bytecode_names_lambdas_folder_and_nothing_of_this_machine(compiled: Path) -> None:
    version = importlib.util.cache_from_source(str(compiled / "terminator" / "version.py"))
    assert b"/var/task/terminator/version.py" in Path(version).read_bytes()
    here = (sys.prefix.encode(), str(compiled).encode())
    assert [f for f in files(compiled) if any(h in (compiled / f).read_bytes() for h in here)] == []
    assert {path.stat().st_mode & 0o777 for path in compiled.rglob("*.pyc")} == {0o644}


def test_bytecode_is_made_by_a_python_of_the_runtimes_version_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 99))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bundle.runtime_python() is None
    python = tmp_path / bundle.RUNTIME.name
    python.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    python.chmod(0o755)
    assert bundle.runtime_python() is None
    python.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    assert bundle.runtime_python() == str(python)
    monkeypatch.setattr(sys, "version_info", (3, 13))
    assert bundle.runtime_python() == sys.executable


@pytest.fixture
def lambdas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the sources of the bundle, and bundle the copy from now on."""
    copy = tmp_path / "lambdas"
    leftovers = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(bundle.LAMBDAS, copy, ignore=leftovers)
    monkeypatch.setattr(bundle, "LAMBDAS", copy)
    return copy


def asset(architecture: Architecture = "arm64") -> str:
    """Return the key of the asset, which has its hash."""
    stack = Stack(App(context=UNBUNDLED))
    location = bundle.code(architecture).bind(stack).s3_location
    assert location is not None
    return location.object_key


@pytest.mark.parametrize(
    "leftover",
    ["terminator/decide/__pycache__/plan.cpython-313.pyc", "terminator.egg-info/PKG-INFO"],
)
def test_what_python_leaves_behind_does_not_change_the_bundle(lambdas: Path, leftover: str) -> None:
    before = asset()
    write(lambdas / leftover)
    assert asset() == before


@pytest.mark.parametrize(
    "changed", ["terminator/decide/plan.py", "terminator/new/module.py", "requirements.txt"]
)
def test_a_changed_source_or_pin_changes_the_bundle(lambdas: Path, changed: str) -> None:
    before = asset()
    write(lambdas / changed)
    assert asset() != before


def test_another_architecture_is_another_bundle(lambdas: Path) -> None:
    assert lambdas.is_dir()
    assert asset("arm64") != asset("x86_64")


def test_a_bundle_for_x86_64_is_of_the_same_packages(bundled: Path, tmp_path: Path) -> None:
    bundle.put_together(tmp_path, "x86_64")
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {path.name for path in bundled.iterdir()}
    machines = {
        int.from_bytes(head[18:20], "little")
        for path in tmp_path.rglob("*")
        if path.is_file() and (head := path.read_bytes()[:20]).startswith(b"\x7fELF")
    }
    assert machines <= {ELF_X86_64}


def write(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("# changed\n", encoding="utf-8")
