"""What a way back costs: a mark with its proof and a base backup beforehand, then a recovery, or an undo of a reset."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from unittest import mock

from benchmarks.measured import Bench, Measured, Row, machine, table
from benchmarks.recovery_hand import recovered
from benchmarks.recovery_undo import line as undo_line
from benchmarks.recovery_undo import rows as undo_rows
from benchmarks.recovery_undo import undos
from benchmarks.timing import Command, Way, in_turn, once
from dbtasks import base_backups, embedded
from dbtasks.database import Scratch, open_to_write
from dbtasks.embedded import first_backup
from dbtasks.programs import child_environment, find_client
from dbtasks.recovery import upkeep
from dbtasks.recovery.engines import Engine
from dbtasks.recovery.engines.archive import Archive
from dbtasks.recovery.engines.choosing import private_archive
from dbtasks.recovery.goals import BeforeMark
from dbtasks.recovery.marks import Mark, make_mark
from dbtasks.recovery.proof import Proof
from dbtasks.recovery.proving import prove
from dbtasks.recovery.recovering import Request, recover
from dbtasks.recovery.rooms import drop
from dbtasks.recovery.source import Source, settings_of

_MOST_MS = 100


def measure(bench: Bench) -> Measured:
    root = bench.scratch / "project"
    root.mkdir()
    bench.scratch.chmod(0o755)
    installs = _installs(bench)
    server = embedded.ensure(root, embedded.Kind.DURABLE)
    conninfo = server.conninfo("postgres")
    engine = private_archive(server.data.parent)
    try:
        with closing(open_to_write(Scratch(conninfo), conninfo)) as connection:
            source = Source(connection=connection, conninfo=conninfo, permit=Scratch(conninfo))
            connection.execute(_ROWS)
            marking = [_way("proof", lambda: _proven(engine, source)), _way("bare", lambda: _bare(engine, source))]
            marks = in_turn(marking, bench.runs)
            bases = in_turn(
                [_way("ours", lambda: _base(engine, source)), Way(name="bare", act=lambda: _bare_base(bench, source))],
                max(3, bench.runs // 3),
            )
            recovery = in_turn(
                [
                    Way(name="ours", act=lambda: _recovered(root, engine, source)),
                    Way(name="by hand", act=lambda: _by_hand(bench, engine, source)),
                ],
                max(3, bench.runs // 3),
            )
    finally:
        embedded.stop(root, embedded.Kind.DURABLE)
    undone = undos(bench)
    return _told(bench, {**marks, "base": bases["ours"], "bare base": bases["bare"], **recovery, **installs}, undone)


def _told(bench: Bench, taken: Mapping[str, Sequence[float]], undone: Mapping[str, Sequence[float]]) -> Measured:
    rows = [
        Row(
            what="mark and proof",
            ours=taken["proof"],
            against="the mark alone, until its segment is archived",
            theirs=taken["bare"],
        ),
        Row(
            what="base backup of 90 MB",
            ours=taken["base"],
            against="`pg_basebackup -Ft -X none`",
            theirs=taken["bare base"],
        ),
        Row(
            what="recovery to a mark",
            ours=taken["ours"],
            against="by hand: `tar`, `recovery.signal`, `pg_ctl`",
            theirs=taken["by hand"],
        ),
        *undo_rows(undone),
        Row(
            what="the durable server's first start",
            ours=taken["with"],
            against="without its first base backup",
            theirs=taken["without"],
        ),
    ]
    proof, back = statistics.median(taken["proof"]), statistics.median(taken["ours"])
    return Measured(
        lines=(
            f"Medians of {bench.runs} runs, in turn, {machine('psycopg')}, the private durable server on a disk.",
            "",
            f"A mark and its proof took {proof:.0f} ms, {max(taken['proof']):.0f} ms at most (aim: {_MOST_MS}).",
            f"A recovered server stood at its mark after {back / 1000:.1f} s, from a base backup of 90 MB.",
            undo_line(undone),
            "",
            *table(rows),
        )
    )


_ROWS = "CREATE TABLE rows AS SELECT g AS id, repeat('x', 100) AS text FROM generate_series(1, 500000) g"


def _way(name: str, act: Callable[[], object]) -> Way:
    def timed() -> float:
        begun = time.perf_counter()
        act()
        return (time.perf_counter() - begun) * 1000

    return Way(name=name, act=timed)


def _proven(engine: Engine, source: Source) -> Mark:
    mark = make_mark(source.connection)
    found = prove(engine, source.connection, mark)
    if not isinstance(found, Proof):
        raise RuntimeError(found.why)
    return mark


def _bare(engine: Engine, source: Source) -> None:
    mark = make_mark(source.connection)
    while mark.segment not in (engine.names() or ()):
        time.sleep(0.001)


def _base(engine: Engine, source: Source) -> None:
    upkeep.take_base(engine, source, lambda _line: None)
    for each in engine.bases.kept()[:-1]:
        base_backups.remove(each)


def _bare_base(bench: Bench, source: Source) -> float:
    where, secret = source.way()
    folder = bench.scratch / "bare"
    shutil.rmtree(folder, ignore_errors=True)
    program = str(find_client("pg_basebackup", source.major))
    words = [program, "-Ft", "-X", "none", "-c", "fast", "-D", str(folder), "-d", where]
    environ = {**child_environment(), **secret}
    return once(Command(name="pg_basebackup", words=words, folder=bench.scratch, environ=environ)).wall_ms


def _recovered(root: Path, engine: Engine, source: Source) -> float:
    """Return the milliseconds until a server stood at a new mark, its base backup unpacked."""
    mark = _proven(engine, source)
    identifier = mark.system_identifier
    goal = BeforeMark(mark=mark)
    at_least = settings_of(source.connection)
    request = Request(root=root, engine=engine, system_identifier=identifier, goal=goal, at_least=at_least)
    begun = time.perf_counter()
    made = recover(request, lambda _line: None)
    taken = (time.perf_counter() - begun) * 1000
    drop(made)
    return taken


def _by_hand(bench: Bench, engine: Archive, source: Source) -> float:
    return recovered(bench.scratch / "hand", engine, source.conninfo, _proven(engine, source))


def _installs(bench: Bench) -> dict[str, list[float]]:
    """Time a first start with and without the base backup that it makes."""
    root = bench.scratch / "install"

    def install() -> None:
        embedded.ensure(root, embedded.Kind.DURABLE)

    def without() -> None:
        with mock.patch.object(first_backup, "keep_first", return_value=None):
            install()

    def anew() -> None:
        if root.exists():
            embedded.stop(root, embedded.Kind.DURABLE)
            shutil.rmtree(root)
        root.mkdir()

    ways = [_way("with", install), _way("without", without)]
    taken = in_turn([Way(name=way.name, act=way.act, ready=anew) for way in ways], max(3, bench.runs // 3))
    anew()
    return taken
