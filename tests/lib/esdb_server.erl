%% The release binary as a process: start, kill, stop, start again on the same data.
-module(esdb_server).

-export([start/1, restart/1, restart/2, start_expecting_failure/1, run/2, binary/0]).
-export([start_and_kill/3]).
-export([kill/1, stop/1, stop/2, signal/2, close/1]).
-export([node/1, dir/1, ready_line/1, errors/1, os_pid/1]).

-define(READY_MS, 15000).
-define(EXIT_MS, 15000).

-type options() :: #{
    %% name of the node, default a unique one
    node => node(),
    %% data directory, default a new one in the sandbox
    dir => file:filename(),
    cookie => string(),
    stores => [atom()],
    connect => [node()],
    %% more arguments, after those made of the options above
    args => [string()],
    %% a command that runs the binary, with the binary and its arguments behind its own
    launcher => [string()],
    %% more of the environment; `false` removes a variable
    env => [{string(), string() | false}]
}.
-type server() :: #{
    command := esdb_command:command(), options := options(), ready := string()
}.
-export_type([server/0, options/0]).

%% Starts a server and returns once it has said that it is ready.
-spec start(options()) -> server().
start(Given) ->
    Options = complete(Given),
    Command = launch(["start" | arguments(Options)], Options),
    case esdb_command:await_line(Command, "ready: ", ?READY_MS) of
        {ok, Ready} ->
            #{command => Command, options => Options, ready => Ready};
        Other ->
            Said = esdb_command:errors(Command),
            Printed = esdb_command:output(Command),
            esdb_command:close(Command),
            error({server_not_ready, Other, Printed, Said})
    end.

%% Starts the server again as it was started, on its data directory. It must have ended.
-spec restart(server()) -> server().
restart(Server) ->
    restart(Server, #{}).

%% As restart/1, with some options changed.
-spec restart(server(), options()) -> server().
restart(Server = #{options := Options}, Changes) ->
    ok = close(Server),
    start(maps:merge(Options, Changes)).

%% As restart/2, but kills it after so many milliseconds, ready or not.
-spec start_and_kill(server(), options(), non_neg_integer()) -> ok.
start_and_kill(Server = #{options := Options}, Changes, Milliseconds) ->
    ok = close(Server),
    Changed = maps:merge(Options, Changes),
    Command = launch(["start" | arguments(Changed)], Changed),
    receive
    after Milliseconds -> esdb_command:close(Command)
    end.

%% Starts a server that has to refuse; returns its exit status and all it printed.
-spec start_expecting_failure(options()) -> {integer(), string()}.
start_expecting_failure(Given) ->
    Options = complete(Given),
    run(["start" | arguments(Options)], maps:get(env, Options, [])).

%% Runs the binary to its end; returns its exit status and all it printed.
-spec run([string()], [{string(), string() | false}]) -> {integer(), string()}.
run(Args, Env) ->
    Command = launch(Args, #{env => Env}),
    try
        Status = esdb_command:await_exit(Command, ?EXIT_MS),
        Lines = esdb_command:output(Command),
        {Status, lists:append([L ++ "\n" || L <- Lines]) ++ esdb_command:errors(Command)}
    after
        esdb_command:close(Command)
    end.

%% The binary under test: RS_ESDB_BIN, or what `make build` makes.
-spec binary() -> file:filename().
binary() ->
    Root = filename:dirname(esdb_sandbox:source_dir()),
    os:getenv("RS_ESDB_BIN", filename:join(Root, "target/release/rs-esdb")).

%% SIGKILL, and returns when the process is gone.
-spec kill(server()) -> ok.
kill(#{command := Command}) ->
    ok = esdb_command:signal(Command, "KILL"),
    137 = esdb_command:await_exit(Command, ?EXIT_MS),
    ok.

%% SIGTERM; returns the exit status.
-spec stop(server()) -> integer().
stop(Server) ->
    stop(Server, "TERM").

%% As stop/1, with another signal.
-spec stop(server(), string()) -> integer().
stop(#{command := Command}, Signal) ->
    ok = esdb_command:signal(Command, Signal),
    esdb_command:await_exit(Command, ?EXIT_MS).

%% Any signal, for instance "STOP" and "CONT".
-spec signal(server(), string()) -> ok.
signal(#{command := Command}, Signal) ->
    esdb_command:signal(Command, Signal).

%% Ends the process if it still runs. To be called for every server that was started.
-spec close(server()) -> ok.
close(#{command := Command}) ->
    esdb_command:close(Command).

-spec node(server()) -> node().
node(#{options := #{node := Node}}) -> Node.

-spec dir(server()) -> file:filename().
dir(#{options := #{dir := Dir}}) -> Dir.

-spec ready_line(server()) -> string().
ready_line(#{ready := Ready}) -> Ready.

%% What the server wrote to standard error so far.
-spec errors(server()) -> string().
errors(#{command := Command}) -> esdb_command:errors(Command).

-spec os_pid(server()) -> string().
os_pid(#{command := Command}) -> esdb_command:os_pid(Command).

complete(Given) ->
    Default = #{
        node => esdb_sandbox:name("esdb"),
        dir => esdb_sandbox:dir("data"),
        cookie => esdb_sandbox:cookie(),
        stores => [default_store],
        connect => [],
        args => []
    },
    maps:merge(Default, Given).

arguments(Options) ->
    #{node := Node, dir := Dir, cookie := Cookie} = Options,
    #{stores := Stores, connect := Connect, args := Args} = Options,
    ["--name", atom_to_list(Node), "--cookie", Cookie, "--data-dir", Dir, "--http", "off"] ++
        lists:append([["--store", atom_to_list(S)] || S <- Stores]) ++
        lists:append([["--connect", atom_to_list(N)] || N <- Connect]) ++
        Args.

launch(Args, Options) ->
    Env = esdb_sandbox:env() ++ maps:get(env, Options, []),
    [Executable | All] = maps:get(launcher, Options, []) ++ [binary() | Args],
    esdb_command:start(Executable, All, #{env => Env, errors => esdb_sandbox:dir("stderr")}).
