"""What every file in `rules/` offers, and what it says of a statement."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.catalogue import Table
from dbtasks.lint.findings import Safe, Severity
from dbtasks.lint.world import World
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What a rule says of one act. `rewrites` names the table that gets a new file: a rehearsal knows better."""

    severity: Severity
    message: str
    lock: str = ""
    safe: Safe | None = None
    rewrites: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: its name, as waivers and the documentation spell it, the kinds of acts that it looks at, and its word.

    `check` is pure: it knows the act and what is known of the database at that point of the run, and nothing else.
    """

    name: str
    on: tuple[str, ...]
    check: Callable[[Act, World], Iterator[Hit]]


def instead(*statements: str, outside: bool = False, alembic: str = "") -> Safe:
    """Return a safe way, whose Alembic code executes the statements unless other code is given.

    `outside`: what cannot run inside of a transaction.

    >>> print(instead("DROP INDEX CONCURRENTLY i;", outside=True).alembic)
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY i;")
    """
    sql = "\n".join(statements)
    code = alembic or "\n".join(_execute(each) for each in statements if not each.startswith("--"))
    if outside:
        indented = "\n".join(f"    {line}" for line in code.splitlines())
        code = f"with op.get_context().autocommit_block():\n{indented}"
    return Safe(sql=sql, alembic=code)


def _execute(statement: str) -> str:
    if '"' in statement or "\n" in statement or "\\" in statement:
        escaped = statement.replace("\\", "\\\\").replace('"""', '\\"""')
        return f'op.execute("""{escaped}""")'
    return f'op.execute("{statement}")'


def literal(text: str) -> str:
    """Return a text as Python writes it.

    >>> print(literal('a"b'))
    "a\\"b"
    """
    return json.dumps(text, ensure_ascii=False)


_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def quoted(name: str) -> str:
    """Return an identifier as SQL.

    >>> quoted("users"), quoted("Group")
    ('users', '"Group"')
    """
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def sql_name(table: Table) -> str:
    """Return a table's name as SQL."""
    names = (table.name,) if table.schema in ("", "public") else (table.schema, table.name)
    return ".".join(quoted(each) for each in names)
