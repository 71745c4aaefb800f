//! The report of a run: cases for people and for Jenkins.
