//! moto: Route53 and S3 as another project understands them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::daemon::Daemon;

/// moto's server, in the virtual environment that `ci/install` makes.
pub struct Moto {
    _daemon: Daemon,
    url: String,
}

impl Moto {
    pub fn start(dir: &Path) -> Moto {
        let mut command = Command::new(venv().join("bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]).env("PYTHONUNBUFFERED", "1").env("NO_COLOR", "1");
        let (_daemon, url) = Daemon::start_and_read("moto", dir, command, |log| {
            let (_, rest) = log.split_once("Running on ")?;
            rest.split_once('\n').map(|(url, _)| url.trim().to_owned())
        });
        Moto { _daemon, url }
    }

    /// `http://127.0.0.1:port`
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Where moto and boto3 are installed: `COUNTERSIGN_VENV`, else `target/venv` of the checkout.
pub fn venv() -> PathBuf {
    match std::env::var_os("COUNTERSIGN_VENV") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv"),
    }
}
