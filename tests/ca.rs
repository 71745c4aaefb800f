//! The CA adapter against real protocol partners.

#[cfg(feature = "sandbox")]
#[path = "sandbox/jose.rs"]
#[allow(dead_code, reason = "this client can do more than is asked of it here")]
mod jose;

mod ca {
    #[cfg(feature = "sandbox")]
    mod account;
    #[cfg(feature = "sandbox")]
    mod certificate;
    mod pebble;
    pub mod rig;
    #[cfg(feature = "sandbox")]
    mod sandbox;
    #[cfg(feature = "sandbox")]
    mod trouble;
}

#[cfg(feature = "sandbox")]
use ca::rig::{Https, https};
