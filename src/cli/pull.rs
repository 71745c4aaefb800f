//! `countersign pull`

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cli::args::{Global, Pull as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::runtime;
use crate::cli::session;
use crate::cli::{settings, wire};
use crate::clock::SystemClock;
use crate::config::Bucket;
use crate::config::pull::Pull;
use crate::fault::Fault;
use crate::name::LineageName;
use crate::pull::{self, Consumer, Pulled, Reload, Served};
use crate::report::Check;

/// What became of one lineage.
struct Row {
    lineage: LineageName,
    result: Result<Pulled, Fault>,
}

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    let rows = wanted(global, args).and_then(|wanted| pull_all(&wanted, output));
    rows.map_or_else(|failure| failure.end("pull", output), |rows| end(&rows, output))
}

fn wanted(global: &Global, args: &Args) -> Result<Pull, Failure> {
    let names = args.lineages.iter().map(|name| session::parse_name(name)).collect::<Result<BTreeSet<_>, _>>()?;
    if args.bucket.is_some() {
        return of_flags(args, names);
    }
    let mut pull = settings::load_pull(global)?;
    let has = |name: &LineageName| pull.certificates.iter().any(|consumer| consumer.lineage == *name);
    if let Some(unknown) = names.iter().find(|name| !has(name)) {
        let fault = Fault::new("run:name", format!("the file has no certificate `{unknown}`"))
            .hint("`countersign pull` alone brings all that it has");
        return Err(Failure::new(Exit::Usage, Check::Completed, fault));
    }
    pull.certificates.retain(|consumer| names.is_empty() || names.contains(&consumer.lineage));
    Ok(pull)
}

fn of_flags(args: &Args, names: BTreeSet<LineageName>) -> Result<Pull, Failure> {
    let mut names = names.into_iter();
    let (Some(lineage), None, Some(bucket), Some(into)) = (names.next(), names.next(), &args.bucket, &args.into) else {
        let fault = Fault::new("run:name", "flags describe one lineage").hint("write a pull.yaml for several");
        return Err(Failure::new(Exit::Usage, Check::Completed, fault));
    };
    let place = &args.place;
    let bucket = Bucket {
        bucket: bucket.clone(),
        prefix: place.prefix.clone(),
        region: place.region.clone(),
        profile: place.profile.clone(),
        endpoint: place.endpoint.clone(),
        expected_owner: place.expected_owner.clone(),
        ..Bucket::default()
    };
    let reload = Reload { argv: args.reload.clone(), timeout: args.reload_timeout };
    let timeout = args.served_timeout;
    let consumer = Consumer {
        lineage,
        into: into.clone(),
        domains: args.domain.iter().cloned().collect(),
        also: args.layout.iter().copied().collect(),
        key: args.key.clone(),
        reload: (!reload.argv.is_empty()).then_some(reload),
        served: args.served.clone().map(|at| Served { at, name: args.server_name.clone(), timeout }),
        keep: args.keep.into(),
    };
    Ok(Pull { bucket, certificates: vec![consumer] })
}

/// One after the other: two of them may reload the same server.
fn pull_all(wanted: &Pull, output: &Output) -> Result<Vec<Row>, Failure> {
    let rows = runtime()?.block_on(async {
        let bucket = wire::s3(&wanted.bucket).await;
        let mut rows = Vec::new();
        for consumer in &wanted.certificates {
            let result = pull::pull(consumer, bucket.as_ref(), &SystemClock).await;
            let row = Row { lineage: consumer.lineage.clone(), result };
            output.text(&text(&row));
            if let Err(fault) = &row.result {
                let message = format!("{}: {}", row.lineage, fault.message);
                output.fault(&Fault { message, ..fault.clone() });
            }
            rows.push(row);
        }
        rows
    });
    Ok(rows)
}

fn end(rows: &[Row], output: &Output) -> Exit {
    let count = |is: fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count();
    let new = count(|row| matches!(&row.result, Ok(pulled) if pulled.new));
    let failed = count(|row| row.result.is_err());
    let locked = count(|row| matches!(&row.result, Err(fault) if fault.code == "run:locked"));
    let exit = match failed {
        0 => Exit::Done,
        failed if failed == locked => Exit::Locked,
        _ => Exit::Partial,
    };
    let lineages: Vec<Value> = rows.iter().map(object).collect();
    output.json("pull", json!({"exit": exit as u8, "certificates": lineages}));
    let same = rows.len() - new - failed;
    output.summary("pull", exit, &format!("{new} new, {same} as before, {failed} failed"));
    exit
}

fn text(row: &Row) -> String {
    let said = match &row.result {
        Ok(Pulled { sequence, not_after, new: false, .. }) => {
            format!("version {sequence} is the current one, until {}", not_after.date())
        }
        Ok(Pulled { sequence, not_after, before, .. }) => {
            let before = before.map(|before| format!(" instead of {before}")).unwrap_or_default();
            format!("version {sequence}{before}, until {}", not_after.date())
        }
        Err(_) => "FAILED".to_owned(),
    };
    format!("{}  {said}\n", row.lineage)
}

fn object(row: &Row) -> Value {
    match &row.result {
        Ok(pulled) => json!({
            "name": row.lineage,
            "state": if pulled.new { "new" } else { "same" },
            "sequence": pulled.sequence,
            "before": pulled.before,
            "serial": pulled.serial,
            "not_after": pulled.not_after.format(&time::format_description::well_known::Rfc3339).ok(),
        }),
        Err(fault) => json!({"name": row.lineage, "state": "failed", "fault": fault}),
    }
}
