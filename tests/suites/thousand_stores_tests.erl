%% A thousand stores on one node: created quickly, each used, all there after a restart, and what an
%% idle one costs: memory, disk, threads, open files, and nothing at all to do.
-module(thousand_stores_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
-define(COUNT, 1000).
%% A client's call; stores are created one after the other by each of so many processes.
-define(CALL_MS, 60000).
-define(CREATORS, 4).

thousand_stores_test_() ->
    [
        {"are created, used, and there after a restart", {timeout, 600, fun thousand/0}},
        {"are refused when the limit on open files has no room", {timeout, 60, fun few_files/0}}
    ].

thousand() ->
    Client = esdb_peer:start(),
    %% What many systems give a process: the server raises it as far as it may.
    Limit = ["/bin/sh", "-c", "ulimit -S -n 1024; exec \"$@\"", "sh"],
    Options = #{connect => [esdb_peer:node(Client)], launcher => Limit},
    Server = esdb_server:start(Options),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    Empty = cost(Server),
    Times = esdb_peer:run(Client, fun create_all/0),
    show("creating one, ~w at a time: median ~.1f ms, 99 of 100 within ~.1f ms", [
        ?CREATORS, nth(Times, 0.5), nth(Times, 0.99)
    ]),
    show("of the first hundred ~.1f ms, of the last ~.1f ms", [
        nth(lists:sublist(Times, 100), 0.5), nth(lists:nthtail(?COUNT - 100, Times), 0.5)
    ]),
    ?assertEqual(?COUNT, length(Times)),
    Appends = esdb_peer:run(Client, fun append_all/0),
    ?assertEqual([{ok, 0}], lists:usort(Appends)),
    Used = cost(Server),
    report("in use", Empty, Used),
    quiet(Server, Client),
    {StopMs, 0} = timed(fun() -> esdb_server:stop(Server) end),
    show("stopping: ~w ms", [StopMs]),
    ?assert(disk_kib(Server) < ?COUNT * 1024),
    {ReadyMs, Again} = timed(fun() -> esdb_server:restart(Server) end),
    show("ready after ~w ms", [ReadyMs]),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    Names = esdb_peer:run(Client, fun listed/0),
    ?assertEqual(lists:sort([?STORE | names()]), lists:sort(Names)),
    Idle = cost(Again),
    report("idle", Empty, Idle),
    quiet(Again, Client),
    ?assertEqual([{ok, 1}], lists:usort(esdb_peer:run(Client, fun append_all/0))),
    ok = esdb_server:kill(Again),
    {KilledMs, Killed} = timed(fun() -> esdb_server:restart(Again) end),
    show("ready after ~w ms when it was killed", [KilledMs]),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    Removed = esdb_peer:run(Client, fun remove_all/0),
    ?assertEqual([ok], lists:usort(Removed)),
    Left = cost(Killed),
    ?assert(maps:get(threads, Left) < ?COUNT div 2),
    esdb_server:close(Killed),
    esdb_peer:stop(Client),
    [cheap(Cost, Empty) || Cost <- [Used, Idle]].

%% Each store has one thread; 1 MiB of memory, with some for the server's own.
cheap(#{kib := Kib, threads := Threads, files := Files}, Empty) ->
    ?assert((Kib - maps:get(kib, Empty)) div ?COUNT < 1024),
    ?assert(Threads - maps:get(threads, Empty) < ?COUNT * 12 div 10),
    ?assert(Files - maps:get(files, Empty) =< ?COUNT * 4 + 100).

few_files() ->
    Client = esdb_peer:start(),
    Limit = ["/bin/sh", "-c", "ulimit -n 160; exec \"$@\"", "sh"],
    Options = #{connect => [esdb_peer:node(Client)], launcher => Limit},
    Server = esdb_server:start(Options),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    {Created, Text} = esdb_peer:run(Client, fun() -> create_until_refused(0) end),
    ?assertNotEqual(nomatch, string:find(Text, "ulimit -n")),
    ?assertEqual({ok, 0}, esdb_peer:run(Client, fun() -> append(?STORE) end)),
    ?assertEqual(Created + 1, length(esdb_peer:run(Client, fun listed/0))),
    0 = esdb_server:stop(Server),
    %% Less is allowed than there is.
    Less = ["/bin/sh", "-c", "ulimit -n 140; exec \"$@\"", "sh"],
    Said =
        try esdb_server:restart(Server, #{launcher => Less}) of
            Started -> esdb_server:close(Started)
        catch
            error:{server_not_ready, _, _, Errors} -> Errors
        end,
    ?assertNotEqual(nomatch, string:find(Said, "open files")),
    Again = esdb_server:restart(Server),
    esdb_server:close(Again),
    esdb_peer:stop(Client).

create_until_refused(Count) when Count < 100 ->
    case ask({create_store, name(Count), []}) of
        ok -> create_until_refused(Count + 1);
        {error, {_, Text}} -> {Count, Text}
    end.

names() ->
    [name(N) || N <- lists:seq(1, ?COUNT)].

name(N) ->
    list_to_atom("store_" ++ integer_to_list(N)).

%% How long each creation took, in ms, in about their order.
create_all() ->
    side_by_side(fun(Name) ->
        {Micros, ok} = timer:tc(fun() -> ask({create_store, Name, []}) end),
        Micros / 1000
    end).

append_all() ->
    side_by_side(fun append/1).

remove_all() ->
    side_by_side(fun(Name) -> ask({remove_store, Name}) end).

append(Name) ->
    Event = #{event_type => <<"t">>, data => <<"x">>},
    ask({append_events, Name, <<"s">>, -2, [Event]}).

listed() ->
    {ok, Stores} = ask({list_stores}),
    [Id || #{store_id := Id} <- Stores].

%% Whatever store the request names: any worker answers.
ask(Request) ->
    gen_server:call(esdb_client:worker(old, ?STORE), Request, ?CALL_MS).

%% Does it for all names, several at a time; the results in the order of the names.
side_by_side(Fun) ->
    Parts = [lists:seq(First, ?COUNT, ?CREATORS) || First <- lists:seq(1, ?CREATORS)],
    Do = fun(Part) -> exit({done, [{N, Fun(name(N))} || N <- Part]}) end,
    Workers = [spawn_monitor(fun() -> Do(Part) end) || Part <- Parts],
    Results = lists:append([
        receive
            {'DOWN', Monitor, process, Pid, {done, Done}} -> Done;
            {'DOWN', Monitor, process, Pid, Reason} -> error(Reason)
        end
     || {Pid, Monitor} <- Workers
    ]),
    [Result || {_, Result} <- lists:sort(Results)].

%% What the server takes of the machine.
cost(Server) ->
    Pid = esdb_server:os_pid(Server),
    {ok, Status} = file:read_file("/proc/" ++ Pid ++ "/status"),
    Field = fun(Name) ->
        {match, [Value]} = re:run(Status, Name ++ ":\\s+(\\d+)", [{capture, all_but_first, list}]),
        list_to_integer(Value)
    end,
    {ok, Files} = file:list_dir("/proc/" ++ Pid ++ "/fd"),
    #{kib => Field("RssAnon"), threads => Field("Threads"), files => length(Files)}.

report(What, Empty, Cost) ->
    Each = fun(Key) -> (maps:get(Key, Cost) - maps:get(Key, Empty)) / ?COUNT end,
    show("each ~s: ~.1f KiB of memory, ~.2f threads, ~.2f open files", [
        What, Each(kib), Each(threads), Each(files)
    ]).

disk_kib(Server) ->
    [Kib | _] = string:lexemes(os:cmd("du -sk " ++ esdb_server:dir(Server)), "\t"),
    show("each on disk: ~.1f KiB", [list_to_integer(Kib) / ?COUNT]),
    list_to_integer(Kib).

%% An idle store has nothing to do: while another one works its thread is never woken. What a checkpoint
%% left to do may come first.
quiet(Server, Client) ->
    esdb_wait:until(
        fun() ->
            Before = wakes(Server),
            ok = esdb_peer:run(Client, fun() -> lists:foreach(fun append/1, lists:duplicate(200, ?STORE)) end),
            ?COUNT = length(Before),
            wakes(Server) -- Before =:= []
        end,
        60000
    ).

%% Each thread of a created store, with the number of times that it has slept.
wakes(Server) ->
    Tasks = "/proc/" ++ esdb_server:os_pid(Server) ++ "/task/",
    {ok, Ids} = file:list_dir(Tasks),
    lists:append([
        case file:read_file(Tasks ++ Id ++ "/status") of
            {ok, <<"Name:\tstore-store_", _/binary>> = Status} ->
                Pattern = "\nvoluntary_ctxt_switches:\\s+(\\d+)",
                {match, [Slept]} = re:run(Status, Pattern, [{capture, all_but_first, binary}]),
                [{Id, Slept}];
            _ ->
                []
        end
     || Id <- Ids
    ]).

nth(Values, Part) ->
    lists:nth(max(1, round(length(Values) * Part)), lists:sort(Values)).

timed(Fun) ->
    {Micros, Result} = timer:tc(Fun),
    {Micros div 1000, Result}.

show(Format, Arguments) ->
    io:format(user, "  " ++ Format ++ "~n", Arguments).
