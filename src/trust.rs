//! Who may change the list: verification of commits, from the introduction to the head.
//!
//! Pure: objects come through [`Objects`], the runner's files and clock as arguments.
