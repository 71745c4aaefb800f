//! Strict in-process stand-ins for the CA, Route53, S3 and the config repo. Loopback only.

mod dns;
pub mod faults;
mod http;
pub mod log;
mod lookup;
mod route53;
pub mod s3;
mod txt;
mod zone;

/// The one pair of credentials that Route53 and S3 know.
pub const ACCESS_KEY: &str = "AKIASANDBOXSANDBOX00";
/// See [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "sandbox/sandbox/sandbox/sandbox/sandbox0";
