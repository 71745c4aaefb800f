//! Carries out an approved plan: one wave of orders, then publishing.

pub mod publish;
