"""The child process that runs Alembic: `python worker.py`, one JSON job on its standard input.

It runs in the adopter's own environment, with the adopter's Alembic (1.8 and later) and SQLAlchemy (1.4 and later), and
needs nothing of ours but the files beside it whose names begin with `worker`. Events leave as JSON lines on a pipe of
their own; what the project prints goes to the standard streams. When the parent dies, the lifeline closes and so does
this process.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import threading
import traceback
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

if not __package__:  # run by its path: make the neighbours importable, and only as neighbours
    sys.path.pop(0)  # else a project's own `history` or `ledger` would be ours
    _home = ModuleType("dbtasks_worker")
    _home.__path__ = [str(Path(__file__).parent)]
    sys.modules["dbtasks_worker"] = _home
    __package__ = "dbtasks_worker"  # PEP 366

from .worker_book import Book
from .worker_compare import differences, pass_over
from .worker_door import Door
from .worker_gate import Gate, LockTimeout, hold, open_gate
from .worker_outside import Outside
from .worker_record import Scribe
from .worker_urls import libpq, sqlalchemy_url
from .worker_wraps import begin_recording

_ASYNC = ("async_engine_from_config", "create_async_engine")
_DRIVERS = ("psycopg", "psycopg2", "asyncpg", "pg8000")


class Worker:
    """One run. It leaves by `os._exit`, so that nothing of the project's delays or alters the end."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.book: Book | None = None

    def send(self, event: str, **values: Any) -> None:
        rest = (json.dumps({"event": event, **values}) + "\n").encode()
        try:
            while rest:  # a signal may cut a long one short
                rest = rest[os.write(self.job["events"], rest) :]
        except OSError:  # the parent is gone
            os._exit(1)

    def stop(self, kind: str, reason: str) -> NoReturn:
        self.send("stopped", kind=kind, reason=reason, revision=self.book.revision if self.book else None)
        leave(3)

    def upgrade(self) -> None:
        """Bring the database up, or back down, to the job's revision."""
        recorder = begin_recording(self.job) if self.job["records"] else None
        import alembic
        import sqlalchemy
        from alembic import command
        from alembic.runtime.environment import EnvironmentContext
        from alembic.runtime.migration import MigrationContext
        from sqlalchemy.engine import Engine

        door, config = self.open_door(), self.config()
        driver = choose_driver(config, sqlalchemy.__version__)
        self.send("started", alembic=alembic.__version__, sqlalchemy=sqlalchemy.__version__, driver=driver)
        gate = self.pass_gate(driver)
        door.locking = True
        self.book = Book(self.job, gate.run, self.send, self.stop)
        if recorder is not None:
            self.book.doubt = recorder.refuse
        if self.job["rehearses"]:
            self.book.scribe = Scribe(self.send, self.book.running)
            self.book.scribe.listen(sqlalchemy.event, Engine)
        self.book.attach(EnvironmentContext, MigrationContext, sqlalchemy.text)
        sqlalchemy.event.listen(Engine, "before_cursor_execute", self.book.before_statement)
        Outside(self.book).listen(sqlalchemy.event, Engine)
        config.set_main_option("sqlalchemy.url", sqlalchemy_url(self.job["url"], driver).replace("%", "%%"))
        if self.job["first"]:
            self.book.first(self.job["first"])
        if self.job["down"]:
            command.downgrade(config, self.job["revision"])
        elif self.job["program"]:
            from .worker_program import run_program  # late: most projects run Alembic itself

            run_program(self.job["program"], self.job["root"])
            self.book.ended()
        elif self.job["revision"]:
            command.upgrade(config, self.job["revision"])
        if recorder is not None:
            self.send("inputs_seen", **recorder.told(self.book.covered()))
        self.send("done", heads=self.book.heads, version_table=self.book.version_table)

    def compare(self) -> None:
        """Say what the models and the database do not agree on. Whatever connects here only reads."""
        import sqlalchemy
        from sqlalchemy.engine import Engine

        self.open_door()
        pass_over(sqlalchemy.event, Engine)
        config = self.config()
        driver = choose_driver(config, sqlalchemy.__version__)
        config.set_main_option("sqlalchemy.url", sqlalchemy_url(self.job["url"], driver).replace("%", "%%"))
        found = differences(config)
        self.send("compared", models=found is not None, differences=found or [])

    def open_door(self) -> Door:
        """Return the door, which stands before every driver from now on."""
        self.tell_the_pin()
        gc.freeze()  # until here it only imported
        gc.enable()
        door = Door(self.job["target"], self.job["sql"], self.stop, lambda pid: self.send("backend", pid=pid))
        door.watch_drivers()
        door.watch_sqlalchemy()
        return door

    def tell_the_pin(self) -> None:
        """Hold this process, where a test started it, to the cleared target: what is only built has no stamp yet."""
        pin = sys.modules.get("dbtasks.pin")
        if pin is not None:
            pin.PIN.cleared = tuple(str(self.job["target"][name]) for name in ("system_identifier", "oid"))

    def history(self) -> None:
        """Report every revision, as Alembic reads it. No database may be reached meanwhile."""
        from alembic.script import ScriptDirectory

        nowhere = {"host": "", "port": 0, "database": "", "user": "", "system_identifier": 0, "oid": 0}
        Door(nowhere, {}, self.stop, lambda _pid: None).watch_drivers()
        for script in ScriptDirectory.from_config(self.config()).walk_revisions():
            self.send(
                "revision",
                id=script.revision,
                down=_list(script.down_revision),
                depends_on=_list(script.dependencies),
                labels=_list(getattr(script.module, "branch_labels", None)),
                path=script.path,
                message=(script.doc or "").partition("\n")[0],
            )

    def config(self) -> Any:
        from alembic import __version__
        from alembic.config import Config

        ini, toml, section = self.job["config"], self.job["pyproject"], self.job["section"]
        if hasattr(Config, "toml_alembic_config"):  # since 1.16
            config = Config(file_=ini, toml_file=toml, ini_section=section)
        elif ini is None:
            raise RuntimeError(f"Alembic {__version__} does not read pyproject.toml. Install 1.16 or later")
        else:
            config = Config(file_=ini, ini_section=section)
        if self.job["scripts"] is not None:
            config.set_main_option("script_location", self.job["scripts"].replace("%", "%%"))
        return config

    def pass_gate(self, driver: str) -> Gate:
        """Return the gate, with the lock held, the ledger there, and no torn revision in the way."""
        sql = self.job["sql"]
        gate = open_gate(driver, libpq(self.job["url"]))
        gate.run(sql["settings"])
        try:
            hold(gate, sql, self.job["lock_wait_s"], lambda holder: self.send("lock_wait", holder=holder))
        except LockTimeout as error:
            self.stop("lock", str(error))
        gate.run(sql["create"])
        self.job["torn"] = gate.texts(sql["torn"])
        self.refuse_torn(gate.texts(sql["invalid_indexes"]) if self.job["torn"] else [])
        target = self.job["target"]
        self.send("connected", system_identifier=target["system_identifier"], oid=target["oid"])
        return gate

    def refuse_torn(self, invalid: list[str]) -> None:
        """Stop at a torn revision: it may have left rows as well as indexes, and only indexes can be seen."""
        torn = [each for each in self.job["torn"] if each not in self.job["retry"]]
        if invalid:
            self.stop("torn", f"revision {', '.join(self.job['torn'])} left {', '.join(invalid)} behind, invalid")
        if torn:
            self.stop("torn", f"revision {', '.join(torn)} left its transaction and did not come back")


def choose_driver(config: Any, version: str) -> str:
    """Return the driver for SQLAlchemy: the one that the project names, else psycopg, else whichever is installed.

    SQLAlchemy 1.4 does not know psycopg; an asynchronous env.py cannot use psycopg2.
    """
    from alembic.script import ScriptDirectory

    script = Path(ScriptDirectory.from_config(config).dir, "env.py")
    text = script.read_text(encoding="utf-8", errors="replace") if script.is_file() else ""
    # Raw: a URL in the ini may interpolate what only the project's own program defines.
    url = config.file_config.get(config.config_ini_section, "sqlalchemy.url", raw=True, fallback="")
    named = f"{url}\n{text}"
    usable = [name for name in _DRIVERS if find_spec(name) and not (name == "psycopg" and version.startswith("1."))]
    if any(word in text for word in _ASYNC):
        usable = [name for name in usable if name in ("psycopg", "asyncpg")]
    for name in usable:
        if f"postgresql+{name}:" in named or f'"postgresql+{name}"' in named:
            return name
    if not usable:
        raise ImportError(f"this Python ({sys.executable}) has no PostgreSQL driver that env.py could use")
    _default_dialect(usable[0], "psycopg2" if version.startswith(("1.", "2.0")) else "psycopg")
    return usable[0]


def _default_dialect(driver: str, default: str) -> None:
    """Let a plain postgresql:// in the project's own variables mean the driver that is there."""
    if find_spec(default) is None:
        from sqlalchemy.dialects import registry

        registry.register("postgresql", f"sqlalchemy.dialects.postgresql.{driver}", "dialect")


def describe(error: BaseException) -> dict[str, str | None]:
    """Return what an error says, without SQLAlchemy's wrapping."""
    inner = getattr(error, "orig", None) or error
    state = getattr(inner, "sqlstate", None) or getattr(inner, "pgcode", None)
    return {"error": type(inner).__name__, "message": str(inner).strip(), "sqlstate": state}


def place_of(error: BaseException, root: str) -> str:
    """Return the innermost file and line of the project's own code that an error came from; empty where it has none."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    for file, line in reversed(places):
        inside = os.path.relpath(file, root) if root and os.path.isabs(file) else os.pardir  # noqa: PTH117 - text
        if not inside.startswith(os.pardir) and "site-packages" not in inside:
            return f"{inside}:{line}"
    return ""


def hold_lifeline(descriptor: int) -> None:
    """End this process as soon as the parent's end of the pipe is closed."""

    def wait() -> None:
        os.read(descriptor, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def import_ahead() -> None:
    """Import what most migrations need, while the parent still looks and asks; what is amiss is told later."""
    for name in ("alembic.command", "sqlalchemy.dialects.postgresql", "psycopg"):
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def leave(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # closed by the project, or nobody reads it any more
            continue
    os._exit(code)


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(each) for each in value]


def main() -> NoReturn:
    gc.disable()  # what is imported stays: to look through it for circles again and again takes a fifth of the time
    if "ahead" in sys.argv[1:]:
        import_ahead()
    text = sys.stdin.buffer.read()
    if not text:  # the parent has gone before it had a job
        leave(0)
    job = json.loads(text)
    os.environ.update(job.pop("environ", {}))
    hold_lifeline(job["lifeline"])
    for descriptor in (job["lifeline"], job["events"]):
        os.set_inheritable(descriptor, False)
    worker = Worker(job)
    try:
        {"upgrade": worker.upgrade, "compare": worker.compare, "history": worker.history}[job["kind"]]()
    except BaseException as error:  # the end of the process: a SystemExit of env.py counts as a failure too
        traceback.print_exc()
        revision = worker.book.revision if worker.book else None
        worker.send("failed", revision=revision, where=place_of(error, job.get("root", "")), **describe(error))
        leave(1)
    leave(0)


if __name__ == "__main__":
    main()
