//! Exit codes: one meaning each, for every command.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Could not finish: network, credentials, unreadable config, malformed trust files, a bug.
    Failed = 1,
    /// Changes are pending. Only `plan --detailed-exitcode`.
    Changes = 2,
    /// Finished, some lineages failed.
    Partial = 3,
    /// Refused: nothing of the refused change was done.
    Refused = 4,
    /// Another run holds the lock.
    Locked = 5,
    /// Valid, but approvals are missing.
    Unapproved = 6,
    /// Bad flags.
    Usage = 64,
    /// Interrupted by SIGINT or SIGTERM.
    Interrupted = 130,
}

impl Exit {
    /// The word of the summary line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Changes => "changes",
            Self::Partial => "partial",
            Self::Refused => "refused",
            Self::Locked => "locked",
            Self::Unapproved => "unapproved",
            Self::Usage => "usage",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
