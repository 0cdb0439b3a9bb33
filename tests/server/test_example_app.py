"""The example application, served as its README says, from a project of its own with its own embedded servers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pexpect
import pytest

from tests.outside import REPOSITORY, Sandbox, environment, on_terminal, run, sandbox

SECONDS = 40
PROD = {"USE_PROD_DATABASE": "true"}
UVICORN = ("uvicorn", "app.main:app", "--port", "0", "--no-use-colors")
URL = "import os; print(os.environ['DBTASKS_HANDED_URL'])"
CREATE_PROD = """
import os, psycopg
with psycopg.connect(os.environ["DBTASKS_HANDED_URL"], autocommit=True) as connection:
    connection.execute("CREATE DATABASE instainstru_prod")
"""

# Sixteen threads that take each other's place as often as Python lets them.
POOL = """
import sys, dbtasks
from concurrent.futures import ThreadPoolExecutor
sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(16) as pool:
    list(pool.map(lambda _: dbtasks.connect().close(), range(64)))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A project with the example application in it."""

    box: Sandbox

    @property
    def application(self) -> Path:
        return self.box.root / "examples" / "fastapi_app"

    def invoke(self, *words: str) -> str:
        done = self.box.run("invoke", *words)
        assert done.code == 0, done.text
        return done.out

    def on_stg(self, code: str) -> str:
        return self.invoke("run", "--tier=stg", "--", sys.executable, "-c", code)

    def opened(self, tier: str) -> list[str]:
        """Return in which surroundings each opening of a tier was let in, oldest first."""
        text = self.invoke("audit", f"--tier={tier}", "--operation=open", "--outcome=done", "--format=json")
        return [entry["intent"]["surroundings"] for entry in json.loads(text)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    port: int
    log: Path

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=10, trust_env=False)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with sandbox() as box:
        shutil.copytree(REPOSITORY / "examples", box.root / "examples")
        tiers = box.root / "config" / "tiers.yaml"
        text = tiers.read_text(encoding="utf-8").replace("demo: false", "demo: true")
        box.write("config/tiers.yaml", text.replace("embedded: never", "embedded: durable"))
        made = Place(box=box)
        made.invoke("reset", "--tier=int")
        made.invoke("reset", "--tier=stg")
        yield made


@pytest.fixture(scope="module")
def prod(place: Place) -> Place:
    """The same project, with a PROD that a person has adopted and migrated."""
    place.on_stg(CREATE_PROD)
    for task in ("adopt", "migrate"):
        with on_terminal(place.box.root, "invoke", task, "--tier=prod", env=PROD) as terminal:
            _consent(terminal)
            terminal.expect(pexpect.EOF)
        assert terminal.exitstatus == 0, terminal.before
    return place


def test_the_default_tier_serves_without_any_flag(place: Place, tmp_path: Path) -> None:
    with _serve(place, tmp_path) as served:
        assert served.get("/health").json() == {"status": "ok"}
        tier = served.get("/tier").json()
        assert tier["tier"] == "INT"
        assert re.fullmatch(r"postgresql://\w+:\*\*\*@127\.0\.0\.1:\d+/instainstru_int", tier["database"])


def test_the_best_booked_instructors_come_first_and_requests_are_bounded(place: Place, tmp_path: Path) -> None:
    with _serve(place, tmp_path) as served:
        lessons = [row["lessons"] for row in served.get("/instructors?limit=3").json()]
        assert len(lessons) == 3
        assert lessons == sorted(lessons, reverse=True)
        assert served.get("/instructors?limit=101").status_code == 422


def test_a_pool_is_one_opening_and_libpqs_variables_do_not_lead_it_away(place: Place) -> None:
    before = len(place.opened("int"))
    done = place.box.python(POOL, env={"PGHOSTADDR": "127.0.0.2"})  # where no server listens
    assert done.code == 0, done.err
    assert place.opened("int")[before:] == ["script"]


def test_stg_is_served_by_its_flag_without_a_question_and_again_after_a_reload(place: Place, tmp_path: Path) -> None:
    before = len(place.opened("stg"))
    with _serve(place, tmp_path, "--reload", USE_STG_DATABASE="true") as served:
        assert served.get("/tier").json()["tier"] == "STG"
        os.utime(place.application / "app" / "main.py")
        _wait_for(served.log, r"Application startup complete.*Application startup complete")
        assert served.get("/tier").json()["tier"] == "STG"
    assert place.opened("stg")[before:] == ["script", "script"]


def test_prod_is_refused_where_nobody_can_be_asked(place: Place) -> None:
    done = run(place.application, *UVICORN, env=PROD)
    assert done.code == 3
    assert "refused (E-NO-PERSON)" in done.err
    assert "Production access requested in non-interactive mode: standard input is not a terminal." in done.err


def test_prod_is_served_to_a_person_who_confirms(prod: Place, tmp_path: Path) -> None:
    with on_terminal(prod.application, *UVICORN, env=PROD) as terminal:
        _consent(terminal)
        terminal.expect(r"running on http://127\.0\.0\.1:(\d+)")
        served = Served(port=int(terminal.match[1]), log=tmp_path)
        assert served.get("/tier").json()["tier"] == "PROD"


def test_prod_is_not_asked_for_under_a_reloader(prod: Place) -> None:
    with on_terminal(prod.application, *UVICORN, "--reload", env=PROD) as terminal:
        terminal.expect_exact("refused (E-RELOADER)", timeout=SECONDS)


def test_a_managed_runtime_gets_its_own_url_without_a_question(prod: Place, tmp_path: Path) -> None:
    url = prod.on_stg(URL).strip().replace("instainstru_stg", "instainstru_prod")
    with _serve(prod, tmp_path, RENDER="true", database_runtime_url=url) as served:
        assert served.get("/tier").json()["tier"] == "PROD"
        assert "Type " not in served.log.read_text(encoding="utf-8")
    assert prod.opened("prod")[-1] == "runtime"


@contextmanager
def _serve(place: Place, folder: Path, *options: str, **environ: str) -> Iterator[Served]:
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*UVICORN, *options], cwd=place.application, env=environment(environ), stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        _wait_for(log, "Application startup complete")
        yield Served(port=int(_wait_for(log, r"running on http://127\.0\.0\.1:(\d+)")[1]), log=log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(log: Path, pattern: str) -> re.Match[str]:
    """Return the first match in a growing log; fail with the log as soon as the server gives up."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        text = log.read_text(encoding="utf-8")
        found = re.search(pattern, text, re.DOTALL)
        if found:
            return found
        if "Application startup failed" in text:
            break
        time.sleep(0.05)
    raise AssertionError(log.read_text(encoding="utf-8"))


def _consent(terminal: pexpect.spawn[str]) -> None:
    """Answer like a person: each answer is read off the screen first."""
    terminal.expect_exact("Type 'yes' to confirm production access: ")
    terminal.sendline("yes")
    terminal.expect(r"Type (instainstru_prod \w{4}) to run exactly this plan: ")
    terminal.sendline(terminal.match[1])
