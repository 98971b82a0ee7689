//! Centrals that talk to a bulb on the air, line by line.

use tempfile::TempDir;
use tokio::net::unix::OwnedReadHalf;

use super::*;
use crate::radio::peripheral::tests::{CONTROL, STATUS, served_bulb};

/// A bulb on the air of a folder of its own.
struct Stage {
    radio: AirPeripheral,
    events: mpsc::Receiver<PeripheralEvent>,
    dir: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let radio = AirPeripheral::new(dir.path().to_owned(), BTreeMap::new());
        let deadline = Deadline::after(Duration::from_secs(5));
        let events = radio.start(vec![served_bulb()], deadline).await.unwrap();
        Self { radio, events, dir }
    }

    async fn event(&mut self) -> PeripheralEventKind {
        timeout(Duration::from_secs(5), self.events.recv()).await.unwrap().unwrap().kind
    }

    async fn process(&self) -> Process {
        let stream = UnixStream::connect(socket(self.dir.path(), served_bulb().address)).await.unwrap();
        let (read, write) = stream.into_split();
        Process { lines: Lines::up_to(LONGEST_LINE, read), write, number: 0 }
    }

    /// A process that has the link.
    async fn connected(&mut self) -> Process {
        let mut process = self.process().await;
        process.send(Request::Connect { central: "test".to_owned() }).await;
        if self.radio.shared.with_bulb(0, |bulb| bulb.link.is_none()) == Some(true) {
            let PeripheralEventKind::Connected { reply, .. } = self.event().await else { panic!("no link") };
            reply.send(Reply::Done);
        }
        assert!(matches!(process.answer().await, Some(Answer::Link { .. })));
        process
    }
}

/// A process at the other end.
struct Process {
    lines: Lines<OwnedReadHalf>,
    write: OwnedWriteHalf,
    number: u32,
}

impl Process {
    async fn send(&mut self, request: Request) {
        self.number += 1;
        let line = line(&NumberedRequest { number: self.number, request }).unwrap();
        self.write.write_all(&line).await.unwrap();
    }

    /// The answer to the last request; `None` if the bulb has hung up.
    async fn answer(&mut self) -> Option<Answer> {
        let next = timeout(Duration::from_secs(5), self.lines.next()).await.unwrap();
        let text = next.ok()??.text.unwrap();
        match serde_json::from_str(&text).unwrap() {
            Message::Answer(number, answer) if number == self.number => Some(answer),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_longest_value_is_passed_on_and_a_longer_one_is_refused() {
    let mut stage = Stage::new().await;
    let mut process = stage.connected().await;
    let write =
        |length| Request::Write { characteristic: CONTROL, value: vec![7; length], kind: WriteKind::Request };
    process.send(write(LONGEST_VALUE)).await;
    let PeripheralEventKind::Write { value, reply, .. } = stage.event().await else { panic!("no write") };
    assert_eq!(value.len(), LONGEST_VALUE);
    reply.send(Reply::Done);
    assert!(matches!(process.answer().await, Some(Answer::Done)));
    process.send(write(LONGEST_VALUE + 1)).await;
    assert!(matches!(process.answer().await, Some(Answer::AttError(INVALID_LENGTH))));
}

#[tokio::test]
async fn a_subscription_ends_with_the_last_process_that_has_it() {
    let mut stage = Stage::new().await;
    let mut processes = [stage.connected().await, stage.connected().await];
    for process in &mut processes {
        process.send(Request::Subscribe { characteristic: STATUS }).await;
        let PeripheralEventKind::Subscribe { reply, .. } = stage.event().await else { panic!("no event") };
        reply.send(Reply::Done);
        assert!(matches!(process.answer().await, Some(Answer::Done)));
    }
    for (process, is_last) in processes.iter_mut().zip([false, true]) {
        process.send(Request::Unsubscribe { characteristic: STATUS }).await;
        assert!(matches!(process.answer().await, Some(Answer::Done)));
        let told = stage.events.try_recv().map(|event| event.kind);
        let ended = matches!(told, Ok(PeripheralEventKind::Unsubscribed(STATUS)));
        assert!(ended == is_last && told.is_ok() == is_last, "{told:?}");
    }
}

#[tokio::test]
async fn a_bulb_takes_so_many_connections_and_hangs_up_on_others() {
    let stage = Stage::new().await;
    let mut processes = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut process = stage.process().await;
        process.send(Request::Look).await;
        assert!(matches!(process.answer().await, Some(Answer::Device { .. })));
        processes.push(process);
    }
    let mut one_more = stage.process().await;
    let ended = timeout(Duration::from_secs(5), one_more.lines.next()).await;
    assert!(matches!(ended, Ok(Ok(None) | Err(_))), "{ended:?}");
}
