//! A server process: started, awaited, killed by its handle, its output kept in a file.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a part may take to answer. Generous: the machine may be busy building.
const START_DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// A running server. Killed on drop; if the test is failing, the end of its log is shown first.
pub struct Daemon {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts what `command` makes for fresh ports and waits until `ready` says so.
    ///
    /// A free port can be taken by somebody else before the server binds it. The server then exits, and the next try
    /// has other ports.
    pub fn start<const N: usize>(
        name: &'static str,
        dir: &Path,
        command: impl Fn([SocketAddr; N]) -> Command,
        mut ready: impl FnMut([SocketAddr; N]) -> bool,
    ) -> (Daemon, [SocketAddr; N]) {
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            let addresses = free_addresses();
            if let Some(daemon) = Daemon::try_start(name, dir, command(addresses), || ready(addresses)) {
                return (daemon, addresses);
            }
        }
        panic!("{name} did not start in {TRIES} tries");
    }

    /// `None` if the server ended before it was ready.
    pub fn try_start(name: &'static str, dir: &Path, command: Command, ready: impl FnMut() -> bool) -> Option<Daemon> {
        let mut daemon = Daemon::spawn(name, dir, command);
        daemon.answers(ready).then_some(daemon)
    }

    /// Starts a server that chooses its own port, and waits until `ready` finds what it needs in the log.
    pub fn start_and_read<T>(
        name: &'static str,
        dir: &Path,
        command: Command,
        mut ready: impl FnMut(&str) -> Option<T>,
    ) -> (Daemon, T) {
        let mut daemon = Daemon::spawn(name, dir, command);
        let log = daemon.log.clone();
        let mut found = None;
        let answers = daemon.answers(|| {
            found = ready(&read(&log));
            found.is_some()
        });
        assert!(answers, "{name} ended while starting: {}", daemon.log());
        (daemon, found.expect("ready found it"))
    }

    /// What the server has written so far, standard output and error together.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// Stops the server without ending it: its connections stay open and nothing answers.
    pub fn freeze(&self) {
        output(Command::new("kill").args(["-STOP", &self.child.id().to_string()]));
    }

    /// Waits for a server that was asked to end, and kills it if it takes long.
    pub fn wait(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(10);
        wait_or_kill(&mut self.child, PATIENCE);
    }

    /// Ends the server now. What it wrote stays.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn spawn(name: &'static str, dir: &Path, mut command: Command) -> Daemon {
        std::fs::create_dir_all(dir).expect("a directory for the part");
        let log = dir.join(format!("{name}.log"));
        let out = File::create(&log).expect("a log file");
        let err = out.try_clone().expect("a second handle of the log file");
        let spawned = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = spawned.unwrap_or_else(|e| panic!("{name} cannot be started ({e}): has ci/install been run?"));
        Daemon { name, child, log }
    }

    /// False if the server ended.
    fn answers(&mut self, mut ready: impl FnMut() -> bool) -> bool {
        let ended = wait_for(self.name, START_DEADLINE, || {
            if ready() {
                return Some(false);
            }
            self.child.try_wait().expect("the state of a child").map(|_| true)
        });
        !ended
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            show_end(self.name, &self.log());
        }
    }
}

/// Asks again and again until there is an answer. Panics at the deadline.
pub fn wait_for<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} for {what}");
        std::thread::sleep(POLL);
    }
}

/// How a child that must end by itself ended. `None`: the deadline came first, and the child was killed.
pub fn wait_or_kill(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the state of a child") {
            return Some(status);
        }
        if start.elapsed() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(POLL);
    }
}

/// Runs a tool to its end and returns what it printed. Panics with what it said if it fails.
pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed: {said}{error}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Addresses of 127.0.0.1 that nobody listens on, all different.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("the address of a listener"))
}

fn read(log: &Path) -> String {
    match std::fs::read(log) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
        Err(e) => panic!("{}: {e}", log.display()),
    }
}

#[expect(clippy::print_stderr, reason = "the log of a part explains why the test failed")]
fn show_end(name: &str, log: &str) {
    const LINES: usize = 40;
    let lines: Vec<&str> = log.lines().collect();
    eprintln!("--- end of {name}'s log ---\n{}", lines[lines.len().saturating_sub(LINES)..].join("\n"));
}
