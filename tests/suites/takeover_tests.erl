%% A server comes back under its name while its peers still believe the former one to be connected:
%% the handshake's status `alive`.
-module(takeover_tests).
-include_lib("eunit/include/eunit.hrl").

takeover_test_() ->
    {"peers take the new server for the old one", {timeout, 60, fun takeover/0}}.

%% The former server is stopped, not killed, so that its connection stays; the port mapper has to
%% forget its name.
takeover() ->
    Client = esdb_peer:start(),
    Started = os:system_time(second),
    Former = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
    Stale = worker(Client),
    ok = esdb_server:signal(Former, "STOP"),
    ok = esdb_sandbox:restart_epmd(),
    %% another port mapper gives creations by the clock: only in another second are they others
    esdb_wait:until(fun() -> os:system_time(second) > Started + 1 end),
    Node = esdb_server:node(Former),
    ?assertEqual([Node], esdb_peer:call(Client, erlang, nodes, [hidden])),
    Next = esdb_server:start(#{node => Node, connect => [esdb_peer:node(Client)]}),
    esdb_wait:until(fun() -> lists:member(worker(Client), [none, Stale]) =:= false end, 20000),
    ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
    Request = {has_events, default_store},
    ?assertEqual(false, esdb_peer:call(Client, esdb_client, call, [default_store, Request])),
    ?assertExit({noproc, _}, esdb_peer:call(Client, gen_server, call, [Stale, Request])),
    ok = esdb_server:kill(Former),
    %% the end of the former one takes nothing away
    ?assertEqual(false, esdb_peer:call(Client, esdb_client, call, [default_store, Request])),
    ?assertEqual(pong, esdb_peer:call(Client, net_adm, ping, [Node])),
    esdb_server:close(Next),
    esdb_server:close(Former),
    esdb_peer:stop(Client).

worker(Client) ->
    case esdb_peer:call(Client, esdb_client, workers, [old, default_store]) of
        [Worker | _] -> Worker;
        [] -> none
    end.
