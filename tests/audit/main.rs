//! The audit log, provenance and failing safe: the real command against the stand-ins.
#![cfg(feature = "sandbox")]

#[path = "../shared/canary.rs"]
mod canary;
mod failsafe;
mod findings;
mod log;
mod probes;
mod rig;
