"""What a statement reads from outside of its own database: files and programs of the server, roles, other databases.

None of it can be looked at again before a cached database is used, so a build that read it is not kept. Part of the
worker: standard library only.
"""

from __future__ import annotations

import re

_COPY = re.compile(r"\bcopy\b", re.IGNORECASE)
_FROM_OUTSIDE = re.compile(r"\bfrom\s+(?:program\b|e?'|\$)", re.IGNORECASE)
_NAMES = re.compile(
    r"\b(pg_read_(?:binary_)?file|pg_ls_\w+|pg_stat_file|lo_import|pg_file_settings|pg_hba_file_rules|pg_ident_file_mappings"
    r"|pg_roles|pg_authid|pg_user|pg_group|pg_shadow|pg_auth_members|pg_has_role|to_regrole|regrole|pg_database|pg_tablespace"
    r"|pg_shdescription|pg_db_role_setting|dblink\w*(?=\s*\()|import\s+foreign\s+schema|create\s+foreign\s+table)\b",
    re.IGNORECASE,
)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def read_outside(statement: str) -> str:
    """Return by what SQL text reads from outside of its database, empty where it does not, as far as words tell.

    What stands in strings counts: EXECUTE may run it.

    >>> [read_outside(text) for text in ("COPY t FROM '/a.csv'", "SELECT 1 FROM pg_roles", "COPY t FROM stdin")]
    ['COPY FROM a file or program', 'pg_roles', '']
    """
    if not (_COPY.search(statement) or _NAMES.search(statement)):
        return ""
    text = _COMMENTS.sub(" ", statement)
    if _copies(text):
        return "COPY FROM a file or program"
    found = _NAMES.search(text)
    return " ".join(found[0].split()).lower() if found else ""


def _copies(text: str) -> bool:
    # Piece by piece: one expression for both words would look through the rest of a long text from each COPY on.
    for piece in text.split(";"):
        word = _COPY.search(piece)
        if word and _FROM_OUTSIDE.search(piece, word.end()):
            return True
    return False
