"""One database out of a server that was recovered, into a new one beside whatever is in service."""

from __future__ import annotations

import tempfile

from dbtasks.backups import creating
from dbtasks.backups.children import running
from dbtasks.backups.engines import Restoring
from dbtasks.backups.progress import Progress
from dbtasks.clients import way
from dbtasks.conninfo import Conninfo
from dbtasks.programs import find_client

_READ_BYTES = 1 << 18
_TELL_EVERY_BYTES = 1 << 24


def copy_out(job: Restoring, there: Conninfo) -> int:
    """Make the database that `job.beside` has reserved of the one that is `there`, through a pipe; return its oid."""
    major = job.manifest.major
    source, target = way(there, job.permit, "restore"), way(job.beside.conninfo, job.permit, "restore")
    oid = creating.create(job.beside, job.manifest)
    dump = [str(find_client("pg_dump", major)), "--format=custom", "--compress=0", "--no-password"]
    restore = [str(find_client("pg_restore", major)), "--exit-on-error", "--no-password", f"--dbname={target.dbname}"]
    done = told = 0
    with (
        tempfile.TemporaryFile() as unheard,
        running([*dump, f"--dbname={source.dbname}"], source.environ) as giving,
        running(restore, target.environ, into=unheard) as taking,
    ):
        while piece := giving.out.read(_READ_BYTES):
            taking.give(piece)
            done += len(piece)
            if done - told >= _TELL_EVERY_BYTES:
                told = done
                job.report(Progress(doing="restoring", done=done))
        giving.finish()
        taking.finish()
    return oid
