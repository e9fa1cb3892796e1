//! A listener between the binary and the server that records the binary's messages, by session.
//!
//! PostgreSQL's frontend protocol, version 3: after the start-up packets, a byte for the kind, four for the length.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// `SSLRequest` and `GSSENCRequest`: another start-up packet follows them.
const REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

/// The listener. Its threads end with the process.
#[derive(Debug)]
pub(crate) struct Wire {
    port: u16,
    sessions: Arc<Mutex<Vec<Vec<Sent>>>>,
}

/// One round trip: a message that the binary sent and waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The start-up packet's parameters, `name=value`, separated by spaces.
    Startup(String),
    /// A simple query: its text.
    Query(String),
    /// Messages of the extended protocol up to `Sync`: the texts that were parsed, if any.
    Extended(Vec<String>),
    /// A part of a COPY, or of the authentication.
    Other(char),
}

impl Wire {
    /// Forwards everything to this port of this machine.
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sessions = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&sessions);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let index = {
                    let mut all = all.lock().unwrap();
                    all.push(Vec::new());
                    all.len() - 1
                };
                let all = Arc::clone(&all);
                thread::spawn(move || {
                    // Either side may disconnect at any time; no other error is possible.
                    let _ = pass(client, server, |sent| all.lock().unwrap()[index].push(sent));
                });
            }
        });
        Self { port, sessions }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The messages so far, as a list for each session, in the order in which they were opened.
    pub(crate) fn sessions(&self) -> Vec<Vec<Sent>> {
        self.sessions.lock().unwrap().clone()
    }
}

fn pass(client: TcpStream, server: u16, mut note: impl FnMut(Sent)) -> io::Result<()> {
    let mut up = TcpStream::connect(("127.0.0.1", server))?;
    up.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (mut from, mut to) = (up.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let outcome = read_messages(&mut io::BufReader::new(client), &mut up, &mut note);
    let _ = up.shutdown(Shutdown::Write);
    outcome
}

fn read_messages(
    client: &mut impl Read,
    up: &mut impl Write,
    note: &mut impl FnMut(Sent),
) -> io::Result<()> {
    loop {
        let body = body(client)?;
        up.write_all(&framed(None, &body))?;
        if !is_request(&body) {
            note(Sent::Startup(parameters(&body[4..])));
            break;
        }
    }
    let mut parsed = Vec::new();
    loop {
        let mut kind = [0];
        client.read_exact(&mut kind)?;
        let body = body(client)?;
        up.write_all(&framed(Some(kind[0]), &body))?;
        match kind[0] {
            b'Q' => note(Sent::Query(texts(&body)[0].clone())),
            // The statement's name, then its text.
            b'P' => parsed.push(texts(&body)[1].clone()),
            b'S' => note(Sent::Extended(std::mem::take(&mut parsed))),
            b'B' | b'C' | b'D' | b'E' | b'H' | b'X' => {}
            other => note(Sent::Other(other.into())),
        }
    }
}

/// Whether another start-up packet follows this one.
pub(super) fn is_request(packet: &[u8]) -> bool {
    REQUESTS.contains(&u32::from_be_bytes(packet[..4].try_into().unwrap()))
}

/// The bytes after a length, which includes itself.
pub(super) fn body(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    from.read_exact(&mut body)?;
    Ok(body)
}

pub(super) fn framed(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    kind.into_iter().chain(length).chain(body.iter().copied()).collect()
}

/// The zero-terminated texts at the start of a message; those after binary data are invalid.
fn texts(body: &[u8]) -> Vec<String> {
    body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

fn parameters(body: &[u8]) -> String {
    let words = texts(body);
    let pairs = words.chunks(2).filter(|pair| !pair[0].is_empty() && pair.len() == 2);
    pairs.map(|pair| format!("{}={}", pair[0], pair[1])).collect::<Vec<_>>().join(" ")
}
