//! countersign: a GitOps certificate pipeline.
//!
//! A signed list in git becomes certificates in S3. ARCHITECTURE.md follows one request through these modules.

pub mod diag;
pub mod fault;
pub mod journal;
pub mod lineage;
pub mod list;
pub mod name;
pub mod port;
pub mod secret;
pub mod trust;
