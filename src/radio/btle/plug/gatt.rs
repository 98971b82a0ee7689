//! The GATT client of one device, through btleplug.

use std::collections::{BTreeSet, HashMap};
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use btleplug::api::{Characteristic, Descriptor, Peripheral, Service, ValueNotification, WriteType};
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::super::platform_error::{ErrorClass, PlatformError};
use super::super::shared::lock;
use super::super::system::{Gatt, Listener};
use super::Ways;
use crate::error::Operation;
use crate::radio::{CharacteristicId, DeviceId, GattTable, Properties, WriteKind, gatt};

type SharedListener = Arc<Mutex<Option<Weak<dyn Listener>>>>;

pub(super) struct PlugGatt<P> {
    pub(super) peripheral: P,
    device: DeviceId,
    ways: Ways,
    characteristics: Mutex<HashMap<CharacteristicId, Characteristic>>,
    listener: SharedListener,
    reader: Mutex<Option<ValueReader>>,
}

/// The task that reads the values of a device, for all its links.
struct ValueReader {
    settle: mpsc::Sender<oneshot::Sender<()>>,
    _task: AbortOnDropHandle<()>,
}

/// A stream of btleplug that is never dropped. On Linux, dropping it starts a task that panics if a
/// signal comes at the wrong moment ("No match with that id found", bluez-async 0.9.0) or if the
/// bus is gone. The panic only ends that task, but its message would appear on the terminal. There
/// is one stream per device and one per adapter, and their match rules end with the connection.
pub(super) struct UndroppedStream<T>(ManuallyDrop<Pin<Box<dyn Stream<Item = T> + Send>>>);

impl<T> UndroppedStream<T> {
    pub(super) fn new(stream: Pin<Box<dyn Stream<Item = T> + Send>>) -> Self {
        Self(ManuallyDrop::new(stream))
    }

    pub(super) async fn next(&mut self) -> Option<T> {
        self.0.next().await
    }
}

impl<P: Peripheral> PlugGatt<P> {
    pub(super) fn new(peripheral: P, device: DeviceId, ways: Ways) -> Self {
        Self {
            peripheral,
            device,
            ways,
            characteristics: Mutex::default(),
            listener: Arc::default(),
            reader: Mutex::default(),
        }
    }

    fn characteristic(&self, id: CharacteristicId) -> Result<Characteristic, PlatformError> {
        let known = lock(&self.characteristics).get(&id).cloned();
        known.ok_or_else(|| PlatformError::unnamed(format!("characteristic {id} is not in the table")))
    }
}

impl<P> std::fmt::Debug for PlugGatt<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PlugGatt").field(&self.device).finish()
    }
}

#[async_trait]
impl<P: Peripheral + 'static> Gatt for PlugGatt<P> {
    async fn discover(&self) -> Result<GattTable, PlatformError> {
        self.peripheral.discover_services().await?;
        let services = self.peripheral.services();
        let mut characteristics = HashMap::new();
        for characteristic in services.iter().flat_map(|service| &service.characteristics) {
            let id = CharacteristicId::new(characteristic.service_uuid, characteristic.uuid);
            // btleplug cannot distinguish characteristics with the same UUIDs, and uses the first.
            characteristics.entry(id).or_insert_with(|| characteristic.clone());
        }
        *lock(&self.characteristics) = characteristics;
        Ok(table_of(&services))
    }

    async fn listen(&self, to: Weak<dyn Listener>) -> Result<(), PlatformError> {
        *lock(&self.listener) = Some(to);
        if lock(&self.reader).as_ref().is_some_and(|reader| !reader.settle.is_closed()) {
            return Ok(());
        }
        let values = UndroppedStream::new(self.peripheral.notifications().await?);
        let (settle, asked) = mpsc::channel(1);
        let task = AbortOnDropHandle::new(tokio::spawn(reader(values, self.listener.clone(), asked)));
        *lock(&self.reader) = Some(ValueReader { settle, _task: task });
        Ok(())
    }

    fn echoes_reads(&self) -> bool {
        self.ways.echoes_reads
    }

    async fn settle(&self) {
        let Some(settle) = lock(&self.reader).as_ref().map(|reader| reader.settle.clone()) else { return };
        let (done, settled) = oneshot::channel();
        if settle.send(done).await.is_ok() {
            let _ = settled.await;
        }
    }

    async fn read(&self, characteristic: CharacteristicId) -> Result<Vec<u8>, PlatformError> {
        let characteristic = self.characteristic(characteristic)?;
        Ok(self.peripheral.read(&characteristic).await?)
    }

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
    ) -> Result<(), PlatformError> {
        let characteristic = self.characteristic(characteristic)?;
        let kind = match kind {
            WriteKind::Request => WriteType::WithResponse,
            WriteKind::Command => WriteType::WithoutResponse,
        };
        Ok(self.peripheral.write(&characteristic, value, kind).await?)
    }

    async fn subscribe(&self, characteristic: CharacteristicId) -> Result<(), PlatformError> {
        let characteristic = self.characteristic(characteristic)?;
        Ok(self.peripheral.subscribe(&characteristic).await?)
    }

    async fn unsubscribe(&self, characteristic: CharacteristicId) -> Result<(), PlatformError> {
        let operation = Operation::unsubscribe(characteristic);
        let characteristic = self.characteristic(characteristic)?;
        match self.peripheral.unsubscribe(&characteristic).await.map_err(PlatformError::from) {
            Err(error) if error.classify(&operation) == ErrorClass::Done => Ok(()),
            result => result,
        }
    }
}

async fn reader(
    mut values: UndroppedStream<ValueNotification>,
    to: SharedListener,
    mut settle: mpsc::Receiver<oneshot::Sender<()>>,
) {
    loop {
        tokio::select! {
            biased;
            value = values.next() => match value {
                Some(value) => deliver(&to, value),
                None => break,
            },
            Some(done) = settle.recv() => {
                // Values that are ready now came before the request.
                while let Some(Some(value)) = values.next().now_or_never() {
                    deliver(&to, value);
                }
                let _ = done.send(());
            }
        }
    }
}

fn deliver(to: &SharedListener, value: ValueNotification) {
    let listener = lock(to).as_ref().and_then(Weak::upgrade);
    if let Some(listener) = listener {
        let id = CharacteristicId::new(value.service_uuid, value.uuid);
        listener.value(id, value.value);
    }
}

fn table_of(services: &BTreeSet<Service>) -> GattTable {
    let service = |service: &Service| gatt::Service {
        secondary: !service.primary,
        ..gatt::Service::new(service.uuid, service.characteristics.iter().map(characteristic_of).collect())
    };
    GattTable { services: services.iter().map(service).collect() }
}

fn characteristic_of(characteristic: &Characteristic) -> gatt::Characteristic {
    // The flags of btleplug are the bits of the specification.
    let properties = Properties::from_bits(characteristic.properties.bits());
    let descriptor = |descriptor: &Descriptor| gatt::Descriptor { uuid: descriptor.uuid, handle: None };
    gatt::Characteristic {
        descriptors: characteristic.descriptors.iter().map(descriptor).collect(),
        ..gatt::Characteristic::new(characteristic.uuid, properties)
    }
}
