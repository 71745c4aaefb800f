//! What the SDK's errors mean to an operator.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::fault::{Fault, Retry};

/// One call, for the words of a fault.
pub struct Call<'a> {
    /// Reads after "failed to".
    pub verb: &'static str,
    pub bucket: &'a str,
    pub key: &'a str,
    /// The IAM actions that the call needs.
    pub actions: &'static str,
}

impl Call<'_> {
    pub fn fault<E>(&self, error: &SdkError<E, HttpResponse>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error {
            SdkError::ServiceError(service) => self.answered(service.err(), service.raw().status().as_u16()),
            SdkError::TimeoutError(_) => self.unreachable("the time for an answer ran out").caused_by(error),
            SdkError::DispatchFailure(_) if is_about_credentials(error) => self
                .because("credentials", "there are no AWS credentials")
                .caused_by(error)
                .hint("give the bucket a `profile:`, or see `countersign doctor` for the chain that was tried"),
            SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
                self.unreachable("there was no whole answer").caused_by(error)
            }
            _ => self.because("request", "the request could not be made").caused_by(error).retry(Retry::Never),
        }
    }

    /// A fault that no error of the SDK stands behind.
    pub fn because(&self, kind: &str, why: &str) -> Fault {
        let Self { verb, bucket, key, .. } = self;
        let what = if key.is_empty() { String::new() } else { format!("`{key}` in ") };
        Fault::new(format!("s3:{kind}"), format!("failed to {verb} {what}bucket `{bucket}`: {why}"))
    }

    pub fn unreachable(&self, why: &str) -> Fault {
        self.because("unreachable", why)
            .hint("see whether the endpoint of the bucket can be reached from here, and that a region is named")
    }

    fn answered<E: ProvideErrorMetadata>(&self, error: &E, status: u16) -> Fault {
        let status_code = match status {
            403 => "AccessDenied",
            409 => "ConditionalRequestConflict",
            503 => "SlowDown",
            500..=599 => "InternalError",
            _ => "Unknown",
        };
        let code = error.code().unwrap_or(status_code);
        let message = error.message().unwrap_or("S3 gave no reason");
        let fault = self.because(code, message);
        let never = |hint: String| fault.clone().hint(hint).retry(Retry::Never);
        match code {
            "AccessDenied" | "AllAccessDisabled" => never(format!(
                "the credentials need {} on bucket `{}` and its KMS key, as in policy/iam-s3-publisher.json",
                self.actions, self.bucket
            )),
            "NoSuchBucket" => never("make the bucket, or correct `bucket:` in the runner's config".into()),
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                never("correct `region:` of the bucket in the runner's config".into())
            }
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" => {
                never("the access key is wrong; see `profile:` of the bucket".into())
            }
            "ExpiredToken" => fault.hint("the session of the AWS credentials is over; see `profile:` of the bucket"),
            "RequestTimeTooSkewed" => never("set the clock of this machine".into()),
            _ if (400..500).contains(&status) && !matches!(status, 408 | 409 | 412 | 429) => fault.retry(Retry::Never),
            _ => fault,
        }
    }
}

/// The SDK has no type of its own for credentials that could not be had.
fn is_about_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.to_string().contains("credential") {
            return true;
        }
        next = error.source();
    }
    false
}
