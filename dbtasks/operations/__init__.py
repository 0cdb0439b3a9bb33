"""The verbs. One file each: `OPERATION`, its properties, and `plan`, what it would do."""

from __future__ import annotations

from typing import Protocol

from dbtasks.effects import Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.operations import (
    accept,
    adopt,
    arm,
    backup,
    check,
    copy_back,
    downgrade,
    drift,
    guards,
    harden,
    lift,
    lint,
    migrate,
    open_,
    prepare,
    prune,
    recover,
    reset,
    restore,
    restore_beside,
    rights,
    roles,
    seed,
    status,
    undo,
)
from dbtasks.plan import Plan


class Verb(Protocol):
    """What every file here offers."""

    OPERATION: Operation

    def plan(self, evidence: Evidence, materials: Materials) -> Plan:
        """Return what would be done. Pure."""


VERBS: tuple[Verb, ...] = (
    *(reset, undo, seed, migrate, downgrade, prepare, prune, adopt, accept),
    *(backup, restore, restore_beside, copy_back, recover),
    *(harden, lift, arm, roles),
    *(open_, status, check, drift, lint, guards, rights),
)


def verb(operation: Operation) -> Verb:
    """Return the file of an operation."""
    return next(each for each in VERBS if each.OPERATION is operation)
