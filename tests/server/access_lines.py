"""The lines of the bad input, and where each is shown with more than a row of `access_tricks.py` could say."""

from __future__ import annotations

LINES = {
    "forged": (
        "test_approvals.py",
        "test_what_is_tampered_with_is_refused",
    ),
    "replayed": (
        "test_approvals.py",
        "test_a_plan_is_asked_for_by_one_approved_by_another_and_run_once_where_nobody_sits",
    ),
    "expired": (
        "test_approvals.py",
        "test_what_is_tampered_with_is_refused",
    ),
    "self-signed": (
        "test_approvals.py",
        "test_what_is_tampered_with_is_refused",
    ),
    "edited plans": (
        "test_hostile_access.py",
        "test_no_part_of_a_plan_can_be_edited",
    ),
    "two applies at once": (
        "test_approvals.py",
        "test_of_two_applies_at_once_one_runs",
    ),
    "a clock that is wrong on the client": (
        "test_approvals.py",
        "test_a_wrong_clock_where_it_runs_changes_nothing",
    ),
    "an allowed_signers file with errors": (
        "test_hostile_access.py",
        "test_signers_that_do_not_count_agree_to_nothing",
    ),
    "a signer removed after signing": (
        "test_approvals.py",
        "test_whoever_signs_is_whom_the_stamp_knows",
    ),
    "a signer added by the one who asks": (
        "test_hostile_access.py",
        "test_a_signer_who_was_added_counts_once_it_is_adopted",
    ),
    "a floor lowered in YAML": (
        "test_approvals.py",
        "test_a_floor_that_is_lowered_in_the_settings_stays_where_the_stamp_has_it",
    ),
    "a plan for another tier": (
        "test_approvals.py",
        "test_what_is_tampered_with_is_refused",
    ),
    "another database of the same name": (
        "test_hostile_access.py",
        "test_what_took_the_databases_place_is_not_what_was_approved",
    ),
    "a blind pty": (
        "test_prod.py",
        "test_answers_piped_into_a_pseudo_terminal_never_count",
    ),
    "a pty under a marked agent": (
        "test_prod.py",
        "test_a_mark_of_an_agent_is_refused_at_a_terminal",
    ),
    "type-ahead": (
        "test_prod.py",
        "test_what_was_typed_before_a_question_answers_nothing",
    ),
    "look-alike characters": (
        "test_prod.py",
        "test_a_wrong_second_answer_changes_nothing",
    ),
    "a coordination database that is down, read-only or a standby": (
        "test_hostile_access.py",
        "test_where_the_books_cannot_be_kept_nothing_runs",
    ),
    "a server without superuser": (
        "test_hostile_access.py",
        "test_nobody_here_is_a_superuser",
    ),
    "no two factors": (
        "test_prod.py",
        "test_a_command_without_a_terminal_is_refused",
    ),
}
