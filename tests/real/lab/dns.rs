//! An authoritative DNS server, UDP and TCP, that answers what the judge's Route53 shows.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, NS, NULL, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::judge::View;
use super::web::Background;
use super::zone::{Key, Zone, absolute, txt_strings};

/// Without EDNS (RFC 1035 section 4.2.1).
const UDP_BYTES: usize = 512;

/// Stops when dropped.
pub struct Dns {
    address: SocketAddr,
    _background: Background,
}

impl Dns {
    pub fn start(view: View) -> Dns {
        let background = Background::start();
        let (udp, tcp) = background.block_on(same_port());
        let address = udp.local_addr().expect("the address of a socket");
        background.spawn(serve_udp(udp, view.clone()));
        background.spawn(serve_tcp(tcp, view));
        Dns { address, _background: background }
    }

    /// For UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn same_port() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = tcp.local_addr().expect("the address of a listener");
        if let Ok(udp) = UdpSocket::bind(address).await {
            return (udp, tcp);
        }
    }
}

async fn serve_udp(socket: UdpSocket, view: View) {
    let mut buffer = vec![0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let Some(answer) = answer(&view, &buffer[..length]) else { continue };
        let limit = answer.edns.as_ref().map_or(UDP_BYTES, |edns| edns.max_payload().into());
        let bytes = answer.to_vec().unwrap_or_default();
        let bytes = if bytes.len() > limit { answer.truncate().to_vec().unwrap_or_default() } else { bytes };
        let _ = socket.send_to(&bytes, peer).await;
    }
}

async fn serve_tcp(listener: TcpListener, view: View) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, view.clone()));
    }
}

/// Queries with a length before each (RFC 1035 section 4.2.2), until the client hangs up.
async fn converse(mut stream: TcpStream, view: View) -> std::io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut query = vec![0; length.into()];
        stream.read_exact(&mut query).await?;
        let Some(bytes) = answer(&view, &query).and_then(|answer| answer.to_vec().ok()) else { return Ok(()) };
        stream.write_u16(u16::try_from(bytes.len()).expect("the lab's zones have small sets")).await?;
        stream.write_all(&bytes).await?;
    }
}

fn answer(view: &View, query: &[u8]) -> Option<Message> {
    let query = Message::from_vec(query).ok()?;
    let question = query.queries.first()?.clone();
    let mut answer = Message::response(query.metadata.id, OpCode::Query);
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.add_query(question.clone());
    if let Some(edns) = &query.edns {
        answer.set_edns(edns.clone());
    }
    match view.zone_of(&absolute(&question.name().to_ascii())) {
        // A resolver knows that nobody has the name, a name server only that it is none of its own.
        None if query.metadata.recursion_desired => answer.metadata.response_code = ResponseCode::NXDomain,
        None => answer.metadata.response_code = ResponseCode::Refused,
        Some(zone) => {
            answer.metadata.authoritative = true;
            look_up(&zone, question.name(), question.query_type(), &mut answer);
            follow(view, question.query_type(), &mut answer);
        }
    }
    Some(answer)
}

/// Adds where a CNAME leads, as a resolver would, as far as the zones of the lab reach. Pebble relies on it.
fn follow(view: &View, kind: RecordType, answer: &mut Message) {
    const MAX_CNAMES: usize = 8;
    for _ in 0..MAX_CNAMES {
        let Some(RData::CNAME(CNAME(target))) = answer.answers.last().map(|record| record.data.clone()) else { return };
        let zone = view.zone_of(&absolute(&target.to_ascii()));
        let (RecordType::A | RecordType::CAA | RecordType::TXT, Some(zone)) = (kind, zone) else { return };
        look_up(&zone, &target, kind, answer);
    }
}

/// The set asked for, or the CNAME in its place.
fn look_up(zone: &Zone, name: &Name, kind: RecordType, answer: &mut Message) {
    let text = absolute(&name.to_ascii());
    let mut found = records(zone, &text, kind);
    if found.is_empty() {
        found = records(zone, &text, RecordType::CNAME);
    }
    if !found.is_empty() {
        answer.add_answers(found);
        return;
    }
    let exists = zone.sets.keys().any(|key| key.name == text || key.name.ends_with(&format!(".{text}")));
    if !exists {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    answer.add_authorities(records(zone, &zone.name, RecordType::SOA));
}

fn records(zone: &Zone, name: &str, kind: RecordType) -> Vec<Record> {
    let key = Key { name: name.to_owned(), kind: kind.to_string(), set_identifier: None };
    let Some(set) = zone.sets.get(&key) else { return Vec::new() };
    let owner = Name::from_ascii(name).expect("names in a zone are names");
    let data = set.values.iter().filter_map(|value| read_value(kind, value));
    data.map(|data| Record::from_rdata(owner.clone(), set.ttl.unwrap_or_default(), data)).collect()
}

/// A value in zone file form. `None` for types and values that the lab does not serve.
fn read_value(kind: RecordType, value: &str) -> Option<RData> {
    let name = |text: &str| Name::from_ascii(text).ok();
    let fields: Vec<&str> = value.split_whitespace().collect();
    match (kind, fields.as_slice()) {
        (RecordType::TXT, _) => Some(RData::TXT(TXT::new(txt_strings(value).ok()?))),
        (RecordType::A, [address]) => Some(RData::A(A(address.parse().ok()?))),
        (RecordType::CNAME, [target]) => Some(RData::CNAME(CNAME(name(&absolute(target))?))),
        (RecordType::NS, [target]) => Some(RData::NS(NS(name(&absolute(target))?))),
        (RecordType::CAA, [flags, tag, value]) => Some(caa(flags.parse().ok()?, tag, value.trim_matches('"'))),
        (RecordType::SOA, [primary, contact, numbers @ ..]) => {
            let [serial, refresh, retry, expire, minimum] = numbers else { return None };
            let (primary, contact) = (name(primary)?, name(contact)?);
            let (refresh, retry, expire) = (number(refresh)?, number(retry)?, number(expire)?);
            Some(RData::SOA(SOA::new(primary, contact, number(serial)?, refresh, retry, expire, number(minimum)?)))
        }
        _ => None,
    }
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// RFC 8659 section 4.1.
fn caa(flags: u8, tag: &str, value: &str) -> RData {
    let length = u8::try_from(tag.len()).expect("CAA tags are short");
    let bytes = [&[flags, length], tag.as_bytes(), value.as_bytes()].concat();
    RData::Unknown { code: RecordType::CAA, rdata: NULL::with(bytes) }
}
