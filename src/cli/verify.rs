//! `countersign verify`

use serde_json::json;

use crate::cli::args::{Global, Report};
use crate::cli::exit::Exit;
use crate::cli::output::{Output, counted};
use crate::cli::reports::{Ended, reported};
use crate::cli::session::Session;
use crate::cli::source;

pub fn run(global: &Global, args: &Report, output: &Output) -> Exit {
    reported("verify", args, output, |reports| {
        let session = Session::open(global, "verify", reports)?;
        let source = source::fetch(&session, reports)?;
        if let Some(refused) = source.refused {
            return Err(refused);
        }
        let list = &source.list;
        output.text(&format!("{}\n", source::line(&session.config, list)));
        let count = list.list().certificates().count();
        output.json(
            "verify",
            json!({"exit": 0, "commit": list.commit(), "signer": list.head_signer(), "commits": list.commits_walked(), "certificates": count}),
        );
        let commits = counted(list.commits_walked(), "new commit");
        Ok(Ended::new(Exit::Done, format!("{commits} verified, {}", counted(count, "certificate"))))
    })
}
