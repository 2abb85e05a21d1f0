"""Cold starts: each function from its bundle under Lambda's runtime client, beside its floor."""

from __future__ import annotations

import importlib.util
import resource
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.account import VERSION
from benchmarks.children import serving
from benchmarks.measure import Cost, Costs, cpu_ratio, in_turn
from benchmarks.running import environment
from benchmarks.tables import Table, ms
from infra import bundle
from tests.fakes import runtime_api

_REPEATS: Final = 15
_RUNTIME: Final = (
    *("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py"),
    *("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"),
)
_HTTPX: Final = ("anyio", "certifi", "h11", "httpcore", "httpx", "idna", "typing_extensions")
_FLOORS: Final = {
    "nothing": "def handler(*_): pass",
    "import httpx": "import httpx\ndef handler(*_): pass",
    "boto3 alone, as reconcile": (
        "from benchmarks.bare import Account, Reconcile\n"
        "def handler(*_): Reconcile()(Account(1, 10), 2)"
    ),
    "boto3 alone, as release": "from benchmarks.bare import release\ndef handler(*_): release()",
}
_UPLOADED: Final = {
    "source": "aws.s3",
    "detail": {"bucket": {"name": "releases"}, "object": {"key": f"app0/{VERSION}.zip"}},
}


@dataclass(frozen=True)
class Function:
    """A function: where it is in the bundle, an event for it, and its floor."""

    handler: str
    event: Mapping[str, Any]
    floor: str


FUNCTIONS: Final = {
    "probe": Function(
        "terminator.probe.handler.probe", {"questions": [], "seconds": 30}, "import httpx"
    ),
    "reconcile": Function("terminator.handlers.reconcile", {}, "boto3 alone, as reconcile"),
    "release": Function("terminator.handlers.release", _UPLOADED, "boto3 alone, as release"),
}


def tables() -> list[Table]:
    """Measure the starts of all functions, with and without bytecode, and of their floors."""
    if importlib.util.find_spec("awslambdaric") is None:
        note = "Not measured: awslambdaric has no wheel for this Python."
        return [Table("Cold starts", ["function"], [], note)]
    with TemporaryDirectory() as scratch, serving("benchmarks.aws", 1, 10) as [port]:
        folders = _folders(Path(scratch))
        sizes = _sizes(folders["source"], folders["bytecode"])
        return [_table(_measured(folders, environment(port))), sizes]


def _folders(scratch: Path) -> dict[str, Path]:
    names = ("source", "bytecode", "floors", "own")
    folders = {name: scratch / name for name in names}
    for folder in folders.values():
        folder.mkdir()
    bundle.put_together(folders["source"])
    shutil.copytree(folders["source"], folders["bytecode"], dirs_exist_ok=True)
    bundle.add_bytecode(folders["bytecode"], sys.executable)
    for number, source in enumerate(_FLOORS.values()):
        (folders["floors"] / f"floor{number}.py").write_text(source, encoding="utf-8")
    _link(folders["floors"], (*_HTTPX, "benchmarks"))
    _link(folders["own"], _RUNTIME)
    return folders


def _link(folder: Path, modules: Iterable[str]) -> None:
    for module in modules:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise RuntimeError(f"{module} is not installed")
        origin = Path(spec.origin)
        source = origin.parent if spec.submodule_search_locations else origin
        (folder / source.name).symlink_to(source)


def _measured(folders: Mapping[str, Path], variables: Mapping[str, str]) -> dict[str, Costs]:
    start = partial(_start, folders["own"], variables)
    things = {
        name: partial(start, f"floor{number}.handler", folders["floors"], {})
        for number, name in enumerate(_FLOORS)
    }
    for name, each in FUNCTIONS.items():
        for kind in ("source", "bytecode"):
            things[f"{name}, {kind}"] = partial(start, each.handler, folders[kind], each.event)
    return in_turn(things, _REPEATS)


def _start(
    own: Path, variables: Mapping[str, str], handler: str, folder: Path, event: object
) -> Cost:
    before, begun = _children(), time.perf_counter()
    log = own.parent / "log"
    with runtime_api.running(handler, folder, own, variables, log) as runtime:
        answer = runtime.invoke(event)
        wall = time.perf_counter() - begun
    if answer.kind != "response":
        raise RuntimeError(f"{handler} failed: {answer.value}")
    return Cost(_children() - before, wall)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _table(costs: Mapping[str, Costs]) -> Table:
    nothing = costs["nothing"]
    rows = [[name, ms(costs[name].cpu), ms(costs[name].wall), "", "", ""] for name in _FLOORS]
    for name, each in FUNCTIONS.items():
        floor = costs[each.floor]
        for kind in ("source", "bytecode"):
            own = costs[f"{name}, {kind}"]
            net = cpu_ratio(own - nothing, floor - nothing)
            plain = cpu_ratio(own, floor)
            rows.append([f"{name}, {kind}", ms(own.cpu), ms(own.wall), each.floor, plain, net])
    heads = ["what starts", "CPU, ms", "wall, ms", "floor", "CPU / floor", "less the runtime's"]
    note = (
        "From the start of the process to its first answer, under awslambdaric. *boto3 alone* "
        "imports boto3, makes the clients that the function uses and makes its calls; *less the "
        "runtime's* takes what `nothing` costs from both sides. *Source* is a bundle without "
        "bytecode, *bytecode* one with it; libraries of the floors have theirs."
    )
    return Table("Cold starts", heads, rows, note)


def _sizes(source: Path, bytecode: Path) -> Table:
    parts = {path.name for path in source.iterdir() if path.suffix != ".dist-info"}
    whole = {folder: _size(folder) for folder in (source, bytecode)}
    rows = [[part, *(_kb(_size(folder / part)) for folder in whole)] for part in sorted(parts)]
    rows.append(["all, unpacked", *map(_kb, whole.values())])
    rows.append(["all, packed", *(_kb(_packed(folder)) for folder in whole)])
    note = "What is not listed are licences, versions and, of single modules, bytecode."
    return Table("The bundle", ["what", "source, KB", "with bytecode, KB"], rows, note)


def _kb(size: int) -> str:
    return f"{size / 1000:,.0f}"


def _packed(folder: Path) -> int:
    with TemporaryDirectory() as scratch:
        return Path(shutil.make_archive(f"{scratch}/bundle", "zip", folder)).stat().st_size


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)
