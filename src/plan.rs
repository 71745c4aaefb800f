//! The plan: what to do about each lineage, as data.
