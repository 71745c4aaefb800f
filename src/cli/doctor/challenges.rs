//! What this host needs to show control over names: hooks that are safe to run, and the folder for token files.

use super::{Checked, Sheet, State};
use crate::cli::wire;
use crate::config::Config;
use crate::dns::check_hook;
use crate::web::check_folder;

pub fn look(config: &Config, sheet: &mut Sheet<'_>) {
    for (word, exec) in &config.dns.exec {
        let hook = wire::hook(exec, config);
        sheet.add(match check_hook(&hook.command, &hook.state) {
            Ok(file) => Checked::ok("hook", format!("`{word}` is {}, which only its owner may change", file.display())),
            Err(fault) => Checked::of("hook", State::Fail, &fault),
        });
        for missing in exec.env.iter().filter(|name| !hook.environment.contains_key(*name)) {
            let fact = format!("`{word}` is to get {missing}, which is not set here");
            sheet.add(Checked::warn("hook", fact, "set the variable where runs are started, or take it out of `env:`"));
        }
    }
    if let Some(http) = &config.http {
        sheet.add(match check_folder(&http.folder) {
            Ok(()) => Checked::ok("http", format!("token files go to {}", http.folder.display())),
            Err(fault) => Checked::of("http", State::Fail, &fault),
        });
    }
}
