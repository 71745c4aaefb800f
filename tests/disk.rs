//! The store on a disk that fails it: killed at any call, full, broken, without power, under a hostile umask. What a
//! run before left behind is always the state before a write or the state after it.

#[path = "shared/canary.rs"]
mod canary;

mod disk {
    mod life;
    mod model;
    mod power;
    mod strace;
    mod sweep;
    mod umask;
}
