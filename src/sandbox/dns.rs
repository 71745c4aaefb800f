//! The name server of the sandbox: authoritative for the public hosted zones, over UDP and TCP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, TXT};
use hickory_proto::rr::{Name as WireName, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::log::Log;
use super::txt;
use super::zone::{Inner, NAME_SERVERS, Name, RecordSet, Zones};

/// A longer chain of CNAMEs is cut.
const CHAIN: usize = 8;

/// A UDP socket and a TCP listener on one port of the loopback; port 0 takes any that is free for both.
pub(super) async fn bind(port: u16) -> io::Result<(UdpSocket, TcpListener, SocketAddr)> {
    for _ in 0..32 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = udp.local_addr()?;
        match TcpListener::bind(address).await {
            Ok(tcp) => return Ok((udp, tcp, address)),
            Err(error) if port != 0 => return Err(error),
            Err(_) => {}
        }
    }
    Err(io::Error::other("found no port that is free for UDP and TCP"))
}

/// Answers queries over UDP until the task is dropped.
pub(super) async fn serve_udp(socket: UdpSocket, zones: Zones, log: Log) {
    let mut buffer = vec![0; 65_535];
    loop {
        // An error belongs to an earlier answer whose receiver has gone.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
        let limit = usize::from(query.max_payload());
        let mut response = respond(&query, &zones, &log).to_vec();
        if response.as_ref().is_ok_and(|bytes| bytes.len() > limit) {
            response = respond(&query, &zones, &log).truncate().to_vec();
        }
        if let Ok(bytes) = response {
            let _ = socket.send_to(&bytes, client).await;
        }
    }
}

/// Answers queries over TCP until the task is dropped.
pub(super) async fn serve_tcp(listener: TcpListener, zones: Zones, log: Log) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(converse(stream, zones.clone(), log.clone()));
        }
    }
}

/// RFC 1035 section 4.2.2: each message has its length in front.
async fn converse(mut stream: TcpStream, zones: Zones, log: Log) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut query = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut query).await?;
        let query = Message::from_vec(&query).map_err(io::Error::other)?;
        let response = respond(&query, &zones, &log).to_vec().map_err(io::Error::other)?;
        let length = u16::try_from(response.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), response.as_slice()].concat()).await?;
    }
}

fn respond(query: &Message, zones: &Zones, log: &Log) -> Message {
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.add_queries(query.queries.iter().cloned());
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        response.set_edns(edns);
    }
    let question = match query.queries.as_slice() {
        [question] if query.metadata.op_code == OpCode::Query => question,
        _ => return refuse(response, ResponseCode::NotImp),
    };
    if query.metadata.message_type != MessageType::Query {
        return refuse(response, ResponseCode::FormErr);
    }
    let kind = question.query_type();
    let text = question.name().to_ascii();
    let ticket = log.begin(&format!("DNS {kind}"), text.trim_end_matches('.'), None);
    let response = match Name::parse(&text) {
        Some(name) => answer(response, name, kind, &mut zones.lock()),
        None => refuse(response, ResponseCode::Refused),
    };
    ticket.end(Some(u16::from(response.metadata.response_code)));
    response
}

fn refuse(mut response: Message, code: ResponseCode) -> Message {
    response.metadata.response_code = code;
    response
}

/// Follows CNAMEs as far as the own zones reach (RFC 1034 section 4.3.2).
fn answer(mut response: Message, mut name: Name, kind: RecordType, zones: &mut Inner) -> Message {
    if let Some(record) = name_server_address(&name, kind) {
        response.metadata.authoritative = true;
        response.add_answer(record);
        return response;
    }
    for step in 0..=CHAIN {
        let Some(zone) = zones.closest(&name) else {
            // The rest of the chain is elsewhere; whoever asks goes on there.
            return if step == 0 { refuse(response, ResponseCode::Refused) } else { response };
        };
        response.metadata.authoritative = true;
        let apex = zone.name.clone();
        let served = zone.served();
        let here = |wanted: &str| -> Vec<Record> {
            let sets = served.range((name.clone(), wanted.to_owned(), String::new())..);
            let sets = sets.take_while(|((other, kind, _), _)| *other == name && kind == wanted);
            sets.flat_map(|(_, set)| records(set)).collect()
        };
        let found = here(&kind.to_string());
        if !found.is_empty() {
            response.add_answers(found);
            return response;
        }
        let alias = here("CNAME");
        let Some(RData::CNAME(target)) = alias.first().map(|record| record.data.clone()) else {
            let next = served.range((name.clone(), String::new(), String::new())..).next();
            if !next.is_some_and(|((other, ..), _)| other.is_within(&name)) {
                response.metadata.response_code = ResponseCode::NXDomain;
            }
            let soa = served.get(&(apex, "SOA".to_owned(), String::new())).map(records).unwrap_or_default();
            response.add_authorities(soa);
            return response;
        };
        response.add_answers(alias);
        match Name::parse(&target.0.to_ascii()) {
            Some(target) => name = target,
            None => return response,
        }
    }
    refuse(response, ResponseCode::ServFail)
}

fn name_server_address(name: &Name, kind: RecordType) -> Option<Record> {
    let server = NAME_SERVERS.into_iter().find(|server| kind == RecordType::A && name.to_route53() == **server)?;
    let address = RData::A(A(Ipv4Addr::LOCALHOST));
    Some(Record::from_rdata(WireName::from_ascii(server).ok()?, 172_800, address))
}

/// What of a record set can be put on the wire.
fn records(set: &RecordSet) -> Vec<Record> {
    let Ok(name) = WireName::from_ascii(format!("{}.", set.name)) else { return Vec::new() };
    let data = set.values.iter().filter_map(|value| rdata(&set.kind, value));
    data.map(|data| Record::from_rdata(name.clone(), set.ttl, data)).collect()
}

fn rdata(kind: &str, value: &str) -> Option<RData> {
    if kind == "TXT" {
        let strings = txt::parse(value).ok()?;
        return Some(RData::TXT(TXT::from_bytes(strings.iter().map(Vec::as_slice).collect())));
    }
    // Route53 takes names without a trailing dot as absolute.
    let absolute = matches!(kind, "CNAME" | "NS") && !value.ends_with('.');
    let value = if absolute { format!("{value}.") } else { value.to_owned() };
    RData::try_from_str(kind.parse::<RecordType>().ok()?, &value).ok()
}
