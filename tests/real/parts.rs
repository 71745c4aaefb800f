//! The lab itself: each part does what the other tests rely on.

mod acme;
mod aws;
mod git;
mod runner;
mod sdk;
