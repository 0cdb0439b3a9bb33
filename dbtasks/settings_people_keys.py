"""The keys of `people`, `groups`, and a tier's `allow`."""

from __future__ import annotations

from dbtasks.settings_key import Key, Shape

NAME = r"[a-z][a-z0-9_.-]{0,30}"
EVERYONE = "everyone"  # whoever it is, also who is not known

# Every operation that does more than look; `test_operations` holds them to the operations that there are.
OPERATIONS = (
    "reset",
    "undo",
    "seed",
    "migrate",
    "downgrade",
    "prepare",
    "prune",
    "adopt",
    "accept",
    "backup",
    "restore",
    "restore_beside",
    "copy_back",
    "recover",
    "harden",
    "lift",
    "arm",
    "roles",
    "open",
)

PERSON_KEYS = (
    Key(
        name="os_user",
        summary="The operating system's user that the person works as.",
        expected="a user's name",
        pattern=r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,63}\$?",
        example="ada",
    ),
    Key(
        name="git_email",
        summary="The e-mail that git knows the person by. It only narrows, since anybody can write one.",
        expected="an e-mail address",
        pattern=r"[^\s@\x00-\x1f]{1,64}@[^\s@\x00-\x1f]{1,190}",
        example="ada@example.org",
    ),
    Key(
        name="ci",
        summary="Variables by which a CI's own runner tells the job, with their values; no value means any.",
        shape=Shape.MARKERS,
        expected="variables with their values",
        pattern=r"[A-Za-z_][A-Za-z0-9_]{0,79}",
        example="{GITHUB_REPOSITORY: example/shop, GITHUB_REF: refs/heads/main}",
    ),
)

PEOPLE = Key(
    name="people",
    summary="Who works with these databases, by name, and how each is recognised.",
    shape=Shape.SECTIONS,
    expected="people by name (a letter, then small letters, digits, _, . and -)",
    pattern=NAME,
    example="{ada: {os_user: ada}}",
    section=PERSON_KEYS,
)
GROUPS = Key(
    name="groups",
    summary="Names for several people at once.",
    shape=Shape.LISTS,
    expected="groups by name, each a list of people",
    pattern=NAME,
    example="{operators: [ada, grace]}",
)
ALLOW = Key(
    name="allow",
    summary="Who may do what on this tier: operations by person, group or everyone. Without it, everybody may all.",
    shape=Shape.LISTS,
    expected="lists of operations by person, group or everyone",
    pattern=NAME,
    example="{operators: [migrate, backup, restore], everyone: [backup]}",
)
