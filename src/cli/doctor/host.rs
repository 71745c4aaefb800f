//! Whether this host is a good place for keys: room, encryption at rest, and how often it runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use time::{Duration, OffsetDateTime};

use super::{Checked, Sheet, State};
use crate::config::Config;
use crate::fault::Fault;
use crate::plan::{days, window};
use crate::port::{Inventory, Store};
use crate::store::{self, FileStore};

/// A version takes a few kilobytes; a run that ends for want of room has ordered for nothing.
const ROOM_FAIL: u64 = 10 << 20;
const ROOM_WARN: u64 = 200 << 20;

pub fn look(config: &Config, store: &FileStore, now: OffsetDateTime, sheet: &mut Sheet<'_>) {
    // The folder of a store that is still to be made.
    let Some(place) = config.state.ancestors().find(|path| path.exists()) else { return };
    sheet.add(room(place));
    sheet.add(disk(place, Path::new("/sys/dev/block")));
    if let Ok(inventory) = store.observe() {
        sheet.add(schedule(config.every, &inventory, now));
    }
}

fn room(place: &Path) -> Checked {
    let free = match store::free(place) {
        Ok(Some(free)) => free,
        Ok(None) => return Checked::ok("space", format!("the file system of {} does not say", place.display())),
        Err(error) => {
            let fault = Fault::new("store:io", "failed to ask how much room there is").caused_by(&error);
            return Checked::of("space", State::Warn, &fault);
        }
    };
    let fact = format!("{} MiB are free at {}", free >> 20, place.display());
    let fix = "make room on the file system of `state:`";
    match free {
        free if free < ROOM_FAIL => Checked::fail("space", fact, fix),
        free if free < ROOM_WARN => Checked::warn("space", fact, fix),
        _ => Checked::ok("space", fact),
    }
}

/// Whether the device below a path, or one below that, is dm-crypt's. `devices` is `/sys/dev/block`.
fn disk(place: &Path, devices: &Path) -> Checked {
    let fix = "keep the state directory on an encrypted disk (LUKS), or make sure that the volume below is encrypted";
    let Ok(device) = place.metadata().map(|about| about.dev()) else {
        return Checked::warn("disk", "cannot tell on which device the store is", fix);
    };
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let device = devices.join(format!("{major}:{minor}"));
    match is_encrypted(&device, 4) {
        Some(true) => Checked::ok("disk", "the store is on an encrypted device (dm-crypt)"),
        Some(false) => Checked::warn("disk", "the device below the store is not encrypted by this host", fix),
        None => Checked::warn("disk", "cannot tell whether the store is on an encrypted device", fix),
    }
}

/// Follows `slaves/`: a logical volume is encrypted if what it lies on is. `None`: no block device.
fn is_encrypted(device: &Path, depth: u8) -> Option<bool> {
    if !device.exists() {
        return None;
    }
    let uuid = fs::read_to_string(device.join("dm/uuid")).unwrap_or_default();
    if uuid.starts_with("CRYPT-") {
        return Some(true);
    }
    let below = fs::read_dir(device.join("slaves")).into_iter().flatten().flatten();
    let below: Vec<_> = below.map(|entry| entry.path()).collect();
    let deeper = depth > 0 && !below.is_empty();
    Some(deeper && below.iter().all(|device| is_encrypted(device, depth - 1) == Some(true)))
}

/// A run that fails needs others after it, before the certificate ends.
fn schedule(every: Duration, inventory: &Inventory, now: OffsetDateTime) -> Checked {
    let alive = inventory.live.values().map(|stored| stored.facts()).filter(|facts| facts.not_after > now);
    let Some(shortest) = alive.min_by_key(|facts| facts.lifetime()) else {
        return Checked::ok("every", format!("a run every {}; nothing is live yet", days(every)));
    };
    let window = shortest.not_after - window::fraction(shortest);
    let fact = format!(
        "a run every {}; the shortest certificate lives {} and renews in its last {}",
        days(every),
        days(shortest.lifetime()),
        days(window)
    );
    let fix = format!("run at least every {}, and say so in `every:`", days(window / 4));
    match every {
        every if every >= window => Checked::fail("every", fact, fix),
        every if every * 4 > window => Checked::warn("every", fact, fix),
        _ => Checked::ok("every", fact),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device with a device-mapper id, on others.
    fn device(root: &Path, name: &str, uuid: &str, below: &[&str]) {
        fs::create_dir_all(root.join(name).join("dm")).unwrap();
        fs::create_dir_all(root.join(name).join("slaves")).unwrap();
        fs::write(root.join(name).join("dm/uuid"), uuid).unwrap();
        for other in below {
            std::os::unix::fs::symlink(root.join(other), root.join(name).join("slaves").join(other)).unwrap();
        }
    }

    #[test]
    fn a_logical_volume_is_as_encrypted_as_what_it_lies_on() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        device(root, "sda", "", &[]);
        device(root, "luks", "CRYPT-LUKS2-0123-root", &["sda"]);
        device(root, "lvm-on-luks", "LVM-0123", &["luks"]);
        device(root, "lvm", "LVM-0123", &["sda"]);
        device(root, "half", "LVM-0123", &["luks", "sda"]);
        let encrypted = |name: &str| is_encrypted(&root.join(name), 4);
        assert_eq!(["luks", "lvm-on-luks"].map(encrypted), [Some(true); 2]);
        assert_eq!(["sda", "lvm", "half"].map(encrypted), [Some(false); 3]);
        assert_eq!(encrypted("0:42"), None);
    }
}
