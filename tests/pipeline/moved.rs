//! A store that moves to another machine, and one that is lost and comes back from the bucket.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use countersign::port::Store;
use countersign::sandbox::Mishap;
use countersign::store::FileStore;

use super::life::provide;
use super::rig::{BINARY, BUCKET, Lab, csr, lineage};

const TWO: [(&str, &str); 2] = [("api", "api.example.com"), ("www", "www.example.com, example.com")];

/// A lab whose store has two lineages live and one stashed.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.list(&[TWO[0], TWO[1], ("old", "old.example.com")]);
    lab.done();
    lab.list(&TWO);
    lab.done();
    lab
}

/// A lab whose `www` was exported, and then followed by a version that ends later.
fn renewed() -> Lab {
    let lab = Lab::new();
    lab.list(&[TWO[0], ("www", "domains: [www.example.com], profile: shortlived")]);
    lab.done();
    export(&lab, "first.export", &[]);
    lab.list(&[TWO[0], ("www", "www.example.com")]);
    lab.done();
    lab
}

/// The same runner on another machine: another store, nothing in it yet.
fn other_machine(lab: &Lab) -> [&'static str; 2] {
    let config = lab.read("countersign.yaml").replace("state: state\n", "state: moved\n");
    lab.write("moved.yaml", &config);
    ["--config", "moved.yaml"]
}

fn moved(lab: &Lab) -> FileStore {
    FileStore::open(&lab.path("moved")).unwrap()
}

fn serials(store: &FileStore) -> Vec<(String, String)> {
    let live = store.observe().unwrap().live;
    live.into_iter().map(|(name, stored)| (name.to_string(), stored.facts().serial.clone())).collect()
}

fn export(lab: &Lab, out: &str, more: &[&str]) {
    let (code, text, error) = lab.ask(&[&["export", "--with-keys", "--out", out], more].concat());
    assert_eq!(code, Some(0), "{text}{error}");
}

/// Runs a command that must end with this code.
fn ends(lab: &Lab, code: i32, arguments: &[&str]) -> String {
    let (found, text, error) = lab.ask(arguments);
    assert_eq!(found, Some(code), "{text}{error}");
    text + &error
}

#[test]
fn a_moved_store_serves_the_same_serials_while_the_ca_is_out_of_reach_and_renews_later() {
    let lab = lab();
    export(&lab, "all.export", &[]);
    let [config, file] = other_machine(&lab);
    ends(&lab, 0, &[config, file, "restore", "all.export"]);
    assert_eq!(serials(&moved(&lab)), serials(&lab.store()));
    assert!(moved(&lab).observe().unwrap().stash.contains_key(&lineage("old")));

    lab.sandbox.faults().script("directory", 50, Mishap::Unreached);
    let ran = lab.run(&[config, file, "apply", "--auto-approve"]);
    assert_eq!((ran.code, serials(&moved(&lab))), (Some(0), serials(&lab.store())), "{ran:?}");

    lab.sandbox.faults().clear();
    lab.sandbox.log().clear();
    let accounts = lab.count("newAccount");
    lab.make_due("www");
    let _ = fs::remove_file(lab.path("moved/ari.json"));
    let ran = lab.run(&[config, file, "apply", "--auto-approve"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((lab.count("newOrder"), lab.count("newAccount")), (1, accounts));
    assert_eq!(moved(&lab).observe().unwrap().live[&lineage("www")].meta.version, 2);
    ends(&lab, 0, &[config, file, "audit", "--online"]);
}

#[test]
fn some_lineages_move_to_a_machine_that_verifies_for_itself() {
    let lab = lab();
    export(&lab, "www.export", &["www"]);
    let [config, file] = other_machine(&lab);
    let text = ends(&lab, 0, &[config, file, "restore", "www.export"]);
    assert!(text.contains("www  restored to live as v1"), "{text}");
    assert!(lab.path("moved/trust-state.json").exists());
    assert_eq!(serials(&moved(&lab)), serials(&lab.store())[1..]);
}

#[test]
fn nothing_is_restored_where_no_trust_state_can_be_had() {
    let lab = lab();
    export(&lab, "www.export", &["www"]);
    let [config, file] = other_machine(&lab);
    lab.unsigned_list(&[]);
    ends(&lab, 4, &[config, file, "restore", "www.export"]);
    assert!(serials(&moved(&lab)).is_empty());
}

#[test]
fn keys_are_exported_only_when_asked_for() {
    let lab = lab();
    ends(&lab, 0, &["export", "--out", "bare.export"]);
    ends(&lab, 0, &["export", "--out", "bare/"]);
    assert!(!lab.read("bare.export").contains("PRIVATE KEY"));
    assert!(lab.read("bare/www/fullchain.pem").contains("CERTIFICATE") && !lab.path("bare/www/privkey.pem").exists());
    let [config, file] = other_machine(&lab);
    let text = ends(&lab, 1, &[config, file, "restore", "bare.export"]);
    assert!(text.contains("restore:no-keys"), "{text}");
    assert!(serials(&moved(&lab)).is_empty());
}

#[test]
fn what_lies_below_somebody_elses_and_what_was_imported_move_too() {
    let lab = lab();
    lab.list(&[TWO[0], ("www", "domains: [www.example.com, example.com], provided: shop")]);
    provide(&lab, "www.example.com, example.com");
    lab.done();
    let [key, chain] = ["privkey", "fullchain"].map(|file| format!("state/live/api/{file}.pem"));
    ends(&lab, 0, &["import", "pem", "--name", "copy", "--key", &key, "--chain", &chain]);
    export(&lab, "all.export", &[]);
    let [config, file] = other_machine(&lab);
    let text = ends(&lab, 0, &[config, file, "restore", "all.export"]);
    assert!(text.contains("www   restored to live as v2"), "{text}");
    assert!(text.contains("copy  imported: waits until the list has it"), "{text}");

    lab.sandbox.log().clear();
    lab.list(&[TWO[1], ("copy", "api.example.com")]);
    let ran = lab.run(&[config, file, "apply", "--auto-approve"]);
    assert_eq!((ran.code, lab.count("newOrder")), (Some(0), 0), "{ran:?}");
    let held = serials(&moved(&lab));
    let first = lab.store().versions(&lineage("www")).unwrap()[0].facts().serial.clone();
    assert_eq!(held[1], ("www".to_owned(), first));
    assert_eq!(held[0].1, lab.inventory().live[&lineage("api")].facts().serial);
    ends(&lab, 0, &[config, file, "audit"]);
}

#[test]
fn what_is_live_here_stays_live_though_it_was_stashed_there() {
    let lab = renewed();
    lab.list(&TWO[..1]);
    lab.done();
    export(&lab, "stashed.export", &[]);
    let [config, file] = other_machine(&lab);
    ends(&lab, 0, &[config, file, "restore", "first.export"]);
    let text = ends(&lab, 0, &[config, file, "restore", "stashed.export"]);
    assert!(text.contains("www  restored to live as v2"), "{text}");
}

#[test]
fn an_export_is_private_under_any_umask_and_overwrites_nothing() {
    let lab = lab();
    let line = format!("umask 000; exec {BINARY} export --with-keys --out all.export");
    let run = |line: &str| Command::new("sh").args(["-c", line]).current_dir(lab.path("")).output().unwrap();
    assert!(run(&line).status.success());
    assert!(run(&line.replace("all.export", "folder/")).status.success());
    let mode = |name: &str| lab.path(name).metadata().unwrap().permissions().mode() & 0o777;
    let modes = ["all.export", "folder", "folder/EXPORT.json", "folder/www/privkey.pem"].map(mode);
    assert_eq!(modes, [0o600, 0o700, 0o600, 0o600]);
    let before = lab.read("all.export");
    assert!(ends(&lab, 1, &["export", "--out", "all.export"]).contains("export:exists"));
    assert!(ends(&lab, 1, &["export", "--out", "folder/"]).contains("export:exists"));
    assert_eq!(lab.read("all.export"), before);
    std::os::unix::fs::symlink("all.export", lab.path("link")).unwrap();
    assert!(ends(&lab, 1, &["export", "--out", "link"]).contains("export:exists"));
}

#[test]
fn an_export_that_cannot_be_written_leaves_nothing_and_says_why() {
    let lab = lab();
    lab.write("file", "");
    for out in ["/sys/all.export", "/sys/folder/", "file/all.export", "missing/all.export", "missing/folder/"] {
        let text = ends(&lab, 1, &["export", "--with-keys", "--out", out]);
        assert!(text.contains("[export:unwritable]") && text.contains("hint: "), "{out}: {text}");
    }
    // A limit of the shell stands for a full disk. The write fails after its first KiB.
    for out in ["full.export", "full/"] {
        let line = format!("trap '' XFSZ; ulimit -f 1; exec {BINARY} export --with-keys --out {out}");
        let output = Command::new("sh").args(["-c", &line]).current_dir(lab.path("")).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && text.contains("[export:unwritable]"), "{out}: {text}");
        let left = fs::read_dir(lab.path("")).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(!left.into_iter().any(|name| name.to_string_lossy().contains("full")), "{out}");
    }
}

#[test]
fn keys_are_not_written_through_a_link() {
    let lab = lab();
    fs::create_dir(lab.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", lab.path("folder")).unwrap();
    std::os::unix::fs::symlink("/dev/null", lab.path(".all.export.tmp")).unwrap();
    ends(&lab, 1, &["export", "--with-keys", "--out", "folder/"]);
    ends(&lab, 0, &["export", "--with-keys", "--out", "all.export"]);
    assert!(fs::read_dir(lab.path("elsewhere")).unwrap().next().is_none());
    assert!(lab.read("all.export").contains("PRIVATE KEY"));

    let [config, file] = other_machine(&lab);
    moved(&lab);
    std::os::unix::fs::symlink("../../elsewhere", lab.path("moved/archive/www")).unwrap();
    let text = ends(&lab, 3, &[config, file, "restore", "all.export"]);
    assert!(text.contains("[store:foreign]"), "{text}");
    assert!(fs::read_dir(lab.path("elsewhere")).unwrap().next().is_none());
    assert_eq!(serials(&moved(&lab)).len(), 1);
}

#[test]
fn an_account_of_another_ca_does_not_take_its_url_along() {
    let lab = lab();
    export(&lab, "all.export", &[]);
    let [config, file] = other_machine(&lab);
    let elsewhere =
        lab.read("moved.yaml").replace("directory: \"https://127.0.0.1:", "directory: \"https://localhost:");
    lab.write("moved.yaml", &elsewhere);
    ends(&lab, 0, &[config, file, "restore", "all.export"]);
    assert!(lab.path("moved/accounts/sandbox/key.pem").exists());
    assert!(!lab.path("moved/accounts/sandbox/account.json").exists());
}

#[test]
fn what_ends_later_wins_whichever_side_has_it() {
    let lab = renewed();
    export(&lab, "second.export", &[]);
    let later = serials(&lab.store());
    let text = ends(&lab, 0, &["restore", "first.export"]);
    assert!(text.contains("www  kept: what the store has ends later"), "{text}");
    let [config, file] = other_machine(&lab);
    ends(&lab, 0, &[config, file, "restore", "first.export"]);
    let text = ends(&lab, 0, &[config, file, "restore", "second.export"]);
    assert!(text.contains("www  restored to live as v2") && text.contains("api  is there already"), "{text}");
    assert_eq!(serials(&moved(&lab)), later);
}

#[test]
fn a_restore_that_is_run_again_changes_nothing() {
    let lab = lab();
    export(&lab, "all/", &[]);
    let [config, file] = other_machine(&lab);
    ends(&lab, 0, &[config, file, "restore", "all"]);
    let audit = lab.read("moved/audit.jsonl");
    let text = ends(&lab, 0, &[config, file, "restore", "all"]);
    assert!(text.contains("0 lineages restored, 3 kept as they are, 0 failed"), "{text}");
    assert_eq!(lab.read("moved/audit.jsonl"), audit);
}

#[test]
fn a_cut_export_and_one_with_a_foreign_key_restore_nothing() {
    let lab = lab();
    export(&lab, "all.export", &[]);
    let whole = lab.read("all.export");
    lab.write("cut.export", &whole[..whole.len() / 2]);
    let [config, file] = other_machine(&lab);
    assert!(ends(&lab, 1, &[config, file, "restore", "cut.export"]).contains("restore:damaged"));

    // A digest that fits, over a key that does not.
    let parsed: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let mut lineages = parsed["export"]["lineages"].as_array().unwrap().clone();
    lineages[0]["privkey"] = lineages[1]["privkey"].clone();
    let mut forged = parsed["export"].clone();
    forged["lineages"] = lineages.into();
    let forged = serde_json::from_value::<countersign::export::Export>(forged).unwrap().seal();
    lab.write("forged.export", std::str::from_utf8(&forged).unwrap());
    let text = ends(&lab, 3, &[config, file, "restore", "forged.export"]);
    assert!(text.contains("check:key-mismatch") && !text.contains("PRIVATE KEY"), "{text}");
    assert_eq!(serials(&moved(&lab)).len(), 1);
}

#[test]
fn a_name_that_is_no_name_cannot_leave_the_store() {
    let lab = lab();
    export(&lab, "all.export", &[]);
    let mut parsed: serde_json::Value = serde_json::from_str(&lab.read("all.export")).unwrap();
    parsed["export"]["lineages"][0]["meta"]["lineage"] = "../../escaped".into();
    let export = parsed["export"].to_string();
    let digest = countersign::name::Digest::of(export.as_bytes());
    lab.write("forged.export", &format!("{{\"digest\":\"{digest}\",\"export\":{export}}}\n"));
    let [config, file] = other_machine(&lab);
    assert!(ends(&lab, 1, &[config, file, "restore", "forged.export"]).contains("restore:damaged"));
    assert!(!lab.path("escaped").exists() && serials(&moved(&lab)).is_empty());
}

#[test]
fn a_lost_store_comes_back_from_the_bucket_without_an_order() {
    let lab = lab();
    let before = serials(&lab.store());
    fs::remove_dir_all(lab.path("state")).unwrap();
    let ran = lab.apply();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.err.contains("countersign restore --from-bucket"), "{ran:?}");

    let text = ends(&lab, 0, &["restore", "--from-bucket=certs"]);
    assert!(text.contains("old  restored to the stash as v1"), "{text}");
    assert_eq!(serials(&lab.store()), before);
    lab.sandbox.log().clear();
    assert!(lab.done().out.ends_with(": 0 done, 0 failed\n"));
    assert_eq!(lab.count("newOrder"), 0);
    let ran = lab.run(&["apply", "--auto-approve", "--force", "www", "--reason", "test"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((lab.live("www"), lab.published("www")), (Some(2), Some(2)));
    ends(&lab, 0, &["audit", "--online"]);
}

#[test]
fn what_does_not_fit_in_a_bucket_is_not_restored_and_does_not_hold_the_rest() {
    let lab = lab();
    fs::remove_dir_all(lab.path("state")).unwrap();
    let key = lab.sandbox.keys(BUCKET).into_iter().find(|key| key.contains("/api/v/") && key.ends_with("privkey.pem"));
    let key = key.unwrap();
    let mut body = lab.sandbox.object(BUCKET, &key).unwrap().body.to_vec();
    body[40] ^= 1;
    lab.sandbox.seed_object(BUCKET, &key, body).unwrap();
    let text = ends(&lab, 3, &["restore", "--from-bucket=certs"]);
    assert!(text.contains("restore:damaged") && text.contains("www  restored to live"), "{text}");
    assert_eq!(serials(&lab.store()).len(), 1);
}

#[test]
fn one_lineage_comes_back_from_the_bucket_by_name() {
    let lab = lab();
    fs::remove_dir_all(lab.path("state")).unwrap();
    ends(&lab, 64, &["restore", "--from-bucket"]);
    ends(&lab, 0, &["restore", "--from-bucket=certs", "www"]);
    assert_eq!(serials(&lab.store()).len(), 1);
    ends(&lab, 3, &["restore", "--from-bucket=certs", "nobody"]);
}

#[test]
fn neither_an_old_export_nor_the_machine_that_was_left_takes_a_bucket_back() {
    let lab = lab();
    export(&lab, "old.export", &[]);
    let ran = lab.run(&["apply", "--auto-approve", "--force", "www", "--reason", "test"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let [config, file] = other_machine(&lab);
    ends(&lab, 0, &[config, file, "restore", "old.export"]);
    let ran = lab.run(&[config, file, "apply", "--auto-approve"]);
    assert!(ran.code == Some(4) && ran.err.contains("countersign restore --from-bucket"), "{ran:?}");
    assert_eq!(lab.published("www"), Some(2));
    let text = ends(&lab, 0, &[config, file, "restore", "--from-bucket=certs"]);
    assert!(text.contains("www  restored to live as v2"), "{text}");
    assert_eq!(lab.run(&[config, file, "apply", "--auto-approve"]).code, Some(0));

    // The machine that was left behind does not publish over it.
    let ran = lab.run(&[config, file, "apply", "--auto-approve", "--force", "www", "--reason", "test"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = lab.apply();
    assert!(ran.code == Some(4) && ran.err.contains("another store publishes here"), "{ran:?}");
    assert_eq!(lab.published("www"), Some(3));
}

#[test]
fn a_store_without_keys_moves_and_comes_back_from_its_bucket_whole() {
    let lab = Lab::new();
    lab.list(&[("www", &csr(&["www.example.com"]).1)]);
    lab.done();
    let [config, file] = other_machine(&lab);
    ends(&lab, 0, &["export", "www", "--out", "www.export"]);
    for source in ["www.export", "--from-bucket=certs"] {
        let text = ends(&lab, 0, &[config, file, "restore", source]);
        assert!(text.contains("1 lineage restored"), "{text}");
        assert_eq!(serials(&moved(&lab)), serials(&lab.store()), "{source}");
        assert_eq!(lab.run(&[config, file, "plan", "--detailed-exitcode"]).code, Some(0), "{source}");
        fs::remove_dir_all(lab.path("moved")).unwrap();
    }
}

#[test]
fn a_domain_csr_of_acme_tiny_goes_on_here_and_a_key_beside_it_is_not_kept() {
    let lab = Lab::new();
    let (pem, entry, key) = csr(&["www.example.com"]);
    lab.list(&[("old", &entry)]);
    lab.done();
    let folder = lab.path("certificates/www.example.com");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("domain.csr"), &pem).unwrap();
    fs::copy(lab.path("state/live/old/fullchain.pem"), folder.join("domain.crt")).unwrap();
    let answer = ends(&lab, 0, &["import", "acme-tiny", "certificates"]);
    let listed: String = answer
        .lines()
        .skip_while(|line| !line.starts_with("  - name:"))
        .take_while(|line| line.starts_with("  "))
        .map(|line| format!("{line}\n"))
        .collect();
    let key_file = lab.path("domain.key").display().to_string();
    fs::write(&key_file, key.serialize_pem()).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    let chain = folder.join("domain.crt").display().to_string();
    ends(
        &lab,
        0,
        &["import", "pem", "--name", "keyed", "--key", &key_file, "--chain", &chain, "--authority", "sandbox"],
    );
    for name in ["www.example.com", "keyed"] {
        let list = format!(
            "version: 1\ndefaults: {{authority: sandbox}}\ncertificates:\n{}",
            listed.replacen("www.example.com", name, 1)
        );
        lab.repo.commit(&[("domains.yaml", &list)], "Take it over", Some(&lab.signer)).unwrap();
        lab.done();
        assert_eq!((lab.live(name), lab.sandbox.issued().len()), (Some(1), 1), "{list}");
        assert!(!lab.path(&format!("state/live/{name}/privkey.pem")).exists(), "{name}");
    }
    let left = Command::new("grep").args(["-rl", "PRIVATE KEY"]).arg(lab.path("state")).output().unwrap().stdout;
    assert_eq!(String::from_utf8(left).unwrap().lines().count(), 1, "the account's key alone");
}

#[test]
fn a_certificate_that_was_imported_without_its_key_waits_for_the_csr_that_it_was_issued_for() {
    let lab = Lab::new();
    let (_, entry, _) = csr(&["www.example.com"]);
    lab.list(&[("old", &entry)]);
    lab.done();
    let chain = lab.path("state/live/old/fullchain.pem").display().to_string();
    ends(&lab, 0, &["import", "pem", "--name", "www", "--chain", &chain, "--authority", "sandbox"]);
    // Another request, or a key of the store: it is not what they ask for.
    lab.list(&[("www", &csr(&["www.example.com"]).1)]);
    let plan = lab.run(&["plan"]);
    assert!(plan.out.contains("the imported certificate is for other names or another key"), "{plan:?}");
    lab.list(&[("www", &entry)]);
    lab.done();
    assert_eq!((lab.sandbox.issued().len(), lab.live("www"), lab.published("www")), (1, Some(1), Some(1)));
    assert!(!lab.path("state/live/www/privkey.pem").exists());
}
