//! A socket between the binary and the server at which a test stops all traffic after a chosen number of messages. A kill or
//! a signal then happens at a point in the protocol, not at a time.
//!
//! A run changes data only through messages to servers. Therefore only the messages that have reached a server determine
//! what a kill leaves: stopping before and after each of them covers every case.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::wire::{body, framed, is_request};
use super::{Database, Running};

/// The time limit for the server's response to the last message, which may wait for a lock of a stopped session.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);

/// The position of the last message when all traffic has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopPoint {
    /// It has not reached the server.
    BeforeServer,
    /// The server has responded, and the response has not reached the binary.
    BeforeBinary,
}

/// The socket. It is removed with the value; its threads end with their sessions.
#[derive(Debug)]
pub(crate) struct Interceptor {
    folder: TempDir,
    url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: PathBuf,
    traffic: Mutex<Traffic>,
    changed: Condvar,
}

#[derive(Debug)]
struct Traffic {
    /// The number of messages that pass before all traffic stops. `None`: no stop.
    left: Option<usize>,
    point: StopPoint,
    /// Messages that the binary has waited for since the last [`Interceptor::stop_after`].
    seen: usize,
    /// The session and the time of the last message.
    last: Option<(u64, Instant)>,
    /// The server has responded to the last message.
    is_answered: bool,
    /// A message has arrived after the last one that may pass.
    is_one_held: bool,
    sessions: u64,
    /// Sessions up to this number are closed instead of released.
    closed: u64,
}

impl Interceptor {
    /// In front of a database's server.
    pub(crate) fn to(database: &Database) -> Self {
        let server = database.socket();
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(server.file_name().unwrap())).unwrap();
        let url = database.url_in(folder.path());
        let traffic = Traffic {
            left: None,
            point: StopPoint::BeforeServer,
            seen: 0,
            last: None,
            is_answered: false,
            is_one_held: false,
            sessions: 0,
            closed: 0,
        };
        let shared = Arc::new(Shared { server, traffic: traffic.into(), changed: Condvar::new() });
        let of_all = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&of_all);
                thread::spawn(move || {
                    // Either side may disconnect at any time; no other error is possible.
                    let _ = shared.session(client);
                });
            }
        });
        Self { folder, url, shared }
    }

    /// The database's URL through this socket, as its owner.
    pub(crate) fn url(&self) -> &str {
        assert!(self.folder.path().is_dir());
        &self.url
    }

    /// The URL of another database of the server, as this role.
    pub(crate) fn url_of(&self, role: &str, database: &str) -> String {
        let (_, rest) = self.url().split_once('@').unwrap();
        let (host, query) = (rest.split_once('/').unwrap().0, rest.split_once('?').unwrap().1);
        format!("postgres://{role}@{host}/{database}?{query}")
    }

    /// Lets this number of messages of all sessions pass from now on, then stops all traffic. Resumes stopped traffic.
    pub(crate) fn stop_after(&self, messages: usize, point: StopPoint) {
        let mut traffic = self.shared.lock();
        traffic.left = Some(messages);
        traffic.point = point;
        (traffic.seen, traffic.last) = (0, None);
        (traffic.is_answered, traffic.is_one_held) = (false, false);
        self.shared.changed.notify_all();
    }

    /// Waits until all traffic has stopped. `false` if the run ends before.
    pub(crate) fn is_stopped(&self, run: &mut Running) -> bool {
        let begun = Instant::now();
        loop {
            if self.shared.lock().is_stopped() {
                return true;
            }
            if run.has_ended() {
                return false;
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain: {:?}", self.shared.lock());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Messages since the last [`Interceptor::stop_after`].
    pub(crate) fn seen(&self) -> usize {
        self.shared.lock().seen
    }

    /// Lets everything through.
    pub(crate) fn release(&self) {
        self.shared.lock().left = None;
        self.shared.changed.notify_all();
    }

    /// Closes the sessions that there are, without what was held: their client is gone.
    pub(crate) fn close_sessions(&self) {
        let mut traffic = self.shared.lock();
        traffic.closed = traffic.sessions;
        traffic.left = None;
        self.shared.changed.notify_all();
    }
}

impl Traffic {
    fn is_stopped(&self) -> bool {
        let waited = self.last.is_some_and(|(_, at)| at.elapsed() > ANSWERS_WITHIN);
        self.left == Some(0)
            && match self.point {
                StopPoint::BeforeServer => self.is_one_held,
                // Without a message there is no response.
                StopPoint::BeforeBinary if self.last.is_none() => self.is_one_held,
                StopPoint::BeforeBinary => self.is_answered || waited,
            }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap()
    }

    fn session(self: Arc<Self>, client: UnixStream) -> io::Result<()> {
        let number = {
            let mut traffic = self.lock();
            traffic.sessions += 1;
            traffic.sessions
        };
        let mut messages = io::BufReader::new(client.try_clone()?);
        let first = body(&mut messages)?;
        self.admit(number)?;
        // Not before: a backend that waits for its first packet keeps a server from recovering.
        let server = UnixStream::connect(&self.server)?;
        let answers = server.try_clone()?;
        let shared = Arc::clone(&self);
        thread::spawn(move || {
            let _ = shared.pass_answers(number, answers, &client);
            let _ = client.shutdown(Shutdown::Both);
        });
        let ended = self.pass_messages(number, first, &mut messages, &server);
        let _ = server.shutdown(Shutdown::Write);
        ended
    }

    fn pass_messages(
        &self,
        session: u64,
        mut packet: Vec<u8>,
        client: &mut impl io::Read,
        mut server: &UnixStream,
    ) -> io::Result<()> {
        server.write_all(&framed(None, &packet))?;
        while is_request(&packet) {
            packet = body(client)?;
            self.admit(session)?;
            server.write_all(&framed(None, &packet))?;
        }
        loop {
            let mut kind = [0];
            client.read_exact(&mut kind)?;
            let body = body(client)?;
            // The binary waits after a simple query and after Sync; messages before Sync belong to it.
            if matches!(kind[0], b'Q' | b'S') {
                self.admit(session)?;
            }
            server.write_all(&framed(Some(kind[0]), &body))?;
        }
    }

    /// Waits until a message may pass.
    fn admit(&self, session: u64) -> io::Result<()> {
        let mut traffic = self.lock();
        while traffic.left == Some(0) && session > traffic.closed {
            traffic.is_one_held = true;
            traffic = self.changed.wait(traffic).unwrap();
        }
        if session <= traffic.closed {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        traffic.left = traffic.left.map(|left| left - 1);
        traffic.seen += 1;
        traffic.last = Some((session, Instant::now()));
        Ok(())
    }

    fn pass_answers(
        &self,
        session: u64,
        mut server: UnixStream,
        mut client: &UnixStream,
    ) -> io::Result<()> {
        let mut part = [0; 8 * 1024];
        loop {
            let read = server.read(&mut part)?;
            let mut traffic = self.lock();
            while traffic.left == Some(0)
                && traffic.point == StopPoint::BeforeBinary
                && session > traffic.closed
            {
                traffic.is_answered |= traffic.last.is_some_and(|(last, _)| last == session);
                traffic = self.changed.wait(traffic).unwrap();
            }
            drop(traffic);
            if read == 0 {
                return Ok(());
            }
            client.write_all(&part[..read])?;
        }
    }
}
