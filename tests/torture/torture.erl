%% Kills the server with SIGKILL under load, again and again, and checks after each restart that the
%% store holds what was acknowledged, all of it, once and in order (torture_check says how).
-module(torture).

-export([main/1, run/1]).

-define(WRITERS, 20).
%% every so many kills, and after the last, everything is read, not only what is new
-define(FULL_CHECK_EVERY, 10).
-define(CALL_MS, 120000).

-type options() :: #{
    kills := pos_integer(),
    seed := integer(),
    %% budget of the memtable in MiB at each start: one of these, drawn from the seed.
    %% 1 makes checkpoints happen all the time.
    memtable_mib := [pos_integer()],
    %% where the data directory goes when something is wrong
    keep := file:filename()
}.
-export_type([options/0]).

-record(torture, {
    options :: options(),
    server :: esdb_server:server(),
    client :: esdb_peer:peer(),
    random :: rand:state(),
    kills = 0 :: non_neg_integer(),
    events = 0 :: non_neg_integer(),
    restarts = [] :: [non_neg_integer()]
}).

%% Arguments: KILLS SEED MEMTABLE_MIB[,MEMTABLE_MIB]... KEEP_DIRECTORY; SEED may be `random`.
-spec main([string()]) -> no_return().
main([Kills, Seed, Memtables, Keep]) ->
    Options = #{
        kills => list_to_integer(Kills),
        seed => seed(Seed),
        memtable_mib => [list_to_integer(M) || M <- string:lexemes(Memtables, ",")],
        keep => Keep
    },
    esdb_main:run(fun() ->
        try
            run(Options) =:= ok
        catch
            %% run/1 has said what it is about
            error:{violation, _, _} -> false
        end
    end).

seed("random") -> erlang:system_time(millisecond) rem 1000000;
seed(Seed) -> list_to_integer(Seed).

%% Runs inside a sandbox. Prints what it does; on a violation prints a diagnosis, keeps the data
%% directory, and raises it.
-spec run(options()) -> ok.
run(Options = #{kills := Kills, seed := Seed, memtable_mib := Memtables}) ->
    esdb_print:line(
        "torture: ~b kills under the load of ~b writers, memtable ~w MiB, seed ~b",
        [Kills, ?WRITERS, Memtables, Seed]
    ),
    Client = esdb_peer:start(),
    Server = remember(esdb_server:start(#{connect => [esdb_peer:node(Client)]})),
    Load = #{store => default_store, writers => ?WRITERS, seed => Seed},
    Random = rand:seed_s(exsss, {Seed, 0, 0}),
    T = #torture{options = Options, server = Server, client = Client, random = Random},
    try
        ok = on_client(T, start, [Load]),
        ok = on_client(T, attach, []),
        summary(rounds(T))
    catch
        Class:Reason:Stack ->
            diagnose(Options, Class, Reason, Stack),
            erlang:raise(Class, Reason, Stack)
    after
        esdb_peer:stop(Client),
        esdb_server:close(get(server))
    end.

%% The server that runs now, for the end of the test, whatever ends it.
remember(Server) ->
    put(server, Server),
    Server.

rounds(T = #torture{kills = Kills, options = #{kills := Kills}}) ->
    last_round(T);
rounds(T) ->
    {Kind, T1} = draw(10, T),
    {Delay, T2} = draw(250, T1),
    Killed = kill(load(Kind, Delay, T2)),
    Up = start_again(Kind, Killed),
    Events = on_client(Up, check, [extent(Up)]),
    Checked = Up#torture{events = Events},
    progress(Checked),
    rounds(Checked).

%% Of ten kills one hits the retries of the kill before, the others the load at its full swing.
load(1, Delay, T) ->
    ok = on_client(T, go, [retry]),
    pause(Delay rem 10),
    T;
load(_, Delay, T) ->
    ok = on_client(T, go, [retry]),
    ok = on_client(T, await_waiting, []),
    ok = on_client(T, go, [load]),
    ok = on_client(T, await_acknowledged, [1 + Delay rem 20]),
    pause(Delay),
    T.

%% not a wait for something to happen: the moment of the kill is meant to be any
pause(Milliseconds) ->
    receive
    after Milliseconds -> ok
    end.

kill(T = #torture{server = Server, kills = Kills}) ->
    ok = esdb_server:kill(Server),
    ok = on_client(T, await_waiting, []),
    T#torture{kills = Kills + 1}.

%% Of ten restarts one is killed too, while it reads its log.
start_again(2, T) ->
    {Delay, T1} = draw(80, T),
    {Args, T2} = arguments(T1),
    ok = esdb_server:start_and_kill(T2#torture.server, #{args => Args}, Delay),
    start_again(0, T2);
start_again(_, T) ->
    {Args, T1} = arguments(T),
    Begin = erlang:monotonic_time(microsecond),
    Server = remember(esdb_server:restart(T1#torture.server, #{args => Args})),
    Took = erlang:monotonic_time(microsecond) - Begin,
    T2 = T1#torture{server = Server, restarts = [Took | T1#torture.restarts]},
    ok = on_client(T2, attach, []),
    T2.

arguments(T = #torture{options = #{memtable_mib := Memtables}}) ->
    {N, Next} = draw(length(Memtables), T),
    {["--memtable-mib", integer_to_list(lists:nth(N, Memtables))], Next}.

draw(Max, T = #torture{random = Random}) ->
    {N, Next} = rand:uniform_s(Max, Random),
    {N, T#torture{random = Next}}.

extent(#torture{kills = Kills}) when Kills rem ?FULL_CHECK_EVERY =:= 0 -> all;
extent(_) -> new.

%% Everything unanswered is sent again, then no batch is in doubt any more. The last restart
%% follows an orderly end.
last_round(T) ->
    ok = on_client(T, go, [retry]),
    ok = on_client(T, await_waiting, []),
    _ = on_client(T, check, [all]),
    0 = esdb_server:stop(T#torture.server),
    Up = start_again(0, T),
    Up#torture{events = on_client(Up, check, [all])}.

on_client(#torture{client = Client}, Function, Args) ->
    esdb_peer:call(Client, torture_load, Function, Args, ?CALL_MS).

progress(T = #torture{kills = Kills, options = #{kills := All}}) ->
    Kills rem ?FULL_CHECK_EVERY =:= 0 andalso
        esdb_print:line(
            "  ~b of ~b kills, ~ts events, everything read both ways and as it must be",
            [Kills, All, esdb_print:number(T#torture.events)]
        ).

summary(T = #torture{events = Events, restarts = Restarts, kills = Kills}) ->
    Counts = on_client(T, counts, []),
    [
        esdb_print:line("  ~ts ~ts", [string:pad(esdb_print:number(N), 9, leading), What])
     || {N, What} <- [
            {Kills, "kills"},
            {maps:get(acknowledged, Counts), "batches acknowledged to the writers"},
            {maps:get(unanswered, Counts), "calls without an answer, of whose batches"},
            {maps:get(survived, Counts), "were found after the restart, whole, and"},
            {maps:get(absent, Counts), "were not there, with no event"},
            {maps:get(retried, Counts), "batches sent again, with the same ids: none is twice"},
            {maps:get(refused, Counts), "refused for their expected version; none is there"},
            {Events, "events, each read in global order and in its stream"}
        ]
    ],
    Sorted = lists:sort(Restarts),
    Median = lists:nth((length(Sorted) + 1) div 2, Sorted),
    esdb_print:line(
        "  restart to ready: median ~ts, longest ~ts",
        [esdb_print:seconds(Median), esdb_print:seconds(lists:last(Sorted))]
    ).

diagnose(#{seed := Seed, keep := Keep}, Class, Reason, Stack) ->
    Server = get(server),
    Kept = filename:join(Keep, "torture-" ++ integer_to_list(Seed)),
    esdb_print:line("FAILED with seed ~b", [Seed]),
    case Reason of
        {violation, What, Details} -> esdb_print:line("  ~tp~n  ~tp", [What, Details]);
        _ -> esdb_print:line("  ~tp ~tp~n  ~tp", [Class, Reason, Stack])
    end,
    ok = esdb_server:close(Server),
    ok = filelib:ensure_dir(filename:join(Kept, "x")),
    _ = os:cmd("cp -a '" ++ esdb_server:dir(Server) ++ "' '" ++ Kept ++ "'"),
    esdb_print:line("  the data directory is kept in ~ts", [Kept]).
