%% Real BEAM nodes as clients. They are driven over standard input and output, so that the suite's
%% own VM stays outside of the cluster, and they end when it ends.
-module(esdb_peer).

-export([start/0, start/1, stop/1, kill/1, restart/1, signal/2, node/1, call/4, call/5]).
-export([run/2, run/3]).

-define(CALL_MS, 60000).

-type options() :: #{node => node(), cookie => string(), args => [string()]}.
-type peer() :: #{control := pid(), node := node(), os_pid := string(), options := options()}.
-export_type([peer/0]).

%% Starts a node with a unique name and the sandbox's cookie.
-spec start() -> peer().
start() ->
    start(#{}).

-spec start(options()) -> peer().
start(Given) ->
    Default = #{
        node => esdb_sandbox:name("client"), cookie => esdb_sandbox:cookie(), args => []
    },
    Options = #{node := Node, cookie := Cookie, args := Args} = maps:merge(Default, Given),
    [Name, Host] = string:lexemes(atom_to_list(Node), "@"),
    Ebin = filename:dirname(code:which(?MODULE)),
    Started = peer:start(#{
        name => Name,
        host => Host,
        longnames => true,
        connection => standard_io,
        env => esdb_sandbox:env(),
        %% no EPMD daemon may be left behind on the sandbox's port
        args => ["-start_epmd", "false", "-setcookie", Cookie, "-pa", Ebin | Args]
    }),
    {ok, Control, Node} = Started,
    OsPid = peer:call(Control, os, getpid, []),
    #{control => Control, node => Node, os_pid => OsPid, options => Options}.

-spec stop(peer()) -> ok.
stop(#{control := Control}) ->
    case is_process_alive(Control) of
        true -> peer:stop(Control);
        false -> ok
    end.

%% SIGKILL: the node goes without a word to anybody.
-spec kill(peer()) -> ok.
kill(Peer = #{control := Control}) ->
    ok = signal(Peer, "KILL"),
    esdb_wait:until(fun() -> not is_process_alive(Control) end).

%% Starts a node of the same name; the former one must have ended.
-spec restart(peer()) -> peer().
restart(#{options := Options, node := Node}) ->
    start(Options#{node => Node}).

%% Sends a signal, named as kill(1) names it. A stopped node goes on, at the latest, when the calling
%% process ends: it could not notice otherwise that it has to end.
-spec signal(peer(), string()) -> ok.
signal(#{os_pid := OsPid}, Signal) ->
    _ = Signal =:= "STOP" andalso continue_at_last(OsPid),
    [] = os:cmd("kill -s " ++ Signal ++ " " ++ OsPid),
    ok.

continue_at_last(OsPid) ->
    Script = "read -r line; kill -s CONT " ++ OsPid,
    open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", Script]}, stderr_to_stdout]).

-spec node(peer()) -> node().
node(#{node := Node}) -> Node.

-spec call(peer(), module(), atom(), [term()]) -> term().
call(Peer, Module, Function, Args) ->
    call(Peer, Module, Function, Args, ?CALL_MS).

-spec call(peer(), module(), atom(), [term()], timeout()) -> term().
call(#{control := Control}, Module, Function, Args, Timeout) ->
    peer:call(Control, Module, Function, Args, Timeout).

%% Runs a fun of a test module on the node; an exception there is raised here.
-spec run(peer(), fun(() -> Result)) -> Result.
run(Peer, Fun) ->
    run(Peer, Fun, ?CALL_MS).

-spec run(peer(), fun(() -> Result), timeout()) -> Result.
run(Peer, Fun, Timeout) ->
    %% peer answers `badarg` for a process that is ended by another one's exit: no result of a fun
    {result, Result} = call(Peer, erlang, apply, [fun() -> {result, Fun()} end, []], Timeout),
    Result.
