//! The DNS adapter against the strict Route53 of the sandbox.
#![cfg(feature = "sandbox")]

mod dns {
    mod accounts;
    mod change;
    mod locate;
    pub mod rig;
    mod wait;
}
