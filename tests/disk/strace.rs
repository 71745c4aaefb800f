//! A life of the store under strace, which shows each call and can spoil it.

use std::path::Path;
use std::process::Command;

use super::life::{FOLDER, MARK};

/// Everything that changes a file system or says that a change must last.
pub const CHANGES: &str = "openat,?mkdir,mkdirat,?rename,renameat,renameat2,?unlink,unlinkat,?rmdir,?symlink,symlinkat,\
                           write,pwrite64,ftruncate,fsync,fdatasync,close";

/// One call that was made.
#[derive(Debug)]
pub struct Call {
    pub name: String,
    pub args: Vec<Arg>,
    pub result: i64,
}

#[derive(Debug, PartialEq)]
pub enum Arg {
    Text(Vec<u8>),
    Word(String),
}

impl Call {
    pub fn text(&self, at: usize) -> String {
        match &self.args[at] {
            Arg::Text(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            Arg::Word(word) => panic!("{word} is no text: {self:?}"),
        }
    }

    pub fn word(&self, at: usize) -> &str {
        match &self.args[at] {
            Arg::Word(word) => word,
            Arg::Text(_) => panic!("argument {at} is a text: {self:?}"),
        }
    }

    pub fn is_mark(&self) -> bool {
        self.name == "openat" && self.args.get(1).is_some_and(|arg| *arg == Arg::Text(MARK.into()))
    }
}

/// Lives a life in a folder under strace, and gives the calls of the thread that lived it.
pub fn live(folder: &Path, calls: &str, injection: Option<&str>) -> Vec<Call> {
    let log = folder.join("strace");
    let mut command = Command::new("strace");
    command.args(["-f", "--seccomp-bpf", "-qq", "-xx", "-s", "1000000", "-e", &format!("trace={calls}")]);
    if let Some(injection) = injection {
        command.arg("-e").arg(format!("inject={injection}"));
    }
    let child = command
        .arg("-o")
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "disk::life::a_life"])
        .env(FOLDER, folder)
        .output()
        .unwrap_or_else(|error| panic!("strace (ci/install brings it): {error}"));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(injection.is_some() || child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    of_the_living(&log)
}

/// The calls of the thread that sets the marks.
fn of_the_living(log: &str) -> Vec<Call> {
    let lines = || log.lines().filter_map(|line| line.split_once(' '));
    let mark: String = MARK.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
    let Some((living, _)) = lines().find(|(_, rest)| rest.contains(&mark)) else { return Vec::new() };
    lines().filter(|(pid, _)| *pid == living).filter_map(|(_, rest)| parse(rest.trim_start())).collect()
}

/// `openat(AT_FDCWD, "\x2f", O_RDONLY) = 3`. Signals, ends and calls that were cut short are no calls.
fn parse(line: &str) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    let (args, result) =
        rest.rsplit_once(") = ").or_else(|| rest.rsplit_once(')').filter(|(_, r)| r.contains("= ")))?;
    let result = result.trim_start_matches([' ', '=']).split(' ').next()?.parse().ok()?;
    let args = args.split(", ").map(|arg| match arg.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(hex) => Arg::Text(hex.split("\\x").skip(1).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()),
        None => Arg::Word(arg.trim().to_owned()),
    });
    Some(Call { name: name.to_owned(), args: args.collect(), result })
}
