//! One configuration out of flags and environment, a file, and defaults.

use crate::cli::{ClusterOptions, LimitOptions, StartOptions};
use crate::cookie;
use crate::limits::Limits;
use anyhow::{Context, Result, bail};
use esdb_dist::Cookie;
use esdb_gateway::MAX_STORE_NAME;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The TOML file: every option of `rs-esdb start`, and nothing else.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    cookie: Option<String>,
    cookie_file: Option<PathBuf>,
    data_dir: Option<PathBuf>,
    store: Option<Vec<String>>,
    connect: Option<Vec<String>>,
    http: Option<String>,
    listen: Option<IpAddr>,
    net_ticktime: Option<u64>,
    memtable_mib: Option<usize>,
    cache_mib: Option<usize>,
    forget_subscriptions_seconds: Option<u64>,
    max_event_mib: Option<usize>,
    max_frame_mib: Option<usize>,
    max_queued_frames: Option<usize>,
    max_queued_mib: Option<usize>,
    max_connections: Option<usize>,
    max_handshakes: Option<usize>,
    handshake_seconds: Option<usize>,
}

impl File {
    fn limits(&self) -> LimitOptions {
        LimitOptions {
            max_event_mib: self.max_event_mib,
            max_frame_mib: self.max_frame_mib,
            max_queued_frames: self.max_queued_frames,
            max_queued_mib: self.max_queued_mib,
            max_connections: self.max_connections,
            max_handshakes: self.max_handshakes,
            handshake_seconds: self.handshake_seconds,
        }
    }
}

/// What `rs-esdb start` goes by.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) cookie: Cookie,
    pub(crate) data_dir: PathBuf,
    pub(crate) stores: Vec<String>,
    pub(crate) connect: Vec<String>,
    pub(crate) listen: IpAddr,
    pub(crate) epmd_port: u16,
    pub(crate) net_ticktime: Duration,
    pub(crate) memtable_bytes: usize,
    pub(crate) cache_bytes: usize,
    pub(crate) forget_subscriptions: Option<Duration>,
    pub(crate) limits: Limits,
}

impl Config {
    /// What flags and environment say, then the file, then the defaults.
    pub(crate) fn load(options: StartOptions) -> Result<Self> {
        let file = options
            .config
            .as_deref()
            .map_or_else(|| Ok(File::default()), read)?;
        let limits = Limits::new(options.limits, file.limits())?;
        let flags = options.cluster;
        // A cookie given in any form on the command line overrides either form in the file.
        let cookie = match (&flags.cookie, &flags.cookie_file) {
            (None, None) => cookie::load(file.cookie.as_deref(), file.cookie_file.as_deref())?,
            (cookie, path) => cookie::load(cookie.as_deref(), path.as_deref())?,
        };
        let http = options.http.or(file.http);
        if let Some(http) = http.filter(|http| http != "off") {
            bail!("http = {http}: this version serves no HTTP yet; leave it out or say off");
        }
        let ticktime = options.net_ticktime.or(file.net_ticktime).unwrap_or(60);
        if !(4..=86_400).contains(&ticktime) {
            bail!("net_ticktime = {ticktime}: give 4 to 86400 seconds");
        }
        let stores = options.store.or(file.store);
        let stores = stores.unwrap_or_else(|| vec!["default_store".to_owned()]);
        stores
            .iter()
            .try_for_each(|store| check_store_name(store))?;
        let connect = options.connect.or(file.connect).unwrap_or_default();
        connect
            .iter()
            .try_for_each(|name| check_node_name("connect", name))?;
        Ok(Config {
            name: node_name(flags.name.or(file.name))?,
            cookie,
            data_dir: options
                .data_dir
                .or(file.data_dir)
                .unwrap_or_else(|| "data".into()),
            stores,
            connect,
            listen: options
                .listen
                .or(file.listen)
                .unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
            epmd_port: epmd_port()?,
            net_ticktime: Duration::from_secs(ticktime),
            memtable_bytes: mebibytes(options.memtable_mib.or(file.memtable_mib))?,
            cache_bytes: mebibytes(options.cache_mib.or(file.cache_mib))?,
            forget_subscriptions: forget_subscriptions(
                options
                    .forget_subscriptions_seconds
                    .or(file.forget_subscriptions_seconds),
            )?,
            limits,
        })
    }
}

fn forget_subscriptions(given: Option<u64>) -> Result<Option<Duration>> {
    match given {
        None => Ok(None),
        Some(seconds @ 1..=1_000_000_000) => Ok(Some(Duration::from_secs(seconds))),
        Some(seconds) => {
            bail!("forget_subscriptions_seconds = {seconds}: give 1 to 1000000000 seconds")
        }
    }
}

fn read(path: &Path) -> Result<File> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the configuration file {} cannot be read", path.display()))?;
    toml::from_str(&text).with_context(|| format!("configuration file {}", path.display()))
}

/// The name and cookie that `rs-esdb status` looks for.
pub(crate) fn cluster(options: ClusterOptions) -> Result<(String, Cookie)> {
    let cookie = cookie::load(options.cookie.as_deref(), options.cookie_file.as_deref())?;
    Ok((node_name(options.name)?, cookie))
}

/// A full node name: with the host, if none is given.
fn node_name(name: Option<String>) -> Result<String> {
    let name = name.unwrap_or_else(|| "rs_esdb".to_owned());
    let full = match name.contains('@') {
        true => name,
        false => format!("{name}@{}", short_host_name()),
    };
    check_node_name("name", &full)?;
    Ok(full)
}

fn check_node_name(option: &str, name: &str) -> Result<()> {
    match name.split_once('@') {
        Some((alive, host)) if !alive.is_empty() && !host.is_empty() && !host.contains('@') => {
            Ok(())
        }
        _ => bail!("{option} = {name}: give a node name of the form name@host"),
    }
}

/// The host's name up to its first dot, as `erl -sname` takes it.
pub(crate) fn short_host_name() -> String {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    host.split('.')
        .next()
        .filter(|host| !host.is_empty())
        .unwrap_or("localhost")
        .to_owned()
}

/// The port of the port mapper, from the variable that Erlang takes it from.
pub(crate) fn epmd_port() -> Result<u16> {
    match std::env::var("ERL_EPMD_PORT") {
        Ok(port) => port
            .parse()
            .with_context(|| format!("ERL_EPMD_PORT = {port}: give a port")),
        Err(_) => Ok(4369),
    }
}

/// A store's name is an atom of limited length.
fn check_store_name(name: &str) -> Result<()> {
    match name.chars().count() {
        1..=MAX_STORE_NAME => Ok(()),
        count => bail!("store = {name:?}: it has {count} characters; give 1 to {MAX_STORE_NAME}"),
    }
}

fn mebibytes(given: Option<usize>) -> Result<usize> {
    match given.unwrap_or(64) {
        n @ 1..=1_048_576 => Ok(n << 20),
        n => bail!("a memory size of {n} MiB: give 1 to 1048576"),
    }
}
