"""Where a clearance is used, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbtasks.anchoring import Anchoring
from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection
from dbtasks.moment import Moment
from dbtasks.project import Project
from dbtasks.survey import Survey
from dbtasks.targets import Target
from dbtasks.values import dataclass

if TYPE_CHECKING:
    from dbtasks.migrations.ahead import Ahead


@dataclasses.dataclass(slots=True, kw_only=True)
class Result:
    """What the steps did. `exit_code` is a handed-out command's own."""

    facts: dict[str, object] = dataclasses.field(default_factory=dict)
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a clearance is used. `look_again` makes the survey anew; `entry` is the trail's number of the intent,
    which `anchoring` takes to the server.

    `beside` is the survey's own connection to the coordination database, where it made one. `fresh`: nothing in stock
    is believed. `result` grows while the steps run. `ahead` is a worker that waits for a job,
    `reason` what the person said.
    """

    project: Project
    target: Target
    server_way: Conninfo
    entry: int
    anchoring: Anchoring
    look_again: Callable[[], Survey]
    report: Callable[[Moment], None]
    beside: Connection | None = None
    fresh: bool = False
    reason: str = ""
    ahead: Ahead | None = None
    result: Result = dataclasses.field(default_factory=Result)
