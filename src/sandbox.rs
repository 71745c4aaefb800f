//! Strict in-process stand-ins for the CA, Route53, S3 and the config repo. Loopback only.

pub mod repo;
