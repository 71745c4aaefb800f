//! moto behind the judge: Route53 as documented, what DNS shows of it, S3 read back by boto3.

use bytes::Bytes;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use http::{Method, Request, Response, StatusCode};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;
use tempfile::TempDir;

use crate::lab::answer::Refusal;
use crate::lab::dns::Dns;
use crate::lab::judge::Judge;
use crate::lab::moto::Moto;
use crate::lab::web::{Web, wait};
use crate::lab::xml::Element;
use crate::lab::zone::{Action, Change, Key, Set, absolute, write_batch};
use crate::lab::{BUCKET, REGION, ZONE, bucket};

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_compare_and_swap_batch_is_accepted() {
    let aws = Aws::start();
    aws.change(&[txt(Action::Create, &["\"one\""])]).unwrap();

    aws.change(&[txt(Action::Delete, &["\"one\""]), txt(Action::Create, &["\"one\"", "\"two\""])]).unwrap();

    assert_eq!(aws.judge.challenge_values(&aws.zone_id), ["\"one\"", "\"two\""]);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_swap_back_to_an_earlier_set_is_accepted() {
    let aws = Aws::start();
    aws.change(&[txt(Action::Create, &["\"one\""])]).unwrap();
    aws.change(&[txt(Action::Delete, &["\"one\""]), txt(Action::Create, &["\"one\"", "\"two\""])]).unwrap();

    aws.change(&[txt(Action::Delete, &["\"two\"", "\"one\""]), txt(Action::Create, &["\"one\""])]).unwrap();

    assert_eq!(aws.judge.challenge_values(&aws.zone_id), ["\"one\""]);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_delete_with_other_values_is_refused_and_changes_nothing() {
    let aws = Aws::start();
    aws.change(&[txt(Action::Create, &["\"one\"", "\"two\""])]).unwrap();

    let error = aws.change(&[txt(Action::Delete, &["\"one\""])]).unwrap_err();

    assert_eq!(code(&error), "InvalidChangeBatch");
    assert_eq!(aws.judge.challenge_values(&aws.zone_id), ["\"one\"", "\"two\""]);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_delete_of_a_missing_set_is_an_invalid_change_batch() {
    let aws = Aws::start();

    let error = aws.change(&[txt(Action::Delete, &["\"one\""])]).unwrap_err();

    assert_eq!(code(&error), "InvalidChangeBatch");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_batch_with_one_bad_change_changes_nothing() {
    let aws = Aws::start();
    let outside = Change { key: key("_acme-challenge.other.test"), ..txt(Action::Create, &["\"one\""]) };

    let error = aws.change(&[txt(Action::Create, &["\"one\""]), outside]).unwrap_err();

    assert_eq!(code(&error), "InvalidChangeBatch");
    assert!(aws.judge.challenge_values(&aws.zone_id).is_empty());
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn an_unquoted_txt_value_is_refused() {
    let aws = Aws::start();

    let error = aws.change(&[txt(Action::Create, &["one"])]).unwrap_err();

    assert_eq!(code(&error), "InvalidChangeBatch");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn more_than_a_thousand_records_are_refused_and_a_thousand_are_not() {
    let aws = Aws::start();

    assert_eq!(code(&aws.change(&many(1001, 8)).unwrap_err()), "InvalidChangeBatch");
    aws.change(&many(1000, 8)).unwrap();
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn more_than_32000_characters_are_refused_and_32000_are_not() {
    let aws = Aws::start();

    assert_eq!(code(&aws.change(&many(321, 98)).unwrap_err()), "InvalidChangeBatch");
    aws.change(&many(320, 98)).unwrap();
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_change_that_nobody_made_is_unknown() {
    let aws = Aws::start();

    let error = aws.route53(Method::GET, "/2013-04-01/change/C123", "").unwrap_err();

    assert_eq!(code(&error), "NoSuchChange");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_pending_change_shows_in_dns_when_it_is_insync() {
    let aws = Aws::start();
    let dns = Dns::start(aws.judge.view());
    aws.judge.insync_after(2);
    let change = aws.change(&[txt(Action::Create, &["\"one\""])]).unwrap();
    let id = change.child("ChangeInfo").unwrap().text_of("Id").unwrap().to_owned();
    let poll = || aws.route53(Method::GET, &format!("/2013-04-01{id}"), "").unwrap();

    assert_eq!(poll().child("ChangeInfo").unwrap().text_of("Status"), Some("PENDING"));
    assert_eq!(udp(dns.address(), &challenge(), RecordType::TXT).metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(poll().child("ChangeInfo").unwrap().text_of("Status"), Some("INSYNC"));
    assert_eq!(answers(&udp(dns.address(), &challenge(), RecordType::TXT)), ["one"]);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn a_trailing_slash_and_the_content_type_of_a_form_are_understood() {
    let aws = Aws::start();
    let path = format!("/2013-04-01/hostedzone/{}/rrset/", aws.zone_id);

    aws.route53(Method::POST, &path, &write_batch(&[txt(Action::Create, &["\"one\""])])).unwrap();
    let listed = aws.route53(Method::GET, &path, "").unwrap();

    assert_eq!(listed.list("ResourceRecordSets").len(), 3);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn calls_are_throttled_on_demand_and_counted() {
    let aws = Aws::start();
    aws.judge.refuse("ChangeResourceRecordSets", 1, Refusal::Throttled);

    assert_eq!(code(&aws.change(&[txt(Action::Create, &["\"one\""])]).unwrap_err()), "Throttling");
    aws.change(&[txt(Action::Create, &["\"one\""])]).unwrap();

    assert_eq!(aws.judge.count("ChangeResourceRecordSets"), 2);
    assert_eq!(aws.judge.calls()[0].status, 400);
    assert_eq!(aws.judge.calls()[1].changes, [txt(Action::Create, &["\"one\""])]);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn dns_answers_every_type_that_a_run_asks_for() {
    let aws = Aws::start();
    let dns = Dns::start(aws.judge.view());
    aws.judge.seed(&aws.zone_id, "www.lab.test", "CNAME", &["web.example.com"]);
    aws.judge.seed(&aws.zone_id, "lab.test", "CAA", &["0 issue \"ca.example.com\""]);
    let ask = |name: &str, kind| answers(&udp(dns.address(), name, kind));

    assert_eq!(ask("www.lab.test.", RecordType::TXT), ["web.example.com."]);
    assert_eq!(ask("lab.test.", RecordType::CAA), ["0 issue \"ca.example.com\""]);
    assert_eq!(ask("lab.test.", RecordType::SOA).len(), 1);
    assert_eq!(ask("lab.test.", RecordType::NS).len(), 4);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn dns_answers_what_is_too_long_for_udp_over_tcp() {
    let aws = Aws::start();
    let dns = Dns::start(aws.judge.view());
    let values: Vec<String> = (0..20).map(|n| format!("\"{n:060}\"")).collect();
    aws.judge.seed(&aws.zone_id, &challenge(), "TXT", &values.iter().map(String::as_str).collect::<Vec<_>>());

    assert!(udp(dns.address(), &challenge(), RecordType::TXT).metadata.truncation);
    assert_eq!(answers(&tcp(dns.address(), &challenge(), RecordType::TXT)).len(), 20);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn dns_refuses_names_outside_its_zones() {
    let aws = Aws::start();
    let dns = Dns::start(aws.judge.view());

    let answer = udp(dns.address(), "example.com.", RecordType::TXT);

    assert_eq!(answer.metadata.response_code, ResponseCode::Refused);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn dns_follows_a_cname_into_another_zone_as_a_resolver_does() {
    let aws = Aws::start();
    let dns = Dns::start(aws.judge.view());
    let other = aws.judge.create_zone("other.test");
    aws.judge.seed(&aws.zone_id, &challenge(), "CNAME", &["there.other.test."]);
    aws.judge.seed(&other, "there.other.test", "TXT", &["\"value\""]);

    assert_eq!(answers(&udp(dns.address(), &challenge(), RecordType::TXT)), ["there.other.test.", "value"]);
    assert_eq!(answers(&udp(dns.address(), &challenge(), RecordType::CNAME)), ["there.other.test."]);
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn boto3_reads_back_what_was_put() {
    let aws = Aws::start();
    aws.put("certs/www/current.json", "{}").unwrap();

    let objects = bucket::read(&aws.judge, BUCKET, REGION);

    let object = &objects["certs/www/current.json"];
    assert_eq!(object.body, "{}");
    assert_eq!(object.metadata["lineage"], "www");
}

#[test]
#[ignore = "needs the lab: ci/install"]
fn s3_is_denied_on_demand() {
    let aws = Aws::start();
    aws.judge.refuse("PutObject", usize::MAX, Refusal::Denied);

    assert_eq!(aws.put("certs/www/current.json", "{}").unwrap_err(), StatusCode::FORBIDDEN);
    assert_eq!(aws.judge.calls()[0].path, "/lab-certs/certs/www/current.json");
    assert!(bucket::read(&aws.judge, BUCKET, REGION).is_empty());
}

/// Route53 and S3 without the rest of the lab.
struct Aws {
    judge: Judge,
    zone_id: String,
    _moto: Moto,
    _dir: TempDir,
}

impl Aws {
    fn start() -> Aws {
        let dir = tempfile::tempdir().unwrap();
        let moto = Moto::start(dir.path());
        let judge = Judge::start(&moto);
        judge.create_bucket(BUCKET, REGION);
        Aws { zone_id: judge.create_zone(ZONE), judge, _moto: moto, _dir: dir }
    }

    fn change(&self, batch: &[Change]) -> Result<Element, Element> {
        let path = format!("/2013-04-01/hostedzone/{}/rrset", self.zone_id);
        self.route53(Method::POST, &path, &write_batch(batch))
    }

    fn route53(&self, method: Method, path: &str, body: &str) -> Result<Element, Element> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.judge.url()));
        let request = request.header("authorization", authorization("route53", "us-east-1"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = send(request.body(Bytes::from(body.to_owned())).unwrap());
        let element = Element::parse(answer.body()).unwrap();
        if answer.status().is_success() { Ok(element) } else { Err(element) }
    }

    fn put(&self, key: &str, body: &'static str) -> Result<(), StatusCode> {
        let request = Request::put(format!("{}/{BUCKET}/{key}", self.judge.url()));
        let request = request.header("authorization", authorization("s3", REGION)).header("x-amz-meta-lineage", "www");
        let answer = send(request.body(Bytes::from_static(body.as_bytes())).unwrap());
        if answer.status().is_success() { Ok(()) } else { Err(answer.status()) }
    }
}

fn send(request: Request<Bytes>) -> Response<Bytes> {
    wait(Web::plain().send(request)).unwrap()
}

fn authorization(service: &str, region: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

fn challenge() -> String {
    absolute(&format!("_acme-challenge.{ZONE}"))
}

fn key(name: &str) -> Key {
    Key { name: absolute(name), kind: "TXT".to_owned(), set_identifier: None }
}

fn txt(action: Action, values: &[&str]) -> Change {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Change { action, key: key(&challenge()), set: Set { ttl: Some(60), values } }
}

/// A batch that creates `count` sets of one value of `length` characters, quotes not counted.
fn many(count: usize, length: usize) -> Vec<Change> {
    let create =
        |n| Change { key: key(&format!("t{n}.{ZONE}")), ..txt(Action::Create, &[&format!("\"{n:0length$}\"")]) };
    (0..count).map(create).collect()
}

fn code(error: &Element) -> &str {
    error.child("Error").unwrap().text_of("Code").unwrap()
}

fn udp(server: SocketAddr, name: &str, kind: RecordType) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.send_to(&question(name, kind), server).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

fn tcp(server: SocketAddr, name: &str, kind: RecordType) -> Message {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let question = question(name, kind);
    stream.write_all(&u16::try_from(question.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&question).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer).unwrap();
    Message::from_vec(&answer).unwrap()
}

fn question(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

fn answers(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| record.data.to_string()).collect()
}
