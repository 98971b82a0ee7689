//! The policy for more bulbs than links, played on given times with random bulbs and commands.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::{Duration, Instant as Clock};

use bulbctl::bridge::links::{
    BulbView, IN_USE, LinkAction, LinkView, Links, OVERDUE, PATIENCE, Reports, STAY, VISIT_EVERY, VISIT_PACE,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::time::Instant;

#[path = "links/simulation.rs"]
mod simulation;
use simulation::{Bulb, Simulation, Times};

const TIMES: Times = Times { connect: (740, 930), write: (30, 50), release: 2_000 };
const HOUR: u64 = 3_600_000;

fn view(id: usize, now: Instant) -> BulbView<usize> {
    BulbView {
        id,
        since: now,
        link: LinkView::None,
        command: None,
        several: false,
        last_command: None,
        last_polled: None,
        heard: Some(now),
        not_before: None,
        last_link: None,
        reports: Reports::ByItself,
        keep_alive: false,
    }
}

fn up(id: usize, now: Instant, since: Duration) -> BulbView<usize> {
    BulbView { link: LinkView::Up { since: now - since }, last_polled: Some(now), ..view(id, now) }
}

/// A time of which other times can be subtracted.
fn now() -> Instant {
    Instant::now() + Duration::from_secs(10_000)
}

#[test]
fn all_bulbs_have_a_link_if_there_are_enough() {
    let now = now();
    let mut bulbs: Vec<_> = (0..3).map(|id| view(id, now)).collect();
    let mut links = Links::new(3);
    for id in 0..3 {
        assert_eq!(links.plan(&bulbs, now), [LinkAction::Connect(id)]);
        bulbs[id].link = LinkView::Connecting { since: now };
        assert_eq!(links.plan(&bulbs, now), [], "one at a time");
        bulbs[id].link = LinkView::Up { since: now };
    }
    assert_eq!(links.plan(&bulbs, now + OVERDUE * 2), []);
}

#[test]
fn a_command_takes_the_free_link_and_another_is_freed() {
    let now = now();
    let mut bulbs = vec![up(0, now, STAY), up(1, now, STAY * 2), view(2, now)];
    bulbs[0].last_command = Some(now - IN_USE / 2);
    bulbs[2].command = Some(now);
    let mut links = Links::new(3);
    assert_eq!(links.plan(&[&bulbs[..], &[view(3, now)]].concat(), now), [LinkAction::Connect(2)]);
    // Without a free link, the bulb that is not in use gives up its own.
    let mut links = Links::new(2);
    assert_eq!(links.plan(&bulbs, now), [LinkAction::Release(1)]);
    bulbs[1].link = LinkView::Releasing;
    assert_eq!(links.plan(&bulbs, now), []);
    bulbs[1].link = LinkView::None;
    assert_eq!(links.plan(&bulbs, now), [LinkAction::Connect(2)]);
}

#[test]
fn a_link_with_a_command_to_write_is_not_taken() {
    let now = now();
    let mut bulbs = vec![up(0, now, STAY), view(1, now)];
    for bulb in &mut bulbs {
        bulb.command = Some(now);
    }
    assert_eq!(Links::new(1).plan(&bulbs, now), []);
}

#[test]
fn a_visit_makes_way_for_a_command() {
    let now = now();
    let mut bulbs: Vec<_> = (0..4).map(|id| view(id, now)).collect();
    let mut links = Links::new(2);
    assert_eq!(links.plan(&bulbs, now), [LinkAction::Connect(0)]);
    bulbs[0].link = LinkView::Connecting { since: now };
    bulbs[3].command = Some(now);
    assert_eq!(links.plan(&bulbs, now), [LinkAction::Release(0)]);
}

#[test]
fn an_attempt_at_a_missing_bulb_makes_way_after_a_time() {
    let start = now();
    let mut bulbs: Vec<_> = (0..4).map(|id| view(id, start)).collect();
    bulbs[0].heard = None;
    bulbs[0].command = Some(start);
    let mut links = Links::new(2);
    assert_eq!(links.plan(&bulbs, start), [LinkAction::Connect(0)]);
    bulbs[0].link = LinkView::Connecting { since: start };
    bulbs[1].command = Some(start);
    assert_eq!(links.plan(&bulbs, start + PATIENCE / 2), []);
    assert_eq!(links.wake(&bulbs, start), Some(start + PATIENCE));
    assert_eq!(links.plan(&bulbs, start + PATIENCE), [LinkAction::Release(0)]);
    bulbs[0].link = LinkView::None;
    bulbs[0].last_link = Some(start + PATIENCE);
    assert_eq!(links.plan(&bulbs, start + PATIENCE), [LinkAction::Connect(1)]);
}

#[test]
fn idle_links_go_around_in_the_order_of_the_oldest_state() {
    let now = now();
    let mut bulbs: Vec<_> = (0..5).map(|id| view(id, now)).collect();
    bulbs[0] = up(0, now, STAY);
    for (id, minutes) in [(1, 3), (2, 5), (3, 4)] {
        bulbs[id].last_polled = Some(now - Duration::from_secs(60) * minutes);
    }
    bulbs[4].last_polled = Some(now - VISIT_EVERY / 2);
    let mut links = Links::new(3);
    assert_eq!(links.plan(&bulbs, now), [LinkAction::Connect(2)]);
    bulbs[2] = up(2, now, Duration::ZERO);
    assert_eq!(links.plan(&bulbs, now + VISIT_PACE / 2), [], "not so soon");
    assert_eq!(links.plan(&bulbs, now + VISIT_PACE), [LinkAction::Release(0)]);
}

#[test]
fn a_hundred_new_bulbs_are_visited_in_a_few_minutes() {
    let bulb = |number| Bulb {
        reports: if number % 3 == 0 { Reports::Never } else { Reports::ByItself },
        keep_alive: false,
        away: None,
    };
    let outcome = Simulation::new(Links::new(5), 5, TIMES, (0..100).map(bulb).collect(), 1).run(240_000);
    assert_eq!(outcome.visited, 100);
}

#[test]
fn a_bulb_that_cannot_report_is_not_visited_and_gives_up_its_link_first() {
    let now = now();
    let mut bulbs = vec![up(0, now, STAY), up(1, now, STAY * 9), view(2, now), view(3, now)];
    bulbs[0].reports = Reports::Never;
    (bulbs[2].reports, bulbs[2].last_link) = (Reports::Never, Some(now - OVERDUE));
    bulbs[3].last_polled = Some(now - VISIT_EVERY);
    assert_eq!(Links::new(3).plan(&bulbs, now), [LinkAction::Release(0)]);
    bulbs[3].last_polled = Some(now);
    assert_eq!(Links::new(3).plan(&bulbs, now), []);
}

#[test]
fn of_two_idle_links_the_one_with_keep_alive_frames_ends() {
    let now = now();
    let mut bulbs = vec![up(0, now, STAY), up(1, now, STAY), view(2, now)];
    bulbs[1].keep_alive = true;
    bulbs[2].command = Some(now);
    assert_eq!(Links::new(2).plan(&bulbs, now), [LinkAction::Release(1)]);
}

/// The memory of the policy is one time. This guards against work that grows faster than the number of bulbs.
#[test]
fn ten_thousand_bulbs() {
    let now = now();
    let mut bulbs: Vec<_> = (0..10_000).map(|id| view(id, now)).collect();
    for bulb in &mut bulbs {
        bulb.command = Some(now);
    }
    let mut links = Links::new(5);
    let start = Clock::now();
    for _ in 0..100 {
        assert_eq!(links.plan(&bulbs, now), [LinkAction::Connect(0)]);
        assert_eq!(links.wake(&bulbs, now), Some(now + OVERDUE));
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

fn bulb() -> impl Strategy<Value = Bulb> {
    let reports = select(vec![Reports::ByItself, Reports::WhenAsked, Reports::Never]);
    let away = proptest::option::weighted(
        0.3,
        (0..HOUR / 2, 1_000..HOUR / 2).prop_map(|(at, time)| (at, at + time)),
    );
    (reports, any::<bool>(), away).prop_map(|(reports, keep_alive, away)| Bulb { reports, keep_alive, away })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Commands of bulbs that are there arrive, also beside commands for missing ones, and every bulb has news again and
    /// again.
    #[test]
    fn nothing_starves(
        slots in 1..6_usize,
        bulbs in vec(bulb(), 1..30),
        commands in vec((0..HOUR, 0..30_usize), 0..400),
        favourite in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let there: Vec<bool> = bulbs.iter().map(|bulb| bulb.away.is_none()).collect();
        let reports: Vec<bool> = bulbs.iter().map(|bulb| bulb.reports != Reports::Never).collect();
        let count = bulbs.len();
        let mut simulation = Simulation::new(Links::new(slots), slots, TIMES, bulbs, seed);
        let mut sent = 0;
        for (at, bulb) in commands {
            simulation.command(at, bulb % count);
            sent += usize::from(there[bulb % count]);
        }
        if favourite {
            // A bulb that is always in use must not keep the others out.
            for at in (0..HOUR).step_by(20_000) {
                simulation.command(at, 0);
                sent += usize::from(there[0]);
            }
        }
        let outcome = simulation.run(HOUR);
        let lost = outcome.expired.iter().filter(|bulb| there[**bulb]).count();
        // With one link, a command may come while ten others wait.
        prop_assert!(lost * 50 <= sent, "{lost} of {sent} commands expired");
        let pace = VISIT_PACE + Duration::from_secs(20);
        let limit = u64::try_from((OVERDUE + pace * u32::try_from(count).unwrap()).as_millis()).unwrap();
        for (bulb, gap) in outcome.longest_gap.iter().enumerate() {
            if there[bulb] && reports[bulb] {
                prop_assert!(*gap > 0 && *gap < limit, "bulb {bulb} had no news for {gap} ms");
            }
        }
    }
}
