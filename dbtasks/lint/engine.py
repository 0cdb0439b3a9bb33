"""Statements in, findings out: our rules by what is known of the database, squawk's word, and the waivers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import islice

from dbtasks.errors import Mistake
from dbtasks.lint import squawk
from dbtasks.lint.acts import REHEARSED, Act, acts
from dbtasks.lint.catalogue import Catalogue, Name
from dbtasks.lint.findings import Finding
from dbtasks.lint.locks import blocks_writes
from dbtasks.lint.parsing import Parsed, SqlError, parse_text
from dbtasks.lint.rule import Hit, Rule
from dbtasks.lint.rules import QUIET, RULES
from dbtasks.lint.tree import Node
from dbtasks.lint.waivers import Waiver, waived
from dbtasks.lint.world import World
from dbtasks.masking import HIDDEN, remember
from dbtasks.statements import Statement
from dbtasks.values import dataclass

# Every rule's name, ours and squawk's: what a waiver may name.
NAMES = frozenset(
    [
        *(rule.name for rule in RULES),
        *(name for name, word in squawk.KNOWN.items() if not isinstance(word, squawk.Left)),
    ]
)

_BY_KIND: dict[str, list[Rule]] = {
    kind: [rule for rule in RULES if kind in rule.on] for rule in RULES for kind in rule.on
}
_SHOWN = 300
_PASSWORD = re.compile(
    r"""(?is)(\bpassword\s+)(?:(?:e|u&)?'(?P<quoted>(?:[^'\\]|''|\\.)*)'|(?P<tag>\$\w*\$)(?P<dollar>.*?)(?P=tag))"""
)
# What a terminal would take for commands to itself.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """One statement as it was given, and the statements that its text holds."""

    statement: Statement
    parsed: tuple[Parsed, ...]


def lint(
    statements: Sequence[Statement],
    catalogue: Catalogue | None = None,
    waivers: Sequence[Waiver] = (),
    *,
    name: str = "",
    today: date | None = None,
) -> tuple[Finding, ...]:
    """Return what is to be said of statements that run one after the other, the worst of each line first.

    Without a catalogue every table that they do not make themselves is taken for a large one that people use. Where a
    rehearsal has measured rewrites, those count. `name` is the file's, for what is no statement of a revision.
    `SqlError` where a text is no SQL.
    """
    texts = [_Text(statement=each, parsed=_parsed(each, name)) for each in statements]
    try:
        found = [*_ours(texts, World(catalogue, _made_later(texts))), *_squawks(texts)]
    except RecursionError:
        raise SqlError(Mistake(file=name, text="a block in it is nested too deeply to be read.")) from None
    day = today or date.today()  # noqa: DTZ011 - a waiver ends with the day of whoever runs this
    return tuple(waived(each, name, waivers, day) for each in found)


def _parsed(statement: Statement, name: str) -> tuple[Parsed, ...]:
    """Return a text's statements. One that a server has run and our grammar does not know cannot be seen into."""
    revision = statement.revision
    try:
        return parse_text(statement.text, name, bound=revision is not None)
    except SqlError:
        if revision is None:
            raise
        return (Parsed(node=Node(), text=statement.text, line=1),)


def _made_later(texts: Sequence[_Text]) -> frozenset[Name]:
    """Return the views that some statement makes: one that is dropped before is only replaced."""
    world = World(None)
    views = (each.node.child("view") for text in texts for each in text.parsed if each.node.kind == "ViewStmt")
    return frozenset(world.name(each) for each in views)


def _ours(texts: Sequence[_Text], world: World) -> Iterator[Finding]:
    revision, begun = None, False
    for text in texts:
        statement = text.statement
        if statement.revision != revision or not statement.transactional:
            revision = statement.revision
            world.held.clear()
        said = False
        for parsed in text.parsed:
            if parsed.node.kind == "TransactionStmt":
                begun = parsed.node.text("kind") in ("TRANS_STMT_BEGIN", "TRANS_STMT_START")
                world.held.clear()
            if parsed.node.kind == "InsertStmt" and not world.held and not parsed.node.child("with_clause"):
                continue  # rows alone: a file may hold hundreds of thousands of them
            for act in acts(parsed, statement, transactional=begun or statement.transactional):
                for rule, hit in _hits(act, world):
                    said = said or rule.name not in QUIET
                    yield _finding(rule.name, hit, act)
                world.after(act)
        if statement.locks or statement.rewrites:
            yield from _rehearsed(text, world, said=said)


def _hits(act: Act, world: World) -> Iterator[tuple[Rule, Hit]]:
    found = [
        (rule, hit)
        for rule in _BY_KIND.get(act.kind, ())
        for hit in rule.check(act, world)
        if not _known_better(hit, act.statement)
    ]
    loud = [(rule, hit) for rule, hit in found if rule.name not in QUIET]
    locks = [hit.lock for _, hit in found if blocks_writes(hit.lock)]
    if locks and act.relation and act.transactional:
        world.held.setdefault(world.name(act.relation), locks[0])
    yield from loud or found


def _known_better(hit: Hit, statement: Statement) -> bool:
    """Return whether a rehearsal has seen that the rewrite which a rule foretells does not happen."""
    measured = statement.revision is not None and statement.transactional
    seen = {name.removeprefix("public.") for name in statement.rewrites}
    return measured and bool(hit.rewrites) and hit.rewrites not in seen and bool(statement.locks)


def _rehearsed(text: _Text, world: World, *, said: bool) -> Iterator[Finding]:
    """Yield what a rehearsal saw and no rule foretold: what a function does, say."""
    if said or not text.parsed:
        return
    first = text.parsed[0]
    act = Act(
        kind=REHEARSED,
        node=Node(),
        whole=Node(),
        text=first.text,
        line=first.line,
        transactional=True,
        statement=text.statement,
    )
    for rule in _BY_KIND[REHEARSED]:
        for hit in rule.check(act, world):
            yield _finding(rule.name, hit, act)


def _finding(rule: str, hit: Hit, act: Act) -> Finding:
    return Finding(
        rule=rule,
        severity=hit.severity,
        line=act.line,
        statement=shown(act.text),
        message=_plain(hit.message),
        lock=hit.lock,
        safe=hit.safe and replace(hit.safe, sql=_plain(hit.safe.sql), alembic=_plain(hit.safe.alembic)),
        revision=act.statement.revision,
    )


def _squawks(texts: Sequence[_Text]) -> Iterator[Finding]:
    given = [text.statement.text for text in texts]
    for remark in squawk.remarks(given) if any(text.parsed for text in texts) else ():
        text = texts[remark.text]
        before = [each for each in text.parsed if each.line <= remark.line]
        yield Finding(
            rule=remark.rule,
            severity=remark.severity,
            line=remark.line,
            statement=shown(before[-1].text) if before else "",
            message=remark.message,
            revision=text.statement.revision,
            by_squawk=True,
        )


def shown(text: str) -> str:
    """Return a statement in one line, not longer than people read, and without a password.

    >>> shown("ALTER ROLE app\\n  PASSWORD 'it''s'")
    "ALTER ROLE app PASSWORD '***'"
    """
    words = _plain(" ".join(islice(text.split(), _SHOWN)))
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 1]}…"


def _plain(text: str) -> str:
    """Return a text without passwords and without control characters."""

    def hide(found: re.Match[str]) -> str:
        remember((found["quoted"] or found["dollar"] or "").replace("''", "'"))
        return f"{found[1]}'{HIDDEN}'"

    return _CONTROL.sub("?", _PASSWORD.sub(hide, text))
