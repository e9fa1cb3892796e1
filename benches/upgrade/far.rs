//! A distant server: a proxy that delays data in both directions, and counts round trips.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// A client's Terminate message, which has no answer.
const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// The proxy. Its threads end with the process: sleeping threads are more precise than a runtime's timers, which count whole
/// milliseconds.
#[derive(Debug)]
pub(crate) struct Far {
    pub(crate) port: u16,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    round_trips: AtomicU64,
    sessions: AtomicU64,
}

impl Far {
    /// Delays everything that is sent to this port of this machine, or comes from it, by this time.
    pub(crate) fn from(server: u16, one_way: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let counters = Arc::new(Counters::default());
        let all = Arc::clone(&counters);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                all.sessions.fetch_add(1, Ordering::Relaxed);
                // Either side may close the connection at any time, which is the only possible error.
                let _ = connect(&client, server, one_way, &all);
            }
        });
        Ok(Self { port, counters })
    }

    /// Round trips and sessions since the last call.
    pub(crate) fn take(&self) -> (u64, u64) {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        (take(&self.counters.round_trips), take(&self.counters.sessions))
    }
}

fn connect(
    client: &TcpStream,
    server: u16,
    one_way: Duration,
    all: &Arc<Counters>,
) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server))?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    // Whether the server has sent something that the client may have waited for.
    let spoke = Arc::new(AtomicBool::new(true));
    let (counters, asked) = (Arc::clone(all), Arc::clone(&spoke));
    pass(client.try_clone()?, server.try_clone()?, one_way, move |bytes| {
        if bytes != TERMINATE && asked.swap(false, Ordering::Relaxed) {
            counters.round_trips.fetch_add(1, Ordering::Relaxed);
        }
    });
    pass(server, client.try_clone()?, one_way, move |_| spoke.store(true, Ordering::Relaxed));
    Ok(())
}

fn pass(
    mut from: TcpStream,
    to: TcpStream,
    one_way: Duration,
    note: impl Fn(&[u8]) + Send + 'static,
) {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut part = vec![0; 64 * 1024];
        while let Ok(read) = from.read(&mut part)
            && read > 0
        {
            note(&part[..read]);
            if sender.send((Instant::now() + one_way, part[..read].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || write_later(to, &receiver));
}

fn write_later(mut to: TcpStream, parts: &Receiver<(Instant, Vec<u8>)>) {
    for (due, bytes) in parts {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
