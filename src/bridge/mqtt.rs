//! One connection to the broker. The only place that names the MQTT library.
//!
//! Each attempt is a connection of its own, which ends with its first error. Nothing that the library remembers outlives it, so
//! that neither old commands nor old states come late.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, future::BoxFuture};
use rumqttc::mqttbytes::v5::{
    ConnectReturnCode, DisconnectReasonCode, LastWill, Packet, PubAck, PubAckReason, Publish,
    PublishProperties, RetainForwardRule, SubAck, SubscribeReasonCode,
};
use rumqttc::tokio_rustls::rustls::pki_types::pem::PemObject;
use rumqttc::tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rumqttc::tokio_rustls::rustls::{ClientConfig, RootCertStore};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, PublishNoticeError, PublishOptions,
    PublishResult, QoS, StateError, SubscribeFilterInput, TlsConfiguration, TlsError, Transport,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::back_off::Ended;
use super::broker::{Access, TlsFiles};
use super::outbox::Message;
use super::topics::Topics;
use crate::error::{Error, Result};

/// The broker takes a bridge that is silent for one and a half times this for dead, and sends its will.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Time for the TCP and TLS handshakes and the answer of the broker.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// The broker does not send what is longer, bytes.
const LONGEST_PACKET: u32 = 16 << 10;
/// Room for what the outbox has under way.
const REQUESTS: usize = 64;
/// Messages that wait for the worker. If it is slow, the broker waits.
const EVENTS: usize = 64;
/// Time for the last message of a connection.
const CLOSE_TIME: Duration = Duration::from_millis(200);

/// A message from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// It was published with the retain flag, or the broker kept it.
    pub(super) retain: bool,
    /// The rest of its time, if it has a limit.
    pub(super) expiry: Option<Duration>,
    pub(super) reply: Option<Reply>,
}

/// The place for an answer that the sender of a command asks for (MQTT 5, 4.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) topic: String,
    pub(super) correlation: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(super) enum BrokerEvent {
    /// The broker accepted the connection. The subscriptions are under way.
    Connected,
    /// The broker answered to the subscriptions; those that it refused were reported.
    Subscribed,
    Delivered(Delivery),
    /// The broker has the message with this number, or refused it.
    Acknowledged(u64, String),
    /// The broker does not allow something: a subscription, or the message with this number.
    Denied(Error, Option<(u64, String)>),
    /// The connection is over.
    Ended(Error, Ended),
}

/// What a connection is for.
#[derive(Clone, Debug)]
pub(super) struct ConnectionPlan {
    pub(super) access: Access,
    pub(super) client_id: String,
    /// The broker publishes it when the connection ends without a farewell.
    pub(super) will: Message,
    pub(super) subscriptions: Vec<String>,
}

/// The number and the topic of a message, and why the broker refused it.
type Acknowledgement = (u64, String, Option<String>);

/// A connection, or the attempt at one. Dropping it drops the TCP connection, so that the broker sends the will.
#[derive(Debug)]
pub(super) struct Connection {
    client: AsyncClient,
    events: mpsc::Receiver<BrokerEvent>,
    acknowledgements: FuturesUnordered<BoxFuture<'static, Acknowledgement>>,
    task: AbortOnDropHandle<()>,
}

impl Connection {
    /// Starts to connect.
    ///
    /// # Errors
    /// [`Error::BrokerTls`] if the certificates of the system cannot be read.
    pub(super) fn open(plan: ConnectionPlan) -> Result<Self> {
        let (client, event_loop) = AsyncClient::builder(options(&plan)?).capacity(REQUESTS).build();
        let (sender, events) = mpsc::channel(EVENTS);
        let task = Task { client: client.clone(), plan, out: sender, connected: false };
        Ok(Self {
            client,
            events,
            acknowledgements: FuturesUnordered::new(),
            task: AbortOnDropHandle::new(tokio::spawn(task.run(event_loop))),
        })
    }

    /// Waits for the next event. Cancel-safe.
    pub(super) async fn next(&mut self) -> BrokerEvent {
        let waits = !self.acknowledgements.is_empty();
        tokio::select! {
            event = self.events.recv() => event.unwrap_or_else(|| {
                BrokerEvent::Ended(Error::Internal("the task of the connection has ended".to_owned()), Ended::Lost)
            }),
            Some((number, topic, refused)) = self.acknowledgements.next(), if waits => match refused {
                None => BrokerEvent::Acknowledged(number, topic),
                Some(reason) => {
                    let (action, message) = ("publish to".to_owned(), Some((number, topic.clone())));
                    BrokerEvent::Denied(Error::BrokerDenied { action, topic, reason }, message)
                }
            }
        }
    }

    /// Sends a message. Its acknowledgement comes as an event with this number. It is dropped if the queue is full, which the
    /// limit of the outbox prevents.
    pub(super) fn publish(&mut self, number: u64, message: Message) {
        let Message { topic, payload, retain, expiry, correlation } = message;
        let properties = PublishProperties {
            message_expiry_interval: expiry.map(|expiry| u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX)),
            correlation_data: correlation.map(Into::into),
            ..PublishProperties::default()
        };
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(retain).properties(properties);
        match self.client.try_publish_tracked(topic.clone(), payload, options) {
            Ok(notice) => {
                let wait = async move { (number, topic, refusal(notice.wait_async().await)) };
                self.acknowledgements.push(wait.boxed());
            }
            Err(error) => {
                tracing::warn!("cannot publish to {topic}: {error}");
                self.acknowledgements.push(std::future::ready((number, topic, None)).boxed());
            }
        }
    }

    /// Says farewell, so that the broker does not send the will.
    pub(super) async fn close(mut self) {
        if self.client.try_disconnect_now().is_ok() {
            let ended = async {
                while let Some(event) = self.events.recv().await {
                    if matches!(event, BrokerEvent::Ended(..)) {
                        break;
                    }
                }
            };
            let _ = timeout(CLOSE_TIME, ended).await;
        }
        drop(self.task);
    }
}

/// Why the broker refused a message. Without a connection nobody did, and the outbox starts again.
fn refusal(result: Result<PublishResult, PublishNoticeError>) -> Option<String> {
    use PubAckReason::{NoMatchingSubscribers, Success};
    match result {
        Ok(PublishResult::Qos1(PubAck { reason: Success | NoMatchingSubscribers, .. })) => None,
        Ok(PublishResult::Qos1(PubAck { reason, .. })) | Err(PublishNoticeError::V5PubAck(reason)) => {
            Some(format!("{reason:?}"))
        }
        Ok(_) | Err(PublishNoticeError::Recv | PublishNoticeError::SessionReset) => None,
        Err(error) => Some(error.to_string()),
    }
}

fn options(plan: &ConnectionPlan) -> Result<MqttOptions> {
    let ConnectionPlan { access, client_id, will, .. } = plan;
    let mut options = MqttOptions::new(client_id.clone(), (access.address.host.clone(), access.address.port));
    let last_will =
        LastWill::new(will.topic.clone(), will.payload.clone(), QoS::AtLeastOnce, will.retain, None);
    options
        .set_keep_alive(u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX))
        // Commands from before the connection would come late.
        .set_clean_start(true)
        .set_session_expiry_interval(Some(0))
        .set_max_packet_size(Some(LONGEST_PACKET))
        .set_connect_timeout(CONNECT_TIME)
        .set_last_will(last_will);
    match (&access.user, &access.password) {
        (Some(user), Some(password)) => options.set_credentials(user.clone(), password.reveal().to_owned()),
        (Some(user), None) => options.set_username(user.clone()),
        (None, Some(password)) => options.set_password(password.reveal().to_owned()),
        (None, None) => &mut options,
    };
    if let Some(files) = &access.tls {
        options.set_transport(transport(files, &access.address.to_string())?);
    }
    Ok(options)
}

fn transport(files: &TlsFiles, broker: &str) -> Result<Transport> {
    let failed = |error: TlsError| Error::BrokerTls { broker: broker.to_owned(), detail: error.to_string() };
    Ok(Transport::tls_with_config(match (&files.ca, &files.client) {
        (Some(ca), client) => {
            TlsConfiguration::Simple { ca: ca.clone(), alpn: None, client_auth: client.clone() }
        }
        (None, None) => return Transport::try_tls_with_default_config().map_err(failed),
        (None, Some((certificate, key))) => {
            TlsConfiguration::Rustls(Arc::new(with_client(certificate, key).map_err(failed)?))
        }
    }))
}

/// The authorities of the system, and a certificate of this client. The library has only one or the other.
fn with_client(certificate: &[u8], key: &[u8]) -> Result<ClientConfig, TlsError> {
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key)?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Ok(ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key)?)
}

/// The task that reads from and writes to the broker.
struct Task {
    client: AsyncClient,
    plan: ConnectionPlan,
    out: mpsc::Sender<BrokerEvent>,
    connected: bool,
}

impl Task {
    async fn run(mut self, mut event_loop: EventLoop) {
        let error = loop {
            let event = match event_loop.poll().await {
                Ok(Event::Incoming(packet)) => self.packet(packet).await,
                Ok(_) => Ok(()),
                Err(error) => break error,
            };
            if event.is_err() {
                return;
            }
        };
        let (error, ended) = self.classify(&error);
        let _ = self.out.send(BrokerEvent::Ended(error, ended)).await;
    }

    /// Fails if the connection was dropped.
    async fn packet(&mut self, packet: Packet) -> Result<(), mpsc::error::SendError<BrokerEvent>> {
        match packet {
            Packet::ConnAck(_) => {
                self.connected = true;
                self.out.send(BrokerEvent::Connected).await?;
                let filters = self.plan.subscriptions.iter().map(|filter| {
                    SubscribeFilterInput::new(filter.clone(), QoS::AtLeastOnce)
                        // Tells also a live command that the broker keeps.
                        .preserve_retain(!Topics::is_live(filter))
                        .retain_forward_rule(RetainForwardRule::OnEverySubscribe)
                });
                if let Err(error) = self.client.try_subscribe_many(filters) {
                    let error = Error::Internal(format!("cannot subscribe: {error}"));
                    self.out.send(BrokerEvent::Ended(error, Ended::Lost)).await?;
                }
                Ok(())
            }
            Packet::SubAck(answer) => self.subscribed(&answer).await,
            Packet::Publish(publish) => match delivery(publish) {
                Some(delivery) => self.out.send(BrokerEvent::Delivered(delivery)).await,
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    async fn subscribed(&self, answer: &SubAck) -> Result<(), mpsc::error::SendError<BrokerEvent>> {
        for (filter, code) in self.plan.subscriptions.iter().zip(&answer.return_codes) {
            if !matches!(code, SubscribeReasonCode::Success(_)) {
                if filter.starts_with("$SYS/") {
                    // Without it, bulbs take longer to get an owner.
                    tracing::debug!("the broker does not allow to subscribe to {filter}: {code:?}");
                    continue;
                }
                let (topic, reason) = (filter.clone(), format!("{code:?}"));
                let error = Error::BrokerDenied { action: "subscribe to".to_owned(), topic, reason };
                self.out.send(BrokerEvent::Denied(error, None)).await?;
            }
        }
        self.out.send(BrokerEvent::Subscribed).await
    }

    fn classify(&self, error: &ConnectionError) -> (Error, Ended) {
        let broker = self.plan.access.address.to_string();
        let lost = |error| (error, Ended::Lost);
        match error {
            ConnectionError::ConnectionRefused(code) => self.refused(*code),
            ConnectionError::MqttState(StateError::ConnFail { reason }) => self.refused(*reason),
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
                lost(match (reason_code, reason_string) {
                    (DisconnectReasonCode::SessionTakenOver, _) => Error::BrokerLost {
                        broker,
                        detail: "another client has the identifier of this one".to_owned(),
                    },
                    (code, reason) => {
                        let reason = reason.as_ref().map_or_else(|| format!("{code:?}"), Clone::clone);
                        Error::BrokerLost { broker, detail: format!("the broker ended it: {reason}") }
                    }
                })
            }
            ConnectionError::Tls(TlsError::Io(error)) | ConnectionError::Io(error) => self.io(error),
            ConnectionError::MqttState(StateError::Io(error)) => self.io(error),
            // An alert of TLS before the first packet: the broker wants a certificate.
            ConnectionError::MqttState(StateError::Deserialization(error))
                if !self.connected && self.is_tls() =>
            {
                lost(Error::BrokerTls { broker, detail: error.to_string() })
            }
            ConnectionError::Tls(error) => lost(Error::BrokerTls { broker, detail: error.to_string() }),
            error => lost(self.unusable(error.to_string())),
        }
    }

    const fn is_tls(&self) -> bool {
        self.plan.access.tls.is_some()
    }

    fn io(&self, error: &io::Error) -> (Error, Ended) {
        let broker = self.plan.access.address.to_string();
        // The TLS library wraps its errors, for lack of a better kind, in this one.
        if self.is_tls() && error.kind() == io::ErrorKind::InvalidData {
            return (Error::BrokerTls { broker, detail: error.to_string() }, Ended::Lost);
        }
        (self.unusable(error.to_string()), Ended::Lost)
    }

    fn unusable(&self, detail: String) -> Error {
        let broker = self.plan.access.address.to_string();
        match self.connected {
            true => Error::BrokerLost { broker, detail },
            false => Error::BrokerUnreachable { broker, detail },
        }
    }

    fn refused(&self, code: ConnectReturnCode) -> (Error, Ended) {
        use ConnectReturnCode as Code;
        let broker = self.plan.access.address.to_string();
        match code {
            Code::BadUserNamePassword
            | Code::NotAuthorized
            | Code::BadAuthenticationMethod
            | Code::Banned => {
                (Error::BrokerCredentials { broker, will: self.plan.will.topic.clone() }, Ended::Refused)
            }
            code => (Error::BrokerRefused { broker, reason: format!("{code:?}") }, Ended::Lost),
        }
    }
}

/// Returns `None` for a topic that is not text.
fn delivery(publish: Publish) -> Option<Delivery> {
    let topic = String::from_utf8(publish.topic.to_vec()).ok()?;
    let properties = publish.properties.unwrap_or_default();
    let reply = properties
        .response_topic
        .map(|topic| Reply { topic, correlation: properties.correlation_data.map(|data| data.to_vec()) });
    Some(Delivery {
        topic,
        payload: publish.payload.to_vec(),
        retain: publish.retain,
        expiry: properties.message_expiry_interval.map(|seconds| Duration::from_secs(seconds.into())),
        reply,
    })
}
