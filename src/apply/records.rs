//! The proofs of a wave: one change per place, and each place is waited for apart from the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, Shared, join_all};
use futures::stream::StreamExt;

use crate::apply::WIDTH;
use crate::apply::flight::Flight;
use crate::apply::wave::{Halt, Wave};
use crate::event::Phase;
use crate::failpoint::reach;
use crate::fault::Fault;
use crate::journal::{Place, Proof};
use crate::list::ChallengeType;
use crate::port::{Answer, Change, Solver};

/// How far the proofs of one place came.
#[derive(Debug)]
enum Progress {
    /// All can be seen, but for these.
    Placed(BTreeMap<Proof, Fault>),
    /// The run was told to stop.
    Stopped,
    /// The run was told to stop before the provider answered: the proofs may yet appear.
    Open,
}

/// The places of a wave. Each is worked on once, whoever waits for it.
pub struct Places<'a>(BTreeMap<Place, Shared<BoxFuture<'a, Arc<Progress>>>>);

impl<'a> Places<'a> {
    /// Prepares the changes for all proofs. Nothing happens before somebody waits.
    pub fn new<'p>(wave: &'a Wave<'a>, proofs: impl Iterator<Item = &'p Proof>) -> Self {
        let mut places: BTreeMap<Place, BTreeSet<Proof>> = BTreeMap::new();
        for proof in proofs {
            places.entry(proof.place()).or_default().insert(proof.clone());
        }
        let count = places.len();
        let work = |place: &Place, proofs: BTreeSet<Proof>| {
            let solver = wave.ports.solver(place.challenge());
            async move { Arc::new(put(wave, solver, proofs.into_iter().collect(), count).await) }.boxed().shared()
        };
        let places = places.into_iter().map(|(place, proofs)| {
            let work = work(&place, proofs);
            (place, work)
        });
        Self(places.collect())
    }

    /// Returns when all proofs of a lineage can be seen.
    pub async fn wait_for(&self, proofs: &[Proof]) -> Result<(), Halt> {
        let places: BTreeSet<Place> = proofs.iter().map(Proof::place).collect();
        let placed = join_all(places.iter().filter_map(|place| self.0.get(place).cloned())).await;
        if placed.iter().any(|place| !matches!(**place, Progress::Placed(_))) {
            return Err(Halt::Stopped);
        }
        let unseen = |proof: &Proof| placed.iter().find_map(|place| place.fault(proof).cloned());
        proofs.iter().find_map(unseen).map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// The places whose change may or may not have happened.
    pub fn open(&self) -> BTreeSet<Place> {
        let is_open =
            |work: &Shared<_>| work.peek().is_some_and(|done: &Arc<Progress>| matches!(**done, Progress::Open));
        self.0.iter().filter(|(_, work)| is_open(work)).map(|(place, _)| place.clone()).collect()
    }
}

impl Progress {
    fn fault(&self, proof: &Proof) -> Option<&Fault> {
        match self {
            Self::Placed(unseen) => unseen.get(proof),
            Self::Stopped | Self::Open => None,
        }
    }
}

/// Finds where the answers go and journals the proofs before anything is placed.
pub async fn locate(wave: &Wave<'_>, flights: &mut [Flight<'_, '_>]) {
    let mut answering: BTreeMap<ChallengeType, Vec<&mut Flight>> = BTreeMap::new();
    for flight in flights.iter_mut().filter(|flight| flight.is_active() && !flight.challenges.is_empty()) {
        answering.entry(flight.certificate.challenge).or_default().push(flight);
    }
    let each = answering.into_iter().map(|(challenge, flights)| locate_all(wave, challenge, flights));
    join_all(each).await;
}

async fn locate_all(wave: &Wave<'_>, challenge: ChallengeType, mut flights: Vec<&mut Flight<'_, '_>>) {
    wave.begin(placing(challenge), flights.len());
    let answers = |flight: &Flight| -> Vec<(String, Answer)> {
        flight.challenges.iter().map(|(base, challenge)| (base.clone(), challenge.answer.clone())).collect()
    };
    let all: Vec<(String, Answer)> = flights.iter().flat_map(|flight| answers(flight)).collect();
    let Some(located) = wave.stop.unless_asked(wave.ports.solver(challenge).locate(&all)).await else {
        return flights.iter_mut().for_each(|flight| flight.halt(Halt::Stopped));
    };
    let mut located = located.into_iter();
    let shares: Vec<Result<Vec<Proof>, Fault>> = flights
        .iter()
        // All of a share is taken, also behind a fault: the next lineage's begins there.
        .map(|flight| located.by_ref().take(flight.challenges.len()).collect::<Vec<_>>().into_iter().collect())
        .collect();
    let journaling = flights.into_iter().zip(shares).map(|(flight, share)| async move {
        let journaled = match share {
            Ok(proofs) => {
                flight.records = proofs.clone();
                flight.journal_proofs(wave, &proofs).await
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = journaled {
            flight.halt(fault.into());
        }
        reach("after-records-journaled");
    });
    futures::stream::iter(journaling).buffer_unordered(WIDTH).collect::<Vec<()>>().await;
}

fn placing(challenge: ChallengeType) -> Phase {
    match challenge {
        ChallengeType::Dns01 => Phase::Dns,
        ChallengeType::Http01 => Phase::Files,
    }
}

async fn put(wave: &Wave<'_>, solver: &dyn Solver, proofs: Vec<Proof>, places: usize) -> Progress {
    if wave.stop.is_asked() {
        return Progress::Stopped;
    }
    let Some(changes) = wave.stop.answer(solver.present(&proofs)).await else { return Progress::Open };
    reach("after-present");
    let begin = |phase| wave.begin(phase, places);
    let waits = join_all(changes.iter().map(|change| unseen(solver, change, &begin)));
    match wave.stop.unless_asked(waits).await {
        Some(unseen) => {
            reach("after-settled");
            Progress::Placed(unseen.into_iter().flatten().collect())
        }
        None => Progress::Stopped,
    }
}

/// Which proofs of a change did not become visible. If the provider does not say that it is done, the servers that a CA
/// asks have the last word.
async fn unseen(solver: &dyn Solver, change: &Change, begin: &(dyn Fn(Phase) + Sync)) -> Vec<(Proof, Fault)> {
    let all = |fault: &Fault| change.records.iter().map(|proof| (proof.clone(), fault.clone())).collect();
    match &change.result {
        Err(fault) => return all(fault),
        Ok(id) if !id.is_empty() => begin(Phase::Insync),
        Ok(_) => {}
    }
    let pending = match solver.settled(change).await {
        Err(fault) if fault.code != "route53:pending" => return all(&fault),
        settled => settled.err(),
    };
    begin(Phase::Visible);
    let seen = solver.visible(&change.records).await;
    let pairs = change.records.iter().cloned().zip(seen);
    let fault = |unseen: Fault| pending.clone().unwrap_or(unseen);
    pairs.filter_map(|(proof, result)| Some((proof, fault(result.err()?)))).collect()
}

#[cfg(test)]
#[cfg(feature = "sandbox")]
mod tests {
    use std::time::Duration;

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};

    use super::*;
    use crate::dns::{DnsSolver, Settings};
    use crate::journal::{RecordSet, Txt};
    use crate::sandbox::{ACCESS_KEY, Mishap, Options, RecordSet as Set, SECRET_KEY, Sandbox};

    const NAME: &str = "_acme-challenge.www.example.test";

    /// Route53 whose changes stay PENDING, with servers that answer the value `seen`.
    async fn never_insync() -> Sandbox {
        let zones = vec![("Z1".to_owned(), "example.test".to_owned())];
        let options = Options { zones, insync_delay: Duration::MAX, ..Options::default() };
        let sandbox = Sandbox::start(options).await.unwrap();
        let values = vec![r#""seen""#.to_owned()];
        let set = Set { name: NAME.into(), kind: "TXT".into(), ttl: 60, values, routing: None };
        sandbox.seed_record("Z1", set).unwrap();
        sandbox
    }

    /// The adapter for Route53, with no time to wait.
    fn impatient(sandbox: &Sandbox) -> DnsSolver {
        let keys = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .endpoint_url(sandbox.route53_url())
            .build();
        let (nameservers, now) = (vec![sandbox.dns_addr()], Duration::ZERO);
        let settings = Settings { nameservers, insync: now, visible: now, ..Settings::default() };
        DnsSolver::new(settings, &sdk, &BTreeMap::new()).unwrap()
    }

    fn txt(value: &str) -> Proof {
        Proof::Txt(Txt { set: RecordSet { zone: "Z1".into(), name: NAME.into() }, value: value.into() })
    }

    async fn faults(sandbox: &Sandbox) -> Vec<(Proof, String)> {
        let dns = impatient(sandbox);
        let change = dns.present(&[txt("unseen")]).await.remove(0);
        let change = Change { records: vec![txt("seen"), txt("unseen")], ..change };
        let found = unseen(&dns, &change, &|_| ()).await;
        found.into_iter().map(|(proof, fault)| (proof, fault.code)).collect()
    }

    #[tokio::test]
    async fn a_change_that_stays_pending_is_believed_to_the_servers_that_answer_it() {
        let sandbox = never_insync().await;
        assert_eq!(faults(&sandbox).await, [(txt("unseen"), "route53:pending".to_owned())]);
    }

    #[tokio::test]
    async fn a_change_that_cannot_be_asked_about_is_not() {
        let sandbox = never_insync().await;
        sandbox.faults().script("GetChange", 1, Mishap::refused(403, "AccessDenied"));
        assert_eq!(faults(&sandbox).await.len(), 2);
    }
}
