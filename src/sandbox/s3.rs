//! The S3 API over memory: signatures are checked by s3s, and conditional writes are atomic under one lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::TryStreamExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::http::Api;
use super::{ACCESS_KEY, SECRET_KEY};
use crate::name::{Digest, hex};

/// An object as it was written last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub body: Bytes,
    /// Without quotation marks. Not a digest of the body, as under SSE-KMS.
    pub etag: String,
    pub metadata: BTreeMap<String, String>,
    pub content_type: Option<String>,
    /// The SSE-KMS key that the writer asked for.
    pub kms_key: Option<String>,
    /// `AES256`, or `aws:kms` if the writer asked for it.
    pub encryption: String,
    pub modified: SystemTime,
}

impl Object {
    /// Without metadata, encrypted as S3 does if not told otherwise.
    pub(super) fn new(body: Bytes) -> S3Result<Self> {
        Ok(Self {
            body,
            etag: new_etag()?,
            metadata: BTreeMap::new(),
            content_type: None,
            kms_key: None,
            encryption: "AES256".to_owned(),
            modified: SystemTime::now(),
        })
    }
}

type Keys = BTreeMap<String, Object>;

/// How a bucket is set up. The default is that of a new bucket of AWS, with versioning.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whose it is. `None`: whoever is expected.
    pub owner: Option<String>,
    /// The four parts alike. `None`: there is no block.
    pub public_access_block: Option<bool>,
    /// `None`: there is no policy.
    pub policy_is_public: Option<bool>,
    pub acl_is_public: bool,
    pub versioned: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            owner: None,
            public_access_block: Some(true),
            policy_is_public: None,
            acl_is_public: false,
            versioned: true,
        }
    }
}

/// The buckets. Cheap to clone; all clones are the same data.
#[derive(Clone, Default)]
pub(super) struct Buckets {
    keys: Arc<Mutex<BTreeMap<String, Keys>>>,
    setups: Arc<Mutex<BTreeMap<String, Setup>>>,
}

impl Buckets {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Keys>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_up(&self, name: &str, setup: Setup) {
        self.setups.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), setup);
    }

    /// `NoSuchBucket` if there is none.
    fn setup(&self, name: &str) -> S3Result<Setup> {
        bucket(&mut self.lock(), name)?;
        let setups = self.setups.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(setups.get(name).cloned().unwrap_or_default())
    }

    /// *Verifying bucket ownership* in the S3 user guide: every request fails with 403 if the owner is another.
    fn is_expected(&self, request: &Request<Bytes>) -> bool {
        let Some(expected) = request.headers().get("x-amz-expected-bucket-owner") else { return true };
        let name = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
        let owner = self.setup(name).ok().and_then(|setup| setup.owner);
        owner.is_none_or(|owner| owner.as_bytes() == expected.as_bytes())
    }
}

pub(super) struct Server {
    service: S3Service,
    buckets: Buckets,
}

impl Server {
    pub(super) fn new(buckets: Buckets) -> Self {
        let mut builder = S3ServiceBuilder::new(buckets.clone());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        Self { service: builder.build(), buckets }
    }
}

#[async_trait]
impl Api for Server {
    fn operation(&self, request: &Request<Bytes>) -> &'static str {
        let query = request.uri().query().unwrap_or_default();
        let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        let key = request.uri().path().trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
        match (request.method(), key) {
            (&Method::PUT, true) => "PutObject",
            (&Method::GET, true) => "GetObject",
            (&Method::HEAD, true) => "HeadObject",
            (&Method::DELETE, true) => "DeleteObject",
            (&Method::HEAD, false) => "HeadBucket",
            (&Method::GET, false) if has("versioning") => "GetBucketVersioning",
            (&Method::GET, false) if has("publicAccessBlock") => "GetPublicAccessBlock",
            (&Method::GET, false) if has("policyStatus") => "GetBucketPolicyStatus",
            (&Method::GET, false) if has("acl") => "GetBucketAcl",
            (&Method::GET, false) if has("encryption") => "GetBucketEncryption",
            (&Method::GET, false) if has("list-type") => "ListObjectsV2",
            _ => "UnknownS3Operation",
        }
    }

    fn principal(&self, request: &Request<Bytes>) -> Option<String> {
        let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
        let (_, credential) = value.split_once("Credential=")?;
        credential.split('/').next().map(str::to_owned)
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        if !self.buckets.is_expected(&request) {
            return self.refuse(403, "AccessDenied");
        }
        match self.service.call(request.map(s3s::Body::from)).await {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                match body.collect().await {
                    Ok(body) => Response::from_parts(parts, body.to_bytes()),
                    Err(_) => self.refuse(500, "InternalError"),
                }
            }
            Err(_) => self.refuse(500, "InternalError"),
        }
    }

    fn refuse(&self, status: u16, code: &str) -> Response<Bytes> {
        let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>Scripted</Message></Error>");
        let mut response = Response::new(Bytes::from(text));
        *response.status_mut() = StatusCode::from_u16(status).expect("scripts name real statuses");
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        response
    }
}

#[async_trait]
impl S3 for Buckets {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let body = read(input.body).await?;
        let digest = Digest::of(&body);
        let checksum = BASE64_STANDARD.encode(digest.as_bytes());
        if input.checksum_sha256.as_ref().is_some_and(|sent| *sent != checksum) {
            return Err(s3_error!(BadDigest, "The SHA256 you specified did not match the calculated checksum."));
        }
        if input.content_length.is_some_and(|length| usize::try_from(length) != Ok(body.len())) {
            return Err(s3_error!(IncompleteBody));
        }
        let mut object = Object::new(body)?;
        object.metadata = input.metadata.unwrap_or_default().into_iter().collect();
        object.content_type = input.content_type.map(|kind| kind.to_string());
        object.kms_key = input.ssekms_key_id;
        if let Some(encryption) = input.server_side_encryption {
            object.encryption = encryption.as_str().to_owned();
        }
        let output = PutObjectOutput {
            e_tag: Some(ETag::Strong(object.etag.clone())),
            checksum_sha256: Some(checksum),
            server_side_encryption: Some(object.encryption.clone().into()),
            ssekms_key_id: object.kms_key.clone(),
            ..PutObjectOutput::default()
        };
        let mut buckets = self.lock();
        let keys = bucket(&mut buckets, &input.bucket)?;
        check_conditions(keys.get(&input.key), input.if_match.as_ref(), input.if_none_match.as_ref())?;
        keys.insert(input.key, object);
        Ok(S3Response::new(output))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        if input.range.is_some() {
            return Err(s3_error!(NotImplemented, "This stand-in has no ranges"));
        }
        let object = self.object(&input.bucket, &input.key)?;
        if input.if_match.is_some_and(|condition| !matches(&condition, &object)) {
            return Err(s3_error!(PreconditionFailed));
        }
        if input.if_none_match.is_some_and(|condition| matches(&condition, &object)) {
            return Err(s3_error!(NotModified));
        }
        let wants_checksum = input.checksum_mode.is_some();
        let checksum = wants_checksum.then(|| BASE64_STANDARD.encode(Digest::of(&object.body).as_bytes()));
        Ok(S3Response::new(GetObjectOutput {
            content_length: i64::try_from(object.body.len()).ok(),
            body: Some(StreamingBlob::from(s3s::Body::from(object.body.clone()))),
            e_tag: Some(ETag::Strong(object.etag)),
            checksum_sha256: checksum,
            content_type: object.content_type,
            metadata: Some(object.metadata.into_iter().collect()),
            server_side_encryption: Some(object.encryption.into()),
            ssekms_key_id: object.kms_key,
            last_modified: Some(object.modified.into()),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let object = self.object(&input.bucket, &input.key)?;
        let wants_checksum = input.checksum_mode.is_some();
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(object.body.len()).ok(),
            checksum_sha256: wants_checksum.then(|| BASE64_STANDARD.encode(Digest::of(&object.body).as_bytes())),
            e_tag: Some(ETag::Strong(object.etag)),
            content_type: object.content_type,
            metadata: Some(object.metadata.into_iter().collect()),
            server_side_encryption: Some(object.encryption.into()),
            ssekms_key_id: object.kms_key,
            last_modified: Some(object.modified.into()),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let mut buckets = self.lock();
        let keys = bucket(&mut buckets, &input.bucket)?;
        check_conditions(keys.get(&input.key), input.if_match.as_ref(), None)?;
        keys.remove(&input.key);
        Ok(S3Response::with_status(DeleteObjectOutput::default(), StatusCode::NO_CONTENT))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        if input.delimiter.is_some() {
            return Err(s3_error!(NotImplemented, "This stand-in has no delimiters"));
        }
        let limit = input.max_keys.map_or(1_000, |limit| limit.clamp(0, 1_000));
        let page = usize::try_from(limit).unwrap_or_default();
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = match &input.continuation_token {
            Some(token) => Some(after_token(token)?),
            None => input.start_after.clone(),
        };
        let mut buckets = self.lock();
        let keys = bucket(&mut buckets, &input.bucket)?;
        let mut matching = keys.iter().filter(|(key, _)| key.starts_with(&prefix) && Some(*key) > after.as_ref());
        let contents: Vec<s3s::dto::Object> =
            matching.by_ref().take(page).map(|(key, object)| summary(key, object)).collect();
        let truncated = matching.next().is_some() && !contents.is_empty();
        let last = contents.last().and_then(|object| object.key.clone()).filter(|_| truncated);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            max_keys: Some(limit),
            key_count: i32::try_from(contents.len()).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(truncated),
            next_continuation_token: last.map(|key| BASE64_STANDARD.encode(key)),
            contents: Some(contents),
            start_after: input.start_after,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        bucket(&mut self.lock(), &request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let versioned = self.setup(&request.input.bucket)?.versioned;
        let status = versioned.then(|| BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
        Ok(S3Response::new(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() }))
    }

    async fn get_public_access_block(
        &self,
        request: S3Request<GetPublicAccessBlockInput>,
    ) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
        let Some(on) = self.setup(&request.input.bucket)?.public_access_block else {
            let code = S3ErrorCode::from_bytes(b"NoSuchPublicAccessBlockConfiguration").expect("a text");
            return Err(absent(code, "The public access block configuration was not found"));
        };
        let block = PublicAccessBlockConfiguration {
            block_public_acls: Some(on),
            block_public_policy: Some(on),
            ignore_public_acls: Some(on),
            restrict_public_buckets: Some(on),
        };
        Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration: Some(block) }))
    }

    async fn get_bucket_policy_status(
        &self,
        request: S3Request<GetBucketPolicyStatusInput>,
    ) -> S3Result<S3Response<GetBucketPolicyStatusOutput>> {
        let Some(is_public) = self.setup(&request.input.bucket)?.policy_is_public else {
            return Err(absent(S3ErrorCode::NoSuchBucketPolicy, "The bucket policy does not exist"));
        };
        let status = PolicyStatus { is_public: Some(is_public) };
        Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status: Some(status) }))
    }

    async fn get_bucket_acl(&self, request: S3Request<GetBucketAclInput>) -> S3Result<S3Response<GetBucketAclOutput>> {
        let is_public = self.setup(&request.input.bucket)?.acl_is_public;
        let grant = |kind: &'static str, id: Option<String>, uri: Option<String>, permission: &'static str| Grant {
            grantee: Some(Grantee { type_: Type::from_static(kind), id, uri, display_name: None, email_address: None }),
            permission: Some(Permission::from_static(permission)),
        };
        let owner = grant("CanonicalUser", Some("owner".into()), None, "FULL_CONTROL");
        let all = "http://acs.amazonaws.com/groups/global/AllUsers".to_owned();
        let everybody = is_public.then(|| grant("Group", None, Some(all), "READ"));
        let grants = [owner].into_iter().chain(everybody).collect();
        Ok(S3Response::new(GetBucketAclOutput { grants: Some(grants), ..GetBucketAclOutput::default() }))
    }

    async fn get_bucket_encryption(
        &self,
        request: S3Request<GetBucketEncryptionInput>,
    ) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
        self.setup(&request.input.bucket)?;
        let by_default = ServerSideEncryptionByDefault {
            sse_algorithm: ServerSideEncryption::from_static(ServerSideEncryption::AES256),
            kms_master_key_id: None,
        };
        let rule = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            ..ServerSideEncryptionRule::default()
        };
        let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
        Ok(S3Response::new(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) }))
    }
}

/// What a bucket does not have is a 404 with a code of its own.
fn absent(code: S3ErrorCode, message: &'static str) -> S3Error {
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(StatusCode::NOT_FOUND);
    error
}

impl Buckets {
    fn object(&self, name: &str, key: &str) -> S3Result<Object> {
        bucket(&mut self.lock(), name)?.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }
}

async fn read(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    let chunks: Vec<Bytes> = body.try_collect().await.map_err(|_| s3_error!(IncompleteBody))?;
    Ok(chunks.concat().into())
}

fn bucket<'a>(buckets: &'a mut BTreeMap<String, Keys>, name: &str) -> S3Result<&'a mut Keys> {
    buckets.get_mut(name).ok_or_else(|| s3_error!(NoSuchBucket))
}

/// S3 user guide, "conditional requests": 412 if the condition does not hold, 404 if `If-Match` finds nothing.
fn check_conditions(
    existing: Option<&Object>,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    match if_none_match {
        Some(ETagCondition::Any) if existing.is_some() => {
            return Err(s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold"));
        }
        Some(ETagCondition::ETag(_)) => {
            return Err(s3_error!(NotImplemented, "If-None-Match of a write takes * only"));
        }
        Some(ETagCondition::Any) | None => {}
    }
    match (if_match, existing) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(s3_error!(NoSuchKey)),
        (Some(condition), Some(object)) if matches(condition, object) => Ok(()),
        _ => Err(s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")),
    }
}

fn matches(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == object.etag,
    }
}

fn summary(key: &str, object: &Object) -> s3s::dto::Object {
    s3s::dto::Object {
        key: Some(key.to_owned()),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        size: i64::try_from(object.body.len()).ok(),
        last_modified: Some(object.modified.into()),
        ..s3s::dto::Object::default()
    }
}

fn after_token(token: &str) -> S3Result<String> {
    let key = BASE64_STANDARD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
    key.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

/// Random: under SSE-KMS nobody may rely on an ETag being the MD5 of the body.
fn new_etag() -> S3Result<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| s3_error!(InternalError))?;
    Ok(hex(&bytes))
}
