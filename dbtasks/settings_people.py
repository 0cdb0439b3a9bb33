"""From `people`, `groups` and each tier's `allow` to who may do what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbtasks.people import Person
from dbtasks.settings_fields import Fields
from dbtasks.settings_people_keys import EVERYONE, OPERATIONS
from dbtasks.tiers import Allowed, Marker
from dbtasks.wording import nearest, quoted


def read_people(top: Fields) -> tuple[Person, ...]:
    """Return the people; what nobody could be recognised by is noted."""
    found = []
    for name, fields in top.sections("people").items():
        markers = fields.markers("ci") if "ci" in fields else {}
        person = Person(
            name=name,
            os_user=fields.text("os_user") or "",
            git_email=fields.text("git_email") or "",
            ci=tuple(Marker(variable=variable, value=value) for variable, value in markers.items()),
        )
        if name == EVERYONE:
            fields.note("", f"{EVERYONE} means whoever it is. Choose another name.")
        if not ("os_user" in fields or "ci" in fields):
            fields.note("", "nothing by which this person could be recognised. Write os_user, or ci for a job of a CI.")
        if person.os_user and person.ci:
            fields.note("ci", "a job of a CI is nobody's login. Declare it by a name of its own.")
        found.append(person)
    return tuple(found)


def read_groups(top: Fields, people: Sequence[Person]) -> dict[str, frozenset[str]]:
    """Return the people of each group; each person is a group as well."""
    names = [each.name for each in people]
    groups = {name: frozenset({name}) for name in names}
    for group, members in top.lists("groups").items():
        if group in names or group == EVERYONE:
            top.note("groups", f"{quoted(group)} means somebody already. Choose another name.")
        for member in members:
            if member not in names:
                top.note("groups", f"{quoted(group)}: nobody is called {quoted(member)}.{nearest(member, names)}")
        groups[group] = frozenset(members)
    return groups


def read_allowed(fields: Fields, groups: Mapping[str, frozenset[str]]) -> tuple[Allowed, ...] | None:
    """Return who may do what on a tier; `None` where nothing is said, so that everybody may all."""
    if "allow" not in fields:
        return None
    people: dict[str, frozenset[str]] = {}
    for name, operations in fields.lists("allow").items():
        if name != EVERYONE and name not in groups:
            known = (*groups, EVERYONE)
            text = f"no person or group is called {quoted(name)}.{nearest(name, known)} There are: {', '.join(known)}."
            fields.note("allow", text)
        for operation in operations:
            if operation not in OPERATIONS:
                text = f"there is no operation {quoted(operation)}.{nearest(operation, OPERATIONS)}"
                fields.note("allow", f"{text} The operations are: {', '.join(OPERATIONS)}.")
            these = frozenset({EVERYONE}) if name == EVERYONE else groups.get(name, frozenset())
            people[operation] = people.get(operation, frozenset()) | these
    return tuple(Allowed(operation=operation, people=these) for operation, these in people.items())
