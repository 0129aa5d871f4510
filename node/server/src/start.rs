//! `rs-esdb start`.

use crate::cli::StartOptions;
use crate::config::Config;
use crate::open_files;
use anyhow::{Result, anyhow, bail};
use esdb_dist::Node;
use esdb_gateway::{DataDir, Gateway, RefusedStore, Settings, StoreDir, Stores, caches};
use esdb_log::Replica;
use parking_lot::Mutex;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::thread;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The options of a store that the configuration names: the empty list, a raw term.
const NO_OPTIONS: &[u8] = &[esdb_etf::tag::NIL];

/// Stores that are opened at once: an opening waits for the disk most of the time.
const OPENED_AT_ONCE: usize = 8;

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(options: StartOptions) -> Result<()> {
    log_to_standard_error();
    let config = Config::load(options)?;
    let data_dir = DataDir::open(&config.data_dir)?;
    // Opened before the node joins the cluster: nobody finds a store that does not serve yet.
    let max_stores = open_files::raise();
    let stores = open_stores(&config, &data_dir, max_stores)?;
    // Reads block their thread while they wait for the disk; more threads than cores keep the
    // connections going meanwhile.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(4, |n| n.get().max(4)))
        .max_blocking_threads(64)
        .enable_all()
        .build()?
        .block_on(serve(config, data_dir, stores, max_stores))
}

/// What the data directory holds, opened and not served yet.
#[derive(Default)]
struct Opened {
    stores: Vec<(String, StoreDir, Replica)>,
    refused: Vec<RefusedStore>,
}

impl Opened {
    fn refuse(&mut self, name: String, path: &Path, reason: &dyn std::fmt::Display) {
        let reason = reason.to_string();
        tracing::error!("store {name} is not served: {reason}");
        self.refused.push(RefusedStore {
            name,
            path: path.to_owned(),
            reason,
        });
    }
}

/// Opens the stores that are there, and makes those of the configuration that are not. One that does
/// not open keeps no other from being served; only when none does, nor could be made, it is an error.
fn open_stores(config: &Config, data_dir: &DataDir, max_stores: usize) -> Result<Opened> {
    let Stores {
        mut stores,
        refused,
    } = data_dir.stores()?;
    let mut opened = Opened::default();
    for (path, error) in &refused {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        opened.refuse(name.into_owned(), path, error);
    }
    for name in &config.stores {
        if stores.contains_key(name) {
            continue;
        }
        // It may be the one that could not be told to be this.
        if let Some((path, error)) = refused.first() {
            let reason = format!("{} may hold it: {error}", path.display());
            opened.refuse(name.clone(), path, &reason);
            continue;
        }
        stores.insert(name.clone(), data_dir.create(name, NO_OPTIONS)?);
    }
    open_files::check(stores.len(), max_stores)?;
    let mut options = replica_options(config);
    options.store.cache_bytes = caches::pages(config.cache_bytes, stores.len());
    let (waiting, done) = (Mutex::new(stores.into_iter()), Mutex::new(opened));
    let work = || {
        loop {
            let Some((name, directory)) = waiting.lock().next() else {
                return;
            };
            let replica = directory.open(options.clone());
            let mut done = done.lock();
            match replica {
                Ok(replica) => done.stores.push((name, directory, replica)),
                Err(error) => done.refuse(name, &directory.path, &error),
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..OPENED_AT_ONCE).map(|_| scope.spawn(work)).collect();
        let mut ends = threads.into_iter().map(|thread| thread.join());
        ends.try_for_each(|end| end.map_err(|_| anyhow!("a bug: opening a store panicked")))
    })?;
    let mut opened = done.into_inner();
    opened.stores.sort_by(|one, other| one.0.cmp(&other.0));
    match opened.refused.first() {
        Some(RefusedStore { name, path, reason }) if opened.stores.is_empty() => {
            bail!(
                "no store can be served: store {name} in {}: {reason}",
                path.display()
            )
        }
        _ => Ok(opened),
    }
}

fn replica_options(config: &Config) -> esdb_log::Options {
    let mut options = esdb_log::Options::default();
    options.store.memtable_bytes = config.memtable_bytes;
    // What a frame can hold can be stored, also when names are repeated for each event.
    let frame_bytes = config.limits.node.frame_bytes;
    options.max_command_bytes = options.max_command_bytes.max(frame_bytes / 3 * 4);
    options
}

async fn serve(config: Config, data_dir: DataDir, opened: Opened, max_stores: usize) -> Result<()> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let node = Node::start(node_config(&config)).await?;
    let settings = Settings {
        store: replica_options(&config),
        max_event_bytes: config.limits.event_bytes,
        // As long as a node may be silent before it counts as lost.
        absence: config.net_ticktime,
        max_stores,
        cache_bytes: config.cache_bytes,
        forget_subscriptions: config.forget_subscriptions,
    };
    let gateway = Gateway::new(node.clone(), data_dir, settings);
    let mut names = Vec::new();
    opened
        .refused
        .into_iter()
        .for_each(|store| gateway.refuse(store));
    for (name, directory, replica) in opened.stores {
        gateway.serve(&name, directory, replica)?;
        names.push(name);
    }
    gateway.offer();
    announce(&node, &names)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: finishing what was accepted");
    let closed = gateway.clone();
    tokio::task::spawn_blocking(move || gateway.shutdown()).await?;
    node.shutdown().await;
    // Only now nobody reads any more.
    tokio::task::spawn_blocking(move || closed.close()).await?;
    Ok(())
}

fn node_config(config: &Config) -> esdb_dist::Config {
    let mut node = esdb_dist::Config::new(&config.name, config.cookie.clone());
    node.listen = config.listen;
    node.epmd_port = config.epmd_port;
    node.net_ticktime = config.net_ticktime;
    node.connect = config.connect.clone();
    node.limits = config.limits.node.clone();
    node
}

/// The one line on standard output, which scripts wait for.
fn announce(node: &Node, stores: &[String]) -> Result<()> {
    // A name may hold anything; the line stays one.
    let visible = |name: &String| name.replace(char::is_control, "\u{fffd}");
    let stores: Vec<_> = stores.iter().map(visible).collect();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "ready: node={} stores={} http=off",
        node.name(),
        stores.join(",")
    )?;
    out.flush()?;
    Ok(())
}

/// Levels by `RUST_LOG`; without it, what an operator should know.
fn log_to_standard_error() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,openraft=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}
