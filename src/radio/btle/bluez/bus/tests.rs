//! Calls on a connection whose other end is slow, or gone.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::super::super::shared::SharedState;
use super::played::played;
use super::*;
use crate::radio::{AdapterState, DeviceId};

/// More calls at once than the socket holds.
const MANY: usize = 5_000;

/// The other end.
struct Peer {
    at_work: JoinHandle<io::Result<()>>,
    stay: mpsc::Sender<()>,
}

impl Peer {
    fn hang_up(self) {
        drop(self.stay);
        self.at_work.join().unwrap().unwrap();
    }
}

/// A bus that answers so many questions, each as it is heard, with nothing in it.
fn peer(questions: usize) -> (Bus, Peer) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("bus");
    let listener = UnixListener::bind(&socket).unwrap();
    let (stay, stays) = mpsc::channel();
    let at_work = thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let mut reader = BufReader::new(stream.try_clone()?);
        authenticate(&mut reader, &mut stream)?;
        stream.write_all(&answer(question(&mut reader)?, Some(":1.7")))?;
        (0..questions).try_for_each(|_| stream.write_all(&answer(question(&mut reader)?, None)))?;
        let _ = stays.recv();
        Ok(())
    });
    let mut channel = Channel::open_private(&format!("unix:path={}", socket.display())).unwrap();
    channel.register().unwrap();
    (Bus::on(channel, Arc::default()).unwrap(), Peer { at_work, stay })
}

/// Lets anybody in (D-Bus Specification, "Authentication Protocol").
pub(super) fn authenticate(reader: &mut impl BufRead, writer: &mut impl Write) -> io::Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_start_matches('\0').split_whitespace().next() {
            Some("AUTH") => writer.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n")?,
            Some("BEGIN") | None => return Ok(()),
            Some(_) => writer.write_all(b"ERROR\r\n")?,
        }
    }
}

/// Reads one message, of which only the serial number matters (D-Bus Specification, "Message Format").
fn question(reader: &mut impl Read) -> io::Result<u32> {
    let mut head = [0; 16];
    reader.read_exact(&mut head)?;
    let number = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().unwrap());
    let (body, serial, fields) = (number(4), number(8), number(12));
    let mut rest = vec![0; (fields.next_multiple_of(8) + body) as usize];
    reader.read_exact(&mut rest)?;
    Ok(serial)
}

/// A method's return: header field 5 says what it is the reply to, field 8 of what kind its body is.
fn answer(serial: u32, text: Option<&str>) -> Vec<u8> {
    let endian = if cfg!(target_endian = "big") { b'B' } else { b'l' };
    let mut body = Vec::new();
    let mut fields = vec![5, 1, b'u', 0];
    fields.extend(serial.to_ne_bytes());
    if let Some(text) = text {
        fields.extend([8, 1, b'g', 0, 1, b's', 0]);
        body.extend((text.len() as u32).to_ne_bytes());
        body.extend(text.bytes().chain([0]));
    }
    let mut message = vec![endian, 2, 1, 1];
    for number in [body.len() as u32, serial, fields.len() as u32] {
        message.extend(number.to_ne_bytes());
    }
    fields.resize(fields.len().next_multiple_of(8), 0);
    [message, fields, body].concat()
}

#[tokio::test]
async fn every_call_of_a_burst_is_answered() {
    let (bus, _peer) = peer(usize::MAX);
    let words = "a".repeat(1_000);
    // On this one thread, the task that writes runs only once all have been sent.
    let answers: Vec<_> =
        (0..MANY).map(|_| bus.ask::<(), _>(BLUEZ, "/", "org.example.Test", "Say", (&*words,))).collect();
    // dbus-tokio 0.7.6 does not wait for room in a full socket: what is left is written with what comes next.
    let next = async {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            drop(bus.ask::<(), _>(BLUEZ, "/", "org.example.Test", "Say", ("",)));
        }
    };
    let answers = tokio::select! {
        answers = futures::future::join_all(answers) => answers,
        () = next => unreachable!(),
    };
    assert_eq!(answers.iter().filter_map(|answer| answer.as_ref().err()).count(), 0, "{:?}", answers[0]);
}

#[tokio::test]
async fn a_call_ends_with_the_connection() {
    let (bus, peer) = peer(1);
    assert!(bus.call::<()>("/", "org.example.Test", "Say", ()).await.is_ok());
    peer.hang_up();
    // Whether it is noticed before the question is sent, or after.
    for _ in 0..2 {
        let error = bus.call::<()>("/", "org.example.Test", "Say", ()).await.unwrap_err();
        assert_eq!(error.name(), Some("org.freedesktop.DBus.Error.Disconnected"));
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_is_an_error() {
    let (bus, _peer) = peer(0);
    let error = bus.call::<()>("no path", "org.example.Test", "Say", ()).await.unwrap_err();
    assert!(error.message().is_some_and(|message| message.contains("no path")), "{error}");
}

#[tokio::test]
async fn an_answer_to_a_connect_counts_as_the_news_of_the_link() {
    let adapter = "/org/bluez/hci0".to_owned();
    let path = format!("{adapter}/dev_C4_11_00_00_00_01");
    let (signals, shared) =
        (Arc::new(SignalReceiver::default()), Arc::new(SharedState::new(AdapterState::On)));
    signals.begin(adapter, shared.clone(), None, Some(&Objects::new()));
    let (bus, _bluez) = played(signals.clone(), |call| Some(call.method_return()));
    bus.connect(&path, &signals).await.unwrap();
    assert!(shared.system_link(&DeviceId::new("C4:11:00:00:00:01")).connected);
}

#[tokio::test]
async fn the_login_manager_is_asked_to_tell_of_sleep() {
    let (bus, bluez) = played(Arc::default(), |call| Some(call.method_return()));
    bus.watch_sleep().await.unwrap();
    let rules = bluez.sent(|sent| sent.member().as_deref() == Some("AddMatch"));
    let rules: Vec<_> = rules.iter().map(|sent| sent.get1::<String>().unwrap()).collect();
    assert_eq!(rules, [SLEEP]);
}
