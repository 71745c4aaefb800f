//! `countersign schedule`: what runs this configuration, for cron (crontab(5)) or systemd (systemd.timer(5)).

use std::path::PathBuf;

use time::Duration;

use crate::cli::args::{Global, Schedule as Args, ScheduleKind};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::settings;
use crate::fault::Fault;
use crate::report::Check;

/// The hour of daily runs: few people deploy then.
const HOUR: i64 = 2;

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    schedule(global, args, output).unwrap_or_else(|failure| failure.show("schedule", output))
}

fn schedule(global: &Global, args: &Args, output: &Output) -> Result<Exit, Failure> {
    let config = settings::load(global)?;
    let file = settings::file(global).and_then(|file| std::path::absolute(file).ok());
    let file = file.ok_or_else(|| {
        Fault::new("schedule:config", "only a configuration in a file can be scheduled").hint("name it with --config")
    })?;
    let program = std::env::current_exe()
        .map_err(|error| Fault::new("schedule:program", "failed to find this program").caused_by(&error))?;
    let job = Job {
        program,
        config: file,
        state: config.state,
        user: args.user.clone(),
        every: config.every,
        minute: args.minute.map_or_else(random_minute, Ok)?,
    };
    for word in [job.program.to_string_lossy(), job.config.to_string_lossy(), job.state.to_string_lossy()] {
        plain(&word)?;
    }
    // Before it the line of cron has a time, and without it `User=` is root.
    if !job.user.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        let fault = Fault::new("schedule:characters", format!("{:?} is not the name of a user", job.user));
        return Err(Failure::new(Exit::Usage, Check::Completed, fault.hint("see `--user`")));
    }
    plain(&job.user)?;
    output.exactly(&match args.kind {
        ScheduleKind::Cron => job.cron()?,
        ScheduleKind::Systemd => job.systemd(),
    });
    Ok(Exit::Done)
}

/// Everybody who runs at the full hour meets everybody else at the CA.
fn random_minute() -> Result<u8, Fault> {
    let mut byte = [0];
    aws_lc_rs::rand::fill(&mut byte)
        .map_err(|error| Fault::new("schedule:random", "failed to choose a minute").caused_by(&error))?;
    Ok(byte[0] % 60)
}

/// Neither cron nor systemd reads a path with blanks, percent signs or quotes as it stands.
fn plain(text: &str) -> Result<(), Failure> {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c)) {
        return Ok(());
    }
    let fault = Fault::new("schedule:characters", format!("{text:?} holds characters that cron or systemd would read"))
        .hint("use paths of letters, digits and `/._-+@`");
    Err(Failure::new(Exit::Usage, Check::Completed, fault))
}

struct Job {
    program: PathBuf,
    config: PathBuf,
    state: PathBuf,
    user: String,
    every: Duration,
    minute: u8,
}

impl Job {
    fn command(&self) -> String {
        format!("{} --config {} apply --auto-approve", self.program.display(), self.config.display())
    }

    /// Hours between runs, if they divide a day.
    fn hours(&self) -> Option<i64> {
        let hours = self.every.whole_hours();
        (hours > 0 && self.every == Duration::hours(hours) && 24 % hours == 0).then_some(hours)
    }

    fn cron(&self) -> Result<String, Failure> {
        let hours = match self.hours() {
            Some(24) => HOUR.to_string(),
            Some(1) => "*".to_owned(),
            Some(hours) => format!("*/{hours}"),
            None => {
                let text = format!("cron cannot run something every {}", crate::plan::days(self.every));
                let fault = Fault::new("schedule:cron", text)
                    .hint("choose 1h, 2h, 3h, 4h, 6h, 8h, 12h or 24h for `every:`, or use systemd");
                return Err(Failure::new(Exit::Usage, Check::Completed, fault));
            }
        };
        Ok(format!(
            "# /etc/cron.d/countersign, mode 0644, owner root. Credentials belong into files that only {user} may read.\n\
             SHELL=/bin/sh\n\
             PATH=/usr/bin:/bin\n\
             MAILTO=root\n\
             {minute} {hours} * * * {user} {command}\n",
            user = self.user,
            minute = self.minute,
            command = self.command(),
        ))
    }

    fn systemd(&self) -> String {
        format!(
            "# /etc/systemd/system/countersign.service\n{}\n# /etc/systemd/system/countersign.timer\n{}",
            self.service(),
            self.timer()
        )
    }

    fn service(&self) -> String {
        format!(
            "\
[Unit]
Description=Issue, renew and publish certificates
Documentation=man:countersign(1)
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={user}
ExecStart={command}
# A run that must stop takes its TXT records away first.
KillSignal=SIGTERM
TimeoutStopSec=60
UMask=0077
ReadWritePaths={state}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
CapabilityBoundingSet=
LimitCORE=0
",
            user = self.user,
            command = self.command(),
            state = self.state.display(),
        )
    }

    fn timer(&self) -> String {
        let minute = self.minute;
        let when = match self.hours() {
            Some(24) => format!("OnCalendar=*-*-* {HOUR:02}:{minute:02}:00\nPersistent=yes"),
            Some(hours) => format!("OnCalendar=*-*-* 00/{hours}:{minute:02}:00\nPersistent=yes"),
            None => format!("OnBootSec={minute}min\nOnUnitActiveSec={}s", self.every.whole_seconds()),
        };
        format!(
            "[Unit]\nDescription=Run countersign\n\n[Timer]\n{when}\nRandomizedDelaySec=15min\n\n\
             [Install]\nWantedBy=timers.target\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(every: Duration) -> Job {
        Job {
            program: "/usr/bin/countersign".into(),
            config: "/etc/countersign/countersign.yaml".into(),
            state: "/var/lib/countersign".into(),
            user: "countersign".into(),
            every,
            minute: 23,
        }
    }

    fn cron(every: Duration) -> Option<String> {
        let text = job(every).cron().ok()?;
        text.lines().last().map(str::to_owned)
    }

    #[test]
    fn cron_runs_as_often_as_the_configuration_says() {
        let command =
            "countersign /usr/bin/countersign --config /etc/countersign/countersign.yaml apply --auto-approve";
        assert_eq!(cron(Duration::hours(24)), Some(format!("23 2 * * * {command}")));
        assert_eq!(cron(Duration::hours(6)), Some(format!("23 */6 * * * {command}")));
        assert_eq!(cron(Duration::hours(1)), Some(format!("23 * * * * {command}")));
    }

    #[test]
    fn the_units_of_the_package_are_those_that_are_printed() {
        let job = job(Duration::hours(24));
        assert_eq!(job.service(), include_str!("../../ci/package.d/countersign.service"));
        assert_eq!(job.timer(), include_str!("../../ci/package.d/countersign.timer"));
    }

    #[test]
    fn what_cron_cannot_say_is_refused() {
        assert_eq!([Duration::hours(7), Duration::minutes(90), Duration::days(3)].map(cron), [None, None, None]);
    }

    #[test]
    fn a_timer_can_say_everything() {
        assert!(job(Duration::hours(24)).timer().contains("OnCalendar=*-*-* 02:23:00"));
        assert!(job(Duration::hours(8)).timer().contains("OnCalendar=*-*-* 00/8:23:00"));
        assert!(job(Duration::minutes(90)).timer().contains("OnUnitActiveSec=5400s"));
    }
}
