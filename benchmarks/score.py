"""What a score of three local tiers takes, as a whole command, PROD asked too; beside it `status`, which only looks."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg

from benchmarks.consent import answering
from benchmarks.measured import Bench, Measured, machine, scrubbed
from benchmarks.timing import Way, in_turn
from dbtasks import embedded
from dbtasks.database import Inspection
from dbtasks.operations import adopt, migrate
from dbtasks.pipeline import Call, carry_out
from dbtasks.project import open_project
from dbtasks.selection import choose
from dbtasks.surroundings import Kind, Surroundings

_AIM_MS = 1500
_FLAG = {"USE_PROD_DATABASE": "true"}


def measure(bench: Bench) -> Measured:
    """Build the sample application on all tiers, and time the command."""
    root, environ = _project(bench), {**scrubbed(), **_FLAG}
    try:
        _build(root, environ)
        ways = [Way(name=name, act=partial(_run, root, environ, name)) for name in ("score", "status")]
        taken = in_turn(ways, bench.runs)
    finally:
        for kind in embedded.Kind:
            installed = embedded.look(root, kind)
            embedded.stop(root, kind)
            if installed is not None:  # a throw-away server's data may lie on a memory file system
                shutil.rmtree(installed.data.parent, ignore_errors=True)
    score, status = (statistics.median(taken[name]) for name in ("score", "status"))
    said = f"Medians of {bench.runs} runs of whole processes, in turn, {machine('psycopg', 'invoke')}."
    most = max(taken["score"])
    figures = f"`invoke score` of INT, STG and PROD took {score:,.0f} ms, {most:,.0f} at most (aim: {_AIM_MS:,})"
    return Measured(lines=(said, "", f"{figures}; `invoke status` {status:,.0f} ms."))


def _project(bench: Bench) -> Path:
    root = bench.scratch / "scored"
    for name in ("config", "migrations", "seeds"):
        shutil.copytree(bench.sample / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("alembic.ini", "tasks.py"):
        shutil.copy(bench.sample / name, root)
    settings = root / "config" / "tiers.yaml"  # nothing goes on in the background while something is measured
    text = settings.read_text().replace("by_hand: false", "by_hand: true").replace("demo: false", "demo: true")
    settings.write_text(text.replace("embedded: never", "embedded: durable"))
    return root


def _build(root: Path, environ: Mapping[str, str]) -> None:
    for tier in ("int", "stg"):
        words = [sys.executable, "-m", "dbtasks", "reset", f"--tier={tier}"]
        subprocess.run(words, cwd=root, env=scrubbed(), check=True, capture_output=True)
    server = embedded.ensure(root, embedded.Kind.DURABLE)
    with psycopg.connect(server.conninfo("postgres").url(Inspection()), autocommit=True) as connection:
        connection.execute("CREATE DATABASE instainstru_prod")
    opened = open_project(root, environ)
    project = replace(opened, surroundings=Surroundings(kind=Kind.TERMINAL, because="a benchmark"))
    for operation in (adopt.OPERATION, migrate.OPERATION):
        carry_out(project, Call(operation=operation, choice=choose(project.settings, "prod", environ)), answering())


def _run(root: Path, environ: Mapping[str, str], task: str) -> float:
    begun = time.perf_counter()
    words = [sys.executable, "-m", "dbtasks", task]
    subprocess.run(words, cwd=root, env=environ, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - begun) * 1000
