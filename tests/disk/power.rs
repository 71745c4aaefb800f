//! Power fails at any moment: of what was not synced any part may be there afterwards.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

use super::life::{Life, STEPS};
use super::model::{Content, Disk, Tree};
use super::strace::{CHANGES, live};
use crate::canary::Scratch;

/// All states up to so many; of more, such as of a folder with seven new files, so many are drawn.
const MOST: usize = if cfg!(feature = "soak") { 30_000 } else { 512 };

#[test]
#[ignore = "needs strace: ci/install"]
fn after_a_power_loss_every_write_is_there_or_not_and_one_that_returned_is_there() {
    let folder = Scratch::in_memory();
    let life = Life::begin(folder.path());
    let views = life.moved(&below(folder.path(), "good")).views();
    let calls = live(folder.path(), CHANGES, None);
    let mut disk = Disk::new(folder.path());
    let (mut step, mut looked) = (0, 0);
    for call in &calls {
        let is_sync = call.name.ends_with("sync");
        if call.is_mark() {
            // A step has returned, so the network may be told: whatever is lost now, the step is not.
            looked += look(&life, &disk, &views[step..=step], step);
            step += 1;
        } else if is_sync {
            looked += look(&life, &disk, &views[step - 1..=step], step - 1);
        }
        disk.carry_out(call);
    }
    assert_eq!(step, STEPS.len() + 1);
    assert!(looked > 300, "only {looked} states were looked at");
}

/// Looks at every state that a crash may leave now. The next run must find one of the views, and go on from there.
fn look(life: &Life, disk: &Disk, views: &[String], step: usize) -> usize {
    let crashes = disk.crashes(MOST);
    for tree in &crashes {
        let found = Scratch::in_memory();
        lay_out(tree, found.path());
        let life = life.moved(found.path());
        let view = life.view();
        assert!(views.contains(&view), "in step {step}: {tree:#?}\nis seen as\n{view}\nand not as\n{views:#?}");
        if view != *views.last().unwrap() {
            STEPS[step](&life).unwrap_or_else(|fault| panic!("step {step} cannot be repeated: {fault}\n{tree:#?}"));
            assert_eq!(life.view(), *views.last().unwrap(), "step {step} repeated on {tree:#?}");
        }
    }
    crashes.len()
}

fn lay_out(tree: &Tree, root: &Path) {
    for (path, content) in tree.iter().filter(|(path, _)| path.starts_with("state")) {
        let path = root.join(path);
        match content {
            Content::Folder => DirBuilder::new().mode(0o700).create(path).unwrap(),
            Content::Link(target) => symlink(target, path).unwrap(),
            Content::File(bytes) => {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(0o600).open(path).unwrap().write_all(bytes).unwrap();
            }
        }
    }
}

pub fn below(folder: &Path, name: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(&path).unwrap();
    path
}
