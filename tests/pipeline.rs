//! The whole pipeline as its users run it: the real program against the sandbox. Every report of every run is held
//! against the JUnit rules.

#![cfg(feature = "sandbox")]

#[path = "shared/answers.rs"]
mod answers;
#[path = "shared/canary.rs"]
mod canary;
#[path = "shared/issuer.rs"]
mod issuer;
#[path = "shared/snapshot.rs"]
mod snapshot;
#[path = "shared/sshd.rs"]
mod sshd;

mod pipeline {
    mod account;
    mod accounts;
    mod broken;
    mod crash;
    mod earlier;
    mod errors;
    mod golden;
    mod hooks;
    mod junit;
    mod keys;
    mod life;
    mod limited;
    mod look;
    mod main_job;
    mod moved;
    mod page;
    #[cfg(feature = "soak")]
    mod pairs;
    mod pull;
    mod refused;
    mod remote;
    mod reported;
    mod resumed;
    mod revoked;
    mod rig;
    mod rules;
    mod safety;
    mod saved;
    #[cfg(feature = "soak")]
    mod scale;
    mod secrets;
    mod settled;
    mod stopped;
    #[cfg(feature = "soak")]
    mod syscalls;
    mod terminal;
    mod trouble;
    mod web;
}
