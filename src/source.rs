//! The config repo: fetched by git2 into a bare store, read by gix.
