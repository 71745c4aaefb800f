//! The bucket port over S3.

mod fault;
mod guards;
mod lanes;
pub mod layout;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use aws_types::service_config::ServiceConfigKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tracing::debug;

use crate::fault::{Fault, Retry};
use crate::name::Digest;
use crate::port::{Bucket, Condition, Guards, ObjectSummary, Written};
use fault::Call;
pub use guards::{Safety, UNSAFE, WRONG_OWNER};
use lanes::Lanes;

/// An object that is larger is none of ours.
const MAX_BYTES: usize = 1024 * 1024;

/// One bucket of the runner's config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub bucket: String,
    /// Stands before every key, usually with a `/` at its end. May be empty.
    pub prefix: String,
    pub region: Option<String>,
    /// Another S3 than Amazon's.
    pub endpoint: Option<String>,
    /// ID, ARN or alias. With it every object is sent with SSE-KMS and anything else is refused.
    pub kms_key: Option<String>,
    /// Account that must own the bucket.
    pub expected_owner: Option<String>,
}

/// A bucket in S3.
///
/// Reads are retried by the SDK (8 times at most, inside one minute), writes are sent once. So many requests are under way
/// at a time as the bucket has room for.
#[derive(Clone, Debug)]
pub struct S3Bucket {
    client: Client,
    lanes: Arc<Lanes>,
    settings: Settings,
}

impl S3Bucket {
    /// Takes credentials, region and endpoint from `sdk` where the settings have none.
    ///
    /// Path style is used with any endpoint of one's own: from the settings, from `sdk`, or from
    /// `AWS_ENDPOINT_URL_S3` and the `services` section of the shared config.
    pub fn new(settings: Settings, sdk: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(20))
            .operation_timeout(Duration::from_secs(60))
            .build();
        let mut config = Builder::from(sdk)
            .timeout_config(timeouts)
            .retry_config(reads())
            .force_path_style(settings.endpoint.is_some() || has_endpoint(sdk));
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        if let Some(region) = &settings.region {
            config = config.region(Region::new(region.clone()));
        }
        Self { client: Client::from_conf(config.build()), lanes: Arc::default(), settings }
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.settings.prefix)
    }

    fn call<'a>(&'a self, verb: &'static str, key: &'a str, actions: &'static str) -> Call<'a> {
        Call { verb, bucket: &self.settings.bucket, key, actions }
    }

    /// Sends a request when there is room for it.
    async fn sent<T, E: ProvideErrorMetadata>(
        &self,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, SdkError<E, HttpResponse>> {
        let lane = self.lanes.enter().await;
        let answer = request.await;
        match &answer {
            Ok(_) => lane.had_room(),
            Err(error) if has_no_room(error) => lane.had_no_room().await,
            Err(_) => {}
        }
        answer
    }

    async fn list_as(&self, owner: Option<String>) -> Result<BTreeMap<String, ObjectSummary>, Fault> {
        let prefix = &self.settings.prefix;
        let call = self.call("list", prefix, "s3:ListBucket");
        let request = self.client.list_objects_v2().bucket(&self.settings.bucket).prefix(prefix);
        let mut pages = request.set_expected_bucket_owner(owner).into_paginator().send();
        let mut found = BTreeMap::new();
        while let Some(page) = pages.next().await {
            for object in page.map_err(|error| call.fault(&error))?.contents.unwrap_or_default() {
                let (Some(key), Some(etag)) = (object.key, object.e_tag) else { continue };
                let Some(key) = key.strip_prefix(prefix.as_str()) else { continue };
                let size = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                found.insert(key.to_owned(), ObjectSummary { etag, size });
            }
        }
        debug!(bucket = self.settings.bucket, prefix, objects = found.len(), "listed");
        Ok(found)
    }

    fn owned_by_others(&self, owner: &str) -> Fault {
        let text = format!("bucket `{}` does not belong to account {owner}", self.settings.bucket);
        Fault::new(WRONG_OWNER, text)
            .hint("see who made a bucket of this name; correct `bucket:` or `expected_owner:` of the runner's config")
            .retry(Retry::Never)
    }

    /// `s3:not-encrypted` if a KMS key is asked for and S3 says that it used none.
    fn check_encryption(&self, call: &Call<'_>, found: Option<&ServerSideEncryption>) -> Result<(), Fault> {
        let kms = matches!(found, Some(ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse));
        if kms || self.settings.kms_key.is_none() {
            return Ok(());
        }
        let found = found.map_or("nothing", ServerSideEncryption::as_str);
        Err(call
            .because("not-encrypted", &format!("it is encrypted with {found} and not with the KMS key"))
            .hint("treat the key in this object as exposed: delete the object, see that the bucket allows SSE-KMS")
            .retry(Retry::Never))
    }
}

#[async_trait]
impl Bucket for S3Bucket {
    async fn list(&self) -> Result<BTreeMap<String, ObjectSummary>, Fault> {
        let listed = self.list_as(self.settings.expected_owner.clone()).await;
        match &self.settings.expected_owner {
            // S3 says the same to whoever may not list. Without the condition it tells which of the two it is.
            Some(owner) if denied(&listed) && self.list_as(None).await.is_ok() => Err(self.owned_by_others(owner)),
            _ => listed,
        }
    }

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, String)>, Fault> {
        let full = self.key(key);
        // Without s3:ListBucket S3 says 403 and not 404 for an object that is not there.
        let call = self.call("read", &full, "s3:GetObject, s3:ListBucket and kms:Decrypt");
        let request = self.client.get_object().bucket(&self.settings.bucket).key(&full);
        let request = request.set_expected_bucket_owner(self.settings.expected_owner.clone());
        match self.sent(request.send()).await {
            Ok(output) => {
                self.check_encryption(&call, output.server_side_encryption())?;
                body(output, &call).await.map(Some)
            }
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(call.fault(&error)),
        }
    }

    async fn put(
        &self,
        key: &str,
        bytes: &[u8],
        metadata: &BTreeMap<String, String>,
        condition: &Condition,
    ) -> Result<Written, Fault> {
        let full = self.key(key);
        let call = self.call("write", &full, "s3:PutObject, s3:GetObject and kms:GenerateDataKey");
        let kms_key = self.settings.kms_key.clone();
        let request = self
            .client
            .put_object()
            .bucket(&self.settings.bucket)
            .key(&full)
            .set_expected_bucket_owner(self.settings.expected_owner.clone())
            .set_metadata(Some(metadata.clone().into_iter().collect()))
            .content_type(content_type(key))
            .checksum_sha256(STANDARD.encode(Digest::of(bytes).as_bytes()))
            .set_bucket_key_enabled(kms_key.is_some().then_some(true))
            .set_server_side_encryption(kms_key.is_some().then_some(ServerSideEncryption::AwsKms))
            .set_ssekms_key_id(kms_key)
            .body(ByteStream::from(bytes.to_vec()));
        let request = match condition {
            Condition::Absent => request.if_none_match("*"),
            Condition::Etag(etag) => request.if_match(etag),
        };
        let once = aws_sdk_s3::config::Config::builder().retry_config(RetryConfig::disabled());
        match self.sent(request.customize().config_override(once).send()).await {
            Ok(output) => {
                self.check_encryption(&call, output.server_side_encryption())?;
                debug!(bucket = self.settings.bucket, key = full, size = bytes.len(), "written");
                match output.e_tag {
                    Some(etag) => Ok(Written::Done(etag)),
                    None => Err(call.unreachable("the answer has no ETag")),
                }
            }
            Err(error) => {
                let status = error.raw_response().map(|response| response.status().as_u16());
                // 404: the object that If-Match names has gone.
                let gone = matches!(condition, Condition::Etag(_)) && error.code() == Some("NoSuchKey");
                if status == Some(412) || gone { Ok(Written::Refused) } else { Err(call.fault(&error)) }
            }
        }
    }

    async fn delete(&self, key: &str) -> Result<(), Fault> {
        let full = self.key(key);
        let call = self.call("delete", &full, "s3:DeleteObject");
        let request = self.client.delete_object().bucket(&self.settings.bucket).key(&full);
        let request = request.set_expected_bucket_owner(self.settings.expected_owner.clone());
        self.sent(request.send()).await.map_err(|error| call.fault(&error))?;
        debug!(bucket = self.settings.bucket, key = full, "deleted");
        Ok(())
    }

    async fn guards(&self) -> Guards {
        guards::ask(&self.client, &self.settings).await
    }
}

fn denied<T>(result: &Result<T, Fault>) -> bool {
    result.as_ref().is_err_and(|fault| fault.code == "s3:AccessDenied")
}

/// S3 says 503 and `SlowDown` (*Optimizing performance* in the S3 user guide), others also 429.
fn has_no_room<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|response| matches!(response.status().as_u16(), 429 | 503))
}

fn reads() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(8)
        .with_initial_backoff(Duration::from_millis(200))
        .with_max_backoff(Duration::from_secs(5))
}

fn has_endpoint(sdk: &SdkConfig) -> bool {
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let for_s3 = sdk.service_config().zip(key.ok()).and_then(|(config, key)| config.load_config(key));
    sdk.endpoint_url().is_some() || for_s3.is_some()
}

async fn body(output: GetObjectOutput, call: &Call<'_>) -> Result<(Vec<u8>, String), Fault> {
    let too_large = || call.because("too-large", &format!("it has more than {MAX_BYTES} bytes")).retry(Retry::Never);
    let Some(etag) = output.e_tag else { return Err(call.unreachable("the answer has no ETag")) };
    let mut stream = output.body;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| call.unreachable("the object broke off").caused_by(&error))?;
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes, etag))
}

fn content_type(key: &str) -> &'static str {
    if key.ends_with(".json") { "application/json" } else { "application/x-pem-file" }
}

#[cfg(test)]
mod tests;
