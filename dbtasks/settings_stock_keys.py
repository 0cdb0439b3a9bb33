"""The keys of `stock`: what is kept ready for the next reset."""

from __future__ import annotations

from dbtasks.settings_key import Key, truth

STOCK_KEYS = (
    Key(
        name="most",
        summary="How many templates and spares a tier may keep ready; 0 databases: none.",
        expected="a number of databases",
        pattern=r"[0-9]{1,3} databases?",
        example="8 databases",
        default="8 databases",
    ),
    Key(
        name="size",
        summary="How much room all of a tier's templates and spares may take; the least used go first.",
        expected="a size in MB or GB",
        pattern=r"[0-9]{1,5} [MG]B",
        example="4 GB",
        default="4 GB",
    ),
    truth("by_hand", "Whether only `invoke prepare` makes the next reset ready; else each reset does, afterwards."),
)
