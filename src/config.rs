//! The runner's configuration.
