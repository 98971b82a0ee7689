use super::*;

mod model;

const START: Duration = Duration::from_secs(100_000);

fn secs(seconds: f64) -> Duration {
    START + Duration::from_secs_f64(seconds)
}

fn claims(bridge: &str) -> Claims<u8> {
    let own = Identity { bridge: bridge.to_owned(), instance: format!("{bridge}-1") };
    let mut claims = Claims::new(own);
    claims.track(&7);
    claims
}

fn other(bridge: &str, number: u64, rssi: Option<i16>) -> Claim {
    let (bridge, instance) = (bridge.to_owned(), format!("{bridge}-1"));
    Claim { bridge, instance, number, rssi, released: false, to: None }
}

fn published(claims: &mut Claims<u8>, now: Duration) -> Option<Claim> {
    claims.step(now).into_iter().find_map(|(_, action)| match action {
        ClaimAction::Publish(claim) => Some(claim),
        _ => None,
    })
}

/// A bridge that owns the bulb since second 0.
fn owner() -> Claims<u8> {
    let mut claims = claims("kitchen");
    claims.subscribed(secs(0.0));
    claims.broker_memory(QUIET, secs(0.0));
    claims.heard(&7, Some(-60), secs(0.0));
    let claim = published(&mut claims, secs(0.0)).unwrap();
    assert!(!claims.may_drive(&7, secs(0.0)), "not before the claim has come back");
    claims.received(&7, &claim, None, secs(0.0));
    assert!(claims.may_drive(&7, secs(0.0)));
    claims
}

#[test]
fn a_bulb_that_nobody_has_is_ours_at_once_if_the_broker_remembers() {
    assert_eq!(owner().owner(&7, secs(1.0)), Some("kitchen"));
}

#[test]
fn without_a_memory_the_broker_may_have_lost_a_claim() {
    let mut claims = claims("kitchen");
    claims.subscribed(secs(0.0));
    claims.heard(&7, Some(-60), secs(0.0));
    assert_eq!(claims.step(secs(0.0)), []);
    assert_eq!(claims.wake(), Some(secs(13.0)));
    let claim = published(&mut claims, secs(13.0)).unwrap();
    claims.received(&7, &claim, None, secs(13.1));
    assert!(claims.may_drive(&7, secs(13.1)));
}

#[test]
fn a_lease_counts_from_the_sending_of_the_claim() {
    let mut claims = owner();
    let claim = published(&mut claims, secs(4.0)).unwrap();
    assert_eq!(published(&mut claims, secs(5.0)), None);
    assert!(claims.may_drive(&7, secs(11.9)) && !claims.may_drive(&7, secs(12.0)));
    claims.received(&7, &claim, None, secs(11.9));
    assert!(claims.may_drive(&7, secs(15.9)) && !claims.may_drive(&7, secs(16.0)));
}

#[test]
fn a_bridge_that_starts_again_goes_on_with_the_bulbs_that_it_owned() {
    let before = owner();
    let ended = before.end(secs(5.0));
    let again = |ended: Ended<u8>, kept: &Claim| {
        let own = Identity { bridge: "kitchen".to_owned(), instance: "kitchen-2".to_owned() };
        let mut claims = Claims::new(own);
        claims.resume(ended);
        claims.track(&7);
        claims.subscribed(secs(6.0));
        claims.broker_memory(QUIET * 2, secs(6.0));
        claims.received(&7, kept, Some(Duration::from_secs(5)), secs(6.0));
        claims.heard(&7, Some(-60), secs(6.0));
        claims
    };
    let mut claims = again(ended.clone(), &other("kitchen", 1, Some(-60)));
    let claim = published(&mut claims, secs(6.0)).unwrap();
    claims.received(&7, &claim, None, secs(6.1));
    assert!(claims.may_drive(&7, secs(6.1)));
    // A newer claim of that run, or that of another bridge, has to run out.
    for kept in [other("kitchen", 2, Some(-60)), other("attic", 1, Some(-60))] {
        assert_eq!(published(&mut again(ended.clone(), &kept), secs(6.0)), None, "{kept:?}");
    }
    // A claim was under way when it ended.
    let mut before = before;
    published(&mut before, secs(4.0)).unwrap();
    assert_ne!(before.end(secs(5.0)), ended);
}

#[test]
fn a_claim_that_comes_back_too_late_renews_nothing() {
    let mut claims = owner();
    let claim = published(&mut claims, secs(4.0)).unwrap();
    claims.received(&7, &other("attic", 1, None), None, secs(12.5));
    claims.received(&7, &claim, None, secs(12.6));
    assert!(!claims.may_drive(&7, secs(12.6)));
}

#[test]
fn the_first_claim_in_the_order_of_the_broker_wins() {
    let both = |first_is_ours: bool| {
        let mut claims = claims("kitchen");
        claims.subscribed(secs(0.0));
        claims.broker_memory(QUIET, secs(0.0));
        claims.heard(&7, Some(-60), secs(0.0));
        let ours = published(&mut claims, secs(0.0)).unwrap();
        let theirs = other("attic", 1, Some(-50));
        let order = if first_is_ours { [&ours, &theirs] } else { [&theirs, &ours] };
        for claim in order {
            claims.received(&7, claim, None, secs(0.1));
        }
        claims.may_drive(&7, secs(0.2))
    };
    assert!(both(true));
    assert!(!both(false));
}

#[test]
fn a_bulb_whose_owner_is_silent_is_free_after_its_lease() {
    let mut claims = claims("kitchen");
    claims.subscribed(secs(0.0));
    claims.broker_memory(QUIET, secs(0.0));
    claims.received(&7, &other("attic", 3, Some(-50)), Some(Duration::from_secs(2)), secs(1.0));
    claims.heard(&7, Some(-60), secs(1.0));
    assert_eq!(claims.owner(&7, secs(1.0)), Some("attic"));
    assert_eq!(published(&mut claims, secs(11.9)), None);
    assert!(published(&mut claims, secs(12.0)).is_some());
}

#[test]
fn a_cut_bridge_stops_by_itself() {
    let mut claims = owner();
    claims.disconnected();
    assert!(claims.may_drive(&7, secs(11.9)));
    assert_eq!(claims.wake(), Some(secs(12.0)));
    assert_eq!(claims.step(secs(12.0)), []);
    assert!(!claims.may_drive(&7, secs(12.0)));
    // Back within the lease, it goes on; later it asks again.
    claims.subscribed(secs(20.0));
    assert_eq!(published(&mut claims, secs(20.0)), None);
    assert!(published(&mut claims, secs(33.0)).is_some());
}

#[test]
fn a_reconnect_within_the_lease_changes_nothing() {
    let mut claims = owner();
    claims.disconnected();
    claims.subscribed(secs(8.0));
    let claim = published(&mut claims, secs(8.0)).unwrap();
    claims.received(&7, &claim, None, secs(8.1));
    assert!(claims.may_drive(&7, secs(19.0)));
}

#[test]
fn a_bridge_that_hears_the_bulb_better_for_a_time_gets_it() {
    let (mut owner, mut better) = (owner(), claims("attic"));
    better.subscribed(secs(0.0));
    let mut given = None;
    for second in 0..120_u32 {
        let now = secs(f64::from(second));
        owner.heard(&7, Some(-70), now);
        better.heard(&7, Some(-59), now);
        for (_, action) in owner.step(now) {
            let ClaimAction::Publish(claim) = action else { panic!("{action:?}") };
            owner.received(&7, &claim, None, now);
            better.received(&7, &claim, None, now);
        }
        if let Some((_, ClaimAction::Bid { to, claim })) = better.step(now).pop() {
            assert!(second >= 30 && to == "kitchen", "{second} {to}");
            owner.bid(&7, &claim, now);
        }
        if !owner.may_drive(&7, now) {
            given = Some(now);
            break;
        }
    }
    // A new owner keeps the bulb for a time.
    let now = given.unwrap();
    assert!(now >= secs(60.0));
    let (_, release) = owner.step(now).pop().unwrap();
    let ClaimAction::Release(release) = release else { panic!("{release:?}") };
    assert_eq!((release.released, release.to.as_deref()), (true, Some("attic")));
    better.heard(&7, Some(-59), now);
    better.received(&7, &release, None, now);
    let claim = published(&mut better, now).expect("free at once");
    better.received(&7, &claim, None, now);
    assert!(better.may_drive(&7, now));
}

#[test]
fn a_bulb_in_use_or_with_a_link_is_not_handed_over_yet() {
    let mut claims = owner();
    for second in 1..25_u32 {
        let now = secs(f64::from(second) * 4.0);
        claims.heard(&7, Some(-80), now);
        let claim = published(&mut claims, now).unwrap();
        claims.received(&7, &claim, None, now);
    }
    let bid = other("attic", 1, Some(-50));
    claims.used(&7, secs(96.0));
    claims.bid(&7, &bid, secs(97.0));
    assert!(claims.may_drive(&7, secs(97.0)));
    claims.linked(&7, true, secs(97.0));
    claims.bid(&7, &bid, secs(107.0));
    assert!(!claims.may_drive(&7, secs(107.0)), "nothing is written from here");
    assert_eq!(claims.step(secs(107.0)), []);
    claims.linked(&7, false, secs(107.5));
    assert!(matches!(claims.step(secs(107.5)).as_slice(), [(7, ClaimAction::Release(_))]));
}

#[test]
fn a_signal_that_is_little_better_is_not_enough() {
    let mut claims = claims("attic");
    claims.subscribed(secs(0.0));
    for second in 0..600_u32 {
        let now = secs(f64::from(second));
        claims.heard(&7, Some(-60), now);
        claims.received(&7, &other("kitchen", u64::from(second), Some(-69)), None, now);
        assert_eq!(claims.step(now), []);
    }
}

#[test]
fn what_is_remembered_of_the_bulbs_of_others_is_bounded() {
    let own = Identity { bridge: "kitchen".to_owned(), instance: "1".to_owned() };
    let mut claims: Claims<u32> = Claims::new(own);
    claims.subscribed(secs(0.0));
    for id in 0..10_000 {
        claims.received(&id, &other("attic", 1, None), None, secs(20.0));
    }
    assert!(claims.others.len() <= MAX_OTHERS);
    // One that was forgotten counts as just claimed.
    claims.track(&1);
    claims.heard(&1, Some(-50), secs(20.0));
    assert_eq!(claims.step(secs(32.9)), []);
    assert!(!claims.step(secs(33.1)).is_empty());
}

#[test]
fn missing_claims_are_no_evidence_if_the_queue_of_the_broker_was_too_short() {
    let mut claims = claims("kitchen");
    claims.subscribed(secs(0.0));
    claims.broker_memory(QUIET, secs(0.0));
    claims.track(&8);
    for _ in 0..=MAX_RETAINED {
        claims.received(&8, &other("attic", 1, None), Some(Duration::ZERO), secs(0.0));
    }
    claims.heard(&7, Some(-50), secs(0.0));
    assert_eq!(claims.step(secs(0.0)), []);
}
