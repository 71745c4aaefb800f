//! countersign: a GitOps certificate pipeline.
//!
//! A signed list in git becomes certificates in S3. ARCHITECTURE.md follows one request through these modules.

pub mod apply;
pub mod audit;
pub mod bucket;
pub mod ca;
pub mod caa;
#[cfg(test)]
#[path = "../tests/shared/canary.rs"]
mod canary;
pub mod cli;
pub mod clock;
pub mod config;
pub mod diag;
pub mod dns;
pub mod event;
pub mod explain;
pub mod export;
pub mod failpoint;
pub mod fault;
pub mod hook;
pub mod import;
pub mod journal;
pub mod ledger;
pub mod lineage;
pub mod list;
pub mod name;
pub mod notify;
pub mod outcome;
pub mod plan;
pub mod port;
pub mod premerge;
pub mod program;
pub mod pull;
mod regular;
pub mod report;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod secret;
pub mod served;
pub mod source;
pub mod store;
mod tls;
pub mod trust;
pub mod web;
pub mod yaml;
