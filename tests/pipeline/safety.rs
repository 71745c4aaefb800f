//! Buckets that must not hold private keys: seen before anything is ordered for them.

use std::collections::BTreeMap;

use countersign::sandbox::s3::Setup;

use super::rig::{BUCKET, Lab};

const WWW: [(&str, &str); 1] = [("www", "www.example.com")];

/// `www` is published, and then somebody sets the bucket up otherwise.
fn lab(setup: Setup) -> Lab {
    let lab = Lab::new();
    lab.list(&WWW);
    lab.done();
    lab.sandbox.set_up_bucket(BUCKET, setup);
    lab
}

fn objects(lab: &Lab) -> BTreeMap<String, String> {
    let keys = lab.sandbox.keys(BUCKET);
    keys.into_iter().map(|key| (key.clone(), lab.sandbox.object(BUCKET, &key).unwrap().etag)).collect()
}

#[test]
fn an_open_bucket_gets_no_keys_and_nothing_new_is_ordered_for_it_but_renewals_go_on() {
    let lab = lab(Setup { policy_is_public: Some(true), ..Setup::default() });
    let (orders, held) = (lab.count("newOrder"), objects(&lab));
    lab.make_due("www");
    lab.list(&[("www", "www.example.com"), ("api", "api.example.com")]);

    let ran = lab.apply();

    assert_eq!((ran.code, lab.count("newOrder") - orders), (Some(4), 1), "{ran:?}");
    assert_eq!((lab.live("www"), lab.live("api"), objects(&lab)), (Some(2), None, held), "{ran:?}");
    let refusal = "[s3:unsafe] bucket `certs` is not safe for private keys: its policy lets everybody in";
    assert_eq!(ran.bad(), [format!("certs.source/completed {refusal}"), format!("certs.publish/www {refusal}")]);
    assert!(ran.out.contains("api: new; nothing new while bucket certs is not safe"), "{ran:?}");

    lab.sandbox.set_up_bucket(BUCKET, Setup::default());
    lab.done();
    assert_eq!((lab.published("www"), lab.published("api")), (Some(2), Some(1)));
}

#[test]
fn a_bucket_of_another_account_and_one_whose_block_is_off_are_refused_and_told_apart() {
    let lab = lab(Setup { owner: Some("999999999999".into()), ..Setup::default() });
    let config = lab.read("countersign.yaml");
    lab.write(
        "countersign.yaml",
        &config.replace("prefix: certs/,", "prefix: certs/, expected_owner: \"123456789012\","),
    );
    let told = |code: &str| {
        let ran = lab.run(&["plan"]);
        assert_eq!(ran.code, Some(4), "{ran:?}");
        assert!(ran.bad()[0].starts_with(&format!("certs.source/completed [{code}]")), "{ran:?}");
        lab.ask(&["doctor"]).1
    };
    assert!(told("s3:wrong-owner").contains(&format!("FAIL  bucket         bucket `{BUCKET}` does not belong")));
    lab.sandbox.set_up_bucket(BUCKET, Setup { public_access_block: Some(false), ..Setup::default() });
    assert!(told("s3:unsafe").contains("FAIL  bucket-safety  bucket `certs` is not safe"));
}

#[test]
fn what_a_bucket_lacks_is_a_warning_and_no_obstacle() {
    let lab = lab(Setup { public_access_block: None, versioned: false, ..Setup::default() });
    lab.make_due("www");
    let ran = lab.done();
    assert_eq!(lab.published("www"), Some(2));
    assert!(ran.err.contains("it keeps no earlier versions"), "{ran:?}");
}
