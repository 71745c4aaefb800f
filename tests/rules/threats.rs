//! What could go wrong with trust, and where it is shown that it does not.

use Word::{Not, Shown};

/// A row of the table.
pub struct Threat {
    pub number: u32,
    pub threat: &'static str,
    /// Ids of rules, or nothing where another mechanism stands against it.
    pub rule: &'static str,
    pub word: Word,
}

/// What can be said for it.
pub enum Word {
    /// By these tests, or by these files of a test.
    Shown(&'static [&'static str]),
    /// Why it cannot happen here.
    Not(&'static str),
}

const fn row(number: u32, threat: &'static str, rule: &'static str, word: Word) -> Threat {
    Threat { number, threat, rule, word }
}

const NO_POLICY_IN_REPO: Word = Not("the policy stands on the runner; nothing in the repository can change it");

pub const THREATS: &[Threat] = &[
    row(
        1,
        "The list is changed by an unsigned commit, anywhere in the range",
        "S01-unsigned",
        Shown(&[
            "one_unsigned_commit_is_found_at_each_of_five_positions",
            "an_unsigned_change_of_hooks_is_refused_whatever_is_required",
        ]),
    ),
    row(
        2,
        "A commit has a good signature by a key that nobody knows",
        "S02-unknown-key",
        Shown(&[
            "an_unknown_key_is_shown_with_its_fingerprint_and_the_line_that_would_allow_it",
            "a_signature_by_a_stranger_who_claims_to_be_ann_is_refused",
        ]),
    ),
    row(
        3,
        "A signed commit is edited or cut",
        "S03-bad-signature",
        Shown(&[
            "no_flipped_byte_of_a_signed_commit_is_accepted",
            "no_bit_of_a_signed_commit_can_be_flipped",
            "a_shortened_or_lengthened_commit_is_not_accepted",
        ]),
    ),
    row(
        4,
        "An allowed key signs something harmless on top of an unsigned change",
        "S01-unsigned",
        Shown(&["a_signed_readme_does_not_cover_the_unsigned_list_below_it"]),
    ),
    row(
        5,
        "A signature for another purpose is used for a commit",
        "S05-namespace",
        Shown(&[
            "commits_on_which_implementations_of_git_disagree_are_refused",
            "a_key_allowed_for_other_namespaces_only_may_not_sign_commits",
        ]),
    ),
    row(
        6,
        "A key or algorithm that can be forged, or a security key that nobody touched",
        "S06-weak-key",
        Shown(&[
            "commits_that_git_signs_with_real_keys_get_the_verdict_their_key_deserves",
            "a_security_key_that_was_not_touched_is_refused",
        ]),
    ),
    row(
        7,
        "An SSH certificate of a wrong authority, expired, or for somebody else",
        "S07-ca-cert",
        Shown(&[
            "certificates_are_off_until_an_authority_is_pinned",
            "a_line_of_an_authority_counts_only_if_the_runner_pins_it",
            "a_certificate_that_says_too_much_or_too_little_is_refused",
            "a_certificate_is_for_one_person_of_the_line_of_its_authority",
            "a_certificate_of_another_authority_is_refused",
            "the_key_of_an_authority_signs_no_commit",
            "no_flipped_byte_of_a_certificate_is_accepted",
            "one_key_is_one_person_whatever_its_certificates_say",
            "what_was_verified_stays_verified_after_the_certificate_has_ended",
            "a_commit_that_waits_for_another_is_judged_by_the_time_when_it_was_seen_first",
            "a_revoked_authority_or_key_withdraws_what_its_certificates_authorised",
            "a_certificate_that_has_ended_counts_if_the_commit_was_seen_before",
        ]),
    ),
    row(
        8,
        "A revoked key signs with an old date, or its revocation is merged away",
        "S08-revoked",
        Shown(&[
            "a_backdated_commit_of_a_revoked_key_is_refused",
            "a_revocation_takes_effect_although_the_head_has_not_moved",
            "a_revoked_commit_stays_refused_when_a_merge_drops_what_it_did",
        ]),
    ),
    row(
        9,
        "A key that has expired signs with an old date",
        "S09-expired",
        Shown(&["an_expired_key_is_refused_by_the_clock_of_the_runner_whatever_the_commit_says"]),
    ),
    row(
        10,
        "The forge's key signs what was edited, squashed or updated in the browser",
        "S11-forge-key",
        Shown(&["the_forge_may_merge_and_nothing_else", "a_merger_is_not_a_person"]),
    ),
    row(
        11,
        "The committer's name says Bob, the key is Ann's",
        "",
        Shown(&[
            "a_signature_by_a_stranger_who_claims_to_be_ann_is_refused",
            "each_entry_has_the_signer_who_made_it_what_it_is",
        ]),
    ),
    row(
        12,
        "The branch is set back, or another history is put in its place",
        "H01-rollback",
        Shown(&[
            "a_head_that_does_not_descend_from_the_last_verified_commit_is_refused",
            "a_rollback_is_refused_when_the_trust_root_changed_as_well",
            "a_forced_push_is_seen",
        ]),
    ),
    row(
        13,
        "The server goes on to show an old head",
        "H02-freeze",
        Shown(&[
            "a_head_that_has_not_moved_for_too_long_blocks_everything_new_until_it_moves",
            "a_quiet_head_is_no_stale_one",
            "the_state_says_since_when_the_head_is_what_it_is",
        ]),
    ),
    row(
        14,
        "A signed merge brings in an unsigned branch",
        "S01-unsigned",
        Shown(&[
            "a_signed_merge_does_not_cover_the_unsigned_branch_it_merges",
            "a_side_branch_from_before_the_introduction_is_walked",
        ]),
    ),
    row(
        15,
        "A merge adds or drops something that neither side did",
        "H04-evil-merge, G10-octopus",
        Shown(&[
            "a_merge_that_adds_a_name_of_its_own_is_refused",
            "a_merge_that_drops_a_change_is_refused",
            "lines_that_were_merged_crosswise_are_refused",
            "a_merge_of_three_lines_is_refused",
            "every_shape_with_every_key_and_path_is_judged_as_the_model_says",
        ]),
    ),
    row(
        16,
        "Replacement refs, grafts or alternates show other objects",
        "H05-replace",
        Shown(&["a_store_that_can_show_another_history_is_refused", "a_replacement_or_a_graft_does_not_hide_a_commit"]),
    ),
    row(
        17,
        "A history that is cut off hides commits",
        "H06-shallow",
        Shown(&[
            "a_store_that_can_show_another_history_is_refused",
            "a_shallow_clone_is_refused_with_the_command_that_completes_it",
        ]),
    ),
    row(
        18,
        "Two objects with one id, or another object format",
        "H07-object-format",
        Shown(&[
            "the_known_collision_of_sha_1_has_no_id_where_ids_are_checked",
            "an_object_whose_bytes_were_exchanged_in_the_store_is_not_read",
            "a_sha_256_commit_id_is_refused",
        ]),
    ),
    row(
        19,
        "A commit that implementations of git read differently",
        "G01-tree, G02-nul, G03-cr, G04-header, G05-identity, G06-parent, G07-armor, G11-readings, G12-two-signatures, G13-gpgsig-sha256, G14-header-other",
        Shown(&[
            "commits_on_which_implementations_of_git_disagree_are_refused",
            "what_the_grammar_accepts_git_libgit2_and_gitoxide_read_alike",
            "a_commit_that_leaves_room_is_refused_by_the_rule_it_breaks",
        ]),
    ),
    row(
        20,
        "Objects or histories without end",
        "H08-limits",
        Shown(&[
            "a_commit_larger_than_64_kib_is_refused",
            "a_list_larger_than_16_mib_is_refused",
            "a_tree_that_does_not_fit_into_memory_is_not_read",
            "a_history_without_end_is_walked_up_to_the_limit",
            "merges_that_reach_back_far_are_judged_up_to_the_limit",
            "a_server_that_sends_more_than_a_fetch_may_receive_is_cut_off",
        ]),
    ),
    row(
        21,
        "A tag is called like the branch",
        "",
        Shown(&["tags_are_not_fetched", "a_tag_or_branch_called_like_the_base_does_not_take_its_place"]),
    ),
    row(22, "A commit brings along the key that signs it", "", NO_POLICY_IN_REPO),
    row(23, "Policy and list change in one commit", "", NO_POLICY_IN_REPO),
    row(24, "An older policy comes back", "", NO_POLICY_IN_REPO),
    row(
        25,
        "One person changes what needs two, by two keys or by approving twice",
        "P04-threshold",
        Shown(&[
            "nobody_counts_twice",
            "a_person_counts_once_for_commit_and_approval",
            "a_key_counts_for_the_person_it_belongs_to",
        ]),
    ),
    row(
        26,
        "A name outside of somebody's names: by suffix, case, U-label, wildcard or a move between certificates",
        "P05-scope",
        Shown(&[
            "each_kind_of_change_out_of_scope_is_refused_by_name",
            "what_was_taken_back_does_not_cover_the_same_of_somebody_else",
            "what_was_taken_back_in_one_file_does_not_cover_it_while_others_change",
            "a_script_that_was_taken_back_does_not_cover_the_same_of_somebody_else",
            "whoever_corrects_a_list_does_not_stand_for_what_was_slipped_in_while_nobody_could_read_it",
            "a_name_moved_between_lineages_needs_its_rule",
            "a_wildcard_needs_a_rule_that_says_so",
        ]),
    ),
    row(27, "A wide rule switches off a strict one", "P06-and-not-or", Shown(&["every_rule_that_matches_must_hold"])),
    row(28, "A policy that changes within the range is not noticed", "", NO_POLICY_IN_REPO),
    row(
        29,
        "The policy is deleted or cannot be read",
        "",
        Shown(&["every_fault_of_a_rule_is_found_with_its_line", "what_no_rule_matches_is_refused"]),
    ),
    row(30, "A policy that nobody can satisfy", "P09-lockout", Shown(&["a_rule_that_nobody_can_satisfy_is_refused"])),
    row(
        31,
        "A serial number from the far future blocks every later policy",
        "",
        Not("there are no serial numbers; the runner's file is the policy"),
    ),
    row(
        32,
        "The head is the same, but who is trusted has changed",
        "S08-revoked",
        Shown(&[
            "a_revocation_takes_effect_although_the_head_has_not_moved",
            "everything_that_changes_a_verdict_changes_the_digest_of_the_trust_root",
        ]),
    ),
    row(
        33,
        "An approval of another change, list, branch or repository, or one that was used before",
        "A01-replay",
        Shown(&[
            "every_field_of_a_statement_is_rebuilt_and_compared",
            "an_approval_of_an_earlier_list_does_not_cover_what_came_after",
            "an_approval_from_before_a_removal_does_not_bring_a_name_back",
            "an_approval_that_was_used_does_not_count_when_the_same_change_is_made_again",
            "an_approval_that_was_used_beside_a_later_list_does_not_count_again_either",
            "an_approval_of_what_was_taken_back_does_not_cover_another_line",
        ]),
    ),
    row(
        34,
        "Facts in the parts of a minisign file that are not signed",
        "A02-untrusted",
        Shown(&[
            "an_approval_is_exactly_four_lines",
            "no_flipped_byte_of_an_approval_is_accepted_but_in_its_free_comment",
        ]),
    ),
    row(35, "A minisign signature of the old form", "A03-legacy", Shown(&["a_legacy_signature_is_refused"])),
    row(
        36,
        "The same person counted twice, or two keys with one id",
        "A04-count",
        Shown(&["nobody_counts_twice", "a_key_counts_for_the_person_it_belongs_to"]),
    ),
    row(37, "An approval from long ago", "A05-expired", Shown(&["an_expired_approval_is_named_and_may_be_renewed"])),
    row(
        38,
        "What is read is not what was verified",
        "",
        Shown(&[
            "what_is_not_committed_does_not_count",
            "an_object_whose_bytes_were_exchanged_in_the_store_is_not_read",
            "a_state_that_does_not_belong_to_the_store_is_refused",
        ]),
    ),
    row(
        39,
        "The list is a link, a submodule, a program or a folder",
        "C02-mode",
        Shown(&["the_list_is_a_plain_file", "hooks_are_plain_or_executable_files"]),
    ),
    row(
        40,
        "Filters, large file storage or attributes change the bytes",
        "C03-filters",
        Shown(&["a_pointer_to_large_file_storage_is_not_a_list", "nothing_of_the_branch_or_the_clone_is_executed"]),
    ),
    row(
        41,
        "Two entries that some file system takes for one, or of which programs find different ones",
        "C04-path",
        Shown(&[
            "an_entry_that_looks_like_a_protected_one_is_refused",
            "names_that_some_file_system_takes_for_another_fold_alike",
            "a_tree_in_which_programs_find_different_entries_is_refused",
        ]),
    ),
    row(
        42,
        "Text that reads differently from what it says",
        "bidi-control, invisible-character, line-separator, control-character, byte-order-mark, not-utf8",
        Shown(&[
            "each_strange_character_is_reported_where_it_stands",
            "tests/cases/list/bidi-control.yaml",
            "tests/cases/list/line-separator.yaml",
        ]),
    ),
    row(
        43,
        "YAML that two readers read differently, or that grows",
        "duplicate-key, yaml-anchor, yaml-alias, yaml-tag, yaml-merge-key, several-documents",
        Shown(&[
            "every_code_has_a_case",
            "tests/cases/list/duplicate-key.yaml",
            "tests/cases/list/yaml-merge-key.yaml",
        ]),
    ),
    row(
        44,
        "A domain of letters that only look like others",
        "mixed-script, idn-normalised",
        Shown(&["an_identifier_is_normalised_to_lower_case_a_labels", "tests/cases/list/mixed-script.yaml"]),
    ),
    row(
        45,
        "A name that leads out of its folder",
        "bad-name",
        Shown(&["a_lineage_name_is_safe_as_a_path_and_as_a_key"]),
    ),
    row(
        46,
        "The repository names a command",
        "",
        Shown(&[
            "nothing_of_the_branch_or_the_clone_is_executed",
            "an_unsigned_change_of_hooks_is_refused_whatever_is_required",
            "hooks_need_their_rule",
            "a_script_of_an_unsigned_commit_never_runs",
            "scripts_do_not_run_unless_the_runner_wants_them",
            "a_script_whose_signer_was_revoked_waits_while_renewals_go_on",
        ]),
    ),
    row(
        47,
        "One commit changes or removes nearly everything",
        "",
        Shown(&["too_much_change_at_once_needs_a_second_word", "three_of_ten_are_within_the_limit"]),
    ),
    row(
        48,
        "Text of the list steers a terminal or breaks a report",
        "",
        Shown(&[
            "what_would_play_tricks_on_a_terminal_is_not_printed",
            "hostile_text_neither_breaks_a_report_nor_steers_a_terminal",
            "a_hostile_text_does_not_break_the_report",
            "a_hostile_problem_of_the_ca_does_not_break_the_report",
        ]),
    ),
    row(49, "An error shows a password or a key", "", Shown(&["a_password_in_a_url_is_not_repeated"])),
    row(
        50,
        "Somebody else answers as the git server",
        "",
        Shown(&[
            "another_host_key_is_refused_and_shown",
            "nothing_is_fetched_without_a_pinned_host_key",
            "one_of_several_pinned_host_keys_is_enough_while_they_rotate",
        ]),
    ),
    row(
        51,
        "A URL that runs a command or reads a file",
        "",
        Shown(&["only_plain_ssh_urls_are_taken", "a_local_path_needs_to_be_allowed_and_absolute"]),
    ),
    row(
        52,
        "The environment or a configuration of git redirects",
        "",
        Shown(&[
            "the_environment_of_git_has_no_say",
            "a_store_whose_configuration_redirects_is_refused",
            "nothing_of_the_branch_or_the_clone_is_executed",
        ]),
    ),
    row(
        53,
        "Another `git` or `ssh` is found first",
        "",
        Not("no git and no ssh program is started: fetching and reading happen in process"),
    ),
    row(
        54,
        "An agent offers another identity",
        "",
        Shown(&["an_identity_that_only_an_agent_holds_is_not_used", "a_key_that_the_server_does_not_know_is_refused"]),
    ),
    row(
        55,
        "The trust state is set back, damaged or deleted",
        "X01-state",
        Shown(&[
            "a_state_that_does_not_belong_to_the_store_is_refused",
            "a_trust_state_that_is_older_than_the_log_is_refused",
            "a_trust_state_that_is_gone_is_no_fresh_start_once_there_is_a_log",
            "a_whole_store_that_was_rolled_back_is_refused_before_any_order",
        ]),
    ),
    row(
        56,
        "Two runs at once",
        "",
        Shown(&["of_many_runs_that_begin_at_once_on_a_new_folder_one_gets_the_lock_and_all_others_are_told"]),
    ),
    row(
        57,
        "A plan for one commit is applied to another",
        "",
        Shown(&[
            "an_edited_plan_is_refused",
            "a_new_head_makes_a_plan_stale",
            "another_trust_root_makes_a_plan_stale",
            "a_plan_with_a_forged_digest_still_adds_nothing",
        ]),
    ),
    row(
        58,
        "A crash between verifying and recording",
        "",
        Shown(&[
            "a_run_that_was_cut_short_between_state_and_log_is_told_by_the_next",
            "a_log_that_cannot_be_written_stops_the_run_before_the_order",
            "a_crash_before_the_order_is_known_costs_no_certificate",
            "a_crash_while_the_certificate_is_issued_costs_no_certificate",
            "after_a_crash_at_any_put_readers_see_a_whole_version_and_the_next_run_completes",
        ]),
    ),
    row(
        59,
        "Verification fails and the tool goes on, or stops everything",
        "",
        Shown(&[
            "a_refused_head_does_not_stop_renewals",
            "renewals_end_when_the_verified_list_is_stale",
            "the_last_verified_list_is_there_while_the_head_is_refused",
        ]),
    ),
    row(
        60,
        "The job before the merge runs what the branch brings along, or trusts its files",
        "",
        Shown(&[
            "nothing_of_the_branch_or_the_clone_is_executed",
            "a_configuration_that_the_branch_brings_along_is_not_used",
            "a_repository_that_the_branch_brings_along_is_not_asked",
            "a_repository_that_the_branch_brings_along_says_nothing_about_what_is_approved",
            "a_configuration_that_the_branch_brings_along_asks_for_no_approval",
            "a_link_of_the_branch_does_not_make_an_approval_overwrite_another_file",
        ]),
    ),
    row(
        61,
        "The branch is right, and the forge's way of merging drops its signatures",
        "X07-squash-surprise",
        Shown(&[
            "a_squash_or_rebase_by_the_forge_loses_the_signatures",
            "a_merge_of_two_lines_that_both_changed_the_list_is_foreseen",
            "a_merge_of_files_that_are_only_valid_apart_is_foreseen",
        ]),
    ),
];
