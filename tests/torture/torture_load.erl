%% The application under torture, on its own node: the writers, the table of what they were told,
%% and the check of the store against that table. The torture itself, in another VM, calls it.
-module(torture_load).

-export([start/1, go/1, await_acknowledged/1, await_waiting/0]).
-export([attach/0, check/1, counts/0]).

-define(TABLE, torture).
-define(WAIT_MS, 30000).
-define(PAGE, 500).

-type options() :: #{store := atom(), writers := pos_integer(), seed := integer()}.

%% Starts the writers; they wait for `go`.
-spec start(options()) -> ok.
start(Options = #{store := Store, writers := Number}) ->
    Caller = self(),
    spawn(fun() ->
        ?TABLE = ets:new(?TABLE, [named_table, public, ordered_set]),
        Pids = [torture_writer:start(N, ?TABLE, Options) || N <- lists:seq(1, Number)],
        Known = [{store, Store}, {pids, Pids}, {workers, #{}}, {seen, torture_check:new()}],
        true = ets:insert(?TABLE, Known),
        Caller ! started,
        receive
            never -> ok
        end
    end),
    receive
        started -> ok
    after ?WAIT_MS -> error(not_started)
    end.

%% Waits until the server that was started last has joined this node's pg.
-spec attach() -> ok.
attach() ->
    Store = get_value(store),
    Before = get_value(workers),
    ok = esdb_client:join(Store),
    Now = maps:from_list([{G, esdb_client:worker(G, Store)} || G <- [old, new]]),
    case maps:get(old, Now) =:= maps:get(old, Before, none) of
        true ->
            %% the connection that was lost has not been noticed yet
            esdb_wait:until(fun() -> esdb_client:workers(old, Store) =/= [maps:get(old, Now)] end),
            attach();
        false ->
            put_value(workers, Now)
    end.

-spec go(torture_writer:mode()) -> ok.
go(Mode) ->
    Workers = get_value(workers),
    Pids = get_value(pids),
    [put_value({writer, N}, running) || N <- lists:seq(1, length(Pids))],
    lists:foreach(fun(Pid) -> torture_writer:go(Pid, Mode, Workers) end, Pids).

%% Until so many more batches have been acknowledged.
-spec await_acknowledged(pos_integer()) -> ok.
await_acknowledged(More) ->
    Goal = count(acknowledged) + More,
    esdb_wait:until(
        fun() ->
            ok = check_writers(),
            count(acknowledged) >= Goal
        end,
        ?WAIT_MS
    ).

%% Until no writer has a call on its way; raises what a writer has found wrong.
-spec await_waiting() -> ok.
await_waiting() ->
    esdb_wait:until(
        fun() ->
            ok = check_writers(),
            States = [S || [S] <- ets:match(?TABLE, {{writer, '_'}, '$1'})],
            lists:all(fun(S) -> S =:= waiting end, States) orelse States
        end,
        ?WAIT_MS
    ).

check_writers() ->
    States = [S || [S] <- ets:match(?TABLE, {{writer, '_'}, '$1'})],
    case [V || V = {violation, _, _} <- States] of
        [] -> ok;
        [{violation, What, Details} | _] -> error({violation, What, Details})
    end.

%% While all writers wait: holds the store against what they know. `new` reads what has been
%% appended since the last check; `all` reads everything, also stream by stream and both ways.
%% Returns how many events the store holds.
-spec check(new | all) -> non_neg_integer().
check(Extent) ->
    Start =
        case Extent of
            new -> get_value(seen);
            all -> torture_check:new()
        end,
    Seen = read_on(Start),
    ok = torture_check:finish(Seen),
    ok = nothing_missing(Seen),
    ok = same_streams(torture_check:streams(Seen)),
    Extent =:= all andalso whole_streams(torture_check:streams(Seen)),
    put_value(seen, Seen),
    note_survivors(Seen),
    torture_check:count(Seen).

read_on(Seen) ->
    {ok, Events} = call(old, {read_all_global, get_value(store), torture_check:count(Seen), ?PAGE}),
    Next = torture_check:page(Events, Seen, fun knowledge/1),
    case Events of
        [] -> Next;
        _ -> read_on(Next)
    end.

knowledge(Key) ->
    case ets:lookup(?TABLE, {batch, Key}) of
        [{_, Known}] -> Known;
        [] -> never_sent
    end.

nothing_missing(Seen) ->
    Keys = [K || [K] <- ets:match(?TABLE, {{batch, '$1'}, {acknowledged, '_'}})],
    case torture_check:missing(Keys, Seen) of
        [] ->
            ok;
        Missing = [Key | _] ->
            Details = #{first => {Key, knowledge(Key)}, batches => length(Missing)},
            error({violation, acknowledged_but_not_there, Details})
    end.

%% A batch that has survived a restart must be there for ever, answered or not.
note_survivors(Seen) ->
    Keys = [K || [K] <- ets:match(?TABLE, {{batch, '$1'}, {unanswered, '_'}})],
    Absent = torture_check:missing(Keys, Seen),
    Survived = Keys -- Absent,
    _ = ets:update_counter(?TABLE, survived, length(Survived), {survived, 0}),
    _ = ets:update_counter(?TABLE, absent, length(Absent), {absent, 0}),
    Stored = torture_check:batches(Seen),
    [put_value({batch, K}, {acknowledged, maps:get(K, Stored)}) || K <- Survived],
    ok.

%% the list of streams and the version of each
same_streams(Streams) ->
    Store = get_value(store),
    {ok, Names} = call(old, {get_streams, Store}),
    Expected = lists:sort(maps:keys(Streams)),
    Wrong = #{extra => Names -- Expected, lacks => Expected -- Names},
    Names =:= Expected orelse error({violation, wrong_list_of_streams, Wrong}),
    maps:foreach(
        fun(Stream, {Version, _}) ->
            Version =:= call(old, {get_version, Store, Stream}) orelse
                error({violation, wrong_version, #{stream => Stream, global => Version}})
        end,
        Streams
    ).

whole_streams(Streams) ->
    maps:foreach(
        fun(Stream, {Version, Digest}) ->
            Events = forward(Stream, 0),
            Digest =:= lists:foldl(fun torture_check:digest/2, 0, Events) orelse
                error({violation, stream_differs_from_global_order, #{stream => Stream}}),
            lists:reverse(Events) =:= backward(Stream, Version) orelse
                error({violation, backward_differs_from_forward, #{stream => Stream}})
        end,
        Streams
    ).

forward(Stream, From) ->
    case call(old, {stream_forward, get_value(store), Stream, From, ?PAGE}) of
        {ok, []} -> [];
        {ok, Events} -> Events ++ forward(Stream, From + length(Events))
    end.

backward(_, From) when From < 0 ->
    [];
backward(Stream, From) ->
    {ok, Events} = call(old, {stream_backward, get_value(store), Stream, From, ?PAGE}),
    Events =/= [] orelse error({violation, backward_ends_early, #{stream => Stream, at => From}}),
    Events ++ backward(Stream, From - length(Events)).

-spec counts() -> #{atom() => non_neg_integer()}.
counts() ->
    Names = [acknowledged, events, unanswered, retried, survived, absent, refused],
    maps:from_list([{Name, count(Name)} || Name <- Names]).

count(Name) ->
    case ets:lookup(?TABLE, Name) of
        [{_, Value}] -> Value;
        [] -> 0
    end.

call(Generation, Request) ->
    gen_server:call(maps:get(Generation, get_value(workers)), Request, ?WAIT_MS).

get_value(Key) -> ets:lookup_element(?TABLE, Key, 2).

put_value(Key, Value) ->
    true = ets:insert(?TABLE, {Key, Value}),
    ok.
