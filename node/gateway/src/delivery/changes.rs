//! Changes of the table that the log has yet to answer, and what is there without them.
//!
//! The table shows a change as soon as it is handed to the log. If the log refuses it, the table is put
//! right when nothing more is on its way: what a later change made of a refused one is known then.

use super::subscription::Subscription;
use super::table::{Running, Table};
use esdb_log::{Done, Unavailable};
use esdb_store::Outcome;
use std::collections::HashMap;
use std::sync::Arc;

/// What is there under a key.
pub(super) type Entry = Option<Arc<Subscription>>;

/// What a change makes of what is there under a key.
pub(super) struct Effect {
    pub(super) key: String,
    pub(super) before: Entry,
    pub(super) after: Entry,
}

/// The changes that are on their way.
#[derive(Default)]
pub(super) struct Changes {
    on_their_way: usize,
    /// What the log has under the keys that they are about.
    durable: HashMap<String, Entry>,
    /// Who is answered when the table is put right.
    refused: Vec<(Done, Unavailable)>,
    /// Nothing comes back.
    ended: bool,
}

impl Changes {
    /// A change is about to be handed to the log.
    pub(super) fn begin(&mut self, effects: &[Effect]) {
        self.on_their_way += 1;
        for effect in effects {
            let durable = self.durable.entry(effect.key.clone());
            durable.or_insert_with(|| effect.before.clone());
        }
    }

    /// The log has answered. Returns whom to tell, unless that is to wait.
    pub(super) fn answered(
        &mut self,
        effects: Vec<Effect>,
        outcome: Result<Outcome, Unavailable>,
        done: Done,
    ) -> Option<(Done, Result<Outcome, Unavailable>)> {
        self.on_their_way -= 1;
        match outcome {
            // Known after a restart.
            Err(Unavailable::Stopped(_)) => {}
            Err(reason) => {
                self.refused.push((done, reason));
                return None;
            }
            Ok(_) => {
                let after = effects.into_iter().map(|effect| (effect.key, effect.after));
                self.durable.extend(after);
            }
        }
        if self.on_their_way == 0 && self.refused.is_empty() {
            self.durable.clear();
        }
        Some((done, outcome))
    }

    /// Whether the table is to be put right now.
    pub(super) fn is_due(&self) -> bool {
        self.on_their_way == 0 && !self.refused.is_empty()
    }

    /// Makes the table show what the log has, if that is due. Returns whom to tell.
    pub(super) fn put_right(
        &mut self,
        table: &mut Table,
        run: impl Fn(Arc<Subscription>) -> Running,
    ) -> Vec<(Done, Unavailable)> {
        if !self.is_due() {
            return Vec::new();
        }
        for (key, durable) in self.durable.drain().filter(|_| !self.ended) {
            let shown = table.get(&key).cloned();
            if shown.as_ref().map(Arc::as_ptr) == durable.as_ref().map(Arc::as_ptr) {
                continue;
            }
            if let Some(shown) = shown {
                shown.retire();
                table.remove(&key);
            }
            if let Some(durable) = durable {
                durable.reinstate();
                table.insert(run(durable));
            }
        }
        std::mem::take(&mut self.refused)
    }

    /// The subscriptions end: from now on the table is left alone.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Batch;
    use super::super::subscription::tests::subscription;
    use super::*;
    use tokio::runtime::Handle;

    /// A table without a log.
    #[derive(Default)]
    struct Case {
        table: Table,
        changes: Changes,
    }

    fn run(subscription: Arc<Subscription>) -> Running {
        Running {
            subscription,
            delivery: Handle::current().spawn(std::future::pending()),
        }
    }

    impl Case {
        fn shown(&self) -> Entry {
            self.table.get("1").cloned()
        }

        /// Makes of what is there what is given.
        fn change(&mut self, after: Entry) -> Vec<Effect> {
            let before = self.shown();
            let effect = Effect {
                key: "1".to_owned(),
                before: before.clone(),
                after: after.clone(),
            };
            let effects = vec![effect];
            self.changes.begin(&effects);
            match (before, after) {
                (Some(before), None) => {
                    before.retire();
                    self.table.remove("1");
                }
                (None, Some(after)) => self.table.insert(run(after)),
                _ => {}
            }
            effects
        }

        /// The log answers; returns how many are told.
        fn answer(&mut self, effects: Vec<Effect>, refusal: Option<Unavailable>) -> usize {
            let outcome = refusal.map_or(Ok(Outcome::Deleted { existed: true }), Err);
            let told = self.changes.answered(effects, outcome, Box::new(|_, _| {}));
            let later = self.changes.put_right(&mut self.table, run);
            usize::from(told.is_some()) + later.len()
        }

        fn is(&self, expected: &Arc<Subscription>) -> bool {
            let shown = self.shown();
            shown.is_some_and(|shown| {
                Arc::ptr_eq(&shown, expected) && shown.send(&Batch::default(), || 0)
            })
        }
    }

    fn full() -> Option<Unavailable> {
        Some(Unavailable::DiskFull("full".to_owned()))
    }

    fn one() -> Arc<Subscription> {
        Arc::new(subscription())
    }

    /// A case with one that is durable.
    fn with(old: &Arc<Subscription>) -> Case {
        let mut case = Case::default();
        let saved = case.change(Some(old.clone()));
        assert_eq!(case.answer(saved, None), 1);
        case
    }

    #[tokio::test]
    async fn a_refused_change_is_undone() {
        let mut case = Case::default();
        let saved = case.change(Some(one()));
        assert_eq!(case.answer(saved, full()), 1);
        assert!(case.shown().is_none());
        let old = one();
        let mut case = with(&old);
        let removed = case.change(None);
        assert_eq!(case.answer(removed, full()), 1);
        assert!(case.is(&old));
    }

    #[tokio::test]
    async fn of_several_refused_ones_all_are_undone() {
        let (old, new) = (one(), one());
        let mut case = with(&old);
        let removed = case.change(None);
        let saved = case.change(Some(new.clone()));
        assert_eq!(case.answer(removed, full()), 0);
        assert_eq!(case.answer(saved, full()), 2);
        assert!(case.is(&old));
        let mut case = Case::default();
        let saved = case.change(Some(new));
        let removed = case.change(None);
        assert_eq!(case.answer(saved, full()), 0);
        assert_eq!(case.answer(removed, full()), 2);
        assert!(case.shown().is_none());
    }

    /// The first is refused, and the one that comes after it is not.
    #[tokio::test]
    async fn what_the_log_takes_later_counts() {
        let (old, new) = (one(), one());
        let mut case = Case::default();
        let saved = case.change(Some(new.clone()));
        let bound = case.change(Some(new.clone()));
        assert_eq!(case.answer(saved, full()), 0);
        assert_eq!(case.answer(bound, None), 2);
        assert!(case.is(&new));
        let mut case = with(&old);
        let removed = case.change(None);
        let saved = case.change(Some(new.clone()));
        assert_eq!(case.answer(removed, full()), 0);
        assert_eq!(case.answer(saved, None), 2);
        assert!(case.is(&new));
        let removed = case.change(None);
        let saved = case.change(Some(old));
        assert_eq!(case.answer(removed, None), 1);
        assert_eq!(case.answer(saved, full()), 1);
        assert!(case.shown().is_none());
    }

    #[tokio::test]
    async fn nothing_comes_back_when_the_store_ends() {
        let old = one();
        let mut case = with(&old);
        let removed = case.change(None);
        let stopped = Unavailable::Stopped("it ends".to_owned());
        assert_eq!(case.answer(removed, Some(stopped)), 1);
        assert!(case.shown().is_none());
        let mut case = with(&old);
        let removed = case.change(None);
        case.changes.end();
        assert_eq!(case.answer(removed, full()), 1);
        assert!(case.shown().is_none());
    }
}
