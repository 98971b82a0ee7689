//! The world between commands, and commands that run at the same time.

use std::fs;
use std::path::Path;

use tokio::time::{sleep, timeout};

use super::*;

fn world_files(rig: &TestRig) -> Vec<PathBuf> {
    let entries = fs::read_dir(rig.dir.path().join("world")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension != "lock"));
    files
}

async fn state(rig: &TestRig) -> Vec<u8> {
    let (radio, link) = connected(rig).await;
    let state = link.read(STATUS, soon()).await.unwrap();
    radio.close().await;
    state
}

#[tokio::test(start_paused = true)]
async fn states_values_and_counts_are_there_for_the_next_command() {
    let rig = TestRig::with_bulb(
        "[[bulb.fault]]\non = \"read\"\ndo = \"error\"\natt = 14\ncount = 2\n\
         [[bulb.service]]\nuuid = \"fff0\"\n\
         [[bulb.service.characteristic]]\nuuid = \"fff1\"\nproperties = [\"write\"]\n\
         [[bulb.service.characteristic]]\nuuid = \"fff2\"\nproperties = [\"read\", \"notify\"]\n\
         [[bulb.service.characteristic]]\nuuid = \"fff5\"\nproperties = [\"read\", \"write\"]\n",
    );
    let other = CharacteristicId::short(0xfff0, 0xfff5);
    let (radio, link) = connected(&rig).await;
    write(link.as_ref(), &RED).await.unwrap();
    link.write(other, &[1, 2], WriteKind::Request, soon()).await.unwrap();
    assert_eq!(code(link.read(STATUS, soon()).await), "bulb.refused");
    radio.close().await;
    let (radio, link) = connected(&rig).await;
    assert_eq!(code(link.read(STATUS, soon()).await), "bulb.refused");
    assert_eq!(link.read(STATUS, soon()).await.unwrap(), RED);
    assert_eq!(link.read(other, soon()).await.unwrap(), [1, 2]);
    radio.close().await;
    assert_eq!(world_files(&rig).len(), 1, "{:?}", world_files(&rig));
}

#[tokio::test(start_paused = true)]
async fn changes_are_kept_also_when_nobody_closes() {
    let rig = TestRig::with_bulb("");
    let (radio, link) = connected(&rig).await;
    write(link.as_ref(), &RED).await.unwrap();
    sleep(ms(50)).await;
    // As a process that is killed: the link is still up for the system.
    std::mem::forget((radio, link));
    let radio = rig.open().await;
    assert!(radio.known_devices().await.unwrap()[0].connected);
    let link = radio.connect(&light(), soon()).await.unwrap();
    assert!(link.was_up());
    assert_eq!(link.read(STATUS, soon()).await.unwrap(), RED);
}

#[tokio::test(start_paused = true)]
async fn a_rig_that_is_edited_begins_a_new_world() {
    let rig = TestRig::with_bulb("");
    let (radio, link) = connected(&rig).await;
    write(link.as_ref(), &RED).await.unwrap();
    radio.close().await;
    let text = fs::read_to_string(&rig.path).unwrap();
    fs::write(&rig.path, format!("{text}brightness = 7\n")).unwrap();
    assert_eq!(state(&rig).await, [0, 7, 255, 255, 255]);
    fs::write(&rig.path, text).unwrap();
    assert_eq!(state(&rig).await, RED);
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_means_a_fresh_world() {
    let rig = TestRig::with_bulb("");
    for broken in
        ["", "{", "[]", "{\"format\":99,\"about\":\"\",\"age_ms\":0,\"written_ms\":0,\"devices\":{}}"]
    {
        let (radio, link) = connected(&rig).await;
        write(link.as_ref(), &RED).await.unwrap();
        radio.close().await;
        drop((radio, link));
        fs::write(&world_files(&rig)[0], broken).unwrap();
        assert_eq!(state(&rig).await, START, "{broken}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_home_that_cannot_be_written_fails_no_command() {
    let rig = TestRig::with_bulb("");
    // Below a file there can be no folder, whoever asks.
    let options = SimOptions { dir: Some(rig.path.join("world")), log: Some(Path::new("/").to_owned()) };
    for _ in 0..2 {
        let radio = open(Some(&rig.path), options.clone()).await.unwrap();
        heard(radio.as_ref()).await;
        let link = radio.connect(&light(), soon()).await.unwrap();
        assert_eq!(link.read(STATUS, soon()).await.unwrap(), START);
        write(link.as_ref(), &RED).await.unwrap();
        radio.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn commands_that_run_at_once_share_the_world() {
    let rig = TestRig::with_bulb("");
    let (watching, watched) = connected(&rig).await;
    let mut status = watched.subscribe(STATUS, soon()).await.unwrap();
    sleep(ms(50)).await;
    let radio = rig.open().await;
    let link = radio.connect(&light(), soon()).await.unwrap();
    assert!(link.was_up());
    write(link.as_ref(), &RED).await.unwrap();
    assert_eq!(timeout(ms(500), status.recv()).await.unwrap().unwrap(), RED);
    // What the first one does then does not undo it, and the other way round.
    write(watched.as_ref(), &START).await.unwrap();
    sleep(ms(500)).await;
    assert_eq!(link.read(STATUS, soon()).await.unwrap(), START);
    link.disconnect().await.unwrap();
    let lost = async {
        let mut state = watched.state();
        state.wait_for(|state| *state == bulbctl::radio::LinkState::Down).await.map(|_| ())
    };
    timeout(ms(500), lost).await.unwrap().unwrap();
    watching.close().await;
    radio.close().await;
    assert_eq!(state(&rig).await, START);
}

#[tokio::test(start_paused = true)]
async fn a_battery_goes_on_draining_in_the_next_command() {
    let rig = TestRig::with_bulb("battery = 50\nbattery_drain = \"1m\"");
    for expected in [50, 47, 44] {
        let (radio, link) = connected(&rig).await;
        assert_eq!(link.read(BATTERY, soon()).await.unwrap(), [expected]);
        sleep(Duration::from_secs(180)).await;
        radio.close().await;
        drop((radio, link));
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_goes_on_where_it_was() {
    let rig = TestRig::with_bulb("");
    for _ in 0..2 {
        let (radio, _link) = connected(&rig).await;
        radio.close().await;
    }
    let text = fs::read_to_string(rig.log_path()).unwrap();
    let times: Vec<u64> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["ms"].as_u64().unwrap())
        .collect();
    assert_eq!(times.len(), 4);
    assert!(times.is_sorted() && times[2] > times[1], "{times:?}");
    assert!(text.starts_with("{\"ms\":"), "{text}");
}

/// The wall clock is set back to 1970, or a century on, between two commands.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_does_no_harm() {
    for written in [0_u64, u64::MAX, 4_000_000_000_000] {
        let rig = TestRig::with_bulb("battery = 50\nbattery_drain = \"2s\"\n");
        let (radio, link) = connected(&rig).await;
        write(link.as_ref(), &RED).await.unwrap();
        radio.close().await;
        let file = &world_files(&rig)[0];
        let mut world: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        assert!(world["written_ms"].is_u64(), "{world}");
        world["written_ms"] = written.into();
        fs::write(file, world.to_string()).unwrap();
        let (radio, link) = connected(&rig).await;
        assert_eq!(link.read(STATUS, soon()).await.unwrap(), RED, "{written}");
        assert!(link.read(BATTERY, soon()).await.unwrap()[0] <= 50);
        radio.close().await;
    }
}
