"""What `audit` answers: the runs that fit as they are, in figures, or as they come."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable

from dbtasks import audit_figures, audit_following, audit_rows, audit_view
from dbtasks.console import Console
from dbtasks.errors import UsageError
from dbtasks.exports.forms import Form, exported
from dbtasks.project import Project
from dbtasks.trail_following import Following
from dbtasks.trail_query import Filters, fits, read
from dbtasks.trail_runs import Run, each_run, runs
from dbtasks.trail_stats import tallied

_PAUSE_S = 0.2


class Format(enum.StrEnum):
    """How the answer is written. TABLE: columns for people."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def format_named(name: str) -> Format:
    """Return the format of this name; `text`, as other tasks call it, is the table."""
    if name == "text":
        return Format.TABLE
    if name not in set(Format):
        raise UsageError(f"--format: expected {', '.join(Format)}, found {name!r}.")
    return Format(name)


class Answer:
    """Looks into one project's trail and writes what it finds."""

    def __init__(self, project: Project, console: Console, filters: Filters, form: Format) -> None:
        self._project, self._console, self._filters, self._format = project, console, filters, form
        self._path, self._who = project.settings.trail, project.who
        self._passed = 0

    def show(self, limit: int) -> None:
        """Write the runs that fit, newest last."""
        found = runs(self._path, self._filters, self._who, limit, self._pass)
        if self._format is Format.JSON:
            self._console.data([audit_view.as_data(run) for run in found])
        elif self._format is Format.CSV or found:
            self._begin()
            self._write(found)
        else:
            self._console.say("Nothing in the trail fits.")
        self._tell_passed()

    def figures(self) -> None:
        """Write how often, when last and how long."""
        stats = tallied(each_run(self._path, self._filters, self._who, self._pass))
        match self._format:
            case Format.JSON:
                self._console.data(audit_figures.as_data(stats))
            case Format.CSV:
                self._lines(audit_figures.rows(stats))
            case Format.TABLE:
                self._lines(audit_figures.lines(stats))
        self._tell_passed()

    def follow(self, limit: int) -> None:
        """Write the newest runs, and then each one as it begins and as it ends, until nobody reads any more."""
        watch = audit_following.Watch(self._filters, self._who)
        self._begin()
        with Following(self._path) as place:
            shown = runs(self._path, self._filters, self._who, limit, self._pass)
            known = {(run.number, run.state) for run in shown}
            watch.seen(shown)
            self._write(shown)
            for entry in audit_following.entries(place.lines, lambda: self._console.wait(_PAUSE_S), self._pass):
                run = watch.run(entry)
                if run is not None and (run.number, run.state) not in known:  # came while the others were looked for
                    self._write([run])
                self._tell_passed()

    def query(self, query: str) -> None:
        """Write what a SELECT finds in the trail."""
        from dbtasks.trail_sql import ask  # late: it needs what few have installed

        found = ask(self._path, query)
        self._passed = found.passed
        match self._format:
            case Format.JSON:
                self._console.data([dict(zip(found.columns, row, strict=True)) for row in found.rows])
            case Format.CSV:
                self._lines(audit_rows.row(_texts(row)) for row in (found.columns, *found.rows))
            case Format.TABLE:
                self._lines(audit_rows.columned([found.columns, *(_texts(row) for row in found.rows)]))
        self._tell_passed()

    def export(self, form: Form) -> None:
        """Write every entry that fits in a form that other systems read, a document a line."""
        fitting = read(self._path, self._filters, self._pass)
        for document in exported(form, fitting, self._project.settings.project):
            self._console.data(document)
        self._tell_passed()

    def export_coming(self, form: Form) -> None:
        """Write what comes in such a form, as it comes."""
        with Following(self._path) as place:
            for entry in audit_following.entries(place.lines, lambda: self._console.wait(_PAUSE_S), self._pass):
                if fits(entry, self._filters):
                    for document in exported(form, [entry], self._project.settings.project):
                        self._console.data(document)
                self._tell_passed()

    def _begin(self) -> None:
        if self._format is Format.CSV:
            self._console.text(audit_rows.header())

    def _write(self, found: Iterable[Run]) -> None:
        """Write runs one by one: JSON, too, is a line each."""
        match self._format:
            case Format.JSON:
                for run in found:
                    self._console.data(audit_view.as_data(run))
            case Format.CSV:
                self._lines(audit_rows.row(audit_rows.cells(run)) for run in found)
            case Format.TABLE:
                self._lines(audit_view.lines(list(found)))

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._console.text(line)

    def _pass(self, _line: bytes) -> None:
        self._passed += 1

    def _tell_passed(self) -> None:
        if self._passed:
            many = (
                "1 line is no entry and was" if self._passed == 1 else f"{self._passed:,} lines are no entries and were"
            )
            self._console.say(f"! {many} passed over: torn by a crash, or edited. See: invoke audit --verify")
        self._passed = 0


def _texts(row: Iterable[object]) -> list[str]:
    """Return cells as text: nothing for NULL, JSON for what has parts."""
    return [_text(value) for value in row]


def _text(value: object) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None else str(value)
