//! Writes to stdout and stderr in threads of their own, so that a reader that has stopped reading keeps no signal waiting.

use std::io::{self, ErrorKind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;

/// Writes that may wait in a stream. Each belongs to a thread that waits for its end.
const QUEUE: usize = 64;
/// Time limit for a write once the program is ending.
const GRACE: Duration = Duration::from_millis(500);
/// Interval in which a write that takes long looks whether the program is to end.
const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(crate) static STDOUT: Stream = Stream::new("stdout");
pub(crate) static STDERR: Stream = Stream::new("stderr");

static ENDING: AtomicBool = AtomicBool::new(false);

type Write = Box<dyn FnOnce() -> io::Result<()> + Send>;
type Job = (Write, SyncSender<io::Result<()>>);

pub(crate) struct Stream {
    name: &'static str,
    /// `None` if writes need no thread: nothing but the default action of signals ends the program.
    jobs: OnceLock<SyncSender<Job>>,
    /// A write was given up, and still holds the stream.
    stuck: AtomicBool,
}

/// From now on, writes can be given up.
///
/// # Errors
/// If the system gives no thread.
pub(crate) fn use_threads() -> io::Result<()> {
    STDOUT.use_thread()?;
    STDERR.use_thread()
}

/// From now on, no write takes longer than 500 ms.
pub(crate) fn end() {
    ENDING.store(true, Ordering::SeqCst);
}

/// The error of a write to stdout.
pub(crate) fn error(error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::BrokenPipe => Error::OutputClosed,
        // It was given up.
        ErrorKind::TimedOut if ENDING.load(Ordering::SeqCst) => Error::Interrupted,
        _ => Error::Output(error.to_string()),
    }
}

impl Stream {
    const fn new(name: &'static str) -> Self {
        Self { name, jobs: OnceLock::new(), stuck: AtomicBool::new(false) }
    }

    fn use_thread(&self) -> io::Result<()> {
        let (jobs, waiting) = sync_channel::<Job>(QUEUE);
        thread::Builder::new().name(self.name.to_owned()).spawn(move || {
            // Ends with the process: the sender is in a static.
            for (write, done) in waiting {
                // Fails if the write was given up.
                let _ = done.send(write());
            }
        })?;
        // Called once.
        let _ = self.jobs.set(jobs);
        Ok(())
    }

    /// Runs a write and waits for its end; once the program is to end, not for long.
    pub(crate) fn write(&self, write: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let Some(jobs) = self.jobs.get() else { return write() };
        let (tell, done) = sync_channel(1);
        let mut job: Job = (Box::new(write), tell);
        let mut ending = None;
        loop {
            self.give_up(&mut ending)?;
            match jobs.try_send(job) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) => job = back,
                Err(TrySendError::Disconnected(_)) => return Err(ErrorKind::BrokenPipe.into()),
            }
            thread::sleep(LOOK_EVERY);
        }
        loop {
            match done.recv_timeout(LOOK_EVERY) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => self.give_up(&mut ending)?,
                Err(RecvTimeoutError::Disconnected) => return Err(ErrorKind::BrokenPipe.into()),
            }
        }
    }

    fn give_up(&self, ending: &mut Option<Instant>) -> io::Result<()> {
        if ENDING.load(Ordering::SeqCst) {
            let since = ending.get_or_insert_with(Instant::now);
            if self.stuck.load(Ordering::SeqCst) || since.elapsed() >= GRACE {
                self.stuck.store(true, Ordering::SeqCst);
                return Err(ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }
}
