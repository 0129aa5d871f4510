//! Whether a store is offered to clients, and why not.
//!
//! Clients rotate over all workers that they find in a store's group. If two servers put workers there
//! that answer from different data, the clients' data is split between them, silently. So a store has
//! a UUID, and of two servers that offer one name with different UUIDs to a common node, the later one
//! gives way: it leaves the groups at all nodes. Later is the one that has offered the store for the
//! shorter time; if both began within [`TIE`] of each other, the one with the greater node name. A
//! member of the group that does not know this rule does not give way, whenever it came.

use std::time::{Duration, Instant};

/// Two servers that began to offer a store within so long of each other began at once: long enough that
/// both come to the same judgement, whatever the network delays.
const TIE: Duration = Duration::from_secs(10);

/// Another node with a worker in a group of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rival {
    pub(crate) node: String,
    /// The node that has found it in the group.
    pub(crate) seen_at: String,
    pub(crate) claim: Claim,
}

/// What a rival says of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It has a store of this UUID, and has offered it for so long.
    Store { uuid: String, offered: Duration },
    /// It does not know what is asked: it is no rs-esdb.
    Unaware,
    /// Nothing, or nothing that makes sense.
    Silent,
}

/// Who judges.
pub(crate) struct Own<'a> {
    pub(crate) node: &'a str,
    pub(crate) store: &'a str,
    pub(crate) uuid: &'a str,
    /// How long a rival must have been away before the store is offered again.
    pub(crate) absence: Duration,
}

/// How a store stands towards clients.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    standing: Standing,
    /// Whether the workers have been put into the groups, and not been taken out since.
    joined: bool,
    conflict: Option<Conflict>,
}

/// What was told last of a rival.
#[derive(Debug, PartialEq, Eq)]
struct Conflict {
    seen_at: String,
    text: String,
}

#[derive(Debug, Default)]
enum Standing {
    /// In the groups, or soon; no node has been told yet.
    #[default]
    New,
    /// In the groups, or soon, and offered since then.
    Offered(Instant),
    /// Not in the groups, because of a rival, last seen then.
    Refused(Instant),
    /// Not in the groups, for good.
    Withdrawn,
}

/// What a judgement asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Leave,
    Join,
}

impl Offer {
    /// How long the store has been offered to clients.
    pub(crate) fn age(&self, now: Instant) -> Option<Duration> {
        match self.standing {
            Standing::Offered(since) => Some(now.duration_since(since)),
            _ => None,
        }
    }

    /// Who else offers a store of that name, and what to do about it.
    pub(crate) fn conflict(&self) -> Option<&str> {
        self.conflict
            .as_ref()
            .map(|conflict| conflict.text.as_str())
    }

    /// A node is about to be told of the store.
    pub(crate) fn begin(&mut self, now: Instant) {
        if matches!(self.standing, Standing::New) {
            self.standing = Standing::Offered(now);
        }
    }

    /// Whether the workers are to be put into the groups now: not if the store has given way or is
    /// gone, nor if they are there.
    pub(crate) fn enter(&mut self) -> bool {
        let is_open = matches!(self.standing, Standing::New | Standing::Offered(_));
        is_open && !std::mem::replace(&mut self.joined, true)
    }

    /// The store is to be offered no more.
    pub(crate) fn withdraw(&mut self) {
        self.standing = Standing::Withdrawn;
        self.joined = false;
    }

    /// Judges what was found. `answered` tells of a node whether it sees no others, or has gone.
    pub(crate) fn judge(
        &mut self,
        own: &Own<'_>,
        rivals: &[Rival],
        answered: &dyn Fn(&str) -> bool,
        now: Instant,
    ) -> Option<Change> {
        let age = self.age(now);
        let others = || rivals.iter().filter(|rival| !rival.is_same_store(own));
        let stronger = others().find(|rival| rival.prevails(own, age));
        let conflict = self.conflict.as_ref();
        let has_gone = conflict.is_none_or(|conflict| answered(&conflict.seen_at));
        match (&mut self.standing, stronger) {
            (Standing::Withdrawn, _) => None,
            (Standing::Refused(seen), None) => {
                let is_over = has_gone && now.duration_since(*seen) >= own.absence;
                is_over.then(|| {
                    self.standing = Standing::New;
                    self.note(own, None);
                    Change::Join
                })
            }
            (standing, Some(rival)) => {
                let is_in = !matches!(standing, Standing::Refused(_));
                *standing = Standing::Refused(now);
                self.joined = false;
                self.note(own, Some(rival));
                is_in.then_some(Change::Leave)
            }
            (Standing::New | Standing::Offered(_), None) => {
                let weaker = others().next();
                if weaker.is_some() || has_gone {
                    self.note(own, weaker);
                }
                None
            }
        }
    }

    /// Remembers what there is to say of the rival, and says it in the log if it is news.
    fn note(&mut self, own: &Own<'_>, rival: Option<&Rival>) {
        let refused = matches!(self.standing, Standing::Refused(_));
        let conflict = rival.map(|rival| Conflict {
            seen_at: rival.seen_at.clone(),
            text: rival.describe(own, refused),
        });
        match (&conflict, self.conflict == conflict) {
            (_, true) => {}
            (Some(conflict), false) => tracing::error!("{}", conflict.text),
            (None, false) => tracing::info!(
                "store {} is offered to clients, and by nobody else any more",
                own.store
            ),
        }
        self.conflict = conflict;
    }
}

impl Rival {
    fn is_same_store(&self, own: &Own<'_>) -> bool {
        matches!(&self.claim, Claim::Store { uuid, .. } if uuid == own.uuid)
    }

    /// Whether a store that has been offered for `age` gives way to it.
    fn prevails(&self, own: &Own<'_>, age: Option<Duration>) -> bool {
        match (&self.claim, age) {
            (_, None) => true,
            (Claim::Store { offered, .. }, Some(age)) => match age.abs_diff(*offered) < TIE {
                true => own.node > self.node.as_str(),
                false => age < *offered,
            },
            // It came later, and will not give way; that ours did would not help those who use it.
            (Claim::Unaware | Claim::Silent, Some(_)) => false,
        }
    }

    fn describe(&self, own: &Own<'_>, refused: bool) -> String {
        let Own {
            node, store, uuid, ..
        } = own;
        let (other, at, seconds) = (&self.node, &self.seen_at, own.absence.as_secs());
        let whose = match &self.claim {
            Claim::Store { uuid, .. } => format!("offers another store of that name (UUID {uuid})"),
            Claim::Unaware => "offers a store of that name and is no rs-esdb".to_owned(),
            Claim::Silent => "offers a store of that name and does not say which".to_owned(),
        };
        let ours = format!("store {store} (UUID {uuid}) of {node}");
        match (refused, &self.claim) {
            (true, _) => format!(
                "{ours} is not offered to clients, or their data would be split: {other} {whose}, as \
                 {at} sees. Stop that one, or remove the store from one of them; this one is \
                 offered when the other has been away for {seconds} s"
            ),
            (false, Claim::Store { .. }) => format!(
                "{ours} has a rival, which is the later one and has to give way: {other} {whose}, \
                 as {at} sees"
            ),
            (false, _) => format!(
                "{ours} has a rival that came later, and clients' data is split between them: \
                 {other} {whose}, as {at} sees. Stop that one, or remove the store from one of them"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Own<'static> = Own {
        node: "m@host",
        store: "orders",
        uuid: "ours",
        absence: Duration::from_secs(60),
    };

    fn rival(node: &str, claim: Claim) -> Rival {
        Rival {
            node: node.to_owned(),
            seen_at: "beam@host".to_owned(),
            claim,
        }
    }

    fn theirs(node: &str, seconds: u64) -> Rival {
        let offered = Duration::from_secs(seconds);
        let uuid = "theirs".to_owned();
        rival(node, Claim::Store { uuid, offered })
    }

    /// An offer that began `seconds` before the second value, the time at which it is judged.
    fn offered(seconds: u64) -> (Offer, Instant) {
        let (mut offer, began) = (Offer::default(), Instant::now());
        offer.begin(began);
        (offer, began + Duration::from_secs(seconds))
    }

    fn judged(offer: &mut Offer, now: Instant, rivals: &[Rival]) -> Option<Change> {
        offer.judge(&OWN, rivals, &|_| true, now)
    }

    #[test]
    fn the_later_one_gives_way() {
        let (mut offer, now) = offered(100);
        assert_eq!(judged(&mut offer, now, &[theirs("a@host", 80)]), None);
        assert!(offer.conflict().is_some());
        let older = [theirs("z@host", 120)];
        assert_eq!(judged(&mut offer, now, &older), Some(Change::Leave));
        assert_eq!(offer.age(now), None);
    }

    #[test]
    fn of_two_that_began_at_once_the_greater_name_gives_way() {
        for seconds in [95, 105] {
            let (mut offer, now) = offered(100);
            assert_eq!(judged(&mut offer, now, &[theirs("z@host", seconds)]), None);
            let lesser = [theirs("a@host", seconds)];
            assert_eq!(judged(&mut offer, now, &lesser), Some(Change::Leave));
        }
    }

    #[test]
    fn a_newcomer_gives_way_to_anybody_else() {
        for claim in [Claim::Unaware, Claim::Silent] {
            let (mut offer, now) = (Offer::default(), Instant::now());
            let there = [rival("a@host", claim)];
            assert_eq!(judged(&mut offer, now, &there), Some(Change::Leave));
            let (mut offer, now) = offered(100);
            assert_eq!(judged(&mut offer, now, &there), None);
            assert!(offer.conflict().unwrap().contains("split"));
        }
    }

    #[test]
    fn the_same_store_is_no_rival() {
        let (mut offer, now) = (Offer::default(), Instant::now());
        let (uuid, offered) = ("ours".to_owned(), Duration::from_secs(1_000));
        let same = [rival("a@host", Claim::Store { uuid, offered })];
        assert_eq!(judged(&mut offer, now, &same), None);
        assert_eq!(offer.conflict(), None);
    }

    #[test]
    fn it_is_offered_again_when_the_rival_has_been_away_for_long_enough() {
        let (mut offer, now) = (Offer::default(), Instant::now());
        judged(&mut offer, now, &[theirs("a@host", 5)]);
        let at = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(judged(&mut offer, at(1), &[]), None);
        assert_eq!(judged(&mut offer, at(50), &[theirs("a@host", 3)]), None);
        assert_eq!(judged(&mut offer, at(109), &[]), None);
        // Others say nothing about what the node has seen that does not answer.
        let answered = |node: &str| node != "beam@host";
        assert_eq!(offer.judge(&OWN, &[], &answered, at(110)), None);
        assert!(offer.conflict().is_some());
        assert_eq!(judged(&mut offer, at(110), &[]), Some(Change::Join));
        assert_eq!(offer.conflict(), None);
    }

    #[test]
    fn what_is_withdrawn_stays_so() {
        let (mut offer, now) = (Offer::default(), Instant::now());
        judged(&mut offer, now, &[theirs("a@host", 5)]);
        offer.withdraw();
        let late = now + Duration::from_secs(1_000);
        assert_eq!(judged(&mut offer, late, &[]), None);
        offer.begin(late);
        assert_eq!(offer.age(late), None);
    }
    #[test]
    fn only_what_is_open_enters_the_groups_and_only_once() {
        let (mut offer, now) = (Offer::default(), Instant::now());
        assert!(offer.enter());
        assert!(!offer.enter());
        offer.begin(now);
        assert!(!offer.enter());
        let later = now + Duration::from_secs(1);
        judged(&mut offer, later, &[theirs("a@host", 100)]);
        assert!(!offer.enter());
        let over = later + OWN.absence;
        assert_eq!(judged(&mut offer, over, &[]), Some(Change::Join));
        assert!(offer.enter());
        assert!(!offer.enter());
        assert_eq!(judged(&mut offer, over, &[]), None);
        offer.withdraw();
        assert!(!offer.enter());
    }

    #[test]
    fn what_gives_way_before_it_was_in_the_groups_does_not_enter_them() {
        let (mut offer, now) = (Offer::default(), Instant::now());
        offer.begin(now);
        judged(&mut offer, now, &[theirs("a@host", 100)]);
        assert!(!offer.enter());
        offer.begin(now);
        assert!(!offer.enter());
    }
}
