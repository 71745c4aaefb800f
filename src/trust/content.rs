//! The list as it stands in a verified commit.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, SourceFile};
use crate::fault::Fault;
use crate::list::List;
use crate::list::parse::{Known, parse};
use crate::name::{CommitId, Digest};
use crate::trust::object::{Mode, NamedEntry, ObjectId, Objects, TreeEntry};
use crate::trust::refusal::{Refusal, Refused, RuleId, Stop};
use crate::trust::root::{ListPath, TrustRoot};
use crate::trust::walk;

/// All files of a list together may have this many bytes.
pub const MAX_LIST: usize = 16 * 1024 * 1024;
const MAX_FILES: usize = 10_000;

pub struct Content {
    /// Of the commit.
    pub tree: ObjectId,
    pub list: List,
    pub files: Vec<SourceFile>,
    pub warnings: Vec<Diagnostic>,
    pub digest: Digest,
}

/// Reads and parses the list of `commit`, which must have been verified.
pub fn read(
    root: &TrustRoot,
    commit: &CommitId,
    objects: &dyn Objects,
    known: Option<&Known>,
) -> Result<Content, Stop> {
    let reader = Reader { objects, commit: Some(commit), list: &root.list };
    let tree = walk::agreed_reading(objects, walk::object_id(commit)?)?.tree;
    reader.refuse_twins(tree, root.list.path())?;
    reader.refuse_twins(tree, "hooks")?;
    reader.check_hooks(tree)?;
    let files = reader.files(tree)?;
    let digest = digest(&root.list, &files);
    let parsed = parse(&files, known);
    let Some(list) = parsed.list else {
        let refusal = Refusal::new(RuleId::InvalidList, format!("the list at {} has errors", commit.short()))
            .commit(commit)
            .path(&root.list.to_string())
            .hint("correct the list in a new commit; `countersign validate` shows the same errors before merge");
        let refused = Refused { refusals: vec![refusal], diagnostics: parsed.diagnostics, files, ..Refused::default() };
        return Err(Stop::Refused(Box::new(refused)));
    };
    Ok(Content { tree, list, files, warnings: parsed.diagnostics, digest })
}

/// A list that need not be valid.
pub struct Older {
    /// If it has no errors.
    pub list: Option<List>,
    /// If there are files at all, and they are plain.
    pub digest: Option<Digest>,
    pub size: usize,
}

/// The list in an older tree.
pub fn read_older(objects: &dyn Objects, tree: ObjectId, list: &ListPath) -> Result<Older, Fault> {
    Ok(match older_files(objects, tree, list)? {
        Some(files) => Older { list: parse(&files, None).list, digest: Some(digest(list, &files)), size: size(&files) },
        None => Older { list: None, digest: None, size: 0 },
    })
}

/// The digest of the list in an older tree, and how many bytes were read.
pub fn digest_older(objects: &dyn Objects, tree: ObjectId, list: &ListPath) -> Result<(Option<Digest>, usize), Fault> {
    let files = older_files(objects, tree, list)?;
    Ok(files.map_or((None, 0), |files| (Some(digest(list, &files)), size(&files))))
}

fn older_files(objects: &dyn Objects, tree: ObjectId, list: &ListPath) -> Result<Option<Vec<SourceFile>>, Fault> {
    match (Reader { objects, commit: None, list }).files(tree) {
        Ok(files) => Ok(Some(files)),
        Err(stop) => stop.refusals().map(|_| None),
    }
}

fn size(files: &[SourceFile]) -> usize {
    files.iter().map(|file| file.bytes.len()).sum()
}

/// A file's own SHA-256; for a directory that of the lines `<sha256>  <path>`.
fn digest(list: &ListPath, files: &[SourceFile]) -> Digest {
    match files {
        [file] if !list.is_directory() => Digest::of(&file.bytes),
        _ => {
            let line = |file: &SourceFile| format!("{}  {}\n", Digest::of(&file.bytes).to_hex(), file.path);
            Digest::of(files.iter().map(line).collect::<String>().as_bytes())
        }
    }
}

struct Reader<'a> {
    objects: &'a dyn Objects,
    commit: Option<&'a CommitId>,
    list: &'a ListPath,
}

impl Reader<'_> {
    fn refuse(&self, rule: RuleId, path: &str, message: String, hint: &str) -> Stop {
        let refusal = Refusal::new(rule, message).path(path).hint(hint);
        self.commit.into_iter().fold(refusal, Refusal::commit).into()
    }

    /// Refuses entries beside `path` that a file system might take for it.
    fn refuse_twins(&self, root: ObjectId, path: &str) -> Result<(), Stop> {
        let mut tree = root;
        for component in path.split('/') {
            let entries = self.tree(tree, path)?;
            let twin =
                |entry: &&NamedEntry| entry.name != component.as_bytes() && fold(&entry.name) == fold_text(component);
            if let Some(twin) = entries.iter().find(twin) {
                let name = String::from_utf8_lossy(&twin.name).escape_debug().to_string();
                let message = format!("`{name}` can be mistaken for `{component}`");
                return Err(self.refuse(RuleId::Path, path, message, "rename or remove it"));
            }
            match entries.iter().find(|entry| entry.name == component.as_bytes()) {
                Some(next) if next.entry.mode == Mode::Tree => tree = next.entry.id,
                _ => break,
            }
        }
        Ok(())
    }

    /// A tree in which every program finds the same entry under a name: each once, and in git's order, in which some
    /// search and others read from the front.
    fn tree(&self, id: ObjectId, path: &str) -> Result<Vec<NamedEntry>, Stop> {
        let entries = self.objects.tree(id)?;
        let names: BTreeSet<_> = entries.iter().map(|entry| &entry.name).collect();
        if names.len() == entries.len() && entries.is_sorted_by_key(sort_key) {
            return Ok(entries);
        }
        let message = format!("a folder on the way to `{path}` has an entry twice, or its entries out of order");
        Err(self.refuse(RuleId::Path, path, message, "make the commit again with git itself"))
    }

    fn check_hooks(&self, tree: ObjectId) -> Result<(), Stop> {
        let Some(hooks) = self.objects.entry(tree, "hooks")? else {
            return Ok(());
        };
        if hooks.mode != Mode::Tree {
            let message = format!("`hooks` is {}, not a directory", hooks.mode);
            return Err(self.refuse(RuleId::Mode, "hooks", message, "make it a directory of scripts"));
        }
        for entry in self.tree(hooks.id, "hooks")? {
            if !matches!(entry.entry.mode, Mode::File | Mode::Executable) {
                let path = format!("hooks/{}", String::from_utf8_lossy(&entry.name).escape_debug());
                let message = format!("`{path}` is {}, not a script", entry.entry.mode);
                return Err(self.refuse(RuleId::Mode, &path, message, "keep plain scripts directly inside `hooks/`"));
            }
        }
        Ok(())
    }

    fn files(&self, tree: ObjectId) -> Result<Vec<SourceFile>, Stop> {
        let path = self.list.path();
        let Some(entry) = self.objects.entry(tree, path)? else {
            let message = format!("there is no `{}` in the commit", self.list);
            return Err(self.refuse(
                RuleId::NoList,
                path,
                message,
                "commit it, or correct `list:` in the runner's config",
            ));
        };
        match (self.list.is_directory(), entry.mode) {
            (false, _) => Ok(vec![self.file(path.to_owned(), entry, MAX_LIST)?]),
            (true, Mode::Tree) => self.directory(entry.id),
            (true, mode) => {
                let message = format!("`{path}` is {mode}, not a directory");
                Err(self.refuse(RuleId::Mode, path, message, "write `list:` without a slash at the end for a file"))
            }
        }
    }

    fn directory(&self, tree: ObjectId) -> Result<Vec<SourceFile>, Stop> {
        let path = self.list.path();
        let mut entries = self.tree(tree, path)?;
        entries.retain(|entry| fold(&entry.name).is_some_and(|name| name.ends_with(".YAML")));
        if entries.len() > MAX_FILES {
            let message = format!("`{}` holds {} files, the limit is {MAX_FILES}", self.list, entries.len());
            return Err(self.refuse(RuleId::Limits, path, message, "put several certificates in one file"));
        }
        let mut files: Vec<SourceFile> = Vec::new();
        let mut left = MAX_LIST;
        for NamedEntry { name, entry } in entries {
            let shown = format!("{path}/{}", String::from_utf8_lossy(&name).escape_debug());
            let plain = name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(b));
            if !plain {
                let message = format!("`{shown}` is not a name that is the same on every file system");
                return Err(self.refuse(RuleId::Path, &shown, message, "use a-z, 0-9, `.`, `_` and `-`"));
            }
            let file = self.file(shown, entry, left)?;
            left -= file.bytes.len();
            files.push(file);
        }
        if files.is_empty() {
            let message = format!("there is no `*.yaml` directly inside `{}`", self.list);
            return Err(self.refuse(
                RuleId::NoList,
                path,
                message,
                "commit one, or correct `list:` in the runner's config",
            ));
        }
        Ok(files)
    }

    fn file(&self, path: String, entry: TreeEntry, cap: usize) -> Result<SourceFile, Stop> {
        if entry.mode != Mode::File {
            let message = format!("`{path}` is {}, not a plain file", entry.mode);
            return Err(self.refuse(RuleId::Mode, &path, message, "commit it as a regular file with mode 100644"));
        }
        let Some(bytes) = self.objects.blob(entry.id, cap)? else {
            let message = format!("the list has more than {} MiB", MAX_LIST / 1024 / 1024);
            return Err(self.refuse(RuleId::Limits, &path, message, "split the list over several config repos"));
        };
        if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
            let message = format!("`{path}` is a Git LFS pointer, not the list");
            return Err(self.refuse(
                RuleId::Filters,
                &path,
                message,
                "take it out of `.gitattributes` and commit it again",
            ));
        }
        Ok(SourceFile { path, bytes })
    }
}

/// git sorts folders as if their names ended in a slash.
fn sort_key(entry: &NamedEntry) -> Vec<u8> {
    let end: &[u8] = if entry.entry.mode == Mode::Tree { b"/" } else { b"" };
    [&entry.name, end].concat()
}

/// The name as the most careless file system would compare it, in upper case. `None` if it is not UTF-8.
fn fold(name: &[u8]) -> Option<String> {
    std::str::from_utf8(name).ok().and_then(fold_text)
}

/// Upper-casing first turns look-alikes such as `ſ` and the Kelvin sign into the ASCII letters they stand for.
fn fold_text(name: &str) -> Option<String> {
    let ignored = |c: &char| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let name: String = name.chars().filter(|c| !ignored(c)).collect();
    Some(name.trim_end_matches(['.', ' ']).chars().flat_map(char::to_lowercase).flat_map(char::to_uppercase).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_some_file_system_takes_for_another_fold_alike() {
        let twins = ["Hooks", "HOOKS", "hoo\u{200c}ks", "hooks.", "hooks ", "hoo\u{212a}s", "hook\u{17f}"];
        let others = ["hook", "hooks2", "h\u{f6}oks", "\u{445}ooks"];
        assert_eq!(twins.iter().filter(|name| fold_text(name) != fold_text("hooks")).count(), 0);
        assert_eq!(others.iter().filter(|name| fold_text(name) == fold_text("hooks")).count(), 0);
    }
}
