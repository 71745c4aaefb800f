//! What can go wrong without anybody's ill will, what happens then, and where it is shown.

use Shown::{By, Not, Partly};

/// A row of the table.
pub struct Fault {
    pub id: &'static str,
    pub fault: &'static str,
    pub behaviour: &'static str,
    pub shown: Shown,
}

pub enum Shown {
    /// By these tests, or by these files of a test.
    By(&'static [&'static str]),
    /// By these tests, and what is missing.
    Partly(&'static [&'static str], &'static str),
    /// Why it cannot happen here.
    Not(&'static str),
}

/// The parts of the table, by the letter of their ids.
pub const PARTS: [(char, &str); 9] = [
    ('P', "Process, disk and clock"),
    ('L', "Several runs at once"),
    ('S', "S3"),
    ('D', "Route53 and DNS"),
    ('A', "ACME"),
    ('H', "Folders, hooks and keys of the runner"),
    ('G', "Git"),
    ('C', "The list"),
    ('R', "Reports and secrets"),
];

const fn row(id: &'static str, fault: &'static str, behaviour: &'static str, shown: Shown) -> Fault {
    Fault { id, fault, behaviour, shown }
}

const ONE_STORE: Shown =
    Not("one store is one folder on one machine; a lease between machines is not part of the design");

pub const FAULTS: &[Fault] = &[
    row(
        "P1",
        "Killed after the account was made, before its URL was saved",
        "The key was stored first; newAccount with the same key gives the same account",
        By(&["a_crash_before_the_order_is_known_costs_no_certificate", "a_key_without_a_url_finds_its_account_again"]),
    ),
    row(
        "P2",
        "Killed after newOrder was sent, before its URL was saved",
        "The order is asked for again; a CA that reuses orders gives the same one, and `alreadyReplaced` is answered by \
         asking once without `replaces`",
        By(&[
            "an_order_whose_url_was_lost_is_found_again",
            "a_renewal_whose_order_was_lost_is_found_again_without_replaces",
            "a_crash_around_the_order_costs_pebble_no_second_certificate",
        ]),
    ),
    row(
        "P3",
        "Killed after TXT records were written",
        "They are found in place, used, and taken away with nothing else",
        By(&[
            "a_record_that_is_there_already_is_not_written_twice",
            "a_crash_while_names_are_validated_costs_no_certificate",
        ]),
    ),
    row(
        "P4",
        "Killed after a challenge was answered",
        "It is not answered again; the order goes on where the CA says it stands",
        By(&[
            "a_challenge_that_the_ca_looks_at_is_not_answered_again",
            "a_ready_order_is_finalized_with_the_journaled_csr",
        ]),
    ),
    row(
        "P5",
        "finalize was sent and its answer was lost",
        "The order is read; a second finalize that comes too late is no error; the key is the journaled one",
        By(&[
            "a_lost_answer_to_finalize_costs_no_second_certificate",
            "a_finalize_that_comes_too_late_is_no_error",
            "a_second_finalize_tells_how_the_order_stands",
        ]),
    ),
    row(
        "P6",
        "Issued and not downloaded",
        "Downloaded through the order, and after the order expired through the journaled URL of the certificate",
        By(&["a_valid_order_is_downloaded", "a_certificate_outlives_its_order"]),
    ),
    row(
        "P7",
        "Downloaded and not stored",
        "Downloaded again",
        By(&["a_downloaded_certificate_that_was_not_stored_is_downloaded_again"]),
    ),
    row(
        "P8",
        "Stored and not uploaded",
        "Uploaded, without any request to the CA",
        By(&["a_stored_certificate_is_only_published"]),
    ),
    row(
        "P9",
        "Uploaded in part",
        "Readers see the old version until the pointer moves; the same objects are completed. What never got a pointer \
         because a later version came first is an old version like any other: it goes where `keep:` says so",
        By(&[
            "a_crash_while_publishing_shows_the_old_or_the_new",
            "after_a_crash_at_any_put_readers_see_a_whole_version_and_the_next_run_completes",
            "the_newest_versions_stay_and_so_does_what_is_no_version_or_not_older_than_the_live_one",
        ]),
    ),
    row(
        "P10",
        "Published, TXT records not taken away",
        "Taken away by the next run, also when the lineage has left the list",
        By(&[
            "a_crash_while_cleaning_up_leaves_no_record_to_the_next_run",
            "a_record_of_a_lineage_that_left_the_list_is_taken_away",
        ]),
    ),
    row(
        "P11",
        "A panic in the work on one lineage",
        "That lineage fails with `run:bug`, the others go on; a panic elsewhere ends the run with 1",
        By(&["a_bug_in_the_work_on_one_lineage_does_not_hold_the_others"]),
    ),
    row(
        "P12",
        "SIGKILL, abort, out of memory",
        "The report on disk says that the run did not complete; the next run goes on. Shown at each boundary of the \
         journal, at each pair of them, and at each call that changes the store",
        By(&[
            "a_killed_run_leaves_a_report_that_says_so",
            "a_store_that_is_killed_at_any_write_or_sync_or_rename_is_as_before_or_as_after",
            "a_store_that_is_killed_at_any_other_call_is_as_before_or_as_after",
            "a_run_that_is_killed_at_any_write_to_its_store_costs_no_second_certificate",
            "two_crashes_on_the_way_to_a_first_certificate_cost_no_second_one",
            "two_crashes_on_the_way_to_a_renewal_cost_no_second_one",
        ]),
    ),
    row(
        "P13",
        "SIGTERM, as when Jenkins ends a build",
        "No new order; answers under way get 5 s and the clean-up of TXT records 4 s more, then the journal says the rest; \
         exit 130",
        By(&[
            "a_run_ends_when_it_is_told_to_whatever_it_waits_for",
            "sigterm_takes_the_records_away_and_leaves_the_order_for_the_next_run",
            "a_run_that_is_ended_cleans_up_and_the_next_one_finishes_its_order",
        ]),
    ),
    row(
        "P14",
        "The disk is full",
        "Nothing is ordered unless there is room for all that comes of the orders, 1 MiB and 64 KiB for each, and its intent \
         is on the disk. A certificate that finds no room is fetched and stored by the next run; it is not published before, \
         because a bucket must not be ahead of its store",
        By(&[
            "nothing_is_ordered_when_there_is_no_room_for_what_comes_of_it",
            "there_is_room_for_an_order_and_not_for_more_than_the_disk_holds",
            "nothing_is_ordered_when_the_disk_is_too_full_for_the_intent",
            "a_certificate_that_found_no_room_is_stored_by_the_next_run",
            "a_full_disk_at_any_call_leaves_the_store_as_before_or_as_after",
        ]),
    ),
    row(
        "P15",
        "The store is read-only or somebody else's",
        "A file is made in each of its folders before anything is asked of the network; exit 1",
        By(&[
            "a_folder_of_the_store_that_takes_no_files_ends_the_run_before_it_asks_anybody",
            "a_place_that_cannot_be_written_is_named_with_a_hint",
        ]),
    ),
    row(
        "P16",
        "fsync says EIO",
        "As after a crash: the write counts as not made, its file is dropped and never synced again",
        By(&[
            "nothing_is_ordered_when_the_intent_cannot_be_synced",
            "a_broken_disk_at_any_call_leaves_the_store_as_before_or_as_after",
        ]),
    ),
    row(
        "P17",
        "Power fails, and writes that were not synced are lost in any combination",
        "The store is as before the write or as after it, and one that returned is there",
        By(&["after_a_power_loss_every_write_is_there_or_not_and_one_that_returned_is_there"]),
    ),
    row(
        "P18",
        "A generous umask, a file that is open to others, a link in the way",
        "Keys 0600 in folders 0700; links and foreign owners are refused; `doctor` says which of the keys that are there are \
         open to others",
        By(&[
            "modes_do_not_depend_on_the_umask",
            "no_umask_opens_the_store_to_others",
            "a_file_replaces_a_wider_one_and_what_a_crash_left",
            "a_link_that_waits_at_the_temporary_name_is_not_followed",
            "a_folder_of_the_store_that_is_a_link_is_refused",
            "a_tree_of_another_user_is_refused",
        ]),
    ),
    row(
        "P19",
        "The clock is wrong",
        "Compared with the `Date` of the CA: more than a minute warns, more than five orders nothing; AWS refuses by itself. \
         Deadlines run on the monotonic clock",
        By(&[
            "a_clock_that_is_an_hour_wrong_orders_nothing",
            "a_clock_that_is_minutes_wrong_either_way_is_refused_with_the_difference",
        ]),
    ),
    row(
        "P20",
        "A core dump with keys",
        "None is written, and no process of the same user may look into the memory; keys are wiped when they are dropped",
        By(&["a_crash_leaves_no_core_behind"]),
    ),
    row(
        "P21",
        "A journal entry is cut, changed or of a newer schema",
        "Its digest does not match: that lineage is left alone and red, the others go on; nothing is overwritten",
        By(&[
            "a_damaged_entry_stops_its_lineage_and_no_other",
            "an_entry_cut_at_any_byte_is_never_taken_for_a_sound_one",
            "a_cut_or_changed_or_newer_journal_entry_is_reported_and_not_overwritten",
        ]),
    ),
    row(
        "P22",
        "An old binary on a newer store",
        "Refused by readers and writers, for the store and for each document",
        By(&["a_newer_schema_is_refused_by_readers_and_writers"]),
    ),
    row(
        "P23",
        "A named pipe or a device stands where the runner or a branch has a file",
        "It is refused at once, by name; what is live stays",
        By(&[
            "a_named_pipe_where_the_runner_has_a_file_is_refused_at_once",
            "a_key_file_that_is_a_named_pipe_is_not_waited_for",
            "a_list_that_leads_to_an_endless_device_is_refused_at_once",
            "only_a_regular_file_is_opened",
        ]),
    ),
    row(
        "L1",
        "Two runs on one store",
        "The second ends with 5 at once, names the holder, and asks nothing of anybody",
        By(&[
            "of_many_runs_that_begin_at_once_on_a_new_folder_one_gets_the_lock_and_all_others_are_told",
            "a_second_run_is_told_who_holds_the_lock",
        ]),
    ),
    row("L2", "Two runs on two machines", "", ONE_STORE),
    row("L3", "The answer to a lease was lost", "", ONE_STORE),
    row(
        "L4",
        "A run sleeps for long and wakes",
        "The kernel's lock is still its own; a pointer that moved meanwhile is not overwritten",
        By(&["nobody_elses_write_is_ever_overwritten", "two_stores_with_different_versions_end_with_the_later_one"]),
    ),
    row(
        "L5",
        "The holder of the lock is dead",
        "The kernel frees the lock with its process; the next run resumes the journal",
        By(&["the_lock_is_free_again_when_it_is_dropped", "a_killed_run_leaves_a_report_that_says_so"]),
    ),
    row(
        "L6",
        "Conflicts (409, 412) without end at one object",
        "Four tries, each after a look, then `s3:contested`; the next run tries again",
        By(&[
            "a_lost_answer_or_a_failed_write_at_any_put_changes_nothing_in_the_end",
            "nobody_elses_write_is_ever_overwritten",
        ]),
    ),
    row(
        "L7",
        "Unlocking takes away somebody else's lock",
        "",
        Not("the lock is the kernel's and has no unlock command"),
    ),
    row(
        "L8",
        "A person forces the lock while a run works",
        "",
        Not("there is nothing to force: kill the process instead"),
    ),
    row(
        "S1",
        "500, 503 SlowDown",
        "Reads: up to 8 tries with growing pauses inside a minute. Writes: looked up, then up to 4 tries; else the next run. \
         32 requests to a bucket are under way at most; half as many after a refusal, and slowly more again",
        By(&[
            "a_write_that_fails_is_sent_once",
            "a_lost_answer_or_a_failed_write_at_any_put_changes_nothing_in_the_end",
            "a_ca_and_a_bucket_get_32_requests_at_a_time_at_most_and_a_bucket_without_room_fewer",
            "half_of_the_lanes_close_once_for_all_that_were_refused_together",
            "one_lane_stays_and_all_come_back_while_there_is_room",
        ]),
    ),
    row(
        "S2",
        "Slow or stalled answers",
        "5 s to connect, 20 s for a read, 60 s for a call; a SIGTERM ends the wait",
        By(&["an_answer_that_breaks_off_leaves_the_write_open", "a_run_ends_when_it_is_told_to_whatever_it_waits_for"]),
    ),
    row(
        "S3",
        "An upload arrives damaged",
        "SHA-256 goes with each object and S3 refuses another body; the manifest has the digests of all files",
        By(&["a_write_carries_condition_checksum_encryption_owner_and_metadata", "a_wrong_checksum_is_refused"]),
    ),
    row(
        "S4",
        "A store that answers with old data",
        "Conditional writes are refused then, and looked up; nothing is overwritten unseen",
        Partly(&["nobody_elses_write_is_ever_overwritten"], "there is no probe for stores that are not consistent"),
    ),
    row(
        "S5",
        "An ETag that is no MD5",
        "ETags are only compared with ETags, contents by SHA-256",
        By(&["the_same_body_written_twice_has_two_etags", "the_etags_of_all_objects_make_the_publication_current"]),
    ),
    row(
        "S6",
        "The bucket is public",
        "Looked at before anything is ordered; policy, ACL or a block that is switched off: refused with 4, renewals stay in the store",
        By(&[
            "an_open_bucket_gets_no_keys_and_nothing_new_is_ordered_for_it_but_renewals_go_on",
            "each_way_into_a_bucket_is_a_danger_of_its_own",
        ]),
    ),
    row(
        "S7",
        "Encryption is missing or by another key",
        "Asked for with each write and looked for in each answer; `s3:not-encrypted`",
        By(&[
            "an_object_without_the_kms_key_is_refused_when_written_and_when_read",
            "with_a_kms_key_every_object_is_encrypted_by_it",
        ]),
    ),
    row(
        "S8",
        "The bucket belongs to somebody else",
        "`expected_owner` goes with every call; another owner is told from a missing permission, and refused with 4",
        By(&[
            "a_write_carries_condition_checksum_encryption_owner_and_metadata",
            "a_bucket_of_another_account_and_one_whose_block_is_off_are_refused_and_told_apart",
        ]),
    ),
    row(
        "S9",
        "The bucket keeps no versions",
        "A warning, in `doctor` too",
        By(&["what_a_bucket_lacks_is_a_warning_and_no_obstacle"]),
    ),
    row(
        "S10",
        "KMS denies or throttles",
        "A denial names the permissions and is not tried again; everything else is",
        By(&["a_denied_write_names_bucket_key_and_permission", "what_s3_denied_is_published_later_without_an_order"]),
    ),
    row(
        "S11",
        "Credentials expire during a run",
        "The SDK fetches new ones before they end; a request that was refused all the same is sent once more, a write after \
         a look; else the next run does it",
        By(&[
            "credentials_that_expire_in_the_middle_of_a_run_are_fetched_anew",
            "credentials_that_expire_are_tried_once_more_and_no_longer",
            "missing_credentials_are_named_as_such",
            "a_bucket_that_refuses_costs_no_order_the_next_night",
        ]),
    ),
    row(
        "S12",
        "A pointer or an object was deleted or replaced by hand",
        "It comes back from the store without an order; what was replaced is named in the report",
        By(&[
            "a_pointer_that_went_missing_comes_back",
            "an_object_that_was_replaced_by_hand_is_put_back_and_named",
            "what_was_replaced_in_a_bucket_by_hand_is_put_back_and_named",
            "objects_that_went_missing_come_back_and_the_others_are_left",
            "objects_deleted_by_hand_come_back_without_an_order",
        ]),
    ),
    row(
        "D1",
        "`Throttling`, `PriorRequestNotComplete`",
        "One bucket for all requests to an AWS account, at a pace that is halved at each refusal and grows again; waited \
         out for 5 min. Accounts do not wait for each other; one change at a time for each zone, and all polls take half \
         of the pace at most",
        By(&[
            "throttling_is_waited_out",
            "the_pace_settles_at_what_others_leave_of_an_account",
            "many_zones_find_their_pace_under_two_buckets",
            "an_account_without_room_does_not_hold_the_other",
            "zones_of_one_account_share_a_pace_whatever_the_role",
            "the_polls_of_many_changes_take_half_of_the_pace_together",
        ]),
    ),
    row(
        "D2",
        "A change stays PENDING for ever",
        "After 300 s the zone's servers are asked: what all of them answer goes on. Else the lineage fails without a \
         challenge, so no failed validation is counted; other zones go on",
        By(&[
            "a_change_that_stays_pending_is_believed_to_the_servers_that_answer_it",
            "a_change_that_never_settles_is_given_up_when_its_time_is_over",
            "a_change_that_never_settles_costs_no_failed_validation",
            "a_zone_that_does_not_settle_does_not_hold_the_others",
        ]),
    ),
    row(
        "D3",
        "The zone is not delegated to Route53",
        "`doctor` and `plan --probe` compare the servers that the world sees with those of the hosted zone, and ask each \
         for the zone's SOA; the fault names both sets. A run that goes on all the same sees it at the servers before it \
         answers a challenge",
        By(&[
            "servers_that_serve_another_zone_of_the_name_are_an_error_with_both_sets",
            "servers_of_other_names_that_serve_the_same_zone_are_only_told",
            "a_domain_that_is_delegated_to_nobody_who_answers_is_an_error",
            "one_server_without_the_value_is_named_with_what_it_answered",
        ]),
    ),
    row(
        "D4",
        "Public, private and double zones",
        "The longest public zone; of two with one name a pin decides, and the fault says which one is delegated",
        By(&[
            "the_chosen_zone_holds_the_name_and_no_longer_one_does",
            "a_private_zone_is_not_taken",
            "two_zones_of_one_name_ask_for_a_pin",
            "of_two_zones_of_one_name_the_delegated_one_is_named",
        ]),
    ),
    row(
        "D5",
        "Somebody else writes the same record set",
        "A batch deletes exactly what was read and creates it with the difference; refused, it is read again",
        By(&["no_foreign_value_is_lost_and_every_value_is_in_one_change", "a_refused_batch_is_read_again"]),
    ),
    row(
        "D6",
        "Multivalue sets at the name",
        "Each value of ours is one more of them, and goes again by its own set identifier; refused where more than eight \
         would stand, since Route53 answers no more",
        By(&[
            "beside_multivalue_answers_ours_come_and_go_and_theirs_stay",
            "beside_multivalue_answers_each_value_is_one_more_and_others_stay",
            "more_multivalue_answers_than_route53_gives_are_refused",
        ]),
    ),
    row(
        "D7",
        "Weighted, latency or alias sets at the name",
        "Left alone; the lineage fails and says why",
        By(&[
            "a_set_with_a_routing_policy_is_unsupported",
            "a_set_with_a_routing_policy_is_left_alone_and_others_go_on",
        ]),
    ),
    row(
        "D8",
        "Quotes, escapes and long values in TXT",
        "Read and written back as they were",
        By(&[
            "every_value_survives_quoting",
            "no_text_is_read_with_a_panic",
            "foreign_values_and_their_ttl_outlive_ours",
        ]),
    ),
    row(
        "D9",
        "More than a request takes",
        "Split at 1,000 records and at 32,000 characters: 355 swaps",
        By(&[
            "no_request_is_larger_than_route53_takes_and_no_edit_is_lost",
            "a_request_takes_355_swaps_of_challenge_values",
            "names_beyond_one_request_are_several_batches",
        ]),
    ),
    row(
        "D10",
        "A name and its wildcard",
        "Both values in one set, in one batch",
        By(&["two_values_of_one_name_are_one_set", "a_wildcard_and_its_base_are_issued_together"]),
    ),
    row(
        "D11",
        "CNAMEs at `_acme-challenge`",
        "Followed, eight at most; circles are an error",
        By(&[
            "a_cname_leads_to_another_zone",
            "cnames_in_a_circle_are_an_error",
            "eight_cnames_are_followed_and_nine_are_not",
        ]),
    ),
    row(
        "D12",
        "What is to be taken away is gone or changed",
        "Only own values go; none is fine; an empty set is deleted",
        By(&[
            "only_own_values_are_taken_away",
            "a_value_that_is_gone_is_cleaned_up",
            "a_set_that_becomes_empty_is_deleted",
        ]),
    ),
    row(
        "D13",
        "SERVFAIL, caches of missing names",
        "The zone's own servers are asked one by one, not a cache",
        By(&[
            "the_servers_of_a_zone_are_found_and_asked_one_by_one",
            "one_server_without_the_value_is_named_with_what_it_answered",
        ]),
    ),
    row(
        "D14",
        "CAA forbids",
        "Looked up before an order: the lineage fails with the record and what it should say, and the CA hears nothing. \
         `plan --probe` and `doctor` say the same",
        By(&[
            "a_name_that_caa_records_close_to_the_ca_is_not_ordered_until_they_open",
            "plan_probe_names_the_record_that_would_stop_an_order_before_it_is_made",
            "a_caa_record_for_another_ca_forbids",
        ]),
    ),
    row(
        "D15",
        "NoSuchHostedZone, quotas",
        "The lineage fails with the zone and what to correct",
        By(&["an_unknown_zone_is_named", "a_name_without_a_zone_fails_alone"]),
    ),
    row(
        "A1",
        "badNonce",
        "Ten tries for each operation with the nonce that the refusal brought; newNonce rarely",
        By(&[
            "a_bad_nonce_is_repeated_ten_times",
            "half_of_the_nonces_may_be_refused",
            "nonces_of_replies_are_used_again",
            "a_wave_of_five_hundred_orders_asks_for_forty_nonces_at_most",
            "a_pebble_that_refuses_nonces_issues_all_the_same_and_reused_authorizations_need_no_dns",
        ]),
    ),
    row(
        "A2",
        "429 with Retry-After, in seconds or as a date",
        "Not repeated in the run; kept over all runs for the limit that it is about, and defers only what that concerns",
        By(&[
            "a_limit_that_nobody_knew_of_defers_what_it_concerns_and_nothing_else",
            "after_one_refusal_the_others_that_it_concerns_are_not_asked_for",
            "what_the_ledger_has_room_for_is_never_refused",
            "a_limit_of_the_ca_is_kept_until_the_time_that_it_named",
            "retry_after_may_be_seconds_or_a_date",
            "a_limit_says_when_to_come_again",
        ]),
    ),
    row(
        "A3",
        "503 with a page of HTML",
        "Waited out if it asks for a minute at most, else left to the next run",
        By(&["a_page_of_a_proxy_is_waited_out", "a_proxy_that_asks_for_an_hour_is_left_alone_for_an_hour"]),
    ),
    row(
        "A4",
        "5xx or no answer to newOrder or finalize",
        "Nothing is repeated unread: the order tells how it stands",
        By(&[
            "a_lost_answer_to_new_order_finds_the_same_order_again",
            "a_lost_answer_to_finalize_leaves_a_valid_order",
        ]),
    ),
    row(
        "A5",
        "The order becomes invalid",
        "Problem and subproblems in the report; 1 min, 10 min, 100 min, then 20 h, over all runs",
        By(&[
            "a_problem_becomes_a_fault_with_its_type_detail_and_subproblems",
            "a_name_that_the_ca_refuses_is_tried_ever_less_often",
            "an_invalid_order_is_given_up_and_counted",
        ]),
    ),
    row(
        "A6",
        "An authorization stays pending",
        "Polled for 10 min with the rests that the CA asks for, then left to the next run",
        By(&[
            "polling_rests_as_long_as_the_ca_asks",
            "an_order_that_stays_pending_is_left_when_the_time_is_over",
            "what_the_ca_decides_is_known_at_the_next_look_also_when_the_time_is_over",
            "a_ca_that_asks_for_patience_does_not_hold_a_run_that_was_told_to_stop",
        ]),
    ),
    row(
        "A7",
        "processing for hours",
        "Left to the next run, which goes on with the same order",
        By(&["an_order_in_processing_is_waited_for"]),
    ),
    row(
        "A8",
        "A chain that is malformed, in another order, or followed by other bytes",
        "Quarantined with the reason, never published",
        By(&[
            "a_chain_that_is_not_plain_pem_is_refused",
            "a_chain_in_another_order_is_refused",
            "bytes_behind_a_certificate_and_cut_certificates_are_refused",
        ]),
    ),
    row(
        "A9",
        "A certificate for another key",
        "Quarantined, never published",
        By(&["a_certificate_for_another_key_is_refused", "what_failed_the_checks_is_kept_apart_with_the_reason"]),
    ),
    row(
        "A10",
        "Names are missing or too many",
        "Quarantined, never published",
        By(&["a_missing_name_and_a_foreign_name_are_refused_by_name"]),
    ),
    row(
        "A11",
        "An intermediate that does not cover the leaf",
        "Quarantined, never published. A lifetime is not held against the profile: the directory describes profiles in \
         words for people (draft-ietf-acme-profiles), and states no duration",
        By(&["an_issuer_that_ends_before_the_leaf_is_refused", "an_issuer_that_may_not_sign_is_refused"]),
    ),
    row(
        "A12",
        "Alternate chains",
        "The one that ends at the preferred issuer, of the list or of the authority; else the default, with a warning",
        By(&[
            "the_chain_that_the_list_prefers_is_taken_and_else_the_default",
            "an_alternate_that_is_not_to_be_had_leaves_the_default",
            "an_authority_can_prefer_a_chain_for_all_its_orders",
            "alternates_are_found_among_other_links",
        ]),
    ),
    row(
        "A13",
        "The account is deactivated, needs a binding, or the terms changed",
        "One request a run, however many orders wait; the hint says what to do, and no name backs off for it",
        By(&[
            "a_deactivated_account_is_not_asked_to_order_again_and_again",
            "changed_terms_of_service_are_not_asked_about_again",
            "a_ca_that_wants_a_binding_is_asked_once_by_a_whole_wave",
            "an_account_is_bound_re_keyed_and_given_up_and_its_certificate_revoked_by_either_key",
            "an_account_that_was_put_in_order_is_tried_at_once",
            "doctor_names_an_account_that_the_ca_does_not_know",
        ]),
    ),
    row(
        "A14",
        "The CA has paused a name",
        "Told each night with the link that ends it; ordered again only when a person forces it",
        By(&["a_paused_name_is_reported_with_its_link_and_not_tried_again_by_itself"]),
    ),
    row(
        "A15",
        "`alreadyReplaced`",
        "Asked once more without `replaces`",
        By(&[
            "a_lost_answer_to_a_renewal_does_not_trip_over_what_it_replaces",
            "an_order_that_replaces_a_certificate_is_taken_once",
        ]),
    ),
    row(
        "A16",
        "Renewal information is missing, garbage, past or turned round",
        "A third of the lifetime left, or half under ten days; a window in the past renews at once",
        By(&[
            "rubbish_is_no_answer",
            "an_inverted_window_is_no_answer",
            "without_a_window_a_third_of_the_lifetime_is_left",
            "a_window_in_the_past_renews_at_once",
        ]),
    ),
    row(
        "A17",
        "The profile is gone from the directory",
        "No order; the fault says which there are. One that is only preferred gives way to the CA's default",
        By(&[
            "a_profile_that_the_directory_does_not_offer_gets_no_order",
            "a_preferred_profile_is_taken_where_it_is_offered_and_the_default_elsewhere",
            "an_unknown_profile_is_not_tried_again",
        ]),
    ),
    row(
        "A18",
        "An order is born ready",
        "No record is looked for, written or waited for",
        By(&[
            "a_name_that_the_ca_still_trusts_needs_no_dns",
            "a_reused_authorization_has_no_challenge",
            "an_order_that_needs_no_challenge_touches_no_zone",
        ]),
    ),
    row(
        "A19",
        "The CA cannot be reached",
        "An outage is no failure of the name: tried by every run, without growing pauses; expiry is reported by itself",
        By(&["an_outage_is_tried_again_soon_however_long_it_lasts", "a_ca_that_is_not_there_is_reported_as_an_error"]),
    ),
    row(
        "A20",
        "A certificate that begins in the future",
        "Up to a minute is waited for, up to an hour is left to the next run, more is quarantined; none is published early",
        By(&[
            "a_certificate_whose_time_is_a_little_away_is_waited_for",
            "a_certificate_whose_time_is_still_to_come_is_neither_live_nor_published",
            "a_certificate_that_has_ended_or_begins_too_late_is_refused",
        ]),
    ),
    row(
        "H1",
        "The folder for token files is a link, gone, read-only or full",
        "Tried before the order: the lineage fails with `http:folder`, the CA hears nothing, others go on",
        By(&[
            "a_folder_that_takes_no_file_costs_no_order_and_does_not_hold_names_by_dns",
            "a_symbolic_link_in_place_of_the_folder_is_refused_before_the_order",
            "a_link_in_place_of_the_folder_is_refused",
        ]),
    ),
    row(
        "H2",
        "Others keep files, links and folders in it, also under the name of a token",
        "They stay as they are; a token's name that is taken is `http:foreign-file`",
        By(&[
            "what_others_keep_in_the_folder_stays_whatever_it_is",
            "somebody_elses_file_is_neither_written_over_nor_removed",
            "a_link_in_place_of_the_file_is_neither_followed_nor_removed",
        ]),
    ),
    row(
        "H3",
        "Others may write to it: its group, everybody, another owner",
        "`doctor` fails with `http:writable`. A run does not: whoever can write there needs no help of ours",
        By(&["doctor_names_a_folder_that_others_may_write", "a_folder_that_others_may_write_to_is_told_of"]),
    ),
    row(
        "H4",
        "A token that leads out of the folder",
        "Refused before anything is written",
        By(&["a_token_that_leads_out_of_the_folder_is_refused"]),
    ),
    row(
        "H5",
        "A hook does not end, prints without end, is ended by a signal, or leaves others behind that hold its output",
        "Killed with its group after `timeout`; 64 KiB of each stream are kept; what it left behind is not waited for",
        By(&[
            "a_hook_that_hangs_is_killed",
            "a_hook_that_prints_without_end_is_killed_and_little_of_it_is_kept",
            "a_hook_that_is_ended_by_a_signal_or_leaves_others_behind_is_told_apart",
            "when_nobody_waits_any_more_all_that_was_started_is_killed",
        ]),
    ),
    row(
        "H6",
        "A hook that others may change: its file, a folder above it, or a link that leads to it",
        "Not run: `exec:writable`, `exec:in-state`",
        By(&[
            "a_hook_that_others_may_change_is_not_run",
            "a_hook_below_a_folder_that_others_may_rename_is_not_run_nor_by_a_link_that_they_may_change",
            "a_hook_in_the_state_directory_is_not_run_by_a_link_either",
        ]),
    ),
    row(
        "H7",
        "A hook that does not know the event, is missing, or is no program",
        "The lineage fails with `exec:unsupported` or `exec:unusable`, and is not tried again in the run",
        By(&[
            "forty_two_is_an_event_that_the_hook_does_not_know",
            "what_is_missing_or_no_program_is_told_with_its_name",
        ]),
    ),
    row(
        "H8",
        "A given key that is gone, of another type, has a passphrase, is no key, or can be read by others",
        "The lineage fails with what to do, the text of the file is not repeated, and what is live stays",
        By(&[
            "a_given_key_that_cannot_be_used_is_told_and_what_is_live_stays",
            "a_given_key_may_stand_among_other_pem_and_behind_a_link_and_one_that_is_gone_is_told",
            "a_private_file_of_another_user_is_refused_and_one_of_root_is_not",
        ]),
    ),
    row(
        "H9",
        "A key that is compromised and would be used again",
        "A reused one is given up and all versions with it are revoked; a given one is refused until its file has another",
        By(&[
            "a_compromised_key_is_not_reused_and_every_version_with_it_is_revoked",
            "a_reused_key_that_is_compromised_is_given_up_and_pebble_revokes_all_that_has_it",
            "a_given_key_that_is_compromised_is_refused_until_its_file_has_another",
            "a_crash_after_a_compromise_does_not_bring_the_key_back",
        ]),
    ),
    row(
        "G1",
        "The branch was rewound",
        "Refused: the head must descend from what was verified last",
        By(&["every_head_that_ann_did_not_authorise_is_refused"]),
    ),
    row(
        "G2",
        "Signers who are unknown, revoked or none",
        "Refused before the list is read; [rules.md](rules.md) has them all",
        By(&["an_unsigned_list_is_refused_before_anything_was_ever_issued"]),
    ),
    row(
        "G3",
        "The repository cannot be reached",
        "The list that was verified last renews for `max_stale`, with a failing case",
        By(&[
            "a_host_that_is_out_of_reach_does_not_stop_renewals",
            "renewals_end_when_the_verified_list_is_stale",
            "after_max_stale_nothing_is_renewed_either",
        ]),
    ),
    row(
        "G4",
        "A huge repository, file or tree",
        "Caps on bytes fetched, on commits, on files that are read; nothing is checked out",
        By(&["a_file_over_the_limit_is_refused_unread", "nothing_of_the_branch_or_the_clone_is_executed"]),
    ),
    row(
        "G5",
        "Another host key",
        "Refused with 4 and both fingerprints",
        By(&["another_host_key_is_refused_and_shown"]),
    ),
    row(
        "G6",
        "The branch moves during a run",
        "Everything is read from the commit that was verified",
        By(&["a_new_head_makes_a_plan_stale"]),
    ),
    row(
        "C1",
        "Ten thousand entries",
        "[performance.md](performance.md) has the figures",
        By(&["fifty_thousand_domains_are_a_list"]),
    ),
    row(
        "C2",
        "The same set of names twice",
        "An error with both places",
        By(&["tests/cases/list/duplicate-identifier-set.yaml", "a_name_claimed_twice_is_shown_at_both_places"]),
    ),
    row("C3", "A wildcard over a sibling", "An error", By(&["tests/cases/list/wildcard-covers-sibling.yaml"])),
    row(
        "C4",
        "Names that DNS or the CA would not take",
        "Normalised to A-labels, or an error with line and column",
        By(&[
            "an_identifier_is_normalised_to_lower_case_a_labels",
            "an_identifier_that_no_public_ca_would_take_is_refused",
        ]),
    ),
    row("C5", "More names than a certificate takes", "An error", By(&["tests/cases/list/too-many-identifiers.yaml"])),
    row(
        "C6",
        "A change that removes or changes much",
        "Refused with 4 without `--force-limits`; what is removed is kept in the stash and in the bucket",
        By(&[
            "too_much_change_at_once_needs_a_second_word",
            "a_lineage_that_leaves_the_list_is_kept_and_comes_back_without_an_order",
        ]),
    ),
    row(
        "R1",
        "The run dies before its report",
        "A failing report was written first; each file is replaced whole",
        By(&[
            "a_killed_run_leaves_a_report_that_says_so",
            "a_run_that_is_killed_at_any_write_to_its_store_costs_no_second_certificate",
        ]),
    ),
    row(
        "R2",
        "The report of an earlier run is taken for this one's",
        "Replaced at the start, also when the flags make no sense",
        By(&["a_bad_flag_is_64_and_a_report_says_so", "a_report_that_cannot_be_written_is_an_error_of_its_own"]),
    ),
    row(
        "R3",
        "Secrets in logs, plans and reports",
        "Secrets are of a type that cannot be printed; the files of keys are the only ones that hold any",
        By(&[
            "no_secret_stands_anywhere_but_in_its_own_file",
            "no_fault_and_no_name_of_an_object_holds_the_private_key",
            "a_key_that_cannot_be_read_is_not_repeated_in_the_fault",
        ]),
    ),
    row(
        "R4",
        "Hostile texts in names and answers",
        "Escaped and cut",
        By(&[
            "a_hostile_text_does_not_break_the_report",
            "a_hostile_problem_of_the_ca_does_not_break_the_report",
            "hostile_text_neither_breaks_a_report_nor_steers_a_terminal",
        ]),
    ),
    row(
        "R5",
        "Permissions that are missing",
        "Each is named in the fault of the call that needed it",
        By(&["a_missing_permission_is_named", "a_denied_write_names_bucket_key_and_permission"]),
    ),
];
