"""What was wrong with the gateway that this one replaces on Redis Streams, and which tests keep it from coming back.

Its users know these faults. Each is named with the tests that were written against it; one that is renamed or taken
away is missed here.
"""

from __future__ import annotations

import re

import pytest

from tests.law.sources import ROOT

NAMED = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
DEFECTS: dict[str, tuple[str, ...]] = {
    "1 receipts acknowledged nothing": (
        "test_entries_become_runs_and_results_and_logs_come_back",
        "test_a_cancel_comes_again_until_it_is_acknowledged",
        "test_a_poll_takes_what_waits_and_its_report_counts",
    ),
    "2 what a dead worker had was never done": (
        "test_what_a_dead_consumer_left_is_taken_over",
        "test_inv_f2_an_accepted_lease_lives_by_renewal_and_dies_without",
    ),
    "3 any worker could settle or destroy any stream": (
        "test_s36_a_foreign_receipt_is_refused_and_settles_nothing",
        "test_every_order_is_acknowledged_and_none_has_a_stream_written_for_it",
    ),
    "4 the body said who called": (
        "test_a_key_is_good_for_its_own_worker_alone",
        "test_s36_a_name_of_another_site_or_key_is_refused_everywhere",
        "test_s36_a_result_of_another_workers_run_is_refused",
    ),
    "5 credentials that were none came in, and keys lay in the open": (
        "test_inv_a4_every_method_asks_for_a_credential_first",
        "test_a_key_without_the_scope_is_forbidden",
        "test_a_keys_text_dressed_up_as_a_token",
        "test_a_client_certificate_is_needed_where_authorities_are_named",
    ),
    "6 failures were not limited, and limits went by a header": (
        "test_too_many_wrong_credentials_are_limited",
        "test_inv_r1_unary_calls_have_a_rate_by_credential",
        "test_the_table_is_bounded",
    ),
    "7 the stream pushed nothing, and a second one broke the first": (
        "test_a_stranger_works_over_a_stream",
        "test_a_second_connection_replaces_the_first",
        "test_streams_and_polls_and_simple_clients_work_side_by_side",
    ),
    "8 orders reached one worker, never the right one, or came for ever": (
        "test_a_drain_reaches_polling_workers_by_every_way",
        "test_a_cancel_of_the_scheduler",
        "test_a_cancel_ends_the_wait_of_its_holder",
        "test_every_order_is_acknowledged_and_none_has_a_stream_written_for_it",
    ),
    "9 results were lost, or taken for another run's": (
        "test_a_result_is_told_again_until_it_is_acknowledged",
        "test_f20_the_same_result_again_is_replayed_and_another_is_stale",
        "test_a_result_is_on_disk_before_it_leaves",
    ),
    "10 failures were told as success; lines came twice, late, or not at all": (
        "test_a_store_that_is_away_closes_the_link_and_acknowledges_nothing",
        "test_lines_while_the_journal_is_away_are_not_acknowledged",
        "test_inv_l1_lines_are_durable_when_they_are_acknowledged_and_there_once",
        "test_a_wrong_checksum_stores_nothing",
    ),
    "11 waiting polls used up the pool, and a caller that left took a task along": (
        "test_polls_that_wait_hold_no_connection_of_the_database",
        "test_a_caller_that_hangs_up_is_given_nothing_more",
        "test_a_calls_own_deadline_is_honoured",
    ),
    "12 streams only grew, and poison went round": (
        "test_entries_become_runs_and_results_and_logs_come_back",
        "test_poison_goes_to_the_dead_letters_with_its_reason",
        "test_f21_poison_ends_after_three_lost_workers_on_two_of_them",
        "test_three_offers_not_begun_in_a_row_set_the_worker_aside",
    ),
    "13 retries without end, timers lost, two leaders": (
        "test_three_retries_are_four_tries",
        "test_start_to_close_is_the_gateways_business_when_a_worker_forgets_it",
        "test_nothing_is_acknowledged_before_it_is_accepted",
        "test_of_two_gateways_one_reads",
        "test_inv_f5_a_leader_that_stood_still_changes_nothing",
    ),
    "14 an exit code that was not said was 0; probes leaked by the wall's clock": (
        "test_a_failed_run_is_exit_code_one",
        "test_no_place_of_a_probe_is_lost",
        "test_time_that_steps_back_admits_nothing",
    ),
    "15 tasks saw the credential, outlived their end, and choked on long lines": (
        "test_s37_a_task_finds_no_credential_and_no_privilege",
        "test_f23_nothing_is_left_of_a_run_out_of_time",
        "test_inv_l3_a_line_of_any_length_arrives_whole",
    ),
    "16 health checks that checked nothing": (
        "test_the_standard_health_checker_sees_serving_and_its_end",
        "test_a_health_check_ends_with_0_where_all_is_well_and_else_not",
    ),
}


@pytest.fixture(scope="module")
def names() -> frozenset[str]:
    """Every test there is."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    return frozenset(name for text in texts for name in NAMED.findall(text))


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_test_stands_against_it(defect: str, names: frozenset[str]) -> None:
    assert set(DEFECTS[defect]) <= names
