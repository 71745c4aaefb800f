//! The CA's own eyes: real DNS queries over UDP, and over TCP where an answer is truncated.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// How long one query may take. The server is on the same machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no answer. Reads as the detail of a problem document.
#[derive(Debug)]
pub(super) enum Failed {
    NxDomain,
    /// No zone of the server is above the name.
    Refused,
    Other(String),
}

/// The TXT values at a name, each as one text; CNAMEs are followed. Empty if the name has other records only.
pub(super) async fn txt(server: SocketAddr, name: &str) -> Result<Vec<String>, Failed> {
    let records = resolve(server, name, RecordType::TXT).await?;
    let texts = records.into_iter().filter_map(|data| match data {
        RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
        _ => None,
    });
    Ok(texts.collect())
}

/// The addresses of a host, IPv6 first. Empty if it has none.
pub(super) async fn addresses(server: SocketAddr, name: &str) -> Result<Vec<IpAddr>, Failed> {
    let mut records = resolve(server, name, RecordType::AAAA).await?;
    records.extend(resolve(server, name, RecordType::A).await?);
    let addresses = records.into_iter().filter_map(|data| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    });
    Ok(addresses.collect())
}

/// Tag and value of each CAA record at exactly this name. A name that does not exist or is no zone's has none.
pub(super) async fn caa(server: SocketAddr, name: &str) -> Result<Vec<(String, String)>, Failed> {
    let records = match resolve(server, name, RecordType::CAA).await {
        Err(Failed::NxDomain | Failed::Refused) => return Ok(Vec::new()),
        records => records?,
    };
    let pairs = records.into_iter().filter_map(|data| match data {
        RData::CAA(caa) => Some((caa.tag, String::from_utf8_lossy(&caa.value).into_owned())),
        _ => None,
    });
    Ok(pairs.collect())
}

/// Asks again where the server's answer ends in a CNAME that leads to another of its zones.
async fn resolve(server: SocketAddr, name: &str, kind: RecordType) -> Result<Vec<RData>, Failed> {
    let mut name = Name::from_ascii(format!("{name}.")).map_err(|error| Failed::Other(error.to_string()))?;
    for _ in 0..8 {
        let asked = tokio::time::timeout(PATIENCE, exchange(server, &name, kind)).await;
        let response = match asked {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Failed::Other(format!("DNS problem: query for {name} failed: {error}"))),
            Err(_) => return Err(Failed::Other(format!("DNS problem: query timed out looking up {kind} for {name}"))),
        };
        match response.metadata.response_code {
            ResponseCode::NoError => {}
            ResponseCode::NXDomain => return Err(Failed::NxDomain),
            ResponseCode::Refused => return Err(Failed::Refused),
            code => return Err(Failed::Other(format!("DNS problem: {code} looking up {kind} for {name}"))),
        }
        let last = response.answers.last().map(|record| record.data.clone());
        match last {
            Some(RData::CNAME(target)) if kind != RecordType::CNAME => name = target.0,
            _ => return Ok(response.answers.into_iter().map(|record| record.data).collect()),
        }
    }
    Err(Failed::Other(format!("DNS problem: too many CNAMEs looking up {kind} for {name}")))
}

async fn exchange(server: SocketAddr, name: &Name, kind: RecordType) -> io::Result<Message> {
    let mut query = Message::new(rand_id()?, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    query.set_edns(edns);
    let bytes = query.to_vec().map_err(io::Error::other)?;

    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(server).await?;
    socket.send(&bytes).await?;
    let mut buffer = vec![0; 4096];
    let length = socket.recv(&mut buffer).await?;
    let response = Message::from_vec(&buffer[..length]).map_err(io::Error::other)?;
    if response.metadata.id != query.metadata.id {
        return Err(io::Error::other("the answer has a foreign id"));
    }
    if response.metadata.truncation { exchange_tcp(server, &bytes).await } else { Ok(response) }
}

async fn exchange_tcp(server: SocketAddr, query: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let mut response = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut response).await?;
    Message::from_vec(&response).map_err(io::Error::other)
}

fn rand_id() -> io::Result<u16> {
    let mut id = [0; 2];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(u16::from_be_bytes(id))
}
