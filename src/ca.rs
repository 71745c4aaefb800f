//! The CA port over ACME (RFC 8555).
