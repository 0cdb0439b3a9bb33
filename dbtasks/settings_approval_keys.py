"""The keys of `tiers.<tier>` about approvals: how many, and for how long a plan waits for them."""

from __future__ import annotations

from dbtasks.settings_key import Key, time

APPROVAL_KEYS = (
    Key(
        name="approvals",
        summary="How many must approve each plan with their SSH keys, besides whoever asks. Then no prompt is enough.",
        expected="a number of people",
        pattern=r"[0-9] (?:person|people)",
        example="2 people",
        default="0 people",
    ),
    time("approve_within", "How long a plan on paper waits for its approvals and can be run.", "24 hours"),
)
