//! What a bucket holds, read by boto3 rather than by the SDK under test.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::daemon::output;
use super::judge::Judge;
use super::moto::venv;

/// An object as boto3 reads it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Object {
    pub body: String,
    /// Hexadecimal, of the body.
    pub sha256: String,
    pub metadata: BTreeMap<String, String>,
    /// `aws:kms`, `AES256`
    pub encryption: Option<String>,
    pub kms_key: Option<String>,
}

/// Every object of a bucket, by key.
pub fn read(judge: &Judge, bucket: &str, region: &str) -> BTreeMap<String, Object> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/lab/read_bucket.py");
    let mut command = Command::new(venv().join("bin/python"));
    command.arg(script).args([&judge.url(), bucket, region]);
    command.env("AWS_ACCESS_KEY_ID", "reader").env("AWS_SECRET_ACCESS_KEY", "reader");
    serde_json::from_str(&output(&mut command)).expect("the script prints JSON")
}
