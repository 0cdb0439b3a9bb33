"""The victims of `tests/hostile`: databases that a test must not reach, and a sandbox in which it tries to."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import outside
from tests.outside import REPOSITORY, Finished, Sandbox, sandbox
from tests.server import reach_runs
from tests.server.abroad import free_port, start, started, stop
from tests.server.road import Server

PROJECT, CLONE = "instainstru", "dbtasks_instainstru_int_0a1b2c3d"
SAID = "reached by a trick"
_PATIENCE_S = 280
SHOW = "import os; print(os.environ['DBTASKS_HANDED_URL'])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of one trick on one victim. `text` is what was said of it."""

    trick: str
    target: str
    came: str
    text: str

    @property
    def reached(self) -> bool:
        return self.came.startswith("reached ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A sandbox with INT and STG, and another server, whose log tells of every session and statement."""

    box: Sandbox
    abroad: Server
    victims: dict[str, str]

    @property
    def folder(self) -> Path:
        return self.box.root / "hostile"

    def outside(self, *targets: str, **environ: str) -> list[Came]:
        """Try the tricks outside of any test."""
        more = {"TARGETS": " ".join(targets), **environ}
        done = outside.run(self.folder, sys.executable, "run.py", env=more, patience_s=_PATIENCE_S)
        assert done.code == 0, done.text
        return [Came(**json.loads(line)) for line in done.out.splitlines()]

    def inside(self, *options: str, targets: tuple[str, ...] = (), program: str = "", **environ: str) -> list[Came]:
        """Try them in tests."""
        results = self.folder / "results"
        results.unlink(missing_ok=True)
        python, *pytest = outside.PYTEST
        command = [python, f"hostile/{program}", *pytest[2:]] if program else [python, *pytest]
        more = {"TARGETS": " ".join(targets), "PYTHONPATH": str(self.folder), **environ}
        done = outside.run(self.box.root, *command, "-q", *options, env=more, patience_s=_PATIENCE_S)
        assert done.code == 0, done.text[-6000:]
        lines = results.read_text(encoding="utf-8").splitlines()
        return [Came(**json.loads(line)) for line in lines]

    def python(self, code: str, **environ: str) -> Finished:
        return outside.run(self.folder, sys.executable, "-c", code, env=environ)

    def log(self) -> str:
        """Return what the other server has logged since the last time."""
        path = self.abroad.folder / "log"
        text = path.read_text(encoding="utf-8")
        path.write_text("", encoding="utf-8")
        return text

    def put_victims(self, **victims: str) -> None:
        (self.folder / "victims.json").write_text(json.dumps({**self.victims, **victims}), encoding="utf-8")


def sessions(log: str, database: str) -> int:
    """Return how many sessions a database has had, by its server's log."""
    return len(re.findall(rf"connection authorized: .*\bdatabase={database}\b", log))


def said(log: str) -> int:
    """Return how many statements of tricks a server has had."""
    return log.count(SAID)


@contextmanager
def prepared() -> Iterator[Ground]:
    """Make the sandbox and the victims; nothing of them is left afterwards."""
    with sandbox() as box, _abroad() as abroad:
        for tier in ("int", "stg"):
            done = box.run("invoke", "reset", f"--tier={tier}", "--yes")
            assert done.code == 0, done.text
        urls = {tier: _url(box, tier) for tier in ("int", "stg")}
        beside = urls["int"].rpartition("/")[0] + "/beside"
        with outside.connect(urls["int"], autocommit=True) as connection:
            connection.execute("CREATE DATABASE beside")
        for name in ("other", "instainstru_int", CLONE, "app_prod"):
            abroad.database(name)
        outside.call(reach_runs.stamp, abroad.url(CLONE), PROJECT, "stg")
        outside.call(reach_runs.stamp, abroad.url("app_prod"), PROJECT, "prod")
        victims = {
            **urls,
            "beside": beside,
            "other": abroad.url("other"),
            "unstamped": abroad.url("instainstru_int"),
            "foreign": abroad.url(CLONE),
            "prod": abroad.url("app_prod"),
            "socket": str(abroad.folder),
        }
        ground = Ground(box=box, abroad=abroad, victims=victims)
        shutil.copytree(REPOSITORY / "tests" / "hostile", ground.folder)
        ground.put_victims()
        yield ground


@contextmanager
def forwarded(ground: Ground) -> Iterator[tuple[Ground, dict[str, str]]]:
    """Make a sandbox whose INT lies behind a port that can be led to another server, where its name is STG's.

    Yields it with the variables for its commands.
    """
    with started() as other, sandbox() as box:
        ground.abroad.sql("DROP DATABASE instainstru_int")
        other.database("instainstru_int")
        outside.call(reach_runs.stamp, other.url("instainstru_int"), PROJECT, "stg")
        leads_to, port = box.write("leads_to", str(ground.abroad.port)), free_port()
        url = ground.abroad.url("instainstru_int").replace(f":{ground.abroad.port}/", f":{port}/")
        shutil.copytree(REPOSITORY / "tests" / "hostile", box.root / "hostile")
        made = Ground(box=box, abroad=ground.abroad, victims={"int": url})
        made.put_victims()
        program = Path(__file__).with_name("reach_forward.py")
        command = [sys.executable, "-P", str(program), str(leads_to), str(port)]
        with subprocess.Popen(command, env=outside.environment(), cwd="/", stdout=subprocess.PIPE) as forward:
            assert forward.stdout is not None
            forward.stdout.readline()
            try:
                environ = {"test_database_url": url, "LEADS_TO": str(leads_to), "OTHER_PORT": str(other.port)}
                yield made, environ
            finally:
                forward.kill()
        ground.abroad.sql("DROP DATABASE IF EXISTS instainstru_int")
        ground.abroad.database("instainstru_int")


@contextmanager
def _abroad() -> Iterator[Server]:
    options: dict[str, Any] = {
        "log_connections": "on",
        "log_disconnections": "on",
        "log_statement": "all",
        "log_replication_commands": "on",
        "max_wal_senders": "5",
        "max_connections": "60",
    }
    with started(options=options) as server:
        stop(server)  # its folder is known by now
        start(server, {**options, "unix_socket_directories": str(server.folder)})
        yield server


def _url(box: Sandbox, tier: str) -> str:
    done = box.run("invoke", "run", f"--tier={tier}", "--", sys.executable, "-c", SHOW)
    assert done.code == 0, done.text
    return done.out.strip()
