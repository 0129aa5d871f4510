//! Who else offers the stores that are offered here: asked of every connected node before it is told
//! of our groups, again soon after, and then from time to time.
//!
//! Looking before joining is not enough: two servers may look at the same time and see nobody. Each
//! looks again after it has joined, so at least one of them sees the other.

use crate::gateway::Gateway;
use crate::generation::Generation;
use crate::offer::{Claim, Rival};
use esdb_dist::{CallError, Node};
use esdb_etf::{Term, put, tag};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long a node may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How long a rival may take to answer that node, in milliseconds.
const RIVAL_ANSWERS_WITHIN: i64 = 500;
/// The first look after a change; the time doubles, up to the second.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The pg scopes in which the published clients look for workers: that of reckon_gater and that of
/// its ancestor erl_esdb_gater.
pub(crate) const SCOPES: [&str; 2] = ["reckon_gater_pg", "erl_esdb_gater_pg"];

/// Rivals by store.
pub(crate) type Found = BTreeMap<String, Vec<Rival>>;

/// Looks again and again, soon after each change and then every [`LOOK_EVERY`]. For ever.
pub(crate) async fn watch(gateway: Gateway) {
    let mut delay = FIRST_LOOK;
    loop {
        match tokio::time::timeout(delay, gateway.change_of_offers()).await {
            Ok(()) => delay = FIRST_LOOK,
            Err(_) => {
                let (found, silent) = everywhere(&gateway).await;
                gateway.judge(&found, &|node| !silent.contains(node), Instant::now());
                delay = (delay * 2).min(LOOK_EVERY);
            }
        }
    }
}

/// The rivals that any connected node sees, and the nodes that have not answered.
async fn everywhere(gateway: &Gateway) -> (Found, BTreeSet<String>) {
    let stores: Vec<String> = gateway.stores().iter().map(|s| s.name.clone()).collect();
    seen_by_any(gateway.node(), &stores).await
}

/// As [`everywhere`], for these stores.
pub(crate) async fn seen_by_any(node: &Node, stores: &[String]) -> (Found, BTreeSet<String>) {
    let (mut looks, mut silent) = (JoinSet::new(), BTreeSet::new());
    for connection in node.connections() {
        let (node, stores) = (node.clone(), stores.to_vec());
        silent.insert(connection.peer.clone());
        looks.spawn(async move {
            let seen = seen_by(&node, &connection.peer, &stores).await;
            (connection.peer, seen)
        });
    }
    let mut found = Found::new();
    while let Some(look) = looks.join_next().await {
        if let Ok((peer, Some(seen))) = look {
            silent.remove(&peer);
            for (store, rivals) in seen {
                found.entry(store).or_default().extend(rivals);
            }
        }
    }
    (found, silent)
}

/// The rivals that `peer` sees; none if it does not answer in time.
pub(crate) async fn seen_by(node: &Node, peer: &str, stores: &[String]) -> Option<Found> {
    let look = look(node, peer, stores);
    tokio::time::timeout(ANSWER_WITHIN, look).await.ok()?
}

async fn look(node: &Node, peer: &str, stores: &[String]) -> Option<Found> {
    if stores.is_empty() {
        return Some(Found::new());
    }
    let arguments = get_members(stores);
    let others = match node.call(peer, "lists", "zipwith", &arguments).await {
        Ok(members) => others(&members, node.name(), stores)?,
        // Whoever has no such functions has no clients either.
        Err(CallError::BadRpc(_) | CallError::NotServed) => return Some(Found::new()),
        Err(_) => return None,
    };
    // All at once: several that are silent take no longer than one.
    let mut asked = JoinSet::new();
    for (other, names) in others {
        let (node, peer) = (node.clone(), peer.to_owned());
        asked.spawn(async move {
            let claims = ask(&node, &peer, &other).await;
            (other, names, claims)
        });
    }
    let mut found = Found::new();
    while let Some(answer) = asked.join_next().await {
        let (other, names, claims) = answer.ok()?;
        let claims = claims?;
        for name in names {
            if let Some(claim) = claims.of(&name) {
                let (node, seen_at) = (other.clone(), peer.to_owned());
                found.entry(name).or_default().push(Rival {
                    node,
                    seen_at,
                    claim,
                });
            }
        }
    }
    Some(found)
}

/// Groups of one store, in all scopes.
const GROUPS: usize = SCOPES.len() * Generation::ALL.len();

/// `[fun pg:get_members/2, [Scope], [Group]]`: all groups of all stores in one call. A scope that is
/// not there has no members.
fn get_members(stores: &[String]) -> Vec<u8> {
    let mut groups = Vec::new();
    for store in stores {
        for scope in SCOPES {
            groups.extend(Generation::ALL.map(|generation| (scope, generation.group(store))));
        }
    }
    let mut out = Vec::new();
    put::list(&mut out, 3);
    out.push(tag::EXPORT);
    put::atom(&mut out, "pg");
    put::atom(&mut out, "get_members");
    put::integer(&mut out, 2);
    put::list(&mut out, groups.len());
    groups
        .iter()
        .for_each(|(scope, _)| put::atom(&mut out, scope));
    put::nil(&mut out);
    put::list(&mut out, groups.len());
    groups
        .iter()
        .for_each(|(_, group)| put::atom(&mut out, group));
    put::nil(&mut out);
    put::nil(&mut out);
    out
}

/// The other nodes in the answer to [`get_members`], each with the stores in whose groups it is.
fn others(
    members: &[u8],
    own: &str,
    stores: &[String],
) -> Option<BTreeMap<String, BTreeSet<String>>> {
    let mut others: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let groups = Term::parse(members).ok()?.as_proper_list()?;
    let stores = stores.iter().flat_map(|store| [store; GROUPS]);
    for (group, store) in groups.zip(stores) {
        for member in group.as_proper_list()? {
            let node = member.as_pid()?.node;
            if *node != *own {
                let names = others.entry(node.to_string()).or_default();
                names.insert(store.clone());
            }
        }
    }
    Some(others)
}

/// What a rival says.
enum Claims {
    /// Of each of its stores: the UUID, and how long it has been offered, if it is.
    Stores(BTreeMap<String, (String, Option<Duration>)>),
    /// Of any store.
    All(Claim),
    /// It has gone.
    Gone,
}

impl Claims {
    fn of(&self, store: &str) -> Option<Claim> {
        match self {
            Claims::Stores(stores) => {
                let (uuid, offered) = stores.get(store)?.clone();
                let offered = offered?;
                Some(Claim::Store { uuid, offered })
            }
            Claims::All(claim) => Some(claim.clone()),
            Claims::Gone => None,
        }
    }
}

/// Lets `peer` ask `other` for its `rs_esdb:info/0`; none if `peer` is lost.
async fn ask(node: &Node, peer: &str, other: &str) -> Option<Claims> {
    let mut call = Vec::new();
    put::list(&mut call, 5);
    put::atom(&mut call, other);
    put::atom(&mut call, "rs_esdb");
    put::atom(&mut call, "info");
    put::nil(&mut call);
    put::integer(&mut call, RIVAL_ANSWERS_WITHIN);
    put::nil(&mut call);
    match node.call(peer, "rpc", "call", &call).await {
        Ok(info) => {
            let stores = Term::parse(&info).ok().and_then(stores);
            Some(stores.map_or(Claims::All(Claim::Silent), Claims::Stores))
        }
        Err(CallError::BadRpc(reason)) => {
            let reason = Term::parse(&reason).ok()?;
            Some(match reason {
                _ if reason.is_atom("nodedown") => Claims::Gone,
                _ if is_undefined(reason) => Claims::All(Claim::Unaware),
                _ => Claims::All(Claim::Silent),
            })
        }
        Err(_) => None,
    }
}

/// `{'EXIT', {undef, _}}`
fn is_undefined(reason: Term<'_>) -> bool {
    let exit = reason.as_array().and_then(|[_, exit]| exit.as_array());
    exit.is_some_and(|[reason, _]: [Term<'_>; 2]| reason.is_atom("undef"))
}

fn stores(info: Term<'_>) -> Option<BTreeMap<String, (String, Option<Duration>)>> {
    let stores = info.as_map()?.get("stores")?.as_proper_list()?;
    let store = |store: Term<'_>| {
        let store = store.as_map()?;
        let name = store.get("name")?.as_atom()?.text().into_owned();
        let uuid = String::from_utf8(store.get("uuid")?.as_binary()?.to_vec()).ok()?;
        let offered = store.get("offered_ms").and_then(Term::as_u64);
        Some((name, (uuid, offered.map(Duration::from_millis))))
    };
    stores.map(store).collect()
}
