//! The CA adapter against real protocol partners.

mod ca {
    mod pebble;
    pub mod rig;
    #[cfg(feature = "sandbox")]
    mod sandbox;
    #[cfg(feature = "sandbox")]
    mod trouble;
}
