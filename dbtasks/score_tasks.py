"""The task about how safe it all is, by what can be shown."""

from __future__ import annotations

from invoke.context import Context

from dbtasks.command_line import checked_format, end, whole_number
from dbtasks.console import Console
from dbtasks.project import open_project
from dbtasks.task_calls import guarded


@guarded(min_="exit with 1 where the score is lower than this number")
def score(_c: Context, tier: str = "", format_: str = "text", min_: str = "") -> None:
    """Say how safe this project is, by probes that try it now; what nobody knows earns nothing."""
    as_json, least = checked_format(format_), whole_number("--min", min_) if min_ else None
    from dbtasks import score_view  # late: it loads the driver

    if not score_view.show(open_project(), Console(), tier, least=least, as_json=as_json):
        end(1)
