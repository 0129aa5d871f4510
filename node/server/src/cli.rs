//! The command line.

use clap::{Args, Parser, Subcommand};
use std::net::IpAddr;
use std::path::PathBuf;

/// An event store for Erlang and Elixir clusters. It joins the cluster as a hidden node and is used
/// through the client libraries that applications of the esdb_gater family already have.
#[derive(Parser)]
#[command(name = "rs-esdb", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve stores until SIGTERM or Ctrl-C.
    ///
    /// Prints one line `ready: node=... stores=... http=...` on standard output when it serves;
    /// everything else goes to standard error. Every option can also be given in the environment
    /// or in the file named by --config, under the same name with underscores; a flag wins over the
    /// environment, the environment over the file.
    Start(Box<StartOptions>),
    /// Ask a running server how it is.
    ///
    /// Connects to it as a node of its cluster, so it needs the same cookie. Fails if the server does
    /// not answer, or one of its stores does not serve or is in conflict with another server's.
    Status(StatusOptions),
    /// Check the files of stores that no server has open.
    ///
    /// Checks every checksum, every index against the events, and whether the files belong together, and
    /// changes nothing. Prints one line for each damaged place, and one for each store; progress goes
    /// to standard error. Exits with 0 if all is intact, 1 if something is damaged, 2 if nothing could
    /// be checked.
    Verify(VerifyOptions),
}

/// Which cluster, and its secret.
#[derive(Args, Default)]
pub(crate) struct ClusterOptions {
    /// The node's name [default: rs_esdb@ and the short host name]
    #[arg(long, env = "RS_ESDB_NAME", value_name = "NODE@HOST")]
    pub(crate) name: Option<String>,
    /// The cluster's cookie; better given by --cookie-file, since others can see flags
    #[arg(
        long,
        env = "RS_ESDB_COOKIE",
        value_name = "COOKIE",
        hide_env_values = true
    )]
    pub(crate) cookie: Option<String>,
    /// The file that holds the cookie [default: ~/.erlang.cookie, made if missing]
    #[arg(
        long,
        env = "RS_ESDB_COOKIE_FILE",
        value_name = "FILE",
        conflicts_with = "cookie"
    )]
    pub(crate) cookie_file: Option<PathBuf>,
}

#[derive(Args, Default)]
pub(crate) struct StartOptions {
    /// A TOML file with any of these options
    #[arg(long, env = "RS_ESDB_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) cluster: ClusterOptions,
    /// Where the stores' files are [default: ./data]
    #[arg(long, env = "RS_ESDB_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// A store to serve, made if missing; may be repeated. Stores that the data directory already
    /// holds are served in any case [default: default_store]
    #[arg(
        long = "store",
        env = "RS_ESDB_STORE",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub(crate) store: Option<Vec<String>>,
    /// A node to connect to, and to connect to again when it was lost; may be repeated
    #[arg(
        long,
        env = "RS_ESDB_CONNECT",
        value_name = "NODE@HOST",
        value_delimiter = ','
    )]
    pub(crate) connect: Option<Vec<String>>,
    /// Where HTTP is served. There is no HTTP in this version, so only `off` is accepted
    /// [default: off]
    #[arg(long, env = "RS_ESDB_HTTP", value_name = "ADDR|off")]
    pub(crate) http: Option<String>,
    /// The address on which other nodes reach this one [default: 0.0.0.0]
    #[arg(long, env = "RS_ESDB_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<IpAddr>,
    /// After how many seconds of silence a node counts as lost; as net_ticktime of the cluster's other
    /// nodes [default: 60]
    #[arg(long, env = "RS_ESDB_NET_TICKTIME", value_name = "SECONDS")]
    pub(crate) net_ticktime: Option<u64>,
    /// Memory for the events of one store that no checkpoint holds yet, in MiB [default: 64]
    #[arg(long, env = "RS_ESDB_MEMTABLE_MIB", value_name = "MIB")]
    pub(crate) memtable_mib: Option<usize>,
    /// Memory for the caches of all stores together, in MiB [default: 64]
    #[arg(long, env = "RS_ESDB_CACHE_MIB", value_name = "MIB")]
    pub(crate) cache_mib: Option<usize>,
    /// After how many seconds a subscription is removed that has nobody to deliver to: its subscriber has
    /// ended, or its node is not connected [default: never]
    #[arg(
        long,
        env = "RS_ESDB_FORGET_SUBSCRIPTIONS_SECONDS",
        value_name = "SECONDS"
    )]
    pub(crate) forget_subscriptions_seconds: Option<u64>,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
}

/// What clients and other nodes may use up.
#[derive(Args, Default)]
pub(crate) struct LimitOptions {
    /// The largest event, its data and metadata together, and the largest snapshot, in MiB [default: 64]
    #[arg(long, env = "RS_ESDB_MAX_EVENT_MIB", value_name = "MIB")]
    pub(crate) max_event_mib: Option<usize>,
    /// The largest message that another node may send, in MiB; more than max_event_mib [default: 72]
    #[arg(long, env = "RS_ESDB_MAX_FRAME_MIB", value_name = "MIB")]
    pub(crate) max_frame_mib: Option<usize>,
    /// Messages that may wait for another node before it counts as too slow and is disconnected
    /// [default: 10000]
    #[arg(long, env = "RS_ESDB_MAX_QUEUED_FRAMES", value_name = "COUNT")]
    pub(crate) max_queued_frames: Option<usize>,
    /// Memory that messages waiting for another node may take, in MiB; an answer may have three
    /// quarters of it [default: 256]
    #[arg(long, env = "RS_ESDB_MAX_QUEUED_MIB", value_name = "MIB")]
    pub(crate) max_queued_mib: Option<usize>,
    /// Nodes that may be connected [default: 1000]
    #[arg(long, env = "RS_ESDB_MAX_CONNECTIONS", value_name = "COUNT")]
    pub(crate) max_connections: Option<usize>,
    /// Incoming connections whose handshake may be under way; the oldest gives way [default: 256]
    #[arg(long, env = "RS_ESDB_MAX_HANDSHAKES", value_name = "COUNT")]
    pub(crate) max_handshakes: Option<usize>,
    /// Seconds that a handshake may take [default: 5]
    #[arg(long, env = "RS_ESDB_HANDSHAKE_SECONDS", value_name = "SECONDS")]
    pub(crate) handshake_seconds: Option<usize>,
}

#[derive(Args)]
pub(crate) struct VerifyOptions {
    /// A data directory, or the directory of one store in it
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

#[derive(Args)]
pub(crate) struct StatusOptions {
    #[command(flatten)]
    pub(crate) cluster: ClusterOptions,
}
