"""What holds a transaction in which a test works, so that nothing of it stays, whatever the code under test does.

The driver's own `commit()` and `rollback()` move a savepoint. A COMMIT sent as SQL is refused by the server: it would
have to finish a cursor, and that fails. After a ROLLBACK sent as SQL the session can only read.
"""

from __future__ import annotations

from typing import LiteralString

# Before the transaction, in one of its own: whatever comes after it may only read.
READ_ONLY_AFTERWARDS: LiteralString = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"

# A cursor WITH HOLD is run to its end by COMMIT, and by nothing else; random() keeps the planner from doing so before.
# PREPARE TRANSACTION refuses such a cursor, too.
_REFUSAL: LiteralString = (
    "dbtasks: COMMIT as SQL is refused, this transaction is rolled back when the test ends; "
    "call commit(), or use the fixture fresh_database"
)
_CURSOR: LiteralString = "DECLARE dbtasks_holds_this_transaction CURSOR WITH HOLD FOR"
HOLD: tuple[LiteralString, ...] = (
    "SET TRANSACTION READ WRITE",
    f"{_CURSOR} SELECT (CASE WHEN random() >= 0 THEN '{_REFUSAL}' END)::integer",
    "SAVEPOINT dbtasks_test",
)

# What a COMMIT would check is checked, and stays deferred as it was.
COMMIT: tuple[LiteralString, ...] = (
    "SAVEPOINT dbtasks_check",
    "SET CONSTRAINTS ALL IMMEDIATE",
    "ROLLBACK TO SAVEPOINT dbtasks_check",
    "RELEASE SAVEPOINT dbtasks_check",
    "RELEASE SAVEPOINT dbtasks_test",
    "SAVEPOINT dbtasks_test",
)
ROLLBACK: tuple[LiteralString, ...] = ("ROLLBACK TO SAVEPOINT dbtasks_test",)
