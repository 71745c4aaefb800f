//! AssumeRole of STS (2011-06-15), for the one role that there is.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::{OTHER_ACCESS_KEY, OTHER_ROLE, OTHER_SECRET_KEY};
use super::sigv4::percent_decode;
use super::xml::{leaf, node};

/// The credentials, or `None` for a role that may not be assumed.
pub(super) fn assume_role(request: &Request<Bytes>) -> Option<String> {
    let form = std::str::from_utf8(request.body()).ok()?;
    let role = form.split('&').find_map(|pair| pair.strip_prefix("RoleArn="))?;
    if percent_decode(role) != OTHER_ROLE {
        return None;
    }
    let ends = (OffsetDateTime::now_utc() + Duration::from_secs(3600)).format(&Rfc3339).ok()?;
    let credentials = leaf("AccessKeyId", OTHER_ACCESS_KEY)
        + &leaf("SecretAccessKey", OTHER_SECRET_KEY)
        + &leaf("SessionToken", "sandbox-session")
        + &leaf("Expiration", &ends);
    let user = leaf("AssumedRoleId", "AROASANDBOX:countersign") + &leaf("Arn", OTHER_ROLE);
    let result = node("Credentials", &credentials) + &node("AssumedRoleUser", &user);
    let body = node("AssumeRoleResult", &result) + &node("ResponseMetadata", &leaf("RequestId", "sandbox"));
    Some(format!("<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">{body}</AssumeRoleResponse>"))
}
