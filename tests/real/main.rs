//! Tests against real parts: sshd, git, Pebble with real dns-01 validation, moto, boto3.
//!
//! `ci/install` brings the parts; the tests are `#[ignore]`d so that a plain `cargo test` needs no servers.
//! `ci/test` runs them.

#[path = "../shared/canary.rs"]
mod canary;
mod lab;
mod parts;
mod pipeline;
mod run;
