//! The stand-ins in a process of their own, so that their CPU and memory are not those of what is measured.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use countersign::sandbox::{ACCESS_KEY, Options, SECRET_KEY, Sandbox};
use serde_json::json;

use crate::Outcome;
use crate::world::{World, ZONE};

const ZONE_ID: &str = "ZBENCH1";

/// Tells where everything is in one line of JSON. Then answers each line of its input with what was counted since.
pub fn serve(dir: &Path, names: usize, insync_ms: u64, latency_ms: u64) -> Outcome {
    let runtime = tokio::runtime::Runtime::new()?;
    let options = Options {
        insync_delay: Duration::from_millis(insync_ms),
        latency: Duration::from_millis(latency_ms),
        zones: vec![(ZONE_ID.into(), ZONE.into())],
        ..Options::default()
    };
    let sandbox = runtime.block_on(Sandbox::start(options))?;
    let world = World::of(&sandbox);
    world.write(dir, names)?;
    println!(
        "{}",
        json!({
            "directory": world.directory,
            "ca_root": dir.join("ca-root.pem"),
            "route53": world.route53,
            "nameserver": world.nameserver,
            "zone": ZONE_ID,
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
        })
    );
    for line in std::io::stdin().lock().lines() {
        line?;
        println!("{}", counted(&sandbox));
        sandbox.log().clear();
    }
    Ok(())
}

fn counted(sandbox: &Sandbox) -> serde_json::Value {
    let (mut acme, mut nonces, mut route53, mut polls, mut dns) = (0, 0, 0, 0, 0);
    let counts: BTreeMap<String, usize> = sandbox.log().counts();
    for (operation, count) in &counts {
        *match operation.as_str() {
            "newNonce" => &mut nonces,
            "GetChange" => &mut polls,
            other if other.starts_with("DNS ") => &mut dns,
            other if other.starts_with(char::is_uppercase) => &mut route53,
            _ => &mut acme,
        } += count;
    }
    json!({
        "acme": acme,
        "new_nonce": nonces,
        "route53": route53,
        "get_change": polls,
        "dns": dns,
        "issued": sandbox.issued().len(),
        "left_in_dns": sandbox.records(ZONE_ID).len(),
        "operations": counts,
    })
}
