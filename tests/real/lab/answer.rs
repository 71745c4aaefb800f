//! Answers in the name of AWS, and which operation a request is.

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};

use super::xml::tag;

pub const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// How the judge refuses a call in the name of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Throttled,
    Denied,
}

pub fn operation(method: &Method, path: &str, query: &str) -> &'static str {
    if let Some(route53) = path.strip_prefix("/2013-04-01/") {
        return match (method.as_str(), route53.split('/').collect::<Vec<_>>().as_slice()) {
            ("GET", ["hostedzone"]) => "ListHostedZones",
            ("GET", ["hostedzonesbyname"]) => "ListHostedZonesByName",
            ("GET", ["hostedzone", _]) => "GetHostedZone",
            ("GET", ["hostedzone", _, "rrset"]) => "ListResourceRecordSets",
            ("POST", ["hostedzone", _, "rrset"]) => "ChangeResourceRecordSets",
            ("GET", ["change", _]) => "GetChange",
            _ => "Route53",
        };
    }
    let object = path.trim_matches('/').contains('/');
    match (method.as_str(), object) {
        ("PUT", true) => "PutObject",
        ("GET", true) => "GetObject",
        ("HEAD", true) => "HeadObject",
        ("DELETE", true) => "DeleteObject",
        ("GET", false) if query.contains("list-type=2") => "ListObjectsV2",
        ("GET", false) if query.contains("publicAccessBlock") => "GetPublicAccessBlock",
        ("GET", false) if query.contains("policyStatus") => "GetBucketPolicyStatus",
        ("GET", false) if query.contains("versioning") => "GetBucketVersioning",
        ("GET", false) if query.contains("encryption") => "GetBucketEncryption",
        ("GET", false) if query.contains("acl") => "GetBucketAcl",
        _ => "S3",
    }
}

pub fn refuse(operation: &str, refusal: Refusal) -> Response<Bytes> {
    let s3 = matches!(operation, "PutObject" | "GetObject" | "HeadObject" | "DeleteObject" | "ListObjectsV2" | "S3");
    match (s3, refusal) {
        (true, Refusal::Denied) => s3_refused(StatusCode::FORBIDDEN, "AccessDenied", "Access Denied"),
        (true, Refusal::Throttled) => {
            s3_refused(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Reduce your request rate.")
        }
        (false, Refusal::Denied) => {
            let message =
                format!("User: arn:aws:iam::123456789012:user/lab is not authorized to perform: route53:{operation}");
            refused(StatusCode::FORBIDDEN, "AccessDenied", &message)
        }
        (false, Refusal::Throttled) => refused(StatusCode::BAD_REQUEST, "Throttling", "Rate exceeded"),
    }
}

pub fn refused(status: StatusCode, code: &str, message: &str) -> Response<Bytes> {
    let error = format!("<Error><Type>Sender</Type>{}{}</Error>", tag("Code", code), tag("Message", message));
    xml(status, &format!("<ErrorResponse xmlns=\"{NAMESPACE}\">{error}<RequestId>lab</RequestId></ErrorResponse>"))
}

pub fn s3_refused(status: StatusCode, code: &str, message: &str) -> Response<Bytes> {
    xml(status, &format!("<Error>{}{}<RequestId>lab</RequestId></Error>", tag("Code", code), tag("Message", message)))
}

pub fn change_info(root: &str, id: &str, status: &str) -> Response<Bytes> {
    let info = format!(
        "<ChangeInfo>{}{}<SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo>",
        tag("Id", &format!("/change/{id}")),
        tag("Status", status)
    );
    xml(StatusCode::OK, &format!("<{root} xmlns=\"{NAMESPACE}\">{info}</{root}>"))
}

fn xml(status: StatusCode, element: &str) -> Response<Bytes> {
    let document = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{element}");
    let answer = Response::builder().status(status).header(header::CONTENT_TYPE, "text/xml");
    answer.body(Bytes::from(document)).expect("a response")
}
