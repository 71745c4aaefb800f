//! The judge: an HTTP proxy in front of moto that behaves as Route53 documents where moto does not, and that
//! counts and refuses calls on demand. S3 passes through it unchanged.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use tokio::net::TcpListener;

use super::answer::{NAMESPACE, Refusal, change_info, operation, refuse, refused, s3_refused};
use super::moto::Moto;
use super::web::{Background, Web};
use super::xml::{Element, tag};
use super::zone::{self, Action, Change, Key, Set, Zone};

/// The access key of the lab's own account.
const LAB: &str = "lab";

/// One request that reached the judge.
#[derive(Clone, Debug)]
pub struct Call {
    /// As AWS names it: `ChangeResourceRecordSets`, `PutObject`.
    pub operation: &'static str,
    /// The path, for S3 `/bucket/key`.
    pub path: String,
    /// The batch of a ChangeResourceRecordSets.
    pub changes: Vec<Change>,
    pub status: u16,
}

/// Route53 and S3, as the runner sees them. Stops when dropped.
pub struct Judge {
    address: SocketAddr,
    bench: Arc<Bench>,
    background: Background,
}

/// What DNS shows: every zone as of its last change that is INSYNC.
#[derive(Clone)]
pub struct View(Arc<Bench>);

struct Bench {
    moto: String,
    web: Web,
    /// Batches are judged one after the other.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    visible: BTreeMap<String, Zone>,
    changes: Vec<Submitted>,
    /// Access keys of the accounts that zones are in, but for those of the lab's own.
    owners: BTreeMap<String, String>,
    insync_after: usize,
    refusals: BTreeMap<String, (usize, Refusal)>,
    calls: Vec<Call>,
}

struct Submitted {
    zone_id: String,
    after: Zone,
    polls_left: usize,
}

impl Judge {
    pub fn start(moto: &Moto) -> Judge {
        let bench = Arc::new(Bench {
            moto: moto.url().to_owned(),
            web: Web::plain(),
            turn: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        });
        let background = Background::start();
        let listener = background.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = listener.local_addr().expect("the address of a listener");
        let router = Router::new().fallback(answer).with_state(bench.clone());
        background.spawn(async { axum::serve(listener, router).await.expect("the judge serves") });
        Judge { address, bench, background }
    }

    /// The endpoint of both Route53 and S3.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn view(&self) -> View {
        View(self.bench.clone())
    }

    /// A public hosted zone. Returns its id.
    pub fn create_zone(&self, name: &str) -> String {
        self.background.block_on(self.bench.create_zone(name, LAB)).expect("moto makes a zone")
    }

    /// A public hosted zone in the account of a role. Returns its id.
    pub fn create_zone_by(&self, role: &str, name: &str) -> String {
        let made = async {
            let key = self.bench.assume(role).await?;
            self.bench.create_zone(name, &key).await
        };
        self.background.block_on(made).expect("moto makes a zone in another account")
    }

    /// A bucket with versioning, closed to the public.
    pub fn create_bucket(&self, name: &str, region: &str) {
        self.background.block_on(self.bench.create_bucket(name, region)).expect("moto makes a bucket");
    }

    /// Puts a record set into a zone as if it had always been there: not counted, shown by DNS at once.
    ///
    /// Values are as in a zone file.
    pub fn seed(&self, zone_id: &str, name: &str, kind: &str, values: &[&str]) {
        let key = Key { name: zone::absolute(name), kind: kind.to_owned(), set_identifier: None };
        let set = Set { ttl: Some(300), values: values.iter().map(|value| (*value).to_owned()).collect() };
        let batch = vec![Change { action: Action::Upsert, key, set }];
        let seeded = self.background.block_on(self.bench.seed(zone_id, &batch));
        seeded.expect("the record set can be seeded");
    }

    /// What Route53 holds now, whether DNS shows it yet or not.
    pub fn zone(&self, id: &str) -> Zone {
        let name = self.bench.state().visible[id].name.clone();
        self.background.block_on(self.bench.zone(id, &name)).expect("moto lists the zone")
    }

    /// Every TXT value of a challenge that Route53 holds in the zone.
    pub fn challenge_values(&self, id: &str) -> Vec<String> {
        let sets = self.zone(id).sets.into_iter();
        let challenges = sets.filter(|(key, _)| key.kind == "TXT" && key.name.starts_with("_acme-challenge."));
        challenges.flat_map(|(_, set)| set.values).collect()
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.bench.state().calls.clone()
    }

    /// How many calls of an operation came so far.
    pub fn count(&self, operation: &str) -> usize {
        self.bench.state().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// From now on a change is PENDING until it has been asked about this many times. 0: INSYNC at once.
    pub fn insync_after(&self, polls: usize) {
        self.bench.state().insync_after = polls;
    }

    /// Refuses the next `times` calls of an operation. `usize::MAX`: all of them.
    pub fn refuse(&self, operation: &str, times: usize, refusal: Refusal) {
        self.bench.state().refusals.insert(operation.to_owned(), (times, refusal));
    }
}

impl View {
    /// The zone with the longest name that `name` is in.
    pub fn zone_of(&self, name: &str) -> Option<Zone> {
        let state = self.0.state();
        let within = |zone: &&Zone| name == zone.name || name.ends_with(&format!(".{}", zone.name));
        state.visible.values().filter(within).max_by_key(|zone| zone.name.len()).cloned()
    }
}

impl State {
    fn refusal_of(&mut self, operation: &str) -> Option<Refusal> {
        let (left, refusal) = self.refusals.get_mut(operation)?;
        *left = left.checked_sub(1)?;
        Some(*refusal)
    }

    /// Takes in a batch and returns the id of its change.
    fn submit(&mut self, zone_id: &str, after: Zone) -> String {
        if self.insync_after == 0 {
            self.visible.insert(zone_id.to_owned(), after.clone());
        }
        let zone_id = zone_id.to_owned();
        self.changes.push(Submitted { zone_id, after, polls_left: self.insync_after });
        change_id(self.changes.len() - 1)
    }

    /// The status of a change, one poll later. `None`: there is no such change.
    fn poll(&mut self, id: &str) -> Option<&'static str> {
        let index = (0..self.changes.len()).find(|&index| change_id(index) == id)?;
        let Submitted { zone_id, after, polls_left } = &mut self.changes[index];
        if *polls_left == 0 {
            return Some("INSYNC");
        }
        *polls_left -= 1;
        if *polls_left > 0 {
            return Some("PENDING");
        }
        let (zone_id, after) = (zone_id.clone(), after.clone());
        let later = self.changes[index + 1..].iter().any(|c| c.zone_id == zone_id && c.polls_left == 0);
        if !later {
            self.visible.insert(zone_id, after);
        }
        Some("INSYNC")
    }
}

impl Bench {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test thread panics while it holds the state")
    }

    /// The access key that STS gives for a role.
    async fn assume(&self, role: &str) -> Result<String, String> {
        let form = format!("Action=AssumeRole&Version=2011-06-15&RoleSessionName=lab&RoleArn={role}");
        let answer = Element::parse(&self.ask(LAB, Method::POST, "/", form, "sts", "us-east-1").await?)?;
        let given = answer.child("AssumeRoleResult").and_then(|result| result.child("Credentials"));
        given
            .and_then(|given| given.text_of("AccessKeyId"))
            .map(str::to_owned)
            .ok_or_else(|| "no credentials".to_owned())
    }

    async fn create_zone(&self, name: &str, key: &str) -> Result<String, String> {
        let body = format!(
            "<CreateHostedZoneRequest xmlns=\"{NAMESPACE}\">{}{}</CreateHostedZoneRequest>",
            tag("Name", name),
            tag("CallerReference", name)
        );
        let answer = self.ask(key, Method::POST, "/2013-04-01/hostedzone", body, "route53", "us-east-1").await?;
        let answer = Element::parse(&answer)?;
        let zone = answer.child("HostedZone").ok_or("no HostedZone in the answer")?;
        let id = zone.text_of("Id").ok_or("no Id in the answer")?.replace("/hostedzone/", "Z");
        self.state().owners.insert(in_moto(&id).to_owned(), key.to_owned());
        let broken = self.zone(&id, name).await?;
        let mended = with_soa(&broken);
        self.store(&id, &broken, &mended).await?;
        self.state().visible.insert(id.clone(), mended);
        Ok(id)
    }

    async fn create_bucket(&self, name: &str, region: &str) -> Result<(), String> {
        let location = tag("LocationConstraint", region);
        let create = format!("<CreateBucketConfiguration>{location}</CreateBucketConfiguration>");
        let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".to_owned();
        self.ask(LAB, Method::PUT, &format!("/{name}"), create, "s3", region).await?;
        self.ask(LAB, Method::PUT, &format!("/{name}?versioning"), versioning, "s3", region).await?;
        let parts = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
        let parts: String = parts.map(|part| tag(part, "true")).concat();
        let block = format!("<PublicAccessBlockConfiguration>{parts}</PublicAccessBlockConfiguration>");
        self.ask(LAB, Method::PUT, &format!("/{name}?publicAccessBlock"), block, "s3", region).await?;
        Ok(())
    }

    /// What moto holds now. The zones of the lab fit into one page of moto's.
    async fn zone(&self, id: &str, name: &str) -> Result<Zone, String> {
        let path = format!("/2013-04-01/hostedzone/{}/rrset?maxitems=100000", in_moto(id));
        Zone::read(name, &self.ask_route53(Method::GET, &path, String::new()).await?)
    }

    async fn ask_route53(&self, method: Method, path: &str, body: String) -> Result<Element, String> {
        let id = path.split('/').nth(3).unwrap_or_default();
        let key = self.state().owners.get(id).cloned().unwrap_or_else(|| LAB.to_owned());
        Element::parse(&self.ask(&key, method, path, body, "route53", "us-east-1").await?)
    }

    /// A request of our own to moto, which wants an Authorization header but does not check the signature.
    async fn ask(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: String,
        service: &str,
        region: &str,
    ) -> Result<Bytes, String> {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let kind = if service == "sts" { "application/x-www-form-urlencoded" } else { "text/xml" };
        let request = http::Request::builder().method(method).uri(format!("{}{path}", self.moto));
        let request = request.header(header::AUTHORIZATION, authorization).header(header::CONTENT_TYPE, kind);
        let answer = self.web.send(request.body(Bytes::from(body)).map_err(|e| e.to_string())?).await?;
        if answer.status().is_success() { Ok(answer.into_body()) } else { Err(format!("moto answered {answer:?}")) }
    }

    /// Hands a request of the runner to moto.
    async fn forward(&self, request: http::Request<Bytes>, path: &str) -> Response<Bytes> {
        let (mut parts, body) = request.into_parts();
        parts.uri = format!("{}{}", self.moto, path.replace("/hostedzone/Z", "/hostedzone/"))
            .parse()
            .expect("it was a URI before");
        parts.headers.remove(header::HOST);
        if path.starts_with("/2013-04-01/") {
            parts.headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/xml"));
        }
        match self.web.send(http::Request::from_parts(parts, body)).await {
            Ok(answer) if path.starts_with("/2013-04-01/") => as_aws(answer),
            Ok(answer) => answer,
            Err(e) => refused(StatusCode::BAD_GATEWAY, "Lab", &e),
        }
    }

    async fn change_record_sets(&self, zone_id: &str, body: &[u8]) -> (Vec<Change>, Response<Bytes>) {
        match Element::parse(body).and_then(|request| zone::read_batch(&request)) {
            Ok(batch) => {
                let answer = self.submit(zone_id, &batch).await;
                (batch, answer)
            }
            Err(e) => (Vec::new(), refused(StatusCode::BAD_REQUEST, "InvalidInput", &e)),
        }
    }

    async fn submit(&self, zone_id: &str, batch: &[Change]) -> Response<Bytes> {
        let _turn = self.turn.lock().await;
        let Some(name) = self.state().visible.get(zone_id).map(|zone| zone.name.clone()) else {
            let message = format!("No hosted zone found with ID: {zone_id}");
            return refused(StatusCode::NOT_FOUND, "NoSuchHostedZone", &message);
        };
        let now = match self.zone(zone_id, &name).await {
            Ok(now) => now,
            Err(e) => return refused(StatusCode::BAD_GATEWAY, "Lab", &e),
        };
        let after = match now.after(batch) {
            Ok(after) => after,
            Err(e) => return refused(StatusCode::BAD_REQUEST, "InvalidChangeBatch", &format!("[{e}]")),
        };
        if let Err(e) = self.store(zone_id, &now, &after).await {
            return refused(StatusCode::BAD_GATEWAY, "Lab", &e);
        }
        let mut state = self.state();
        let status = if state.insync_after == 0 { "INSYNC" } else { "PENDING" };
        change_info("ChangeResourceRecordSetsResponse", &state.submit(zone_id, after), status)
    }

    async fn seed(&self, zone_id: &str, batch: &[Change]) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        let name = self.state().visible[zone_id].name.clone();
        let now = self.zone(zone_id, &name).await?;
        self.store(zone_id, &now, &now.after(batch)?).await?;
        let shown = self.state().visible[zone_id].after(batch)?;
        self.state().visible.insert(zone_id.to_owned(), shown);
        Ok(())
    }

    /// Takes moto from one content of a zone to another.
    async fn store(&self, zone_id: &str, now: &Zone, after: &Zone) -> Result<(), String> {
        let path = format!("/2013-04-01/hostedzone/{}/rrset", in_moto(zone_id));
        for part in now.translated(after) {
            self.ask_route53(Method::POST, &path, zone::write_batch(&part)).await?;
        }
        Ok(())
    }

    fn get_change(&self, id: &str) -> Response<Bytes> {
        match self.state().poll(id) {
            Some(status) => change_info("GetChangeResponse", id, status),
            None => {
                let message = format!("Could not find resource with ID: {id}");
                refused(StatusCode::NOT_FOUND, "NoSuchChange", &message)
            }
        }
    }
}

async fn answer(Shared(bench): Shared<Arc<Bench>>, request: Request) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let path = match parts.uri.path() {
        route53 if route53.starts_with("/2013-04-01/") => route53.trim_end_matches('/').to_owned(),
        s3 => s3.to_owned(),
    };
    let operation = operation(&parts.method, &path, parts.uri.query().unwrap_or_default());
    let signed = parts.headers.contains_key(header::AUTHORIZATION);
    let refusal = bench.state().refusal_of(operation);

    let last = path.rsplit('/').next().unwrap_or_default();
    let (changes, mut answer) = match (operation, refusal) {
        (_, Some(refusal)) => (Vec::new(), refuse(operation, refusal)),
        ("ChangeResourceRecordSets", None) if signed => {
            let zone_id = path.rsplit('/').nth(1).unwrap_or_default();
            bench.change_record_sets(zone_id, &body).await
        }
        ("GetChange", None) if signed => (Vec::new(), bench.get_change(last)),
        // moto has no such operation and answers with a list of objects.
        ("GetBucketPolicyStatus", None) => {
            let message = "The bucket policy does not exist";
            (Vec::new(), s3_refused(StatusCode::NOT_FOUND, "NoSuchBucketPolicy", message))
        }
        ("ListHostedZonesByName", None) => {
            let message = "moto answers this operation wrongly, so the lab does not offer it";
            (Vec::new(), refused(StatusCode::NOT_IMPLEMENTED, "Lab", message))
        }
        _ => {
            let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            let target = format!("{path}{query}");
            (Vec::new(), bench.forward(http::Request::from_parts(parts, body), &target).await)
        }
    };
    answer.headers_mut().remove(header::TRANSFER_ENCODING);
    bench.state().calls.push(Call { operation, path, changes, status: answer.status().as_u16() });
    answer.map(axum::body::Body::from).into_response()
}

/// Ids of hosted zones begin with Z in AWS, and with anything in moto.
fn in_moto(zone_id: &str) -> &str {
    zone_id.strip_prefix('Z').unwrap_or(zone_id)
}

fn as_aws(answer: Response<Bytes>) -> Response<Bytes> {
    let (mut parts, body) = answer.into_parts();
    let text = String::from_utf8_lossy(&body).replace("/hostedzone/", "/hostedzone/Z");
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, text.into())
}

/// moto writes the SOA of a new zone as a Python dictionary.
fn with_soa(zone: &Zone) -> Zone {
    let key = Key { name: zone.name.clone(), kind: "SOA".to_owned(), set_identifier: None };
    let value = "ns-2048.awsdns-64.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400".to_owned();
    let mut zone = zone.clone();
    zone.sets.insert(key, Set { ttl: Some(900), values: vec![value] });
    zone
}

fn change_id(index: usize) -> String {
    format!("C{index:020}")
}
