%% What the system says of a server's process: memory, time of its threads, and its files.
-module(bench_process).

-export([await_idle/3, resident_kib/1, data_kib/1, read_data/1, threads/1]).

%% microseconds of user and of system time
-type time() :: {non_neg_integer(), non_neg_integer()}.
-export_type([time/0]).

%% the kernel counts in hundredths of a second
-define(TICK_US, 10000).

%% Returns when the process has used at most a hundredth of a second in SampleMs: what one measurement
%% has left to do, a checkpoint for instance, must not slow the next one's.
-spec await_idle(esdb_server:server(), pos_integer(), pos_integer()) -> ok.
await_idle(Server, SampleMs, WaitMs) ->
    esdb_wait:until(
        fun() ->
            Before = total(Server),
            receive
            after SampleMs -> ok
            end,
            total(Server) - Before =< ?TICK_US
        end,
        WaitMs
    ).

total(Server) ->
    {User, System} = times(process(Server)),
    User + System.

%% Time of the threads named store-*, which append and apply, and of all the others, also those that
%% have ended.
-spec threads(esdb_server:server()) -> #{store := time(), network := time()}.
threads(Server) ->
    Dir = process(Server),
    {User, System} = times(Dir),
    Store = [
        times(Task)
     || Task <- filelib:wildcard(Dir ++ "/task/*"),
        {ok, <<"store-", _/binary>>} <- [file:read_file(Task ++ "/comm")]
    ],
    {StoreUser, StoreSystem} = {lists:sum([U || {U, _} <- Store]), lists:sum([S || {_, S} <- Store])},
    #{store => {StoreUser, StoreSystem}, network => {User - StoreUser, System - StoreSystem}}.

process(Server) -> "/proc/" ++ esdb_server:os_pid(Server).

%% proc(5): fields 14 and 15 of stat
times(Dir) ->
    {ok, Stat} = file:read_file(Dir ++ "/stat"),
    [_, Fields] = string:split(Stat, ") ", trailing),
    [User, System] = lists:sublist(string:lexemes(Fields, " "), 12, 2),
    {binary_to_integer(User) * ?TICK_US, binary_to_integer(System) * ?TICK_US}.

-spec resident_kib(esdb_server:server()) -> pos_integer().
resident_kib(Server) ->
    {ok, Status} = file:read_file("/proc/" ++ esdb_server:os_pid(Server) ++ "/status"),
    {match, [Kib]} = re:run(Status, "VmRSS:\\s+([0-9]+)", [{capture, all_but_first, list}]),
    list_to_integer(Kib).

%% Reads all files once, so that the system has them in memory.
-spec read_data(esdb_server:server()) -> ok.
read_data(Server) ->
    _ = os:cmd("find '" ++ esdb_server:dir(Server) ++ "' -type f -exec cat {} + > /dev/null"),
    ok.

-spec data_kib(esdb_server:server()) -> pos_integer().
data_kib(Server) ->
    Said = os:cmd("du -sk '" ++ esdb_server:dir(Server) ++ "'"),
    list_to_integer(hd(string:lexemes(Said, "\t "))).
