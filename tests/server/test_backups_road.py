"""Backups by the tasks, of a tier whose address leads elsewhere while one is taken."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import outside
from tests.server import abroad
from tests.server.road import Project, Server, project

pytestmark = [pytest.mark.timeout(240), pytest.mark.thorough]
INTENT = '"operation":"backup"'


@contextmanager
def turning(made: Project, here: Server, there: Server, port: int) -> Iterator[None]:
    """Lead a port `here`, and once a backup's intent stands in the trail `there`: asked at each connection anew."""
    leads_to, trail = made.root / "leads_to", made.root / "logs" / "database_audit.jsonl"
    following = made.root / "leads_to.next"
    os.mkfifo(leads_to)
    ended = threading.Event()

    def answer() -> None:
        while True:
            with leads_to.open("w", encoding="ascii") as asked:  # as soon as somebody connects
                if ended.is_set():
                    return
                os.mkfifo(following)  # else the next answer could go to whoever has asked now
                following.replace(leads_to)
                turned = there.port if trail.exists() and INTENT in trail.read_text(encoding="utf-8") else here.port
                asked.write(str(turned))

    program = Path(__file__).with_name("reach_forward.py")
    command = [sys.executable, "-P", str(program), str(leads_to), str(port)]
    thread = threading.Thread(target=answer, daemon=True)
    with subprocess.Popen(command, env=outside.environment(), cwd="/", stdout=subprocess.PIPE) as forward:
        assert forward.stdout is not None
        forward.stdout.readline()
        thread.start()
        try:
            yield
        finally:
            ended.set()
            with leads_to.open(encoding="ascii"):
                thread.join(timeout=10)
            forward.terminate()


def test_a_backup_of_another_database_than_was_looked_at_is_refused_and_not_kept() -> None:
    with abroad.started() as here, abroad.started() as there, project("wares") as made:
        port = abroad.free_port()
        made.urls["test_database_url"] = here.url("wares_int").replace(f":{here.port}/", f":{port}/")
        here.database("wares_int")
        there.database("wares_int")
        vault = made.root / ".dbtasks" / "backups"
        with turning(made, here, here, port):
            assert made.invoke("reset --tier=int").code == 0
            assert made.invoke("backup --tier=int").code == 0
        kept = {path.name for path in vault.iterdir()}
        (made.root / "logs" / "database_audit.jsonl").rename(made.root / "logs" / "before.jsonl")
        (made.root / "leads_to").unlink()
        with turning(made, here, there, port):
            done = made.invoke("backup --tier=int")

        assert (done.code, "E-FOREIGN-BACKUP" in done.text) == (3, True), done.text
        assert "is not of wares_int: it is of another server" in done.text
        assert {path.name for path in vault.iterdir()} == kept
