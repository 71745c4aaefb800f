//! The DNS port over Route53.
