//! The services of a link, and what is told of it.

use super::*;

fn unknown_object() -> PlatformError {
    PlatformError::new("org.freedesktop.DBus.Error.UnknownObject", "no such object")
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_not_there_yet_is_asked_for_again_on_the_same_link() {
    let (radio, fake) = radio([]);
    lock(&fake.gatt.tables).extend([unknown_object(), unknown_object()]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    assert!(link.table().service(uuid16(0xFFF0)).is_some());
    assert_eq!(fake.calls(), ["connect"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_refuses_to_tell_the_table_is_not_asked_again() {
    let (radio, fake) = radio([]);
    let denied = PlatformError::new("org.freedesktop.DBus.Error.AccessDenied", "no");
    lock(&fake.gatt.tables).extend([denied]);
    let start = Instant::now();
    assert_eq!(radio.connect(&id(), soon()).await.unwrap_err().code(), "service.denied");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_mtu_of_a_link_is_that_of_the_system() {
    let (radio, _) = radio([]);
    assert_eq!(radio.connect(&id(), soon()).await.unwrap().mtu(), Some(185));
}
