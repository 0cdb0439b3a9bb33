"""Asking the worker whether the project's models and a database agree, as autogenerate sees it. Nothing is written."""

from __future__ import annotations

from dataclasses import replace

from dbtasks.errors import DbtasksError
from dbtasks.migrations import ledger
from dbtasks.migrations.alembic_config import interpreter, working_folder
from dbtasks.migrations.child import Child
from dbtasks.migrations.job import Job, message
from dbtasks.settings import MigrationSettings


def compare(job: Job) -> tuple[str, ...] | None:
    """Return what the models have and the database lacks, or the other way round; `None` where there are no models.

    Histories that a program of the project's own migrates are left out: their env.py need not run without it.
    """
    found = [_compare(job, history) for history in job.settings.each if not history.program]
    differences = [each for each in found if each is not None]
    return tuple(line for each in differences for line in each) if differences else None


def _compare(job: Job, history: MigrationSettings) -> list[str] | None:
    asked = replace(job, settings=history)
    question = {**message(asked), "kind": "compare", "sql": ledger.look_sql(job.lock_timeout_ms)}
    python, folder = interpreter(job.root, history), working_folder(job.root, history)
    child = Child(question, python=python, environ=job.environ, folder=folder)
    models, differences, said = False, list[str](), ""
    try:
        for each in child.messages(job.log):
            if each["event"] == "compared":
                models, differences = each["models"], each["differences"]
            elif each["event"] in ("failed", "stopped"):
                said = str(each.get("message") or each.get("reason"))
    finally:
        child.close()
    if not child.ended_well:
        raise DbtasksError(said or child.last_words())
    return differences if models else None
