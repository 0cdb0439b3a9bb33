"""The keys of `trail_files`: when the trail's file is put aside and the next one begun."""

from __future__ import annotations

from dbtasks.settings_key import Key

TRAIL_KEYS = (
    Key(
        name="size",
        summary="How large the file may grow. Without it, as large as it likes.",
        expected="a size in MB or GB",
        pattern=r"[1-9][0-9]{0,4} [MG]B",
        example="100 MB",
    ),
    Key(
        name="age",
        summary="How old its first entry may become. Without it, as old as it likes.",
        expected="a number of days, hours or minutes",
        pattern=r"[1-9][0-9]{0,3} (?:day|hour|minute)s?",
        example="90 days",
    ),
)
