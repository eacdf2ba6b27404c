"""Which test tries which fault of the list (design: security, section 4.2), and that each of them is there.

``long.py`` holds what takes minutes; ``make faults`` runs it. F06 is tried on local files and on an object store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.house.tree import ROOT

FAULTS: Mapping[str, Sequence[str]] = {
    "F01": (
        "faults/test_process_limits.py::test_a_full_disk_refuses_what_needs_room_and_takes_it_once_there_is_some",
        "faults/long.py::test_a_small_disk_that_is_full_is_told_and_nothing_is_half_there",
        "ports/test_store_statements.py::test_a_database_that_is_full_is_unavailable_and_works_again_when_there_is_room",
        "server/test_logs.py::test_a_log_that_cannot_be_written_ends_nothing",
    ),
    "F02": (
        "faults/test_system_faults.py::test_bytes_that_the_disk_did_not_keep_are_never_trusted",
        "faults/test_system_faults.py::test_short_writes_lose_nothing",
        "faults/test_power_loss.py::test_a_loss_of_power_takes_nothing_that_was_told",
        "faults/test_power_loss.py::test_a_commit_that_the_disk_did_not_keep_is_refused_and_the_next_is_kept",
    ),
    "F03": (
        "faults/test_database_faults.py::test_who_waits_too_long_for_anothers_lock_is_told_to_come_back",
        "faults/test_database_faults.py::test_of_two_who_wait_for_each_other_one_is_told_to_come_back",
        "faults/test_database_faults.py::test_a_locked_sqlite_file_is_unavailable_and_then_written_once",
    ),
    "F04": (
        "faults/test_database_faults.py::test_without_its_database_a_server_says_503_soon_and_comes_back_by_itself",
        "faults/test_database_faults.py::test_a_connection_that_breaks_in_the_middle_of_a_unit_leaves_nothing_of_it",
        "faults/long.py::test_two_hundred_callers_share_ten_connections_that_answer_slowly",
    ),
    "F05": (
        "faults/test_database_faults.py::test_a_commit_whose_answer_was_lost_is_found_by_its_key_and_not_done_again",
        "faults/test_database_faults.py::test_an_import_whose_commits_lose_their_answers_is_applied_once",
    ),
    "F06": (
        "faults/test_stored_bytes.py::test_damaged_bundles_are_given_to_nobody_and_told_in_the_log",
        "faults/test_object_faults.py::test_without_its_object_store_a_server_says_503_and_comes_back_by_itself",
        "faults/test_object_faults.py::test_an_import_that_finds_no_object_store_is_tried_again_and_brings_all",
        "faults/test_object_faults.py::test_objects_that_are_not_what_was_stored_are_given_to_nobody",
        "faults/test_object_faults.py::test_bytes_that_went_wrong_on_the_way_are_not_passed_on",
        "faults/long.py::test_a_download_whose_bytes_go_wrong_in_the_middle_ends_before_them",
        "faults/test_object_faults.py::test_an_answer_that_breaks_off_is_never_taken_for_the_whole",
        "faults/long.py::test_an_object_store_that_says_nothing_or_a_byte_a_second_holds_up_nobody_for_long",
    ),
    "F07": (
        "ports/test_bells.py::test_after_a_lost_connection_it_hears_and_tells_again",
        "ports/test_bells.py::test_without_a_database_local_listeners_are_woken_all_the_same",
        "journeys/test_watching.py::test_a_lost_ring_costs_no_more_than_the_poll",
        "faults/test_network_faults.py::test_a_letter_goes_over_a_slow_line_and_over_a_broken_one_it_waits",
    ),
    "F08": (
        "journeys/test_notices_killed.py::test_an_import_is_told_once_whenever_the_server_is_killed",
        "journeys/test_concurrency.py::test_watchers_of_a_running_import_see_every_number_once",
    ),
    "F09": (
        "doors/test_rest_repeats.py::test_a_repeated_import_that_still_runs_is_joined_and_answered_when_it_ends",
        "doors/test_rest_repeats.py::test_a_lost_answer_is_found_by_its_key",
    ),
    "F10": (
        "journeys/test_concurrency.py::test_twenty_imports_over_five_tenants_all_end_and_never_two_in_one_tenant",
        "ports/test_store_jobs.py::test_workers_that_claim_at_once_never_share_a_job_or_a_tenants_place",
    ),
    "F11": (
        "journeys/test_deleting.py::test_an_import_in_line_brings_a_package_that_is_deleted_meanwhile",
        "server/test_backup.py::test_a_backup_that_is_made_during_an_import_has_the_tenant_as_before_or_as_after",
    ),
    "F12": (
        "faults/long.py::test_a_worker_that_was_stopped_beyond_its_lease_writes_nothing_when_it_wakes",
        "journeys/test_crash.py::test_who_lost_the_lease_writes_nothing_more_and_drops_nothing_of_the_other",
        "server/test_jobs.py::test_a_worker_that_lost_its_job_writes_nothing_more",
    ),
    "F13": (
        "faults/test_system_faults.py::test_imports_go_on_while_the_clock_jumps",
        "faults/test_system_faults.py::test_a_limit_is_neither_lifted_nor_prolonged_by_a_clock_that_jumps",
        "server/test_auth.py::test_clocks_may_differ_by_a_minute",
        "server/test_auth.py::test_an_end_beyond_the_calendar_is_the_last_day",
    ),
    "F14": ("server/test_jobs.py::test_a_bug_of_ours_ends_its_import_and_no_other",),
    "F15": ("faults/long.py::test_a_flood_of_imports_is_answered_and_lets_nothing_bad_in",),
    "F16": (
        "doors/test_receiving.py::test_a_client_that_goes_away_leaves_nothing",
        "faults/test_network_faults.py::test_bytes_of_a_hub_come_in_slices_whole_and_cut_off_not_at_all",
    ),
    "F17": ("faults/long.py::test_two_hundred_watchers_of_a_server_that_is_started_again_miss_nothing",),
    "F18": (
        "faults/test_process_limits.py::test_an_import_that_has_no_memory_fails_and_others_go_on",
        "journeys/test_crash.py::test_an_import_that_dies_every_time_is_ended_and_leaves_nothing",
    ),
    "F19": ("faults/test_process_limits.py::test_without_file_descriptors_a_server_refuses_and_recovers",),
    "F20": (
        "server/test_hub_client.py::test_an_older_index_is_refused_and_the_newer_one_stays",
        "server/test_hub_client.py::test_metadata_without_end_is_refused",
        "server/test_hub_client.py::test_bytes_that_are_not_those_of_the_index_are_refused",
        "server/test_outward.py::test_a_redirect_inside_is_not_followed",
        "server/test_outward.py::test_a_packed_answer_is_not_unpacked",
    ),
    "F21": ("server/test_outward.py::test_a_name_that_leads_inside_the_second_time_is_not_asked_then",),
    "F22": (
        "faults/test_stored_bytes.py::test_a_damaged_artifact_is_neither_shown_nor_exported",
        "faults/test_stored_bytes.py::test_a_content_that_is_gone_is_refused_as_a_damaged_one_by_whoever_needs_it",
        "faults/test_stored_bytes.py::test_a_database_whose_pages_are_damaged_answers_503_and_never_500",
    ),
    "F23": (
        "faults/test_migration_faults.py::test_a_killed_migration_leaves_nothing_and_the_next_one_does_it",
        "faults/test_migration_faults.py::test_a_running_server_goes_on_while_a_later_version_adds_to_its_tables",
        "faults/test_migration_faults.py::test_a_database_of_a_later_version_is_left_as_it_is",
    ),
    "F24": (
        "server/test_auth.py::test_keys_survive_an_outage_of_the_issuer_up_to_their_age",
        "server/test_auth.py::test_a_key_taken_away_is_refused_at_once",
        "server/test_auth.py::test_without_any_keys_the_server_says_later",
    ),
    "F25": (
        "faults/test_process_limits.py::test_a_log_that_nobody_reads_holds_up_nobody",
        "server/test_logs.py::test_lines_that_nobody_reads_are_dropped_and_counted_and_a_line_says_so_later",
    ),
}


def test_every_fault_of_the_list_has_a_test_that_is_there():
    named = [place.partition("::") for places in FAULTS.values() for place in places]

    missing = [name for file, _, name in named if f"def {name}(" not in (ROOT / "tests" / file).read_text()]

    assert list(FAULTS) == [f"F{number:02}" for number in range(1, 26)]
    assert missing == []
