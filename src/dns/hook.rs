//! Programs of the runner that write TXT records for providers without an adapter.
//!
//! They speak acmetool's protocol (its SCHEMA.md, "challenge-dns-start, challenge-dns-stop"): the arguments are the
//! event, the hostname, a target and the value; the record goes to `_acme-challenge.HOSTNAME`; 0 is done, 42 is an
//! event that the program does not know. acmetool's target is the file that asked for the certificate, which has the
//! hostname for its name in the plain case: that is what is passed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tracing::debug;

use crate::fault::{Fault, Retry};
use crate::journal::{Proof, Txt};
use crate::port::Change;
use crate::program::{self, Program};
use crate::secret::Secret;

/// Begins the owner name of every record that a hook can write.
pub const LABEL: &str = "_acme-challenge.";

const START: &str = "challenge-dns-start";
const STOP: &str = "challenge-dns-stop";
const UNSUPPORTED: i32 = 42;
/// A value of the environment that is shorter is not taken for a secret.
const SECRET: usize = 8;

/// A program and how it is called.
#[derive(Clone, Debug)]
pub struct Hook {
    pub command: PathBuf,
    /// All that it finds in its environment, beside ACME_STATE_DIR and a PATH.
    pub environment: BTreeMap<String, Secret>,
    /// For one call.
    pub timeout: Duration,
    /// How many calls run at a time.
    pub parallel: usize,
    /// The state directory, in which no program may be.
    pub state: PathBuf,
}

impl Hook {
    /// Has the values written, each by a call of its own.
    pub async fn present(&self, records: Vec<Txt>) -> Vec<Change> {
        self.each(START, records).await
    }

    pub async fn clean_up(&self, records: Vec<Txt>) -> Vec<Change> {
        self.each(STOP, records).await
    }

    async fn each(&self, event: &str, records: Vec<Txt>) -> Vec<Change> {
        let calls = records.into_iter().map(|txt| async move {
            let result = self.call(event, &txt).await.map(|()| String::new());
            Change { records: vec![Proof::Txt(txt)], result }
        });
        stream::iter(calls).buffered(self.parallel).collect().await
    }

    async fn call(&self, event: &str, txt: &Txt) -> Result<(), Fault> {
        let command = check(&self.command, &self.state)?;
        let host = txt.set.name.strip_prefix(LABEL).unwrap_or(&txt.set.name);
        let (command, state) = (text(&command)?, text(&self.state)?);
        let argv = [&command, event, host, host, &txt.value].map(str::to_owned);
        let mut environment: Vec<(&str, String)> = vec![("ACME_STATE_DIR", state)];
        environment.extend(self.environment.iter().map(|(name, value)| (name.as_str(), value.reveal().to_owned())));
        let program = Program {
            argv: &argv,
            environment: &environment,
            stdin: b"",
            folder: Path::new("/"),
            timeout: self.timeout,
        };
        let title = format!("`{} {event} {host}`", self.command.display());
        let (status, mut output) =
            program.end(&title).await.map_err(|fault| fault.hint("see `dns.exec` in the runner's config"))?;
        if status.code() == Some(UNSUPPORTED) {
            return Err(Fault::new("exec:unsupported", format!("{title} ended with 42: it does not know this event"))
                .hint("the hook must know challenge-dns-start and challenge-dns-stop")
                .retry(Retry::Never));
        }
        for stream in [&mut output.stdout, &mut output.stderr] {
            *stream = self.without_secrets(stream);
        }
        debug!(event, host, status = ?status, stdout = output.stdout, stderr = output.stderr, "hook");
        let hint = "it is called as HOOK EVENT HOSTNAME TARGET VALUE, with the environment that `env:` lets through";
        program::judge(&title, status, output).map(drop).map_err(|fault| fault.hint(hint))
    }

    fn without_secrets(&self, text: &str) -> String {
        let secrets = self.environment.values().map(Secret::reveal).filter(|value| value.len() >= SECRET);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

fn text(path: &Path) -> Result<String, Fault> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Fault::new("exec:unusable", format!("the path {} is not UTF-8", path.display())))
}

/// The file behind a command, if it is fit to be run.
///
/// # Errors
/// `exec:unusable`; `exec:writable` if others than root and this user may change what is run; `exec:in-state`.
pub fn check(command: &Path, state: &Path) -> Result<PathBuf, Fault> {
    let shown = command.display();
    let unusable = |error: std::io::Error| {
        Fault::new("exec:unusable", format!("the hook `{shown}` cannot be used"))
            .caused_by(&error)
            .hint("see `command:` under `dns.exec` in the runner's config")
            .retry(Retry::Never)
    };
    let file = command.canonicalize().map_err(unusable)?;
    let about = fs::metadata(&file).map_err(unusable)?;
    if !about.is_file() || about.permissions().mode() & 0o111 == 0 {
        return Err(Fault::new("exec:unusable", format!("the hook `{shown}` is not a file that may be executed"))
            .hint(format!("make sure of what it does, then run `chmod +x {shown}`"))
            .retry(Retry::Never));
    }
    if state.canonicalize().is_ok_and(|state| file.starts_with(state)) {
        return Err(Fault::new("exec:in-state", format!("the hook `{shown}` is inside the state directory"))
            .hint("move it to a folder that only root may write, such as /usr/local/libexec")
            .retry(Retry::Never));
    }
    // Whoever may rename a folder above may put another one in its place, at the end of a link too.
    let named = std::path::absolute(command).map_err(unusable)?;
    for (depth, path) in file.ancestors().enumerate().chain(named.ancestors().enumerate().skip(1)) {
        if is_open(&fs::metadata(path).map_err(unusable)?, depth > 1) {
            let text =
                format!("the hook `{shown}` could be changed by others: see the owner and mode of {}", path.display());
            return Err(Fault::new("exec:writable", text)
                .hint("root or this user must own it, and group and others may not write: `chmod go-w`")
                .retry(Retry::Never));
        }
    }
    Ok(file)
}

/// In a folder with the sticky bit nobody may rename what is another user's. That is enough for a folder `above`.
fn is_open(about: &Metadata, above: bool) -> bool {
    let (us, mode) = (rustix::process::geteuid().as_raw(), about.permissions().mode());
    let closed = mode & 0o022 == 0 || (above && mode & 0o1000 != 0);
    !closed || ![0, us].contains(&about.uid())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::journal::RecordSet;

    /// A program of this user in a folder of its own, beside an empty state directory.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new(script: &str) -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            fs::create_dir(place.path("state")).unwrap();
            place.write("hook", script, 0o755);
            place
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// Written by a shell: a program that this process has open for writing could not be run.
        fn write(&self, name: &str, script: &str, mode: u32) {
            let path = self.path(name);
            let write = std::process::Command::new("sh")
                .args(["-c", "printf '%s\\n' \"$2\" > \"$1\"", "sh"])
                .arg(&path)
                .arg(format!("#!/bin/sh\n{script}"))
                .status();
            assert!(write.unwrap().success());
            self.mode(name, mode);
        }

        fn mode(&self, name: &str, mode: u32) {
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
        }

        fn hook(&self) -> Hook {
            Hook {
                command: self.path("hook"),
                environment: BTreeMap::new(),
                timeout: Duration::from_secs(60),
                parallel: 1,
                state: self.path("state"),
            }
        }

        async fn fault(&self) -> Fault {
            self.hook().present(vec![txt("v")]).await.remove(0).result.unwrap_err()
        }
    }

    fn txt(value: &str) -> Txt {
        let set = RecordSet { zone: "exec/lab".into(), name: "_acme-challenge.www.example.com".into() };
        Txt { set, value: value.into() }
    }

    #[tokio::test]
    async fn the_arguments_are_those_of_acmetool() {
        let place = Place::new("printf '%s|' \"$@\" >> \"${0%hook}seen\"");
        let hook = place.hook();
        let records = vec![txt("-v_1"), txt("$(id)")];
        assert!(hook.present(records.clone()).await.iter().all(|change| change.result == Ok(String::new())));
        hook.clean_up(records[..1].to_vec()).await;
        assert_eq!(
            fs::read_to_string(place.path("seen")).unwrap(),
            "challenge-dns-start|www.example.com|www.example.com|-v_1|\
             challenge-dns-start|www.example.com|www.example.com|$(id)|\
             challenge-dns-stop|www.example.com|www.example.com|-v_1|"
        );
    }

    #[tokio::test]
    async fn the_environment_holds_only_what_the_config_lets_through() {
        let place = Place::new("env | cut -d= -f1 | sort | tr '\\n' ' ' > \"${0%hook}seen\"");
        let mut hook = place.hook();
        hook.environment.insert("DNS_TOKEN".into(), Secret::new("correct horse".into()));
        assert!(hook.present(vec![txt("v")]).await[0].result.is_ok());
        assert_eq!(fs::read_to_string(place.path("seen")).unwrap(), "ACME_STATE_DIR DNS_TOKEN PATH PWD ");
    }

    #[tokio::test]
    async fn a_secret_of_the_environment_is_not_shown_when_the_hook_prints_it() {
        let place = Place::new("echo \"token $DNS_TOKEN is wrong\" >&2; exit 1");
        let mut hook = place.hook();
        hook.environment.insert("DNS_TOKEN".into(), Secret::new("correct horse".into()));
        let fault = hook.present(vec![txt("v")]).await.remove(0).result.unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.causes.as_slice()),
            ("program:failed", ["token *** is wrong".to_owned()].as_slice())
        );
    }

    #[tokio::test]
    async fn forty_two_is_an_event_that_the_hook_does_not_know() {
        let fault = Place::new("exit 42").fault().await;
        assert_eq!((fault.code.as_str(), fault.retry), ("exec:unsupported", Retry::Never));
    }

    #[tokio::test]
    async fn a_hook_that_hangs_is_killed() {
        let place = Place::new("sleep 1000");
        let hook = Hook { timeout: Duration::from_millis(100), ..place.hook() };
        let fault = hook.present(vec![txt("v")]).await.remove(0).result.unwrap_err();
        assert_eq!(fault.code, "program:timeout");
    }

    #[tokio::test]
    async fn a_hook_that_others_may_change_is_not_run() {
        for (name, mode) in [("hook", 0o775), ("hook", 0o757), ("", 0o777)] {
            let place = Place::new("touch \"${0%hook}ran\"");
            place.mode(name, mode);
            assert_eq!(place.fault().await.code, "exec:writable", "{name} {mode:o}");
            assert!(!place.path("ran").exists());
        }
    }

    #[tokio::test]
    async fn a_hook_below_a_folder_that_others_may_rename_is_not_run_nor_by_a_link_that_they_may_change() {
        let place = Place::new("touch \"${0%hook}ran\"");
        fs::create_dir_all(place.path("above/inner")).unwrap();
        fs::rename(place.path("hook"), place.path("above/inner/hook")).unwrap();
        for (command, open, code) in
            [("above/inner/hook", "above", "exec:writable"), ("open/link", "open", "exec:writable")]
        {
            fs::create_dir_all(place.path("open")).unwrap();
            let _ = symlink(place.path("above/inner/hook"), place.path("open/link"));
            place.mode(open, 0o777);
            let hook = Hook { command: place.path(command), ..place.hook() };
            assert_eq!(hook.present(vec![txt("v")]).await.remove(0).result.unwrap_err().code, code, "{command}");
            place.mode(open, if open == "above" { 0o1777 } else { 0o755 });
            assert_eq!(hook.present(vec![txt("v")]).await.remove(0).result, Ok(String::new()), "{command}");
        }
    }

    #[tokio::test]
    async fn a_hook_that_prints_without_end_is_killed_and_little_of_it_is_kept() {
        let place = Place::new("exec yes \"$(head -c 9000 /dev/zero | tr '\\0' x)\"");
        let hook = Hook { timeout: Duration::from_millis(300), ..place.hook() };
        let fault = hook.present(vec![txt("v")]).await.remove(0).result.unwrap_err();
        assert_eq!(fault.code, "program:timeout");
        let place = Place::new("yes x | head -c 3000000; head -c 3000000 /dev/zero >&2; exit 1");
        let fault = place.fault().await;
        assert_eq!((fault.code.as_str(), fault.causes.len()), ("program:failed", 5));
        assert!(fault.causes.iter().all(|line| line.len() <= 600), "{fault:?}");
    }

    #[tokio::test]
    async fn a_hook_that_is_ended_by_a_signal_or_leaves_others_behind_is_told_apart() {
        let fault = Place::new("kill -SEGV $$").fault().await;
        assert!(fault.message.ends_with("was ended by signal 11"), "{fault}");
        let place = Place::new("setsid sleep 20 & exit 0");
        assert_eq!(place.hook().present(vec![txt("v")]).await.remove(0).result, Ok(String::new()));
    }

    #[tokio::test]
    async fn a_hook_in_the_state_directory_is_not_run_by_a_link_either() {
        let place = Place::new("exit 0");
        place.write("state/inside", "touch \"${0%inside}ran\"", 0o755);
        fs::remove_file(place.path("hook")).unwrap();
        symlink(place.path("state/inside"), place.path("hook")).unwrap();
        assert_eq!(place.fault().await.code, "exec:in-state");
    }

    #[tokio::test]
    async fn what_is_missing_or_no_program_is_told_with_its_name() {
        let place = Place::new("exit 0");
        place.mode("hook", 0o644);
        assert_eq!(place.fault().await.code, "exec:unusable");
        fs::remove_file(place.path("hook")).unwrap();
        assert!(place.fault().await.message.contains(&place.path("hook").display().to_string()));
    }
}
