//! The network of a group of one: nobody to talk to.
//!
//! openraft never dials itself, so that with one voter nothing here is called; if it were, the caller
//! is told that there is no way to the target.

use openraft::BasicNode;
use openraft::error::{InstallSnapshotError, RPCError, RaftError, Unreachable};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};

use super::types::{NodeId, TypeConfig};

type Failure<E = openraft::error::Infallible> = RPCError<NodeId, BasicNode, RaftError<NodeId, E>>;

/// Makes connections that lead nowhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPeers;

/// A connection that leads nowhere.
#[derive(Debug, Clone, Copy)]
pub struct NoPeer(NodeId);

#[derive(Debug, thiserror::Error)]
#[error("node {0} can not be reached: this group has one member")]
struct OneMember(NodeId);

impl NoPeer {
    fn unreachable(&self) -> Unreachable {
        Unreachable::new(&OneMember(self.0))
    }
}

impl RaftNetworkFactory<TypeConfig> for NoPeers {
    type Network = NoPeer;

    async fn new_client(&mut self, target: NodeId, _node: &BasicNode) -> NoPeer {
        NoPeer(target)
    }
}

impl RaftNetwork<TypeConfig> for NoPeer {
    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, Failure> {
        Err(self.unreachable().into())
    }

    async fn install_snapshot(
        &mut self,
        _request: InstallSnapshotRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<InstallSnapshotResponse<NodeId>, Failure<InstallSnapshotError>> {
        Err(self.unreachable().into())
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<NodeId>,
        _option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, Failure> {
        Err(self.unreachable().into())
    }
}
