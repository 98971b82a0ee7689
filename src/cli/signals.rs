//! Events that end the program from outside: a signal, or a reader that closes its end of the pipe.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::watch;

use super::CLOSE_TIME;
use crate::error::{Error, Result};
use crate::output::stream;

/// Time after a signal at which the process exits, whatever it is doing.
const LAST_RESORT: Duration = CLOSE_TIME.saturating_add(Duration::from_secs(2));

/// What a verb takes for the end, and what not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heeded {
    /// It ends when nobody reads its output.
    pub(super) ends_with_reader: bool,
    /// SIGHUP makes it read its configuration again. On a terminal it ends the verb all the same: the terminal was closed.
    pub(super) reload: bool,
}

#[derive(Debug, Default)]
struct Events {
    signals: u32,
    /// The number of requests to read the configuration again.
    reloads: u32,
    reader_gone: bool,
}

/// The signals and the reader, watched by threads that nothing else blocks.
pub(super) struct Signals {
    events: watch::Receiver<Events>,
    /// The number of reloads that were returned.
    reloads: Cell<u32>,
}

impl Signals {
    /// Starts to listen. Signals that were ignored when the program started stay ignored, as nohup and the shell want it.
    pub(super) fn listen(heeded: Heeded) -> Result<Self> {
        let internal = |error: std::io::Error| Error::Internal(error.to_string());
        let (events, receiver) = watch::channel(Events::default());
        stream::use_threads().map_err(internal)?;
        system::listen(events, heeded).map_err(internal)?;
        Ok(Self { events: receiver, reloads: Cell::new(0) })
    }

    /// Waits until the program is to end, and returns why.
    pub(super) async fn end(&self) -> Error {
        let mut events = self.events.clone();
        match events.wait_for(|events| events.signals > 0 || events.reader_gone).await {
            Ok(events) if events.signals > 0 => Error::Interrupted,
            Ok(_) => Error::OutputClosed,
            // All signals are ignored.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits for the next request to read the configuration again.
    pub(super) async fn reload(&self) {
        let mut events = self.events.clone();
        match events.wait_for(|events| events.reloads > self.reloads.get()).await {
            Ok(events) => self.reloads.set(events.reloads),
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits for a second signal.
    pub(super) async fn second(&self) {
        if self.events.clone().wait_for(|events| events.signals > 1).await.is_err() {
            std::future::pending().await
        }
    }
}

fn signal_came(events: &watch::Sender<Events>) {
    stream::end();
    events.send_modify(|events| events.signals = events.signals.saturating_add(1));
    if events.borrow().signals == 1 {
        // The thread ends with the process. Without one, only the last resort is missing.
        let _ = std::thread::Builder::new().name("last resort".to_owned()).spawn(|| {
            std::thread::sleep(LAST_RESORT);
            std::process::exit(i32::from(Error::Interrupted.exit_code()));
        });
    }
}

#[cfg(unix)]
mod system {
    use std::io::{self, IsTerminal};
    use std::sync::mpsc::sync_channel;
    use std::thread;

    use futures::StreamExt;
    use futures::stream::FuturesUnordered;
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::Signal;
    use tokio::signal::unix::{SignalKind, signal};
    use tokio::sync::watch;

    use super::{Events, Heeded, signal_came, stream};

    pub(super) fn listen(events: watch::Sender<Events>, heeded: Heeded) -> io::Result<()> {
        let reload = heeded.reload && !io::stdin().is_terminal() && !io::stdout().is_terminal();
        if heeded.ends_with_reader && !io::stdout().is_terminal() {
            let events = events.clone();
            thread::Builder::new().name("reader".to_owned()).spawn(move || {
                if reader_goes() {
                    stream::end();
                    events.send_modify(|events| events.reader_gone = true);
                }
            })?;
        }
        let ignored = ignored();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (tell, listening) = sync_channel(1);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                let kinds = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];
                let heeded = kinds.into_iter().filter(|kind| ignored >> (kind.as_raw() - 1) & 1 == 0);
                let reloads = |kind: Signal| reload && kind == Signal::HUP;
                let signals: io::Result<Vec<_>> = heeded
                    .map(|kind| Ok((signal(SignalKind::from_raw(kind.as_raw()))?, reloads(kind))))
                    .collect();
                let mut signals = match signals {
                    Ok(signals) => signals,
                    Err(error) => return tell.send(Err(error)).unwrap_or_default(),
                };
                // The caller waits for it.
                let _ = tell.send(Ok(()));
                loop {
                    let next = signals.iter_mut().map(async |(signal, reloads)| {
                        let _ = signal.recv().await;
                        *reloads
                    });
                    let mut next: FuturesUnordered<_> = next.collect();
                    let Some(reloads) = next.next().await else { return };
                    drop(next);
                    if reloads {
                        events.send_modify(|events| events.reloads = events.reloads.saturating_add(1));
                    } else {
                        signal_came(&events);
                    }
                }
            });
        })?;
        listening.recv().unwrap_or_else(|_| Err(io::Error::other("the thread for signals ended")))
    }

    /// Waits until the reader of stdout goes. Returns false if it has none that could.
    fn reader_goes() -> bool {
        let stdout = io::stdout();
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        loop {
            match poll(&mut watched, None) {
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
                Ok(_) => {
                    let gone = PollFlags::ERR | PollFlags::HUP;
                    return watched.iter().any(|fd| fd.revents().intersects(gone));
                }
            }
        }
    }

    /// The signals that are ignored, as a mask whose lowest bit is signal 1. Only Linux tells.
    fn ignored() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    }
}

#[cfg(not(unix))]
mod system {
    use tokio::sync::watch;

    use super::{Events, Heeded, signal_came};

    pub(super) fn listen(events: watch::Sender<Events>, _heeded: Heeded) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    signal_came(&events);
                }
            });
        })?;
        Ok(())
    }
}
