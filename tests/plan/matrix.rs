//! The stash matrix: by example, and by every combination against the rules as the notes on stashing state them.

use std::path::Path;

use countersign::plan::matrix::{Decision, Deployed, Held, Life, Wanted, decide};
use proptest::prelude::*;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = datetime!(2026-06-01 02:00 UTC);

fn day(days: i64) -> OffsetDateTime {
    NOW + Duration::days(days)
}

/// One line of `matrix.txt`, read back from what was decided.
fn decided(line: &str) -> String {
    let [row, wanted, live, stash, imported, _] = line.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("not a row: {line}")
    };
    let end = |text: &str| text.parse::<i64>().ok().map(day);
    let held = Held {
        deployed: match live.strip_prefix("ours:") {
            Some(days) => Deployed::Ours(end(days).unwrap()),
            None if live == "other" => Deployed::Other,
            None => Deployed::Nothing,
        },
        stash: end(stash),
        imported: end(imported),
    };
    let asked = match wanted {
        "nothing" => Wanted::Nothing,
        "ours" => Wanted::Ours,
        "provided" => Wanted::Provided,
        other => panic!("wanted what: {other}"),
    };
    let life = decide(asked, held, NOW);
    let discard = if life.discard_stash { "+discard" } else { "" };
    let decision = format!("{:?}{discard}", life.decision).to_lowercase();
    format!("{row} {wanted} {live} {stash} {imported} {decision}")
}

#[test]
fn each_row_of_the_table_is_decided_as_it_says() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/stash/matrix.txt");
    let table = std::fs::read_to_string(table).unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let plain: Vec<String> = rows.iter().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows.iter().map(|row| decided(row)).collect::<Vec<_>>(), plain);
    assert!(rows.len() > 35);
}

/// The rules of the notes, event by event, in their words and order. Knows nothing of how `decide` does it.
fn oracle(wanted: Wanted, held: Held) -> Life {
    let unexpired = |end: Option<OffsetDateTime>| end.filter(|end| *end > NOW);
    let (stash, given) = (unexpired(held.stash), unexpired(held.imported));
    let silently_deleted = held.stash.is_some() && stash.is_none();
    let (decision, discard_stash) = match wanted {
        // "makes no mention of TLS", and undeploy: "is currently deployed with LKC => Stash LKC". What somebody else
        // issued goes the same way here, since its entry is gone.
        Wanted::Nothing if held.deployed != Deployed::Nothing => (Decision::Stash, false),
        Wanted::Nothing => (Decision::Nothing, false),
        // "contains OKC": the LKC is stashed below it.
        Wanted::Provided => (Decision::Provide, false),
        Wanted::Ours => {
            let decision = match (held.deployed, given) {
                // "contains LKC which has not expired", deployed with LKC: "use the more recent one".
                (Deployed::Ours(deployed), Some(given)) if stash.is_none_or(|stash| stash < given) => {
                    if given > deployed { Decision::Import } else { Decision::Keep }
                }
                // "in /etc/letsencrypt (stash or non-stash), we compare the expiration dates".
                (Deployed::Ours(deployed), _) => match stash {
                    Some(stash) if stash > deployed => Decision::Unstash,
                    _ => Decision::Keep,
                },
                // Not deployed, without TLS, with OKC: "unexpired stashed LKC, compare ... Else: use LKC from JSON".
                (_, Some(given)) => match stash {
                    Some(stash) if stash >= given => Decision::Unstash,
                    _ => Decision::Import,
                },
                // "no LKC or expired LKC": "unexpired stashed LKC, unstash ... Else: provision".
                (_, None) if stash.is_some() => Decision::Unstash,
                (_, None) => Decision::Order,
            };
            (decision, silently_deleted)
        }
    };
    Life { decision, discard_stash }
}

fn ends() -> [Option<OffsetDateTime>; 5] {
    [None, Some(day(-1)), Some(NOW), Some(day(30)), Some(day(60))]
}

#[test]
fn every_triple_is_decided_as_the_notes_say() {
    let live = ends().into_iter().flatten().map(Deployed::Ours).chain([Deployed::Nothing, Deployed::Other]);
    for deployed in live {
        for (stash, imported) in ends().into_iter().flat_map(|stash| ends().map(|imported| (stash, imported))) {
            let held = Held { deployed, stash, imported };
            for wanted in [Wanted::Nothing, Wanted::Ours, Wanted::Provided] {
                assert_eq!(decide(wanted, held, NOW), oracle(wanted, held), "{wanted:?} {held:?}");
            }
        }
    }
}

proptest! {
    /// 1-70: of stash and non-stash and what was given, the newest that has not expired is live afterwards.
    #[test]
    fn the_newest_wins_whatever_the_rest(
        live in proptest::option::of(-90_i64..90),
        other: bool,
        stash in proptest::option::of(-90_i64..90),
        imported in proptest::option::of(-90_i64..90),
    ) {
        let deployed = match live {
            Some(days) => Deployed::Ours(day(days)),
            None if other => Deployed::Other,
            None => Deployed::Nothing,
        };
        let held = Held { deployed, stash: stash.map(day), imported: imported.map(day) };
        let life = decide(Wanted::Ours, held, NOW);
        prop_assert_eq!(life, oracle(Wanted::Ours, held));
        let newest = [live, stash, imported].into_iter().flatten().filter(|days| *days > 0).max();
        let used = match life.decision {
            Decision::Keep => live,
            Decision::Unstash => stash,
            Decision::Import => imported,
            _ => None,
        };
        prop_assert_eq!(used.filter(|days| *days > 0), newest);
    }
}
