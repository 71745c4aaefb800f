//! A file system that forgets: what was not synced may be there after power is back, or not, each change by itself.
//!
//! It is harsher than ext4 or XFS: an fsync of a file says nothing about its name, names may come without the bytes
//! of their files, and half of a write may survive. A rename is one change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::strace::Call;

type Inode = usize;

#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>),
    Folder(BTreeMap<String, Inode>),
    Link(String),
}

/// What stands at a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    File(Vec<u8>),
    Folder,
    Link(String),
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Folder => f.write_str("folder"),
            Self::Link(target) => write!(f, "-> {target}"),
        }
    }
}

/// A whole tree, as it is found after a crash.
pub type Tree = BTreeMap<PathBuf, Content>;

#[derive(Clone, Debug)]
enum Change {
    /// Names that come and go at once. `open` are the folders that were not synced since.
    Names {
        names: Vec<(Inode, String, Option<Inode>)>,
        open: BTreeSet<Inode>,
    },
    Write {
        file: Inode,
        at: usize,
        bytes: Vec<u8>,
    },
    Cut {
        file: Inode,
        length: usize,
    },
}

impl Change {
    /// How many ways there are for it to survive: not, wholly, and for a write also by half.
    fn ways(&self) -> usize {
        if matches!(self, Self::Write { .. }) { 3 } else { 2 }
    }
}

pub struct Disk {
    root: PathBuf,
    /// As the running program sees it.
    now: Vec<Node>,
    /// What would survive at the least.
    safe: Vec<Node>,
    unsynced: Vec<Change>,
    open: HashMap<i64, (Inode, usize)>,
}

const TOP: Inode = 0;

impl Disk {
    /// A disk with one empty folder at `root`, a real path.
    pub fn new(root: &Path) -> Self {
        let top = vec![Node::Folder(BTreeMap::new())];
        Self { root: root.to_owned(), now: top.clone(), safe: top, unsynced: Vec::new(), open: HashMap::new() }
    }

    /// Does what the call did. Calls that failed and calls about other files change nothing.
    pub fn carry_out(&mut self, call: &Call) {
        if call.result < 0 {
            return;
        }
        let at_fd = |index| call.word(index).parse::<i64>().ok();
        match call.name.as_str() {
            "openat" => self.open_at(call),
            "close" => drop(at_fd(0).and_then(|fd| self.open.remove(&fd))),
            "mkdir" => self.make(call.text(0), Node::Folder(BTreeMap::new())),
            "mkdirat" => self.make(call.text(1), Node::Folder(BTreeMap::new())),
            "symlink" => self.make(call.text(1), Node::Link(call.text(0))),
            "symlinkat" => self.make(call.text(2), Node::Link(call.text(0))),
            "rename" => self.rename(&call.text(0), &call.text(1)),
            "renameat" | "renameat2" => self.rename(&call.text(1), &call.text(3)),
            "unlink" | "rmdir" => self.unlink(self.place(&call.text(0))),
            "unlinkat" => match at_fd(0).and_then(|fd| self.open.get(&fd)) {
                Some((folder, _)) => self.unlink(Some((*folder, call.text(1)))),
                None => self.unlink(self.place(&call.text(1))),
            },
            "write" => self.write(at_fd(0), call),
            "ftruncate" => {
                if let Some((file, _)) = at_fd(0).and_then(|fd| self.open.get(&fd).copied()) {
                    self.change(Change::Cut { file, length: call.word(1).parse().unwrap() });
                }
            }
            "fsync" | "fdatasync" => {
                if let Some((it, _)) = at_fd(0).and_then(|fd| self.open.get(&fd).copied()) {
                    self.sync(it);
                }
            }
            other => panic!("the model knows no {other}"),
        }
    }

    /// Every state that may be found after a crash now. If there are too many, so many of them.
    pub fn crashes(&self, most: usize) -> BTreeSet<Tree> {
        let ways: Vec<usize> = self.unsynced.iter().map(Change::ways).collect();
        let count = ways.iter().try_fold(1_usize, |product, ways| product.checked_mul(*ways)).unwrap_or(usize::MAX);
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut pick = |at: usize| {
            if count <= most {
                return at;
            }
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % u64::try_from(count).unwrap_or(u64::MAX)).unwrap()
        };
        (0..count.min(most)).map(|at| self.survivors(&ways, pick(at))).collect()
    }

    fn survivors(&self, ways: &[usize], mut choice: usize) -> Tree {
        let mut nodes = self.safe.clone();
        for (change, ways) in self.unsynced.iter().zip(ways) {
            match choice % ways {
                0 => {}
                1 => apply(&mut nodes, change),
                _ => apply(&mut nodes, &half(change)),
            }
            choice /= ways;
        }
        flat(&nodes)
    }

    fn open_at(&mut self, call: &Call) {
        let flags: Vec<&str> = call.word(2).split('|').collect();
        let Some((folder, name)) = self.place(&call.text(1)) else { return };
        if flags.contains(&"O_TMPFILE") {
            return;
        }
        let inode = match self.child(folder, &name) {
            Some(inode) => inode,
            None if flags.contains(&"O_CREAT") => self.add(folder, name, Node::File(Vec::new())),
            None => panic!("{call:?} opened what is not there"),
        };
        let length = match &self.now[inode] {
            Node::File(bytes) if flags.contains(&"O_APPEND") => bytes.len(),
            _ => 0,
        };
        assert!(!flags.contains(&"O_TRUNC"), "{call:?} loses the old bytes before the new ones are there");
        self.open.insert(call.result, (inode, length));
    }

    fn make(&mut self, path: String, node: Node) {
        if let Some((folder, name)) = self.place(&path) {
            self.add(folder, name, node);
        }
    }

    fn add(&mut self, folder: Inode, name: String, node: Node) -> Inode {
        self.now.push(node.clone());
        self.safe.push(node);
        let inode = self.now.len() - 1;
        self.rename_all(vec![(folder, name, Some(inode))]);
        inode
    }

    fn rename(&mut self, from: &str, to: &str) {
        let (Some((source, old)), Some((target, new))) = (self.place(from), self.place(to)) else { return };
        let inode = self.child(source, &old);
        self.rename_all(vec![(source, old, None), (target, new, inode)]);
    }

    fn unlink(&mut self, place: Option<(Inode, String)>) {
        if let Some((folder, name)) = place {
            self.rename_all(vec![(folder, name, None)]);
        }
    }

    fn rename_all(&mut self, names: Vec<(Inode, String, Option<Inode>)>) {
        let open = names.iter().map(|(folder, _, _)| *folder).collect();
        self.change(Change::Names { names, open });
    }

    fn write(&mut self, fd: Option<i64>, call: &Call) {
        let Some((file, at)) = fd.and_then(|fd| self.open.get_mut(&fd)) else { return };
        let super::strace::Arg::Text(bytes) = &call.args[1] else { panic!("{call:?}") };
        let bytes = bytes[..usize::try_from(call.result).unwrap()].to_vec();
        let change = Change::Write { file: *file, at: *at, bytes };
        *at += usize::try_from(call.result).unwrap();
        self.change(change);
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.now, &change);
        self.unsynced.push(change);
    }

    fn sync(&mut self, inode: Inode) {
        for change in std::mem::take(&mut self.unsynced) {
            let change = match change {
                Change::Names { names, mut open } => {
                    open.remove(&inode);
                    Change::Names { names, open }
                }
                other => other,
            };
            let is_safe = match &change {
                Change::Names { open, .. } => open.is_empty(),
                Change::Write { file, .. } | Change::Cut { file, .. } => *file == inode,
            };
            if is_safe { apply(&mut self.safe, &change) } else { self.unsynced.push(change) }
        }
    }

    /// The folder of a path and its name there. `None` outside of this disk.
    fn place(&self, path: &str) -> Option<(Inode, String)> {
        let path = Path::new(path).strip_prefix(&self.root).ok()?;
        let mut names: Vec<String> = path.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
        let name = names.pop().unwrap_or_default();
        let folder = names.iter().try_fold(TOP, |folder, name| self.child(folder, name));
        Some((folder?, name))
    }

    /// The empty name is the folder itself.
    fn child(&self, folder: Inode, name: &str) -> Option<Inode> {
        match &self.now[folder] {
            Node::Folder(_) if name.is_empty() => Some(folder),
            Node::Folder(names) => names.get(name).copied(),
            other => panic!("{name} is looked for in {other:?}"),
        }
    }
}

fn half(change: &Change) -> Change {
    match change {
        Change::Write { file, at, bytes } => {
            Change::Write { file: *file, at: *at, bytes: bytes[..bytes.len() / 2].to_vec() }
        }
        other => other.clone(),
    }
}

fn apply(nodes: &mut [Node], change: &Change) {
    match change {
        Change::Names { names, .. } => {
            for (folder, name, inode) in names {
                let Node::Folder(entries) = &mut nodes[*folder] else { panic!("{name} in a file") };
                match inode {
                    Some(inode) => entries.insert(name.clone(), *inode),
                    None => entries.remove(name),
                };
            }
        }
        Change::Write { file, at, bytes } => {
            let Node::File(content) = &mut nodes[*file] else { panic!("a write into a folder") };
            content.resize(content.len().max(at + bytes.len()), 0);
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Change::Cut { file, length } => {
            let Node::File(content) = &mut nodes[*file] else { panic!("a cut of a folder") };
            content.resize(*length, 0);
        }
    }
}

fn flat(nodes: &[Node]) -> Tree {
    fn walk(nodes: &[Node], inode: Inode, path: &Path, tree: &mut Tree) {
        let content = match &nodes[inode] {
            Node::File(bytes) => Content::File(bytes.clone()),
            Node::Link(target) => Content::Link(target.clone()),
            Node::Folder(names) => {
                names.iter().for_each(|(name, inode)| walk(nodes, *inode, &path.join(name), tree));
                Content::Folder
            }
        };
        tree.insert(path.to_owned(), content);
    }
    let mut tree = Tree::new();
    walk(nodes, TOP, Path::new(""), &mut tree);
    tree
}
