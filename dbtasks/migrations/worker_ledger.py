"""The text of one ledger row, written in one round trip on the connection that wrote the version row.

Part of the worker: standard library only. Composed as literals: the drivers share no way to bind a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# As the role that logged in: env.py may have set another one, which knows nothing of our schema.
_WRITE = """DECLARE was text := current_setting('role');
BEGIN
IF was <> 'none' THEN PERFORM set_config('role', 'none', true); END IF;
{forget}INSERT INTO dbtasks.ledger (revision, checksum, direction, started_at, duration_ms, person, entry, tool_version)
VALUES ({revision}, {checksum}, {direction}, clock_timestamp() - {seconds} * interval '1 second', {duration_ms},
        {person}, {entry}, {tool_version});
IF was <> 'none' THEN PERFORM set_config('role', was, true); END IF;
END"""
_FORGET = "DELETE FROM dbtasks.ledger WHERE revision = {revision} AND duration_ms IS NULL;\n"


def write(connection: Any, row: Mapping[str, Any], *, torn: bool) -> None:
    """Write a row on SQLAlchemy's connection, inside the transaction that is open there; in place of a `torn` one."""
    cursor = connection.connection.cursor()  # the driver's own: nobody who listens need be told that it is ours
    cursor.execute(row_text(row, torn=torn))
    cursor.close()


def row_text(row: Mapping[str, Any], *, torn: bool) -> str:
    """Return the statement.

    >>> row = dict.fromkeys(("revision", "checksum", "direction", "seconds", "duration_ms", "entry"), 0)
    >>> "VALUES (0, 0, 0," in row_text({**row, "person": "o'hara", "tool_version": "1"}, torn=False)
    True
    """
    values = {name: literal(value) if isinstance(value, str) else repr(value) for name, value in row.items()}
    forget = _FORGET.format(revision=values["revision"]) if torn else ""
    body = _WRITE.format(forget=forget, **values)
    tag = "$dbtasks$"
    while tag in body:
        tag = f"{tag[:-1]}_$"
    return f"DO {tag}\n{body} {tag}"


def literal(text: str) -> str:
    """Return a text as SQL writes it.

    >>> literal("o'hara")
    "'o''hara'"
    """
    return "'" + text.replace("'", "''") + "'"
