%% A cable between a server and a BEAM node, which can be cut: both have a port mapper of their own, and
%% there the other one's name leads to a proxy. What goes into a cut cable is swallowed, silently, as
%% a broken network does; what was connected when it is whole again is reset.
-module(esdb_cable).

-export([start/2, server_env/1, cut/1, restore/1, stop/1]).

-define(WHOLE, 0).
-define(CUT, 1).

-opaque cable() :: #{
    state := atomics:atomics_ref(),
    epmd := esdb_command:command(),
    epmd_port := inet:port_number(),
    proxies := [pid()],
    names := [gen_tcp:socket()]
}.
-export_type([cable/0]).

%% Lays the cable. The server must be started with server_env/1; the BEAM node as always.
-spec start(node(), node()) -> cable().
start(ServerNode, BeamNode) ->
    EpmdPort = esdb_sandbox:free_port(),
    Executable = os:find_executable("epmd"),
    Epmd = esdb_command:start(Executable, ["-port", integer_to_list(EpmdPort)], #{}),
    State = atomics:new(1, []),
    Here = esdb_sandbox:epmd_port(),
    {ToServer, ServerPort} = proxy(State, fun() -> esdb_epmd:lookup(EpmdPort, ServerNode) end),
    {ToBeam, BeamPort} = proxy(State, fun() -> esdb_epmd:lookup(Here, BeamNode) end),
    AtServer = esdb_wait:value(
        fun() ->
            try
                {value, esdb_epmd:register(EpmdPort, BeamNode, BeamPort)}
            catch
                error:{badmatch, {error, econnrefused}} -> no_port_mapper_yet
            end
        end,
        5000
    ),
    #{
        state => State,
        epmd => Epmd,
        epmd_port => EpmdPort,
        proxies => [ToServer, ToBeam],
        names => [AtServer, esdb_epmd:register(Here, ServerNode, ServerPort)]
    }.

%% The environment of the server at the cable's end.
-spec server_env(cable()) -> [{string(), string()}].
server_env(#{epmd_port := Port}) ->
    [{"ERL_EPMD_PORT", integer_to_list(Port)}].

-spec cut(cable()) -> ok.
cut(#{state := State}) ->
    atomics:put(State, 1, ?CUT).

-spec restore(cable()) -> ok.
restore(#{state := State, proxies := Proxies}) ->
    [ok = gen_server:call(Proxy, reset) || Proxy <- Proxies],
    atomics:put(State, 1, ?WHOLE).

-spec stop(cable()) -> ok.
stop(#{epmd := Epmd, proxies := Proxies, names := Names}) ->
    lists:foreach(fun gen_tcp:close/1, Names),
    lists:foreach(fun gen_server:stop/1, Proxies),
    esdb_command:close(Epmd).

proxy(State, Target) ->
    {ok, Proxy} = gen_server:start(esdb_proxy, {State, Target}, []),
    {Proxy, gen_server:call(Proxy, port)}.
