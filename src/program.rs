//! Programs of this host: no shell, a cleared environment, a process group of their own, and a time after which the
//! whole group is killed, with all that descends from it.

mod descendants;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::fault::Fault;
use crate::yaml::characters::is_strange;

/// Where programs are found, and what they find. It stands in the environment unless another `PATH` is given.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Bytes of each stream that are kept, of its end.
const KEPT: usize = 64 * 1024;
/// Lines of the output in a fault, and characters of each.
const LINES: usize = 5;
const WIDTH: usize = 200;
/// How long the output of a program that has ended may come in, from others that it started.
const LATE: Duration = Duration::from_millis(200);

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// The program, with its whole path or to be found in `PATH`, and its arguments as they are.
    pub argv: &'a [String],
    /// All that its environment holds besides `PATH`.
    pub environment: &'a [(&'a str, String)],
    /// What it can read. It need not.
    pub stdin: &'a [u8],
    /// The folder that it starts in.
    pub folder: &'a Path,
    pub timeout: Duration,
}

/// What a program wrote: the last 64 KiB of each stream, without characters that a terminal would act on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
}

impl Program<'_> {
    /// Runs it to its end, which must be 0. Everything that it started is killed when its time is over, or when
    /// nobody waits any more; what a program that ended left in the background goes on.
    ///
    /// # Errors
    /// `program:unusable` (it does not start), `program:timeout`, and `program:failed` with the last lines of its
    /// output as causes.
    pub async fn run(&self) -> Result<Output, Fault> {
        let title = format!("`{}`", text(self.argv.join(" ").as_bytes()));
        let (status, output) = self.end(&title).await?;
        judge(&title, status, output)
    }

    /// The same, however it ended by itself. `title` names it in faults.
    pub async fn end(&self, title: &str) -> Result<(ExitStatus, Output), Fault> {
        let child = self.start(title)?;
        match tokio::time::timeout(self.timeout, ended(child, self.stdin)).await {
            Ok(Ok(ended)) => Ok(ended),
            Ok(Err(error)) => Err(Fault::new("program:failed", format!("{title} was lost")).caused_by(&error)),
            Err(_) => {
                let text = format!("{title} did not end within {} s and was killed", self.timeout.as_secs_f32());
                let hint = "give it more time, or let it do its work in the background";
                Err(Fault::new("program:timeout", text).hint(hint))
            }
        }
    }

    fn start(&self, title: &str) -> Result<Child, Fault> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err(Fault::new("program:unusable", "there is no program to start: the command is empty"));
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder).process_group(0).kill_on_drop(true);
        command.env_clear().env("PATH", PATH).envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(|error| {
            Fault::new("program:unusable", format!("failed to start {title}"))
                .caused_by(&error)
                .hint("name it with its whole path, and see that the file may be executed")
        })
    }
}

/// Whether it ended with 0; otherwise how, with the last lines of its output.
pub fn judge(title: &str, status: ExitStatus, output: Output) -> Result<Output, Fault> {
    let end = match (status.code(), status.signal()) {
        (Some(0), _) => return Ok(output),
        (Some(code), _) => format!("ended with {code}"),
        (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    };
    let mut fault = Fault::new("program:failed", format!("{title} {end}"));
    fault.causes = last_lines(&output);
    Err(fault)
}

/// The errors last, since they say more. Never a private key (RFC 7468), which a program may show when it is debugged.
fn last_lines(output: &Output) -> Vec<String> {
    let lines = without_keys(&output.stdout).into_iter().chain(without_keys(&output.stderr));
    let lines: Vec<String> =
        lines.map(|line| line.trim().chars().take(WIDTH).collect()).filter(|line: &String| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}

fn without_keys(text: &str) -> Vec<&str> {
    let mut inside = false;
    let line = |line| {
        let (before, now) = (inside, is_edge(line, "-----BEGIN ") || (inside && !is_edge(line, "-----END ")));
        inside = now;
        match (before, now) {
            (false, false) => Some(line),
            (false, true) => Some("(a private key)"),
            (true, _) => None,
        }
    };
    text.lines().filter_map(line).collect()
}

fn is_edge(line: &str, edge: &str) -> bool {
    line.split_once(edge).is_some_and(|(_, label)| label.contains("PRIVATE KEY-----"))
}

fn text(bytes: &[u8]) -> String {
    let plain = |c: char| if c != '\n' && (c.is_control() || is_strange(c)) { ' ' } else { c };
    String::from_utf8_lossy(bytes).chars().map(plain).collect()
}

/// Kills the program and all that it started, unless it is told not to.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            descendants::kill(group);
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Waits for the end, and reads until then. A stream that something in the background keeps open is left soon after.
async fn ended(mut child: Child, input: &[u8]) -> std::io::Result<(ExitStatus, Output)> {
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let status = {
        let streams = futures::future::join3(feed(stdin, input), keep(stdout, &mut out), keep(stderr, &mut err));
        let mut streams = std::pin::pin!(streams);
        tokio::select! {
            status = child.wait() => {
                group.0 = None;
                let _ = tokio::time::timeout(LATE, &mut streams).await;
                status
            }
            _ = &mut streams => child.wait().await,
        }
    }?;
    group.0 = None;
    Ok((status, Output { stdout: text(&out), stderr: text(&err) }))
}

/// A program that does not read its input is none the worse.
async fn feed(stdin: Option<impl tokio::io::AsyncWrite + Unpin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input).await;
    }
}

async fn keep(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..read]);
        let beyond = kept.len().saturating_sub(KEPT);
        kept.drain(..beyond);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn program<'a>(argv: &'a [String], stdin: &'a str) -> Program<'a> {
        Program { argv, environment: &[], stdin: stdin.as_bytes(), folder: Path::new("/"), timeout: LONG }
    }

    async fn script(script: &str, stdin: &str) -> Result<Output, Fault> {
        program(&argv(&["sh", "-c", script]), stdin).run().await
    }

    #[tokio::test]
    async fn arguments_reach_the_program_as_they_are() {
        let words = argv(&["printf", "%s|", "$(id) ; *", "a b"]);
        assert_eq!(program(&words, "").run().await.unwrap().stdout, "$(id) ; *|a b|");
    }

    #[tokio::test]
    async fn the_environment_holds_a_path_and_what_was_given() {
        let words = argv(&["env"]);
        let environment = [("COUNTERSIGN_LINEAGE", "www".to_owned())];
        let output = Program { environment: &environment, ..program(&words, "") }.run().await.unwrap();
        let mut lines: Vec<&str> = output.stdout.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["COUNTERSIGN_LINEAGE=www".to_owned(), format!("PATH={PATH}")]);
    }

    #[tokio::test]
    async fn the_input_arrives_whole_while_the_output_is_read() {
        let input = "0123456789abcde\n".repeat(64 * 1024);
        let output = script("tee /dev/stderr | wc -c", &input).await.unwrap();
        assert_eq!((output.stdout.trim(), output.stderr.len()), ("1048576", KEPT));
    }

    #[tokio::test]
    async fn a_program_need_not_read_its_input() {
        let input = "x".repeat(1024 * 1024);
        assert_eq!(script("exec 0<&-; exit 0", &input).await, Ok(Output::default()));
    }

    #[tokio::test]
    async fn output_holds_nothing_that_a_terminal_would_act_on() {
        let output = script(r"printf 'a\033[2Jb\r\n\342\200\256c\377\n'", "").await.unwrap();
        assert_eq!(output.stdout, "a [2Jb \n c\u{fffd}\n");
    }

    #[tokio::test]
    async fn a_failure_shows_the_end_of_the_output() {
        let fault = script("seq 100; echo bad >&2; exit 3", "").await.unwrap_err();
        assert!(fault.message.ends_with("ended with 3"), "{fault}");
        assert_eq!(fault.causes, ["97", "98", "99", "100", "bad"]);
    }

    #[tokio::test]
    async fn a_private_key_in_the_output_is_not_repeated() {
        let key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----";
        let shown = format!("echo one; echo '+ cat {key}'; echo '{key}' >&2; echo two >&2; exit 1");
        assert_eq!(script(&shown, "").await.unwrap_err().causes, ["one", "(a private key)", "(a private key)", "two"]);
        let cut = "echo '-----BEGIN PRIVATE KEY-----'; echo MHcCAQEE; exit 1";
        assert_eq!(script(cut, "").await.unwrap_err().causes, ["(a private key)"]);
    }

    #[tokio::test]
    async fn what_does_not_end_in_time_is_given_up() {
        let words = argv(&["sleep", "1000"]);
        let hung = Program { timeout: Duration::from_millis(50), ..program(&words, "") };
        assert_eq!(hung.run().await.unwrap_err().code, "program:timeout");
    }

    #[tokio::test]
    async fn when_nobody_waits_any_more_all_that_was_started_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, up) = (dir.path().join("pipe"), dir.path().join("up"));
        let hangs =
            format!("mkfifo {0}; exec 3<>{0}; sleep 1000 & echo > {1}; sleep 1000", pipe.display(), up.display());
        tokio::select! {
            ended = script(&hangs, "") => panic!("{ended:?}"),
            () = until(|| up.exists()) => {}
        }
        // A pipe that nobody reads any more cannot be opened for writing without waiting.
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
        until(|| rustix::fs::open(&pipe, flags, rustix::fs::Mode::empty()).is_err()).await;
    }

    #[tokio::test]
    async fn what_moved_to_a_session_of_its_own_is_killed_too() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, up) = (dir.path().join("pipe"), dir.path().join("up"));
        let hides = format!(
            "mkfifo {0}; setsid sh -c 'exec 3<>{0}; echo > {1}; sleep 1000 & wait' & wait",
            pipe.display(),
            up.display()
        );
        tokio::select! {
            ended = script(&hides, "") => panic!("{ended:?}"),
            () = until(|| up.exists()) => {}
        }
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
        until(|| rustix::fs::open(&pipe, flags, rustix::fs::Mode::empty()).is_err()).await;
    }

    async fn until(done: impl Fn() -> bool) {
        while !done() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_left_in_the_background_does_not_hold_up_the_end() {
        let words = argv(&["sh", "-c", "sleep 5 & exit 0"]);
        let daemon = Program { timeout: Duration::from_secs(4), ..program(&words, "") };
        assert_eq!(daemon.run().await, Ok(Output::default()));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let fault = program(&argv(&["/nowhere/reload"]), "").run().await.unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.message.as_str()),
            ("program:unusable", "failed to start `/nowhere/reload`")
        );
    }
}
