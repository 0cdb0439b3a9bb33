"""What a database was built from, so that the same need not be built twice: revisions, seeds, settings, versions.

What a build opened besides is recorded by the worker (`inputs`). Both must hold before a cached database is used.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping

from dbtasks.plan import ApplyRevisions, LoadSeeds, Plan
from dbtasks.values import dataclass

# Counts up when what we put into a database besides revisions and seeds changes.
BUILDER = 2


class Fit(enum.IntEnum):
    """How much of a wanted database a cached one has; the higher, the less is left to do."""

    NOTHING = 0
    SOME_REVISIONS = 1
    SCHEMA = 2
    WHOLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a database was, or is to be, built from.

    `settings` is a digest over everything that is neither a revision nor a seed. `revisions` are id and checksum in
    the order of the history. `seeds` is empty for a database that holds the schema alone.
    """

    settings: str
    revisions: tuple[tuple[str, str], ...]
    seeds: str = ""

    @property
    def key(self) -> str:
        """sha256 over all of it, in hexadecimal; its first digits are the name that people see."""
        return hashlib.sha256(json.dumps(self.as_data()).encode()).hexdigest()

    @property
    def schema(self) -> Recipe:
        """The same without seeds."""
        return Recipe(settings=self.settings, revisions=self.revisions)

    def as_data(self) -> dict[str, object]:
        return {"settings": self.settings, "revisions": [list(each) for each in self.revisions], "seeds": self.seeds}


def from_data(data: Mapping[str, object]) -> Recipe | None:
    """Return the recipe that was recorded, or `None` where the record is not one of ours: what is unknown is not used.

    >>> recipe = Recipe(settings="5e", revisions=(("c41f", "ab"),))
    >>> from_data(recipe.as_data()) == recipe, from_data({"revisions": 7})
    (True, None)
    """
    match data:
        case {"settings": str(settings), "revisions": list(revisions), "seeds": str(seeds)}:
            pairs = tuple(
                (str(each[0]), str(each[1])) for each in revisions if isinstance(each, list) and len(each) == 2
            )
            return Recipe(settings=settings, revisions=pairs, seeds=seeds) if len(pairs) == len(revisions) else None
        case _:
            return None


def wanted(plan: Plan, settings: Mapping[str, object]) -> Recipe:
    """Return the recipe of what a plan builds. `settings` is what else decides how it turns out, as plain data."""
    text = json.dumps([BUILDER, dict(settings)], sort_keys=True)
    revisions = next((step.revisions for step in plan.steps if isinstance(step, ApplyRevisions)), ())
    seeds = next((f"{' '.join(step.sets)} {step.digest}" for step in plan.steps if isinstance(step, LoadSeeds)), "")
    return Recipe(
        settings=hashlib.sha256(text.encode()).hexdigest(),
        revisions=tuple((each.id, each.checksum) for each in revisions),
        seeds=seeds,
    )


def fit(made: Recipe, want: Recipe) -> Fit:
    """Return how much of what is wanted was made.

    Revisions only grow: those that were made must all be wanted with the same bytes. Seeds come after the last
    revision, so that a seeded database serves those alone who want exactly its revisions.

    >>> base, head = ("c41f", "ab"), ("e902", "cd")
    >>> want = Recipe(settings="5e", revisions=(base, head), seeds="demo 9f")
    >>> [fit(Recipe(settings="5e", revisions=each), want).name for each in ((base, head), (base,), (("c41f", "00"),))]
    ['SCHEMA', 'SOME_REVISIONS', 'NOTHING']
    >>> fit(want, want).name
    'WHOLE'
    """
    if made.settings != want.settings:
        return Fit.NOTHING
    if made == want:
        return Fit.WHOLE
    if made.seeds or not made.revisions:
        return Fit.NOTHING
    if made.revisions == want.revisions:
        return Fit.SCHEMA
    return Fit.SOME_REVISIONS if set(made.revisions) < set(want.revisions) else Fit.NOTHING
