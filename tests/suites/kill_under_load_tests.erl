%% kill -9 in the middle of appends: what was acknowledged is there once, in order and whole batches
%% at a time, and what was sent again is not doubled.
-module(kill_under_load_tests).
-include_lib("eunit/include/eunit.hrl").

-export([write/2, acknowledged/0]).

-define(STORE, default_store).
-define(WRITERS, 20).
-define(KILLS, 5).
%% Appends acknowledged between a start and the next kill.
-define(APPENDS_PER_ROUND, 400).

kill_under_load_test_() ->
    {"what was acknowledged outlives kill -9", {timeout, 100, fun kill_under_load/0}}.

kill_under_load() ->
    Client = esdb_peer:start(),
    First = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    Writers = esdb_peer:run(Client, fun start_writers/0),
    Last = lists:foldl(
        fun(_, Server) ->
            await_progress(Client),
            ok = esdb_server:kill(Server),
            esdb_server:restart(Server)
        end,
        First,
        lists:seq(1, ?KILLS)
    ),
    await_progress(Client),
    ok = esdb_server:kill(Last),
    Final = esdb_server:restart(Last),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    Written = esdb_peer:run(Client, fun() -> stop_writers(Writers) end),
    esdb_peer:run(Client, fun() -> check(Written) end),
    esdb_server:close(Final),
    esdb_peer:stop(Client).

await_progress(Client) ->
    Acknowledged = fun() -> esdb_peer:call(Client, ?MODULE, acknowledged, []) end,
    Goal = Acknowledged() + ?APPENDS_PER_ROUND,
    esdb_wait:until(fun() -> Acknowledged() >= Goal end, 30000).

start_writers() ->
    Counter = counters:new(1, []),
    persistent_term:put(?MODULE, Counter),
    [spawn(?MODULE, write, [W, Counter]) || W <- lists:seq(1, ?WRITERS)].

%% How many appends were acknowledged so far, asked on the client.
-spec acknowledged() -> non_neg_integer().
acknowledged() ->
    counters:get(persistent_term:get(?MODULE), 1).

%% Answers how many events each writer had acknowledged.
stop_writers(Writers) ->
    [
        begin
            Monitor = monitor(process, Pid),
            Pid ! stop,
            receive
                {'DOWN', Monitor, process, Pid, {written, Events}} -> {W, Events}
            after 30000 -> error({writer_hangs, W})
            end
        end
     || {W, Pid} <- lists:enumerate(Writers)
    ].

%% Appends batches of 1 to 5 numbered events, each until it is acknowledged.
-spec write(pos_integer(), counters:counters_ref()) -> no_return().
write(Writer, Counter) ->
    write(Writer, Counter, 0).

write(Writer, Counter, Next) ->
    receive
        stop -> exit({written, Next})
    after 0 -> ok
    end,
    Size = 1 + (Writer + Next) rem 5,
    Batch = [event(Writer, N, Next, Size) || N <- lists:seq(Next, Next + Size - 1)],
    Last = Next + Size - 1,
    {ok, Last} = append(stream(Writer), Batch),
    counters:add(Counter, 1, 1),
    write(Writer, Counter, Next + Size).

append(Stream, Batch) ->
    try esdb_client:append(?STORE, Stream, Batch) of
        {ok, _} = Done -> Done;
        {error, _} -> append_again(Stream, Batch)
    catch
        %% killed meanwhile, or not there yet: no worker, noproc, nodedown
        _:_ -> append_again(Stream, Batch)
    end.

append_again(Stream, Batch) ->
    ok = esdb_client:join(?STORE),
    append(Stream, Batch).

event(Writer, Number, First, Size) ->
    Id = iolist_to_binary(io_lib:format("~b-~b", [Writer, Number])),
    Data = {Writer, Number, {First, Size}, binary:copy(<<Writer>>, 100)},
    #{event_id => Id, event_type => <<"written">>, data => Data}.

stream(Writer) ->
    <<"writer-", (integer_to_binary(Writer))/binary>>.

check(Written) ->
    [check_stream(W, Events) || {W, Events} <- Written],
    Total = lists:sum([Events || {_, Events} <- Written]),
    All = read_all(0),
    ?assertEqual(Total, length(All)),
    %% the global order is that of each stream, every event once, batches in one piece
    [
        begin
            Numbers = [N || {Writer, N, _} <- All, Writer =:= W],
            ?assert(lists:seq(0, Events - 1) =:= Numbers)
        end
     || {W, Events} <- Written
    ],
    check_batches(All),
    {ok, ByType} = esdb_client:call(?STORE, {read_by_event_types, ?STORE, [<<"written">>], Total + 1}),
    ?assertEqual(Total, length(ByType)).

%% Writers stop only after an acknowledgement, so nothing more than that is there.
check_stream(Writer, Events) ->
    Read = esdb_client:events(?STORE, stream(Writer)),
    ?assert(lists:seq(0, Events - 1) =:= [element(5, E) || E <- Read]),
    ?assert(lists:seq(0, Events - 1) =:= [element(2, element(6, E)) || E <- Read]).

check_batches([]) ->
    ok;
check_batches([{Writer, First, {First, Size}} | _] = All) ->
    {Batch, Rest} = lists:split(Size, All),
    ?assertEqual([{Writer, N, {First, Size}} || N <- lists:seq(First, First + Size - 1)], Batch),
    check_batches(Rest).

%% In pages, so that a gap in the positions would show.
read_all(Offset) ->
    {ok, Page} = esdb_client:call(?STORE, {read_all_global, ?STORE, Offset, 500}),
    Events = [{W, N, Batch} || {W, N, Batch, _} <- [element(6, E) || E <- Page]],
    case length(Page) of
        500 -> Events ++ read_all(Offset + 500);
        _ -> Events
    end.
