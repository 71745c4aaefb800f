//! The CA adapter against real protocol partners.

mod ca {
    mod pebble;
    pub mod rig;
}
