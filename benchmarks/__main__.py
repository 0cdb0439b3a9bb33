"""Run the benchmarks, print their tables, and write them into docs/performance.md."""

from __future__ import annotations

import argparse
import re
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    at_head,
    backups,
    clones,
    consent,
    guard,
    migrate,
    recovery,
    rehearsal,
    report,
    reset,
    score,
    seeding,
    trail,
)
from benchmarks.measured import Bench, Measured

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"

# By the name that stands in the page's marks: `<!-- guard: begin -->`, `<!-- guard: end -->`.
BENCHMARKS: dict[str, Callable[[Bench], Measured]] = {
    "guard": guard.measure,
    "consent": consent.measure,
    "reset": reset.measure,
    "clones": clones.measure,
    "seeding": seeding.measure,
    "migrate": migrate.measure,
    "rehearsal": rehearsal.measure,
    "at_head": at_head.measure,
    "report": report.measure,
    "recovery": recovery.measure,
    "backups": backups.measure,
    "score": score.measure,
    "trail": trail.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; without one: all")
    parser.add_argument("--runs", type=int, default=11, help="counted runs of each comparison")
    parser.add_argument("--write", action="store_true", help="write what was measured into docs/performance.md")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}: {', '.join(BENCHMARKS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server is left behind
    for name in options.names or BENCHMARKS:
        # Under a plain name, since the embedded server must be able to enter it.
        with tempfile.TemporaryDirectory(prefix="dbtasks-bench-") as folder:
            measured = BENCHMARKS[name](Bench(scratch=Path(folder), sample=ROOT, runs=options.runs))
        print("\n".join(measured.lines), flush=True)
        if options.write:
            write(name, measured)


def write(name: str, measured: Measured) -> None:
    """Put what was measured between this benchmark's marks, and its pictures beside the page."""
    text = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    body = "\n".join((begin, *measured.lines, end))
    PAGE.write_text(
        re.sub(f"{re.escape(begin)}.*{re.escape(end)}", lambda _: body, text, flags=re.DOTALL), encoding="utf-8"
    )
    for picture, content in measured.pictures.items():
        (PAGE.parent / picture).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
