//! Guarantee: the index visits exactly the subscriptions whose selector matches, each once, whatever
//! was inserted, replaced and removed before.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/random.rs"]
mod random;
mod support;

use esdb_subscription::{Index, Selector};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{Event, parse};

fn visited(index: &Index<u8>, event: &Event) -> Vec<u8> {
    let mut keys = Vec::new();
    index.candidates(&event.recorded(), |key| keys.push(*key));
    keys.sort_unstable();
    keys
}

fn expected(all: &BTreeMap<u8, Arc<Selector>>, event: &Event) -> Vec<u8> {
    let matching = all
        .iter()
        .filter(|(_, selector)| selector.matches(&event.recorded()));
    matching.map(|(key, _)| *key).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn as_asking_each(
        steps in vec((any::<u8>().prop_map(|key| key % 48), prop::option::weighted(0.8, random::selector())), 1..80),
        events in vec(random::event(), 1..12),
    ) {
        let (mut index, mut all) = (Index::new(), BTreeMap::new());
        for (step, (key, selector)) in steps.into_iter().enumerate() {
            match selector {
                Some((kind, selector)) => {
                    let selector = Arc::new(parse(kind, &selector).unwrap());
                    index.insert(key, selector.clone());
                    all.insert(key, selector);
                }
                None => prop_assert_eq!(index.remove(&key), all.remove(&key).is_some()),
            }
            let event = &events[step % events.len()];
            prop_assert_eq!(visited(&index, event), expected(&all, event));
        }
        prop_assert_eq!(index.len(), all.len());
        for event in &events {
            prop_assert_eq!(visited(&index, event), expected(&all, event));
        }
        for key in all.into_keys() {
            index.remove(&key);
        }
        let before = index.evaluations();
        for event in &events {
            prop_assert_eq!(visited(&index, event), Vec::<u8>::new());
        }
        prop_assert_eq!(index.evaluations(), before, "places are left behind");
    }
}
