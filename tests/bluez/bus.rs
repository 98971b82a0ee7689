//! A message bus of our own: one socket, with one program on it besides the clients. It delivers every signal to every
//! client, and answers what clients ask of the bus itself.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use dbus::Message;
use dbus::arg::AppendAll;
use dbus::message::MessageType;
use dbus::strings::ErrorName;
use tempfile::TempDir;

/// The bus itself: its name and its interface.
pub(crate) const BUS: &str = "org.freedesktop.DBus";
/// The unique name of every client.
const CLIENT: &str = ":1.7";

/// The service that answers the calls that are not for the bus.
pub(crate) trait Service: Send + Sync + 'static {
    /// The unique name that owns `org.bluez`.
    fn owner(&self) -> Option<String>;

    /// Answers a call; nothing if it never does. Runs on a thread of its own.
    fn call(&self, call: &Message) -> Option<Message>;

    /// Takes a signal or an answer of a client, in the order in which the client sends them.
    fn take(&self, message: Message);
}

/// The bus. Dropping it cuts all connections.
pub(crate) struct Bus {
    dir: TempDir,
    clients: Arc<Clients>,
}

#[derive(Default)]
pub(crate) struct Clients(Mutex<ClientsState>);

#[derive(Default)]
struct ClientsState {
    streams: Vec<UnixStream>,
    serial: u32,
    /// Cut each connection at once.
    closed: bool,
}

impl Bus {
    pub(crate) fn start<S: Service>(clients: &Arc<Clients>, service: &Arc<S>) -> Self {
        let dir = TempDir::new().unwrap();
        let listener = UnixListener::bind(dir.path().join("bus")).unwrap();
        let (accepted, service) = (clients.clone(), service.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (clients, service) = (accepted.clone(), service.clone());
                // A client that hangs up ends its thread.
                thread::spawn(move || stream.and_then(|stream| clients.serve(stream, &service)));
            }
        });
        Self { dir, clients: clients.clone() }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The address, for `DBUS_SYSTEM_BUS_ADDRESS`.
    pub(crate) fn address(&self) -> String {
        let socket: PathBuf = self.dir.path().join("bus");
        format!("unix:path={}", socket.display())
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.clients.cut();
    }
}

impl Clients {
    fn state(&self) -> MutexGuard<'_, ClientsState> {
        self.0.lock().unwrap()
    }

    /// Cuts all connections, as a bus that ends does, and refuses new ones.
    pub(crate) fn cut(&self) {
        let mut state = self.state();
        state.closed = true;
        for stream in state.streams.drain(..) {
            // It may have hung up itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets clients in again.
    pub(crate) fn open(&self) {
        self.state().closed = false;
    }

    /// Sends a signal to every client, as this sender.
    pub(crate) fn signal(
        &self,
        sender: &str,
        path: &str,
        interface: &str,
        member: &str,
        body: impl AppendAll,
    ) {
        let mut message = Message::new_signal(path, interface, member).unwrap();
        message.append_all(body);
        message.set_sender(Some(sender.into()));
        let mut state = self.state();
        let bytes = state.bytes(message);
        state.streams.retain_mut(|stream| stream.write_all(&bytes).is_ok());
    }

    /// Calls a method of the only client, as this sender. Returns the serial number, which the answer has.
    pub(crate) fn ask(
        &self,
        sender: &str,
        path: &str,
        interface: &str,
        member: &str,
        body: impl AppendAll,
    ) -> u32 {
        let mut message = Message::new_method_call(CLIENT, path, interface, member).unwrap();
        message.append_all(body);
        message.set_sender(Some(sender.into()));
        let mut state = self.state();
        let bytes = state.bytes(message);
        if let Some(stream) = state.streams.last_mut() {
            // A client that has gone answers nothing.
            let _ = stream.write_all(&bytes);
        }
        state.serial
    }

    fn answer(&self, mut stream: &UnixStream, answer: Message) {
        let mut state = self.state();
        let bytes = state.bytes(answer);
        // A client that has gone needs no answer.
        let _ = stream.write_all(&bytes);
    }

    fn serve<S: Service>(self: &Arc<Self>, stream: UnixStream, service: &Arc<S>) -> io::Result<()> {
        if self.state().closed {
            return stream.shutdown(Shutdown::Both);
        }
        let mut reader = BufReader::new(stream.try_clone()?);
        authenticate(&mut reader, &mut stream.try_clone()?)?;
        self.state().streams.push(stream.try_clone()?);
        loop {
            let call = read(&mut reader)?;
            if call.msg_type() != MessageType::MethodCall {
                service.take(call);
                continue;
            }
            if call.destination().as_deref() == Some(BUS) {
                self.answer(&stream, of_the_bus(&call, service.owner()));
            } else {
                let (clients, service, stream) = (self.clone(), service.clone(), stream.try_clone()?);
                let serve = move || {
                    if let Some(answer) = service.call(&call) {
                        clients.answer(&stream, answer);
                    }
                };
                thread::spawn(serve);
            }
        }
    }
}

impl ClientsState {
    fn bytes(&mut self, mut message: Message) -> Vec<u8> {
        self.serial += 1;
        message.set_serial(self.serial);
        let mut bytes = Vec::new();
        let copied = message.marshal(|part| -> Result<(), ()> {
            bytes.extend_from_slice(part);
            Ok(())
        });
        copied.unwrap();
        bytes
    }
}

fn of_the_bus(call: &Message, owner: Option<String>) -> Message {
    let mut answer = match (call.member().as_deref(), owner) {
        (Some("Hello"), _) => call.return_with_args((CLIENT,)),
        (Some("GetNameOwner"), Some(owner)) => call.return_with_args((owner,)),
        (Some("GetNameOwner"), None) => error(call, "org.freedesktop.DBus.Error.NameHasNoOwner", "no owner"),
        _ => call.method_return(),
    };
    answer.set_sender(Some(BUS.into()));
    answer
}

/// The answer that something failed.
pub(crate) fn error(call: &Message, name: &str, text: &str) -> Message {
    let text = std::ffi::CString::new(text).unwrap();
    call.error(&ErrorName::new(name).unwrap(), &text)
}

/// Lets anybody in (D-Bus Specification, "Authentication Protocol").
fn authenticate(reader: &mut impl BufRead, writer: &mut impl Write) -> io::Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_start_matches('\0').split_whitespace().next() {
            Some("AUTH") => writer.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n")?,
            Some("BEGIN") => return Ok(()),
            Some(_) => writer.write_all(b"ERROR\r\n")?,
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn read(reader: &mut impl Read) -> io::Result<Message> {
    let mut bytes = vec![0; 16];
    reader.read_exact(&mut bytes)?;
    let length = Message::demarshal_bytes_needed(&bytes).map_err(|()| io::ErrorKind::InvalidData)?;
    bytes.resize(length, 0);
    reader.read_exact(&mut bytes[16..])?;
    Message::demarshal(&bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}
