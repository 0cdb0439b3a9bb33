"""A team's own tasks behind the same guard: the body gets a connection after the guard and the trail."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from invoke.context import Context
from invoke.tasks import Task, task

from dbtasks.command_line import GuardedTask

_TIER = inspect.Parameter("tier", inspect.Parameter.KEYWORD_ONLY, default="")
_REASON = inspect.Parameter("reason", inspect.Parameter.KEYWORD_ONLY, default="")


def guarded_task(*, read_only: bool = False) -> Callable[[Callable[..., Any]], Task[Any]]:
    """Return a decorator for a task whose body takes the context, a psycopg connection, and its own parameters.

    The task gains `--tier` and `--reason`. `read_only` sessions may not write, and the guard asks accordingly. The
    connection commits when the body returns, rolls back when it raises, and is closed either way.
    """

    def decorate(body: Callable[..., Any]) -> Task[Any]:
        own = list(inspect.signature(body).parameters.values())[2:]

        def guarded(c: Context, *, tier: str = "", reason: str = "", **kwargs: Any) -> Any:
            from dbtasks.application import connect_to  # `invoke --list` needs no driver

            purpose = f"task {body.__name__}"
            with connect_to(tier or None, read_only=read_only, purpose=purpose, reason=reason) as connection:
                return body(c, connection, **kwargs)

        context = inspect.Parameter("c", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        named = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        guarded.__signature__ = inspect.Signature([context, *named, _TIER, _REASON])  # type: ignore[attr-defined]
        guarded.__name__, guarded.__doc__ = body.__name__, body.__doc__
        return task(klass=GuardedTask, auto_shortflags=False, name=body.__name__.strip("_"))(guarded)  # type: ignore[no-any-return]

    return decorate
