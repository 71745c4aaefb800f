//! How a bucket is guarded: what S3 says of it, and what that means for private keys.
//!
//! Source: *Blocking public access to your Amazon S3 storage* and *Access control list (ACL) overview* in the S3 user
//! guide.

use std::fmt::Display;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{BucketVersioningStatus, Grant, PublicAccessBlockConfiguration};
use futures::join;

use super::Settings;
use super::fault::Call;
use crate::fault::{Fault, Retry};
use crate::port::Guards;

/// The bucket is open to people who have no business with private keys.
pub const UNSAFE: &str = "s3:unsafe";
/// The bucket is another account's.
pub const WRONG_OWNER: &str = "s3:wrong-owner";

/// Groups of whoever has an address, and of whoever has an AWS account.
const EVERYBODY: [&str; 2] =
    ["http://acs.amazonaws.com/groups/global/AllUsers", "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"];

/// What the guards of a bucket come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Safety {
    /// Evidence that the bucket is open. Nothing is written to it.
    pub dangers: Vec<String>,
    /// What it did not tell, and what it lacks.
    pub doubts: Vec<String>,
    pub facts: Vec<String>,
}

impl Safety {
    pub fn of(guards: &Guards) -> Self {
        let mut safety = Self::default();
        safety.block(&guards.block_off);
        safety.closed("policy", &guards.policy_is_public);
        safety.closed("ACL", &guards.acl_is_public);
        match &guards.versioned {
            Ok(true) => safety.facts.push("it keeps earlier versions".into()),
            Ok(false) => safety.doubts.push("it keeps no earlier versions of its objects".into()),
            Err(fault) => safety.untold("whether it keeps earlier versions", fault),
        }
        match &guards.encryption {
            Ok(kind) => safety.facts.push(format!("it encrypts with {kind}")),
            Err(fault) => safety.untold("how it encrypts", fault),
        }
        safety
    }

    /// The refusal to write to the bucket, if there is a reason.
    pub fn refusal(&self, bucket: &str) -> Option<Fault> {
        let text = format!("bucket `{bucket}` is not safe for private keys: {}", self.dangers.join(", "));
        let hint = "close it (`aws s3api put-public-access-block`), see who read what is in it, and replace those keys: \
                    `countersign apply --force NAME --reason keyCompromise`";
        (!self.dangers.is_empty()).then(|| Fault::new(UNSAFE, text).hint(hint).retry(Retry::Never))
    }

    fn block(&mut self, off: &Result<Option<Vec<&'static str>>, Fault>) {
        match off {
            Ok(Some(off)) if off.is_empty() => self.facts.push("public access is blocked".into()),
            Ok(Some(off)) => {
                self.dangers.push(format!("its block of public access is switched off ({})", off.join(", ")));
            }
            // The account may have one that holds here too.
            Ok(None) => self.doubts.push("it has no block of public access of its own".into()),
            Err(fault) => self.untold("whether public access is blocked", fault),
        }
    }

    fn closed(&mut self, what: &str, is_public: &Result<bool, Fault>) {
        match is_public {
            Ok(true) => self.dangers.push(format!("its {what} lets everybody in")),
            Ok(false) => self.facts.push(format!("its {what} is not public")),
            Err(fault) => self.untold(format!("whether its {what} is public"), fault),
        }
    }

    fn untold(&mut self, what: impl Display, fault: &Fault) {
        let needs = fault.hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default();
        self.doubts.push(format!("it does not tell {what} [{}]{needs}", fault.code));
    }
}

/// Five small questions at once. None of them is asked for long: an answer that does not come is a doubt.
pub async fn ask(client: &Client, settings: &Settings) -> Guards {
    let few = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(100));
    let client = Client::from_conf(client.config().to_builder().retry_config(few).build());
    let (bucket, owner) = (&settings.bucket, || settings.expected_owner.clone());
    let (block, policy, acl, versioning, encryption) = join!(
        client.get_public_access_block().bucket(bucket).set_expected_bucket_owner(owner()).send(),
        client.get_bucket_policy_status().bucket(bucket).set_expected_bucket_owner(owner()).send(),
        client.get_bucket_acl().bucket(bucket).set_expected_bucket_owner(owner()).send(),
        client.get_bucket_versioning().bucket(bucket).set_expected_bucket_owner(owner()).send(),
        client.get_bucket_encryption().bucket(bucket).set_expected_bucket_owner(owner()).send(),
    );
    let call = |verb, actions| Call { verb, bucket, key: "", actions };
    Guards {
        block_off: answered(
            block,
            &call("read the public access block of", "s3:GetBucketPublicAccessBlock"),
            |output| Some(output.public_access_block_configuration.map(|block| switched_off(&block))),
            ("NoSuchPublicAccessBlockConfiguration", None),
        ),
        policy_is_public: answered(
            policy,
            &call("read the policy status of", "s3:GetBucketPolicyStatus"),
            |output| output.policy_status?.is_public,
            ("NoSuchBucketPolicy", false),
        ),
        acl_is_public: answered(
            acl,
            &call("read the ACL of", "s3:GetBucketAcl"),
            |output| Some(output.grants?.iter().any(is_for_everybody)),
            ("", false),
        ),
        versioned: answered(
            versioning,
            &call("read the versioning of", "s3:GetBucketVersioning"),
            |output| Some(output.status == Some(BucketVersioningStatus::Enabled)),
            ("", false),
        ),
        encryption: answered(
            encryption,
            &call("read the encryption of", "s3:GetEncryptionConfiguration"),
            |output| {
                let rule = output.server_side_encryption_configuration?.rules.into_iter().next()?;
                Some(rule.apply_server_side_encryption_by_default?.sse_algorithm.as_str().to_owned())
            },
            ("ServerSideEncryptionConfigurationNotFoundError", "nothing".to_owned()),
        ),
    }
}

fn switched_off(block: &PublicAccessBlockConfiguration) -> Vec<&'static str> {
    let parts = [
        ("BlockPublicAcls", block.block_public_acls),
        ("IgnorePublicAcls", block.ignore_public_acls),
        ("BlockPublicPolicy", block.block_public_policy),
        ("RestrictPublicBuckets", block.restrict_public_buckets),
    ];
    parts.into_iter().filter(|(_, on)| *on != Some(true)).map(|(name, _)| name).collect()
}

/// What an answer says, or the meaning of the one error by which S3 says that there is nothing.
fn answered<O, E, T>(
    sent: Result<O, SdkError<E, HttpResponse>>,
    call: &Call<'_>,
    read: impl FnOnce(O) -> Option<T>,
    (code, absent): (&str, T),
) -> Result<T, Fault>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match sent {
        Ok(output) => read(output).ok_or_else(|| call.because("malformed", "the answer does not say")),
        Err(error) if error.code() == Some(code) => Ok(absent),
        Err(error) => Err(call.fault(&error)),
    }
}

fn is_for_everybody(grant: &Grant) -> bool {
    let uri = grant.grantee.as_ref().and_then(|grantee| grantee.uri.as_deref());
    uri.is_some_and(|uri| EVERYBODY.contains(&uri))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> Guards {
        Guards {
            block_off: Ok(Some(Vec::new())),
            policy_is_public: Ok(false),
            acl_is_public: Ok(false),
            versioned: Ok(true),
            encryption: Ok("aws:kms".into()),
        }
    }

    fn untold<T>() -> Result<T, Fault> {
        Err(Fault::new("s3:AccessDenied", "no"))
    }

    #[test]
    fn a_bucket_that_is_closed_raises_no_doubts() {
        let safety = Safety::of(&closed());
        assert_eq!((safety.dangers.len(), safety.doubts.len(), safety.refusal("b")), (0, 0, None));
    }

    #[test]
    fn each_way_into_a_bucket_is_a_danger_of_its_own() {
        let open = Guards {
            block_off: Ok(Some(vec!["BlockPublicAcls"])),
            policy_is_public: Ok(true),
            acl_is_public: Ok(true),
            ..closed()
        };
        let refusal = Safety::of(&open).refusal("b").unwrap();
        assert_eq!(
            refusal.message,
            "bucket `b` is not safe for private keys: its block of public access is switched off (BlockPublicAcls), \
             its policy lets everybody in, its ACL lets everybody in"
        );
    }

    #[test]
    fn what_a_bucket_does_not_tell_or_lacks_is_a_doubt_and_no_danger() {
        let silent = Guards {
            block_off: Ok(None),
            policy_is_public: untold(),
            acl_is_public: untold(),
            versioned: Ok(false),
            encryption: untold(),
        };
        let safety = Safety::of(&silent);
        assert_eq!((safety.dangers.len(), safety.doubts.len(), safety.facts.len()), (0, 5, 0));
    }
}
