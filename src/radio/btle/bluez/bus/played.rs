//! A bus with a BlueZ on it that answers what a test says.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use dbus::strings::ErrorName;

use super::tests::authenticate;
use super::*;
use crate::radio::lock;

/// The unique name of BlueZ.
pub(in super::super) const OWNER: &str = ":1.2";

/// The other end of the connection.
#[derive(Default)]
pub(in super::super) struct PlayedBluez(Mutex<State>);

#[derive(Default)]
struct State {
    stream: Option<UnixStream>,
    serial: u32,
    /// What the program has sent.
    sent: Vec<Message>,
}

/// A bus whose BlueZ answers each call like this; nothing if it never does.
pub(in super::super) fn played(
    signals: Arc<SignalReceiver>,
    mut answer: impl FnMut(&Message) -> Option<Message> + Send + 'static,
) -> (Bus, Arc<PlayedBluez>) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("bus");
    let listener = UnixListener::bind(&socket).unwrap();
    let bluez = Arc::new(PlayedBluez::default());
    let end = bluez.clone();
    thread::spawn(move || -> io::Result<()> {
        let (stream, _) = listener.accept()?;
        let mut reader = BufReader::new(stream.try_clone()?);
        authenticate(&mut reader, &mut stream.try_clone()?)?;
        end.state().stream = Some(stream);
        loop {
            let message = read(&mut reader)?;
            let reply = match (message.msg_type(), message.destination().as_deref()) {
                (MessageType::MethodCall, Some(BUS_NAME)) => Some(of_the_bus(&message)),
                (MessageType::MethodCall, _) => answer(&message),
                _ => None,
            };
            end.state().sent.push(message);
            if let Some(reply) = reply {
                end.send(reply);
            }
        }
    });
    let mut channel = Channel::open_private(&format!("unix:path={}", socket.display())).unwrap();
    channel.register().unwrap();
    (Bus::on(channel, signals).unwrap(), bluez)
}

fn of_the_bus(call: &Message) -> Message {
    match call.member().as_deref() {
        Some("Hello") => call.return_with_args((":1.7",)),
        Some("GetNameOwner") => call.return_with_args((OWNER,)),
        _ => call.method_return(),
    }
}

/// The answer that something failed.
pub(in super::super) fn error(call: &Message, name: &str) -> Message {
    call.error(&ErrorName::new(name).unwrap(), c"as the test wants")
}

fn read(reader: &mut impl Read) -> io::Result<Message> {
    let mut bytes = vec![0; 16];
    reader.read_exact(&mut bytes)?;
    let length = Message::demarshal_bytes_needed(&bytes).map_err(|()| io::ErrorKind::InvalidData)?;
    bytes.resize(length, 0);
    reader.read_exact(&mut bytes[16..])?;
    Message::demarshal(&bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

impl PlayedBluez {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Sends a message as BlueZ. Returns its serial number.
    pub(in super::super) fn send(&self, mut message: Message) -> u32 {
        let mut state = self.state();
        state.serial += 1;
        message.set_serial(state.serial);
        message.set_sender(Some(OWNER.into()));
        let mut bytes = Vec::new();
        let copied = message.marshal(|part| -> Result<(), ()> {
            bytes.extend_from_slice(part);
            Ok(())
        });
        copied.unwrap();
        // A program that has ended needs nothing.
        let _ = state.stream.as_mut().unwrap().write_all(&bytes);
        state.serial
    }

    /// The number of calls of a method so far.
    pub(in super::super) fn count(&self, method: &str) -> usize {
        let state = self.state();
        let calls = state.sent.iter().filter(|sent| sent.msg_type() == MessageType::MethodCall);
        calls.filter(|call| call.member().as_deref() == Some(method)).count()
    }

    /// The messages that are these, as copies.
    pub(in super::super) fn sent(&self, is_it: impl Fn(&Message) -> bool) -> Vec<Message> {
        self.state().sent.iter().filter(|sent| is_it(sent)).map(|sent| sent.duplicate().unwrap()).collect()
    }

    /// Waits until a method was called for the nth time.
    pub(in super::super) async fn called(&self, method: &str, times: usize) {
        let called = async {
            while self.count(method) < times {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(10), called).await;
        assert!(in_time.is_ok(), "{method} was called {} times, not {times}", self.count(method));
    }

    /// Calls a method of the program, and waits for the answer.
    pub(in super::super) async fn ask(
        &self,
        path: &str,
        interface: &str,
        member: &str,
        body: impl AppendAll,
    ) -> Message {
        let mut call = Message::new_method_call(":1.7", path, interface, member).unwrap();
        call.append_all(body);
        let serial = self.send(call);
        let answered = async {
            loop {
                if let Some(answer) = self.sent(|sent| sent.get_reply_serial() == Some(serial)).pop() {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), answered).await.expect(member)
    }
}
