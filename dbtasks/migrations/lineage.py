"""What follows from a history about a database: which revisions stand in it, were left out, are to be taken back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from dbtasks.migrations.history import History, Revision


def standing(history: History, current: Iterable[str]) -> frozenset[str]:
    """Return every revision that a database at `current` has, as far as the code knows them."""
    return _reach(current, _parents(history))


def left_out(history: History, current: Iterable[str], ledger: Iterable[str]) -> tuple[str, ...]:
    """Return what the version table takes for applied and the ledger does not have, although it has both of its sides.

    Alembic does not run a revision that was put below the one that a database is at. What came before the ledger
    began is no gap.
    """
    known = frozenset(ledger)
    parents = _parents(history)
    missing = [each.id for each in history.revisions if each.id in standing(history, current) and each.id not in known]
    if not missing:
        return ()
    after = {id_: _reach([id_], parents) - {id_} for id_ in parents}  # all that a revision needs
    followed = frozenset(itertools.chain.from_iterable(after[each] for each in known if each in after))
    return tuple(each for each in missing if each in followed and after[each] & known)


def loose_heads(history: History) -> tuple[str, ...]:
    """Return the heads of one tree that no branch label tells apart: two people have followed the same revision."""
    if len(history.heads) < 2:
        return ()
    parents = {each.id: each.down for each in history.revisions}
    labels = {each.id: each.labels for each in history.revisions}
    # The file that makes the first tables comes before every tree, and joins none.
    first = {each.id for each in history.revisions if each.id == each.path.as_posix()}
    below = {head: _reach([head], parents) - first for head in history.heads}
    loose = set()
    for one, other in itertools.combinations(history.heads, 2):
        apart = (below[one] - below[other], below[other] - below[one])
        if below[one] & below[other] and not any(labels[each] for side in apart for each in side):
            loose |= {one, other}
    return tuple(head for head in history.heads if head in loose)


def above(history: History, current: Iterable[str], to: str | None) -> tuple[Revision, ...]:
    """Return what a downgrade to a revision takes back, newest first; with `None` all that stands."""
    parents, there = _parents(history), standing(history, current)
    return tuple(
        each
        for each in reversed(history.revisions)
        if each.id in there and (to is None or (each.id != to and to in _reach([each.id], parents)))
    )


def tops(history: History, revisions: Iterable[str]) -> tuple[str, ...]:
    """Return those of these revisions that no other of them needs: what a version table holds."""
    ids, parents = frozenset(revisions), _parents(history)
    needed = frozenset(itertools.chain.from_iterable(parents[each] for each in ids))
    return tuple(each.id for each in history.revisions if each.id in ids - needed)


def _parents(history: History) -> Mapping[str, tuple[str, ...]]:
    labels = {label: each.id for each in history.revisions for label in each.labels}
    return {
        each.id: tuple(labels.get(name, name) for name in (*each.down, *each.depends_on)) for each in history.revisions
    }


def _reach(start: Iterable[str], parents: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = [each for each in start if each in parents]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting.extend(parents[each])
    return frozenset(found)
