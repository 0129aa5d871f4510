%% The surroundings of one suite: an EPMD on a port of its own, a directory that is removed at the
%% end, and names that no other suite uses. The suite's own VM takes no part in any cluster.
-module(esdb_sandbox).

-export([start/0, start/1, stop/0, source_dir/0, epmd_port/0, restart_epmd/0, stop_epmd/0]).
-export([dir/1, dir_for/2, name/1, cookie/0, env/0, free_port/0]).

%% Host part of all node names: literal, so that nothing depends on how a machine resolves its name.
-define(HOST, "127.0.0.1").

%% Makes the directory and starts EPMD.
-spec start() -> ok.
start() ->
    start(#{epmd => true}).

%% As start/0; `epmd => false` chooses a port for EPMD but leaves it without one.
-spec start(#{epmd => boolean()}) -> ok.
start(Options) ->
    Base = filename:join(os:getenv("TMPDIR", "/tmp"), "rs-esdb-tests-" ++ unique()),
    ok = filelib:ensure_dir(filename:join(Base, "x")),
    put_value(dir, Base),
    put_value(cookie, "cookie" ++ unique()),
    case maps:get(epmd, Options, true) of
        true -> start_epmd(free_port(), 5);
        false -> put_value(epmd_port, free_port())
    end.

%% Ends EPMD and removes the directory. Servers and peers are ended by those who started them.
-spec stop() -> ok.
stop() ->
    ok = stop_epmd(),
    ok = file:del_dir_r(value(dir)).

%% The folder `tests` of the source tree.
-spec source_dir() -> file:filename().
source_dir() ->
    Ebin = filename:dirname(filename:absname(code:which(?MODULE))),
    filename:dirname(filename:dirname(Ebin)).

-spec epmd_port() -> inet:port_number().
epmd_port() ->
    value(epmd_port).

%% Kills EPMD and starts another one on the same port: it knows no name any more.
-spec restart_epmd() -> ok.
restart_epmd() ->
    ok = stop_epmd(),
    start_epmd(epmd_port(), 1).

%% Kills EPMD, if this sandbox has one.
-spec stop_epmd() -> ok.
stop_epmd() ->
    case persistent_term:get({?MODULE, epmd}, undefined) of
        undefined ->
            ok;
        Command ->
            persistent_term:erase({?MODULE, epmd}),
            esdb_command:close(Command)
    end.

%% A path for a new directory below the sandbox's; not created.
-spec dir(string()) -> file:filename().
dir(Name) ->
    filename:join(value(dir), Name ++ "-" ++ unique()).

%% A path that belongs to a node, the same each time; not created.
-spec dir_for(string(), node()) -> file:filename().
dir_for(Name, Node) ->
    filename:join(value(dir), Name ++ "-" ++ atom_to_list(Node)).

%% A node name nobody else uses.
-spec name(string()) -> node().
name(Prefix) ->
    list_to_atom(Prefix ++ "_" ++ unique() ++ "@" ++ ?HOST).

-spec cookie() -> string().
cookie() ->
    value(cookie).

%% Environment for every process that shall live in this sandbox.
-spec env() -> [{string(), string()}].
env() ->
    %% no crash dumps: nodes are killed here on purpose
    [{"ERL_EPMD_PORT", integer_to_list(epmd_port())}, {"ERL_CRASH_DUMP_SECONDS", "0"}].

-spec free_port() -> inet:port_number().
free_port() ->
    {ok, Socket} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    Port.

start_epmd(Port, Attempts) ->
    put_value(epmd_port, Port),
    Epmd = os:find_executable("epmd"),
    Command = esdb_command:start(Epmd, ["-port", integer_to_list(Port)], #{}),
    put_value(epmd, Command),
    try
        esdb_wait:until(fun() -> answers(Port) end, 5000)
    catch
        error:{not_in_time, _, _} when Attempts > 1 ->
            ok = stop_epmd(),
            start_epmd(free_port(), Attempts - 1)
    end.

answers(Port) ->
    case gen_tcp:connect({127, 0, 0, 1}, Port, []) of
        {ok, Socket} ->
            ok = gen_tcp:close(Socket),
            true;
        {error, _} ->
            false
    end.

unique() ->
    Number = erlang:unique_integer([positive]) rem 1000000,
    os:getpid() ++ "_" ++ integer_to_list(Number).

put_value(Key, Value) ->
    persistent_term:put({?MODULE, Key}, Value).

value(Key) ->
    persistent_term:get({?MODULE, Key}).
