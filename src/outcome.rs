//! What became of each step of a plan, as data.
