"""Take or restore one backup, to be killed: `python -m tests.server.backups_child URL FOLDER HOW`.

With DBTASKS_TESTS_KILL_AT=n the process kills itself at the n-th thing that it does outside of itself: a statement, a
file, a child. It prints how many there were.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import psycopg

from dbtasks.backups import restoring
from dbtasks.conninfo import parse
from dbtasks.tiers import BackupEngine
from tests.server.backups_ground import Ground

COUNTED = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "subprocess.Popen", "os.chmod")


class Points:
    """Counts what is done outside of the process, and ends it at one of these points."""

    def __init__(self, folder: str, kill_at: int) -> None:
        self.folder, self.kill_at, self.done, self.counting = folder, kill_at, 0, False
        sys.addaudithook(self.heard)
        run = psycopg.Cursor.execute

        def execute(cursor: Any, *arguments: Any, **options: Any) -> Any:
            self.count()
            return run(cursor, *arguments, **options)

        psycopg.Cursor.execute = execute  # type: ignore[assignment, method-assign]  # no other place hears all

    def heard(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in COUNTED and (event != "open" or self.folder in str(arguments[0])):
            self.count()

    def count(self) -> None:
        self.done += self.counting
        if self.counting and self.done == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    url, folder, how = sys.argv[1:]
    ground = Ground(boss=parse(url, variable="URL"), folder=Path(folder))
    points = Points(folder, int(os.environ.get("DBTASKS_TESTS_KILL_AT", "0")))
    if how == "restore":
        vault, manifest = ground.vault(), ground.listing().backups[-1]
        points.counting = True
        with ground.beside() as beside:
            restoring.restore_into(ground.clearance, vault, manifest, beside)
    else:
        points.counting = True
        engine = BackupEngine.COPY if how == "copy" else BackupEngine.PG_DUMP
        ground.take(ground.vault(jobs=2 if how == "jobs" else 1), engine=engine)
    points.counting = False
    sys.stdout.write(f"{points.done}\n")


if __name__ == "__main__":
    main()
