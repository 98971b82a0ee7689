//! A TCP proxy that can stop to forward, as a connection does whose other end has gone without a word.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    connections: AtomicU32,
    /// Accept and drop every connection.
    refuses: AtomicBool,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared: Arc<Shared> = Arc::default();
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                own.connections.fetch_add(1, Ordering::SeqCst);
                if own.refuses.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                forward(client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(&own));
                forward(server, client, Arc::clone(&own));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// From now on, the bytes of the present connections vanish.
    pub(crate) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
    }

    /// New connections work again.
    pub(crate) fn go_on(&self) {
        self.shared.stopped.store(false, Ordering::SeqCst);
    }

    pub(crate) fn refuse(&self) {
        self.shared.refuses.store(true, Ordering::SeqCst);
    }

    pub(crate) fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

/// Forwards until one end closes. Once it has stopped, a connection never goes on.
fn forward(mut from: TcpStream, mut to: TcpStream, shared: Arc<Shared>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        let mut dead = false;
        from.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        loop {
            let read = from.read(&mut buffer);
            dead |= shared.stopped.load(Ordering::SeqCst);
            match read {
                Ok(0) => break,
                Ok(length) if !dead => {
                    if to.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) => {}
                Err(_) => break,
            }
        }
        if !dead {
            let _ = to.shutdown(Shutdown::Both);
        }
    });
}
