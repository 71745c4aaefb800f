//! What the seed documents ask for, row by row, and where it is shown.

use Met::{Later, Otherwise, Partly, Shown};

/// A row: the number of the seed document and of the row in it.
pub struct Requirement {
    pub id: &'static str,
    pub wish: &'static str,
    /// How it is met, where the test alone does not say it.
    pub how: &'static str,
    pub met: Met,
}

/// What can be said for it.
pub enum Met {
    /// By these tests, or by these files.
    Shown(&'static [&'static str]),
    /// The same, but for what is still open.
    Partly(&'static [&'static str], &'static str),
    /// Not now, and why.
    Later(&'static str),
    /// In another way, and why.
    Otherwise(&'static str),
}

pub const SEEDS: [(&str, &str); 5] = [
    ("0-", "A nightly Jenkins job with certbot, Route53 and S3"),
    ("1-", "Stashing certificates"),
    ("2-", "acmetool with Route53"),
    ("3-", "acme-tiny in a container"),
    ("4-", "letsencrypt-aws"),
];

const fn row(id: &'static str, wish: &'static str, how: &'static str, met: Met) -> Requirement {
    Requirement { id, wish, how, met }
}

const MATRIX: Met = Shown(&[
    "tests/cases/stash/matrix.txt",
    "each_row_of_the_table_is_decided_as_it_says",
    "every_triple_is_decided_as_the_notes_say",
]);
const TARGETS: Met = Later("load balancers and CDNs as places to deploy to; hooks and `pull` serve them until then");

pub const REQUIREMENTS: &[Requirement] = &[
    row(
        "0-01",
        "Valid certificates with the least hassle",
        "",
        Shown(&[
            "the_tutorial_can_be_followed_line_by_line",
            "a_signed_list_becomes_certificates_by_way_of_a_saved_plan",
        ]),
    ),
    row(
        "0-02",
        "Renewed when close to their end, and not before",
        "",
        Shown(&[
            "a_certificate_in_its_window_is_renewed_and_names_what_it_replaces",
            "a_second_run_only_looks",
            "tests/cases/plan/003-a-third-left-renews",
        ]),
    ),
    row(
        "0-03",
        "Available to build and deployment systems",
        "`pull`, or a predictable key below one prefix",
        Shown(&[
            "a_consumer_reads_one_lineage_and_lists_nothing",
            "the_printed_policies_allow_what_the_commands_do_and_nothing_else",
            "nginx_serves_the_new_certificate_after_a_pull_and_the_old_one_if_it_does_not_reload",
        ]),
    ),
    row(
        "0-04",
        "Alerts for creating, renewing and contacting the host",
        "The case `contact` of `certs.source`; \
        `issue:` and `renew:` inside the message of `certs.issue`, whose names stay the same over a lineage's life",
        Shown(&[
            "a_host_that_does_not_answer_is_red_by_name",
            "a_certificate_that_fails_is_red_by_name_and_the_build_unstable",
        ]),
    ),
    row(
        "0-05",
        "The host holds certificates; what was not uploaded is uploaded later",
        "",
        Shown(&[
            "what_s3_denied_is_published_later_without_an_order",
            "a_bucket_that_refuses_costs_no_order_the_next_night",
        ]),
    ),
    row(
        "0-06",
        "Route53 hosts the TXT records",
        "",
        Shown(&[
            "a_signed_list_becomes_certificates_by_way_of_a_saved_plan",
            "a_hundred_names_are_one_batch_and_one_read",
        ]),
    ),
    row(
        "0-07",
        "S3 hosts certificates for other services, in a documented layout",
        "",
        Shown(&[
            "docs/bucket.md",
            "the_manifest_comes_after_the_files_and_the_pointer_last",
            "a_signed_list_becomes_certificates_in_the_bucket",
        ]),
    ),
    row(
        "0-08",
        "The config repo is the one truth of domains and of scripts after issue and renewal",
        "",
        Shown(&[
            "scripts_of_the_verified_commit_run_after_issue_and_after_renew",
            "a_script_of_an_unsigned_commit_never_runs",
        ]),
    ),
    row(
        "0-09",
        "A daily job that checks and renews",
        "",
        Shown(&[
            "a_second_run_does_nothing_and_says_the_same_of_every_lineage",
            "planning_after_applying_yields_only_keep",
        ]),
    ),
    row(
        "0-10",
        "SSH to the config repo, with a check of the clone",
        "`verify`, and the beginning of `plan` and `apply`",
        Shown(&[
            "a_pinned_host_key_and_a_known_client_key_give_the_tip",
            "only_commits_after_the_last_verified_one_are_walked",
        ]),
    ),
    row(
        "0-11",
        "A clone that is gone is made again in the same run",
        "",
        Shown(&["a_clone_that_is_gone_is_fetched_again_in_the_same_run"]),
    ),
    row(
        "0-12",
        "The latest configuration is in place; rewritten history is not followed",
        "",
        Shown(&["a_forced_push_is_seen", "every_head_that_ann_did_not_authorise_is_refused"]),
    ),
    row(
        "0-13",
        "New certificates of the list are created; certbot's settings can be read",
        "",
        Shown(&[
            "a_signed_list_becomes_certificates_in_the_bucket",
            "what_certbot_acmetool_and_acme_tiny_have_is_served_with_the_same_serial_and_renews",
        ]),
    ),
    row(
        "0-14",
        "The TXT record goes to the right zone",
        "",
        Shown(&["a_name_is_found_in_its_longest_zone", "a_private_zone_is_not_taken"]),
    ),
    row(
        "0-15",
        "The TXT record is taken away again",
        "",
        Shown(&[
            "sigterm_takes_the_records_away_and_leaves_the_order_for_the_next_run",
            "a_crash_while_cleaning_up_leaves_no_record_to_the_next_run",
            "a_record_that_cannot_be_taken_away_is_told_and_taken_away_the_next_night",
        ]),
    ),
    row(
        "0-16",
        "`live/<name>` below a root of one's choice",
        "`state:`",
        Shown(&["a_deployed_version_stands_under_live_as_certbot_has_it"]),
    ),
    row(
        "0-17",
        "Renewal goes on when a new certificate fails",
        "One wave; each lineage has its case",
        Shown(&[
            "one_lineage_that_fails_does_not_hold_the_others",
            "every_lineage_has_its_case_in_each_suite_every_night",
        ]),
    ),
    row(
        "0-18",
        "Every live certificate is uploaded, not only what changed",
        "",
        Shown(&[
            "objects_deleted_by_hand_come_back_without_an_order",
            "what_was_replaced_in_a_bucket_by_hand_is_put_back_and_named",
            "what_is_stashed_keeps_every_byte_and_is_neither_renewed_nor_revoked",
        ]),
    ),
    row(
        "0-19",
        "Jenkins decides by the report and the exit code",
        "",
        Shown(&["a_night_that_goes_well_is_green", "a_run_that_is_killed_is_red", "docs/commands.md"]),
    ),
    row(
        "0-20",
        "People are told of failures",
        "A failing case, the exit code, a webhook or a program once a run",
        Shown(&["people_are_told_once_of_a_run_that_was_refused", "a_program_is_told_the_same"]),
    ),
    row(
        "0-21",
        "Logs return over SSH; outbound connections only",
        "",
        Shown(&[
            "a_night_over_ssh_brings_the_report_of_the_host_home",
            "a_run_opens_no_port_and_reaches_only_what_its_configuration_names",
        ]),
    ),
    row(
        "0-22",
        "The disk is encrypted",
        "`doctor` looks. Encrypting below the file system is the host's work: a key \
        beside the files would protect nothing",
        Shown(&["a_logical_volume_is_as_encrypted_as_what_it_lies_on"]),
    ),
    row(
        "0-23",
        "A user without rights, no writes elsewhere",
        "`doctor` warns of root instead of refusing it",
        Shown(&["systemd_takes_the_units", "ci/package.d/countersign.service", "only_the_store_writes_files"]),
    ),
    row(
        "0-24",
        "SSH logins may run the one job only",
        "`ssh-gate`",
        Shown(&[
            "the_key_of_jenkins_opens_nothing_but_the_gate",
            "nothing_that_a_shell_or_sshd_would_read_differently_gets_into_the_line",
        ]),
    ),
    row(
        "0-25",
        "Incoming connections are closed",
        "",
        Shown(&["a_run_opens_no_port_and_reaches_only_what_its_configuration_names"]),
    ),
    row(
        "0-26",
        "The key of Jenkins stands in `authorized_keys`",
        "",
        Shown(&["the_line_forces_the_gate_with_its_configuration", "the_line_may_name_where_the_key_comes_from"]),
    ),
    row(
        "0-27",
        "Two identities, one for Route53 and one for S3",
        "",
        Shown(&[
            "route53_and_s3_take_their_credentials_from_different_places",
            "the_printed_policies_allow_what_the_commands_do_and_nothing_else",
        ]),
    ),
    row(
        "0-28",
        "A policy for Route53",
        "`iam-policy route53`",
        Shown(&["records_of_challenges_alone_may_be_changed_and_in_the_zones_of_the_configuration_alone"]),
    ),
    row(
        "0-29",
        "Route53 from the environment and S3 from a profile at once",
        "",
        Shown(&["route53_and_s3_take_their_credentials_from_different_places"]),
    ),
    row(
        "0-30",
        "No certificate on the sly",
        "",
        Shown(&[
            "every_head_that_ann_did_not_authorise_is_refused",
            "an_unsigned_list_is_refused_before_anything_was_ever_issued",
            "docs/rules.md",
        ]),
    ),
    row(
        "0-31",
        "SSH to the repository is pinned and needs no agent",
        "",
        Shown(&[
            "another_host_key_is_refused_and_shown",
            "nothing_is_fetched_without_a_pinned_host_key",
            "an_identity_that_only_an_agent_holds_is_not_used",
        ]),
    ),
    row("0-32", "The result can be read at the end", "", Shown(&["the_last_line_of_the_answer_says_how_it_went"])),
    row("1-01", "Ours and others' certificates are told apart", "", Shown(&["who_made_a_certificate_is_told_apart"])),
    row(
        "1-02",
        "A stash keeps key, certificate and what belongs to them",
        "",
        Shown(&[
            "what_is_stashed_keeps_every_byte_and_is_neither_renewed_nor_revoked",
            "a_stashed_lineage_comes_back_byte_for_byte",
        ]),
    ),
    row(
        "1-03",
        "What comes out of the stash renews",
        "",
        Shown(&["tests/cases/plan/012-returned-name-that-is-due-is-unstashed-and-renewed"]),
    ),
    row(
        "1-04",
        "An expired stash is deleted quietly",
        "",
        Shown(&["an_expired_stash_goes_quietly_and_its_number_is_not_used_again"]),
    ),
    row(
        "1-05",
        "What is restored renews",
        "",
        Shown(&[
            "a_moved_store_serves_the_same_serials_while_the_ca_is_out_of_reach_and_renews_later",
            "what_certbot_acmetool_and_acme_tiny_have_is_served_with_the_same_serial_and_renews",
        ]),
    ),
    row(
        "1-06",
        "Key and certificate can be exported",
        "",
        Shown(&["what_is_sealed_is_read_back_and_a_debug_shows_no_key", "keys_are_exported_only_when_asked_for"]),
    ),
    row(
        "1-07",
        "The same rules at every event",
        "There is one event, an apply of the verified list; import and \
        restore feed it",
        MATRIX,
    ),
    row("1-10", "Not wanted, ours is live: stashed", "", MATRIX),
    row("1-11", "Not wanted, nothing of ours is live: nothing", "", MATRIX),
    row(
        "1-20",
        "Wanted, not deployed: from the stash, else ordered",
        "When nothing can be ordered, a placeholder lets \
        the server start instead of going back to http",
        MATRIX,
    ),
    row("1-21", "Wanted, deployed without TLS", "For the store the same as not deployed", MATRIX),
    row(
        "1-22",
        "Wanted, another's is live",
        "What is live stays until there is something better; there is no switch \
        for http, since this program configures no server",
        Shown(&[
            "tests/cases/stash/matrix.txt",
            "without_its_ca_a_certificate_fails_and_the_store_stays_as_it_was",
            "ours_is_kept_below_somebody_elses_and_comes_back_without_an_order",
        ]),
    ),
    row("1-23", "Wanted, ours is live: kept", "", MATRIX),
    row("1-30", "One was given, not deployed: the later of it and the stash", "", MATRIX),
    row("1-31", "One was given, deployed without TLS", "For the store the same as not deployed", MATRIX),
    row("1-32", "One was given, another's is live", "", MATRIX),
    row("1-33", "One was given, ours is live: the later wins", "", MATRIX),
    row(
        "1-40",
        "Another's was given, ours is live: ours is stashed",
        "`provided:`",
        Shown(&["ours_is_kept_below_somebody_elses_and_comes_back_without_an_order", "tests/cases/stash/matrix.txt"]),
    ),
    row(
        "1-41",
        "Another's was given, none of ours is live",
        "",
        Shown(&[
            "somebody_elses_certificate_is_published_and_watched_and_never_ordered",
            "tests/cases/stash/matrix.txt",
        ]),
    ),
    row(
        "1-50",
        "Undeployed: stashed, not deleted, not revoked",
        "",
        Shown(&[
            "a_changed_entry_is_reissued_a_removed_one_is_kept_and_comes_back_without_an_order",
            "what_is_stashed_keeps_every_byte_and_is_neither_renewed_nor_revoked",
        ]),
    ),
    row(
        "1-51",
        "A backup holds the certificate",
        "`export --with-keys`",
        Shown(&["a_moved_store_serves_the_same_serials_while_the_ca_is_out_of_reach_and_renews_later"]),
    ),
    row(
        "1-52",
        "A timer renews what is due",
        "`schedule`",
        Shown(&["tests/cases/stash/matrix.txt", "systemd_takes_the_units"]),
    ),
    row(
        "1-60",
        "A hook tells what happened in the run",
        "Hooks tell of what changed and failed; the lines of \
        `apply --json` tell of every lineage",
        Shown(&[
            "a_command_hears_the_facts_in_variables_and_as_json",
            "a_failed_order_is_told_with_its_fault",
            "every_lineage_has_its_case_in_each_suite_every_night",
        ]),
    ),
    row(
        "1-61",
        "While DNS points elsewhere the certificate that came along serves",
        "",
        Shown(&["a_moved_store_serves_the_same_serials_while_the_ca_is_out_of_reach_and_renews_later"]),
    ),
    row(
        "1-62",
        "An imported certificate is renewed",
        "",
        Shown(&["what_certbot_acmetool_and_acme_tiny_have_is_served_with_the_same_serial_and_renews"]),
    ),
    row(
        "1-63",
        "One run at a time; who only reads is not held",
        "",
        Shown(&["a_second_run_is_told_who_holds_the_lock", "audit_takes_no_lock_and_writes_nothing"]),
    ),
    row("1-64", "Lists show what is stashed", "", Shown(&["status_shows_live_and_stashed_lineages_by_expiry"])),
    row("1-65", "No keys in the list or in plans", "", Shown(&["no_secret_stands_anywhere_but_in_its_own_file"])),
    row(
        "1-66",
        "Keys leave only when asked for",
        "`export --with-keys`; `status` and `show` never hold any",
        Shown(&[
            "keys_are_exported_only_when_asked_for",
            "an_export_is_private_under_any_umask_and_overwrites_nothing",
        ]),
    ),
    row(
        "1-67",
        "Servers read paths that never change",
        "",
        Shown(&["a_deployed_version_stands_under_live_as_certbot_has_it", "versions_count_up_and_the_old_ones_stay"]),
    ),
    row(
        "1-68",
        "What was received goes into the store that renews",
        "",
        Shown(&["what_certbot_acmetool_and_acme_tiny_have_is_served_with_the_same_serial_and_renews"]),
    ),
    row(
        "1-69",
        "Frequent changes do not run into limits",
        "",
        Shown(&["ten_times_removed_and_brought_back_cost_one_order"]),
    ),
    row("1-70", "The newest wins, wherever it is", "", Shown(&["the_newest_wins_whatever_the_rest"])),
    row(
        "2-01",
        "dns-01 works without a web server",
        "",
        Shown(&["a_run_opens_no_port_and_reaches_only_what_its_configuration_names"]),
    ),
    row(
        "2-02",
        "The same on all servers",
        "One binary and one configuration; nothing of the host is asked for",
        Shown(&["the_tutorial_can_be_followed_line_by_line"]),
    ),
    row(
        "2-03",
        "Renewed at a third of the life left, half for short ones",
        "The CA's renewal information comes first",
        Shown(&["without_a_window_a_third_of_the_lifetime_is_left", "a_lifetime_under_ten_days_renews_at_half"]),
    ),
    row(
        "2-04",
        "Unattended, with a file of answers",
        "`init --answers`; every other verb asks nothing without a terminal",
        Shown(&[
            "answers_may_come_from_a_file",
            "without_a_terminal_all_missing_answers_are_named_at_once",
            "without_a_plan_and_without_a_terminal_nothing_is_done",
        ]),
    ),
    row("2-05", "acmetool's answers", "", Shown(&["every_answer_becomes_something_or_is_ignored_with_a_reason"])),
    row(
        "2-06",
        "Dialogs that are only acknowledged",
        "",
        Shown(&["every_answer_becomes_something_or_is_ignored_with_a_reason"]),
    ),
    row(
        "2-07",
        "A file of defaults",
        "`defaults:` of the list",
        Shown(&[
            "a_certificate_overrides_the_defaults_of_its_file",
            "a_target_says_key_and_server_for_what_has_no_certificate",
        ]),
    ),
    row(
        "2-08",
        "Staging or production by one line",
        "`authority:`",
        Shown(&["a_certificate_overrides_the_defaults_of_its_file"]),
    ),
    row(
        "2-09",
        "Hooks live outside of the state directory",
        "Commands stand in the runner's config with whole paths; \
        scripts are never written below `state:`",
        Shown(&[
            "scripts_are_not_unpacked_into_the_store",
            "a_hook_in_the_state_directory_is_not_run_by_a_link_either",
        ]),
    ),
    row(
        "2-10",
        "acmetool's hook protocol",
        "`exec` under `dns:` of the runner's config",
        Shown(&[
            "acmetools_route53_hook_runs_unchanged",
            "the_arguments_are_those_of_acmetool",
            "forty_two_is_an_event_that_the_hook_does_not_know",
        ]),
    ),
    row(
        "2-11",
        "The TXT record is written beside what is there",
        "Compare and swap instead of UPSERT",
        Shown(&[
            "no_foreign_value_is_lost_and_every_value_is_in_one_change",
            "a_wildcard_and_its_base_are_issued_together",
            "a_challenge_value_is_one_quoted_string",
        ]),
    ),
    row(
        "2-12",
        "DNS is waited for",
        "INSYNC and then the zone's own servers, no fixed sleep",
        Shown(&["a_change_is_settled_when_route53_says_so", "the_servers_of_a_zone_are_found_and_asked_one_by_one"]),
    ),
    row(
        "2-13",
        "Exactly what was created is deleted",
        "",
        Shown(&[
            "only_own_values_are_taken_away",
            "what_others_keep_at_the_same_name_stays",
            "a_value_that_is_gone_needs_no_edit",
        ]),
    ),
    row(
        "2-14",
        "The hosted zone can be named; a clear error if there is none",
        "`zones:` and `zone:` of the runner's \
        config, then what Route53 lists",
        Shown(&["a_zone_that_is_named_is_not_looked_for", "no_zone_names_the_ways_out"]),
    ),
    row(
        "2-15",
        "AWS credentials from the environment",
        "",
        Shown(&[
            "route53_and_s3_take_their_credentials_from_different_places",
            "without_credentials_the_way_to_give_them_is_shown",
        ]),
    ),
    row(
        "2-16",
        "The arguments of a hook are checked",
        "The configuration takes whole argument lists only",
        Shown(&["a_value_out_of_its_form_is_reported_where_it_stands", "arguments_reach_the_program_as_they_are"]),
    ),
    row(
        "2-17",
        "`quickstart`",
        "`init`, then `account register`",
        Shown(&["the_first_signed_commit_on_top_of_what_init_made_is_valid", "a_folder_that_is_in_use_is_left_alone"]),
    ),
    row(
        "2-18",
        "An IAM identity with its policy",
        "",
        Shown(&["the_printed_policies_allow_what_the_commands_do_and_nothing_else", "policy/README.md"]),
    ),
    row("2-19", "Secrets are never shown", "", Shown(&["no_secret_stands_anywhere_but_in_its_own_file"])),
    row(
        "2-20",
        "Zone ids are checked and listed",
        "`doctor` and `plan --probe` show the zone of each name; there is \
        no verb that lists them",
        Shown(&["the_id_of_a_hosted_zone_has_its_form", "plan_probe_looks_up_the_tree_and_not_beside_it"]),
    ),
    row(
        "2-21",
        "A daily timer",
        "`schedule`",
        Shown(&[
            "cron_runs_as_often_as_the_configuration_says",
            "the_minute_of_a_schedule_is_random_unless_it_is_said",
        ]),
    ),
    row(
        "2-22",
        "An exit code when a certificate cannot be renewed",
        "",
        Shown(&[
            "a_certificate_that_fails_is_red_by_name_and_the_build_unstable",
            "a_lineage_in_back_off_is_not_ordered_and_stays_red_with_its_cause",
        ]),
    ),
    row(
        "2-23",
        "A certificate on demand",
        "",
        Otherwise(
            "nothing outside of the signed list is issued, by nobody; \
        `apply --only NAME` does one lineage of it at once",
        ),
    ),
    row(
        "2-24",
        "acmetool's files in `live/`",
        "certbot's names in `live/`; acmetool's where a machine pulls, and as plain copies \
        in the bucket",
        Shown(&[
            "a_deployed_version_stands_under_live_as_certbot_has_it",
            "acmetools_names_have_no_suffix_and_a_url_if_it_is_known",
            "plain_copies_have_the_names_that_are_asked_for",
        ]),
    ),
    row("2-25", "One idempotent verb", "`apply`", Shown(&["planning_after_applying_yields_only_keep"])),
    row(
        "2-26",
        "Logs of every step, without secrets",
        "`-v`, `-vv`, `--log-file`",
        Shown(&["the_log_can_be_kept_in_a_file_as_lines_of_json", "no_secret_stands_anywhere_but_in_its_own_file"]),
    ),
    row(
        "2-27",
        "nginx reads what is there",
        "",
        Shown(&["nginx_serves_the_new_certificate_after_a_pull_and_the_old_one_if_it_does_not_reload"]),
    ),
    row(
        "2-28",
        "Self-signed certificates so that a server can start",
        "",
        Shown(&[
            "a_placeholder_stands_in_until_the_first_certificate_and_is_never_published",
            "a_placeholder_says_what_it_is",
        ]),
    ),
    row(
        "2-29",
        "What goes wrong with validation over the web is explained",
        "The preflight of http-01",
        Shown(&[
            "a_site_that_sends_everything_to_https_is_told_and_pebble_is_not_asked",
            "a_missing_file_names_the_folder_to_serve",
            "nobody_at_the_port_is_told_with_address_and_port",
        ]),
    ),
    row("2-30", "A package without an interpreter", "A Debian package", Shown(&["ci/package"])),
    row(
        "3-01",
        "One program for new and updated certificates",
        "`apply`",
        Shown(&["a_certificate_in_its_window_is_renewed_and_names_what_it_replaces"]),
    ),
    row("3-02", "Runs without rights", "As 0-23", Shown(&["ci/package.d/countersign.service", "ci/Dockerfile"])),
    row(
        "3-03",
        "A regular job with a log",
        "`doctor` fails when runs are too rare",
        Shown(&[
            "doctor_fails_for_runs_that_are_too_rare_for_the_certificates",
            "the_log_can_be_kept_in_a_file_as_lines_of_json",
        ]),
    ),
    row(
        "3-04",
        "A folder for each domain",
        "Such trees are imported; the list says what is wanted",
        Shown(&["what_certbot_acmetool_and_acme_tiny_have_is_served_with_the_same_serial_and_renews"]),
    ),
    row(
        "3-05",
        "What is prepared once is used again",
        "The account; certificates get new keys on purpose",
        Shown(&["a_known_account_is_not_registered_again", "a_file_is_never_overwritten_by_a_key"]),
    ),
    row(
        "3-06",
        "A folder that two hosts mount at different places",
        "Links are relative",
        Shown(&["only_the_exact_relative_target_names_a_version"]),
    ),
    row(
        "3-07",
        "Self-signed certificates for all that have none",
        "As 2-28",
        Shown(&["a_placeholder_stands_in_until_the_first_certificate_and_is_never_published"]),
    ),
    row(
        "3-08",
        "Only the owner writes, and reads keys",
        "",
        Shown(&["keys_are_for_their_owner_only", "no_umask_opens_the_store_to_others"]),
    ),
    row(
        "3-09",
        "RSA 4096 account keys, one for each domain or shared",
        "One account for each authority, with a P-256 \
        key; an RSA key is taken over and changed to one. Two entries under `authorities:` are two accounts",
        Shown(&[
            "the_rsa_account_of_acme_tiny_is_taken_over_from_s3_and_its_old_key_opens_nothing",
            "an_imported_key_that_is_not_of_p256_gives_way_to_a_new_one",
        ]),
    ),
    row(
        "3-10",
        "A CSR with the exact names and an empty subject",
        "",
        Shown(&[
            "a_csr_must_name_exactly_the_identifiers_of_the_order",
            "a_signed_list_becomes_certificates_by_way_of_a_saved_plan",
        ]),
    ),
    row(
        "3-11",
        "A key that exists is used again",
        "If the list says so: made here and kept, given by the runner, or known only to the machine that made the CSR",
        Shown(&[
            "a_key_is_new_each_time_unless_the_list_says_that_it_is_reused",
            "a_given_key_is_used_and_another_one_in_its_file_is_another_certificate",
            "a_csr_is_sent_as_it_is_at_each_renewal_and_no_key_is_kept_or_published",
        ]),
    ),
    row(
        "3-12",
        "http-01 through a shared folder",
        "",
        Shown(&[
            "a_certificate_is_validated_over_http_and_nothing_is_left_in_folder_or_dns",
            "a_file_has_exactly_the_content_and_the_mode_and_goes_again",
        ]),
    ),
    row(
        "3-13",
        "nginx serves the challenge",
        "",
        Shown(&[
            "nginx_as_the_document_shows_it_passes_the_preflight_and_pebble",
            "nginx_as_the_guide_for_acme_tiny_has_it_passes_too",
        ]),
    ),
    row(
        "3-14",
        "The challenge's folder is tried before the CA is asked",
        "",
        Shown(&[
            "a_web_server_that_does_not_show_the_file_costs_no_order",
            "one_name_that_leads_nowhere_does_not_hold_the_other_lineages",
        ]),
    ),
    row(
        "3-15",
        "From an account key and a CSR to a certificate",
        "The CSR stands in the signed list; `show NAME --chain` prints the chain",
        Shown(&[
            "a_key_that_openssl_made_on_the_machine_serves_there_and_is_nowhere_else",
            "what_is_wrong_with_a_csr_is_said",
        ]),
    ),
    row(
        "3-16",
        "A certificate is verified before a server gets it",
        "Chain, signatures, time, names and key; with \
        `anchors:` the roots too",
        Shown(&[
            "what_failed_the_checks_is_kept_apart_with_the_reason",
            "an_issuer_with_the_right_name_and_another_key_is_refused",
            "what_does_not_lead_to_a_root_of_its_authority_is_never_live",
        ]),
    ),
    row("3-17", "Details of a certificate", "`show`", Shown(&["show_tells_what_a_person_asks_at_night"])),
    row("3-18", "fullchain is what the CA answered", "", Shown(&["a_good_chain_is_split_into_leaf_and_issuers"])),
    row(
        "3-19",
        "The chain leads to a root that browsers know, or to one's own",
        "`show` says it of the web's roots",
        Shown(&[
            "a_chain_leads_to_its_own_root_and_to_no_other",
            "the_chain_that_the_list_prefers_is_taken_and_else_the_default",
        ]),
    ),
    row(
        "3-20",
        "The server is reloaded after a change",
        "Hooks at once; `pull` for others",
        Shown(&[
            "a_renewal_is_told_once_and_a_quiet_night_not_at_all",
            "nginx_serves_the_new_certificate_after_a_pull_and_the_old_one_if_it_does_not_reload",
        ]),
    ),
    row(
        "3-21",
        "Modes of the timer's files",
        "Printed, or installed by the package",
        Shown(&["the_units_of_the_package_are_those_that_are_printed", "ci/package"]),
    ),
    row(
        "3-22",
        "A log is kept",
        "journald or `--log-file`; the audit log is kept for ever",
        Shown(&[
            "the_log_can_be_kept_in_a_file_as_lines_of_json",
            "an_apply_writes_who_asked_before_the_order_and_what_came_of_it_after",
        ]),
    ),
    row("4-01", "Load balancers and CDNs as targets", "", TARGETS),
    row(
        "4-02",
        "The deployed certificate is looked at, not only the local one",
        "`served:` of the list; the threshold \
        is a part of the lifetime",
        Partly(&["a_server_that_shows_another_certificate_is_red_by_name"], "load balancers and CDNs as targets"),
    ),
    row("4-03", "A new key and CSR every time", "", Shown(&["another_key_type_or_another_name_is_issued_anew"])),
    row(
        "4-04",
        "The challenge through Route53",
        "",
        Shown(&["a_signed_list_becomes_certificates_by_way_of_a_saved_plan"]),
    ),
    row("4-05", "Upload to IAM and point the resource at it", "", TARGETS),
    row(
        "4-06",
        "Old certificates are cleaned up",
        "`keep:` for the store and the buckets, never the live version",
        Shown(&[
            "old_versions_go_where_the_configuration_says_how_many_are_kept",
            "the_newest_versions_stay_and_so_does_what_is_no_version_or_not_older_than_the_live_one",
        ]),
    ),
    row(
        "4-07",
        "An account is registered once, its key can be kept",
        "`account register --out`",
        Shown(&[
            "an_account_is_registered_once_and_its_key_written_for_its_owner_alone",
            "a_file_is_never_overwritten_by_a_key",
        ]),
    ),
    row(
        "4-08",
        "An account key from a file or from S3",
        "",
        Shown(&["an_account_is_taken_over_from_a_file_a_url_and_an_object"]),
    ),
    row(
        "4-09",
        "Credentials from any place that AWS' tools know",
        "The SDK's own chain",
        Shown(&["route53_and_s3_take_their_credentials_from_different_places", "docs/network.md"]),
    ),
    row(
        "4-10",
        "The configuration in one variable",
        "`COUNTERSIGN_CONFIG_TEXT`, or `--config -`; the list only signed",
        Shown(&["the_configuration_may_come_from_standard_input_or_a_variable"]),
    ),
    row(
        "4-11",
        "letsencrypt-aws' configuration is understood",
        "`import letsencrypt-aws`",
        Shown(&[
            "every_key_becomes_something_or_is_ignored_with_a_reason",
            "the_later_form_with_hosts_is_read_and_nonsense_is_refused",
        ]),
    ),
    row(
        "4-12",
        "Once, or for ever; forced",
        "`apply`, `schedule`, `apply --force NAME --reason TEXT`; there is no \
        daemon, since a timer restarts what failed",
        Shown(&["a_forced_renewal_is_version_2_and_version_1_stays", "a_force_is_written_down_with_its_reason"]),
    ),
    row("4-13", "A Docker image", "", Shown(&["ci/Dockerfile"])),
    row("4-14", "Key types that CloudFront takes", "", TARGETS),
    row(
        "4-15",
        "Keys are never on a disk",
        "",
        Otherwise(
            "a crash between the order and the upload would lose the \
        certificate; keys are in private files of one user, and `doctor` looks whether the disk is encrypted",
        ),
    ),
    row(
        "4-16",
        "The account key in encrypted S3",
        "It is read from there once; what is published is encrypted with \
        `kms_key`, and an open bucket gets no keys",
        Shown(&[
            "with_a_kms_key_every_object_is_encrypted_by_it",
            "the_rsa_account_of_acme_tiny_is_taken_over_from_s3_and_its_old_key_opens_nothing",
            "an_open_bucket_gets_no_keys_and_nothing_new_is_ordered_for_it_but_renewals_go_on",
        ]),
    ),
    row(
        "4-17",
        "The permissions that are needed, and no more",
        "`iam-policy`",
        Shown(&["the_printed_policies_allow_what_the_commands_do_and_nothing_else"]),
    ),
    row(
        "4-18",
        "Restricted to zone, name, type and prefix",
        "",
        Shown(&[
            "records_of_challenges_alone_may_be_changed_and_in_the_zones_of_the_configuration_alone",
            "a_consumer_reads_one_lineage_and_lists_nothing",
        ]),
    ),
    row(
        "4-19",
        "Issued anew when the names differ",
        "",
        Shown(&["another_key_type_or_another_name_is_issued_anew", "tests/cases/plan/006-changed-identifiers-reissue"]),
    ),
    row(
        "4-20",
        "TXT is verified before the CA looks, and deleted in any case",
        "As 2-12 and 0-15",
        Shown(&[
            "a_value_becomes_visible_when_the_servers_have_it",
            "a_change_that_never_settles_costs_no_failed_validation",
        ]),
    ),
    row("4-21", "Run from a trusted place", "", Shown(&["docs/threat-model.md"])),
];
