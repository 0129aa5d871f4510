//! Guarantee: what the documentation of a group of consumers says, case by case.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use esdb_subscription::group::{Action, Group, Nack, Options, Refused, WhenFull};

type Test = Group<&'static str, u64>;

fn options() -> Options {
    Options {
        consumers: 3,
        buffer: 10,
        when_full: WhenFull::Block,
        warn_at: None,
        bytes: 1_000,
        max_attempts: None,
    }
}

/// What is delivered now: who gets which positions.
fn delivered(group: &mut Test) -> Vec<(&'static str, Vec<u64>)> {
    let deliver = |action| match action {
        Action::Deliver { consumer, events } => {
            let positions = events.iter().map(|event| {
                assert_eq!(event.position, event.payload);
                event.position
            });
            Some((consumer, positions.collect()))
        }
        _ => None,
    };
    group.actions().into_iter().filter_map(deliver).collect()
}

fn offer(group: &mut Test, events: &[(u64, &str)]) {
    for (position, stream) in events {
        group
            .offer(*position, stream.as_bytes(), *position, 10)
            .unwrap();
    }
}

#[test]
fn a_stream_stays_with_a_consumer_while_it_has_events_in_flight() {
    let mut group = Test::new(options(), 0);
    group.join("a", 2).unwrap();
    group.join("b", 9).unwrap();
    offer(&mut group, &[(0, "x")]);
    assert_eq!(delivered(&mut group), [("b", vec![0])]);
    group.set_window("b", 1).unwrap();
    offer(&mut group, &[(1, "x"), (2, "y"), (3, "z")]);
    // Only x's owner may have 1, and it has no room.
    assert_eq!(delivered(&mut group), [("a", vec![2, 3])]);
    group.ack("b", 0).unwrap();
    assert_eq!(delivered(&mut group), [("b", vec![1])]);
}

#[test]
fn a_consumer_that_leaves_has_one_heir() {
    let mut group = Test::new(options(), 0);
    group.join("a", 4).unwrap();
    offer(
        &mut group,
        &[(0, "x"), (1, "y"), (2, "x"), (3, "z"), (4, "x"), (5, "y")],
    );
    assert_eq!(delivered(&mut group), [("a", vec![0, 1, 2, 3])]);
    group.ack("a", 1).unwrap();
    group.join("b", 2).unwrap();
    group.join("c", 1).unwrap();
    group.leave("a").unwrap();
    assert_eq!(group.ack("a", 0), Err(Refused::Unknown));
    // y has nothing in flight any more and may go elsewhere; x and z are b's.
    assert_eq!(delivered(&mut group), [("b", vec![0, 2]), ("c", vec![5])]);
    group.ack_up_to("b", 2).unwrap();
    assert_eq!(delivered(&mut group), [("b", vec![3, 4])]);
}

#[test]
fn without_consumers_events_wait() {
    let mut group = Test::new(options(), 0);
    group.join("a", 5).unwrap();
    offer(&mut group, &[(0, "x"), (1, "y"), (2, "x")]);
    assert_eq!(delivered(&mut group).len(), 1);
    group.leave("a").unwrap();
    assert_eq!(delivered(&mut group), []);
    assert_eq!((group.waiting(), group.wants()), (3, 7));
    group.join("b", 5).unwrap();
    let actions = group.actions();
    let [
        Action::Deliver {
            consumer: "b",
            events,
        },
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    assert!(
        events
            .iter()
            .all(|event| event.redelivered && event.attempt == 1)
    );
}

#[test]
fn an_event_to_be_tried_again_comes_before_later_ones_of_its_stream() {
    let mut group = Test::new(options(), 0);
    group.join("a", 4).unwrap();
    group.join("b", 4).unwrap();
    offer(
        &mut group,
        &[(0, "x"), (1, "x"), (2, "x"), (3, "x"), (4, "x")],
    );
    assert_eq!(delivered(&mut group), [("a", vec![0, 1, 2, 3])]);
    group.ack("a", 2).unwrap();
    group.nack("a", 1, Nack::Retry).unwrap();
    group.ack("a", 0).unwrap();
    // Nothing of x is in flight, yet a may still be at what it was to give back.
    let actions = group.actions();
    let Action::Deliver {
        consumer: "a",
        events,
    } = &actions[0]
    else {
        panic!("{actions:?}");
    };
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.position, event.attempt, event.redelivered))
        .collect();
    assert_eq!(told, [(1, 2, true), (3, 1, true), (4, 1, false)]);
}

#[test]
fn parked_and_skipped_events_are_passed_over_and_parked_ones_come_again() {
    let mut group = Test::new(options(), 5);
    group.join("a", 2).unwrap();
    offer(&mut group, &[(5, "x"), (6, "x"), (7, "x")]);
    assert_eq!(delivered(&mut group), [("a", vec![5, 6])]);
    group.nack("a", 6, Nack::Skip).unwrap();
    group.nack("a", 5, Nack::Park(b"why".to_vec())).unwrap();
    let actions = group.actions();
    assert_eq!(
        actions[0],
        Action::Park {
            position: 5,
            stream: (*b"x").into(),
            payload: 5,
            attempt: 1,
            reason: Some(b"why".to_vec())
        }
    );
    assert_eq!(actions.last(), Some(&Action::CheckpointMoved(7)));
    assert_eq!(group.replay(7, b"x", 7, 10), Err(Refused::Known));
    group.replay(5, b"x", 5, 10).unwrap();
    assert_eq!(group.replay(5, b"x", 5, 10), Err(Refused::Known));
    assert_eq!(delivered(&mut group), [("a", vec![5])]);
    // A replayed event does not hold the checkpoint back.
    assert_eq!(group.checkpoint(), 7);
    group.ack("a", 7).unwrap();
    assert_eq!(group.actions(), [Action::CheckpointMoved(8)]);
    group.ack("a", 5).unwrap();
    assert_eq!((group.actions(), group.len()), (vec![], 0));
}

#[test]
fn the_checkpoint_is_the_lowest_that_is_not_done_with() {
    let mut group = Test::new(options(), 3);
    group.join("a", 9).unwrap();
    offer(&mut group, &[(4, "x"), (6, "y"), (9, "z")]);
    group.pass(20);
    assert!(group.actions().contains(&Action::CheckpointMoved(4)));
    group.ack("a", 6).unwrap();
    assert_eq!(group.actions(), []);
    assert_eq!(group.unfinished().collect::<Vec<_>>(), [4, 9]);
    group.ack("a", 4).unwrap();
    assert_eq!(group.actions(), [Action::CheckpointMoved(9)]);
    group.ack("a", 9).unwrap();
    assert_eq!(group.actions(), [Action::CheckpointMoved(20)]);
    assert_eq!(group.offer(19, b"x", 19, 10), Err(Refused::Passed));
    group.reset(2);
    assert_eq!(group.actions(), [Action::CheckpointMoved(2)]);
    offer(&mut group, &[(4, "x")]);
    assert_eq!(delivered(&mut group), [("a", vec![4])]);
}

#[test]
fn exclusive_and_limited_groups() {
    let mut group = Test::new(
        Options {
            consumers: 1,
            ..options()
        },
        0,
    );
    group.join("a", 1).unwrap();
    assert_eq!(group.join("a", 1), Err(Refused::Known));
    assert_eq!(group.join("b", 1), Err(Refused::Full));
    group.leave("a").unwrap();
    group.join("b", 1).unwrap();
    assert_eq!(group.leave("a"), Err(Refused::Unknown));
}

/// A live group without room, with events 0 and 1 waiting.
fn full(when_full: WhenFull) -> Test {
    let mut group = Test::new(
        Options {
            buffer: 2,
            when_full,
            ..options()
        },
        0,
    );
    group.join("a", 0).unwrap();
    group.caught_up();
    offer(&mut group, &[(0, "x"), (1, "x")]);
    assert_eq!(group.actions(), [Action::CaughtUp]);
    group
}

#[test]
fn full_groups_block_drop_or_refuse() {
    let group = full(WhenFull::Block);
    assert_eq!((group.wants(), group.next()), (0, 2));

    let mut group = full(WhenFull::Error);
    assert_eq!(
        (group.wants(), group.offer(2, b"x", 2, 10)),
        (1, Err(Refused::Full))
    );

    let mut group = full(WhenFull::DropOldest);
    assert_eq!((group.wants(), group.offer(2, b"x", 2, 10)), (1, Ok(())));
    assert_eq!(
        group.actions(),
        [Action::Dropped(0), Action::CheckpointMoved(1)]
    );
    group.set_window("a", 5).unwrap();
    assert_eq!(delivered(&mut group), [("a", vec![1, 2])]);

    let mut group = full(WhenFull::DropNewest);
    assert_eq!((group.wants(), group.offer(2, b"x", 2, 10)), (1, Ok(())));
    assert_eq!(group.actions(), [Action::Dropped(2)]);
    group.set_window("a", 5).unwrap();
    assert_eq!(delivered(&mut group), [("a", vec![0, 1])]);

    // What is read back from the store waits: nothing is lost by being behind.
    let mut behind = Test::new(
        Options {
            buffer: 1,
            when_full: WhenFull::DropOldest,
            ..options()
        },
        0,
    );
    offer(&mut behind, &[(0, "x")]);
    assert_eq!((behind.wants(), behind.actions()), (0, vec![]));
}

#[test]
fn warnings_and_the_end_are_told_once() {
    let mut group = Test::new(
        Options {
            warn_at: Some(2),
            ..options()
        },
        0,
    );
    group.join("a", 1).unwrap();
    offer(&mut group, &[(0, "x"), (1, "x"), (2, "x")]);
    group.caught_up();
    assert!(group.actions().contains(&Action::Warning { waiting: 2 }));
    offer(&mut group, &[(3, "y")]);
    assert_eq!(group.actions(), []);
    group.ack("a", 0).unwrap();
    assert!(!group.actions().contains(&Action::CaughtUp));
    // With 2 all is on its way that there was; 3 came after.
    group.ack("a", 1).unwrap();
    assert!(group.actions().contains(&Action::CaughtUp));
    offer(&mut group, &[(4, "y"), (5, "y")]);
    let actions = group.actions();
    assert_eq!(actions, [Action::Warning { waiting: 3 }]);
}

#[test]
fn what_was_asked_for_is_taken_though_others_came_back_meanwhile() {
    for live in [false, true] {
        let mut group = Test::new(
            Options {
                buffer: 2,
                ..options()
            },
            0,
        );
        group.join("a", 9).unwrap();
        for position in 0..4 {
            offer(&mut group, &[(position, "x")]);
            delivered(&mut group);
        }
        if live {
            group.caught_up();
        }
        assert_eq!(group.wants(), 2);
        group.set_window("a", 0).unwrap();
        group.nack("a", 0, Nack::Retry).unwrap();
        assert_eq!((group.waiting(), group.wants()), (4, 0));
        offer(&mut group, &[(4, "x"), (5, "y")]);
        group.set_window("a", 9).unwrap();
        assert_eq!(delivered(&mut group), [("a", vec![0, 1, 2, 3, 4, 5])]);
    }
}

#[test]
fn what_a_consumer_has_had_is_not_dropped() {
    let mut group = full(WhenFull::DropOldest);
    group.set_window("a", 2).unwrap();
    assert_eq!(delivered(&mut group), [("a", vec![0, 1])]);
    offer(&mut group, &[(2, "y")]);
    group.leave("a").unwrap();
    assert_eq!(group.waiting(), 3);
    // 2 is new; then only those are left that have been with a.
    offer(&mut group, &[(3, "y"), (4, "z")]);
    let dropped: Vec<_> = group
        .actions()
        .into_iter()
        .filter(|action| matches!(action, Action::Dropped(_)))
        .collect();
    assert_eq!(dropped, [2, 3, 4].map(Action::Dropped));
    group.join("b", 9).unwrap();
    assert_eq!(delivered(&mut group), [("b", vec![0, 1])]);
}

#[test]
fn bytes_are_bounded_as_events_are() {
    let mut group = Test::new(
        Options {
            bytes: 25,
            ..options()
        },
        0,
    );
    group.join("a", 9).unwrap();
    offer(&mut group, &[(0, "x"), (1, "y")]);
    assert_eq!((group.wants(), group.wants_bytes()), (8, 5));
    offer(&mut group, &[(2, "z")]);
    assert_eq!((group.wants(), group.wants_bytes()), (0, 0));
    // The third makes it 30 bytes; the fourth must wait.
    assert_eq!(delivered(&mut group), [("a", vec![0, 1, 2])]);
    offer(&mut group, &[(3, "x")]);
    assert_eq!(delivered(&mut group), []);
    group.ack("a", 1).unwrap();
    assert_eq!(delivered(&mut group), [("a", vec![3])]);
    group.ack_up_to("a", 3).unwrap();
    // One that is larger than everything is delivered alone.
    group.offer(4, b"x", 4, 1_000).unwrap();
    assert_eq!((group.wants(), group.wants_bytes()), (0, 0));
    offer(&mut group, &[(5, "x")]);
    assert_eq!(delivered(&mut group), [("a", vec![4])]);
    group.nack("a", 4, Nack::Retry).unwrap();
    assert_eq!(delivered(&mut group), [("a", vec![4])]);
    group.ack("a", 4).unwrap();
    assert_eq!(delivered(&mut group), [("a", vec![5])]);
    group.reset(0);
    assert_eq!((group.wants(), group.wants_bytes()), (10, 25));
}

#[test]
fn an_event_is_tried_as_often_as_may_be() {
    let mut group = Test::new(
        Options {
            max_attempts: Some(2),
            ..options()
        },
        0,
    );
    let attempts = |group: &mut Test| {
        let events = group
            .actions()
            .into_iter()
            .filter_map(|action| match action {
                Action::Deliver { events, .. } => Some(events),
                _ => None,
            });
        let told = events
            .flatten()
            .map(|event| (event.position, event.attempt));
        told.collect::<Vec<_>>()
    };
    group.join("a", 9).unwrap();
    offer(&mut group, &[(0, "x"), (1, "x"), (2, "y")]);
    assert_eq!(attempts(&mut group), [(0, 1), (1, 1), (2, 1)]);
    // A consumer that leaves has not failed.
    group.leave("a").unwrap();
    group.join("a", 9).unwrap();
    assert_eq!(attempts(&mut group), [(0, 1), (1, 1), (2, 1)]);
    // One that is lost may have been ended by any of them.
    group.ack("a", 2).unwrap();
    group.lose("a").unwrap();
    // Nobody is there: what is offered again has been tried all the same.
    group.forget(group.checkpoint());
    group.join("b", 9).unwrap();
    offer(&mut group, &[(0, "x"), (1, "x"), (3, "x")]);
    assert_eq!(attempts(&mut group), [(0, 2), (1, 2), (3, 1)]);
    group.nack("b", 1, Nack::Retry).unwrap();
    group.lose("b").unwrap();
    let parked: Vec<_> = group
        .actions()
        .into_iter()
        .filter_map(|action| match action {
            Action::Park {
                position,
                attempt,
                reason: None,
                ..
            } => Some((position, attempt)),
            _ => None,
        })
        .collect();
    assert_eq!(parked, [(1, 2), (0, 2)]);
    group.join("c", 9).unwrap();
    assert_eq!(attempts(&mut group), [(3, 2)]);
    // After a reset everything begins anew.
    group.reset(3);
    offer(&mut group, &[(3, "x")]);
    assert_eq!(attempts(&mut group), [(3, 1)]);
}
