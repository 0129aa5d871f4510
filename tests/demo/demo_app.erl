%% The application of the demo. Runs on its own node; every request to the store is a plain
%% gen_server call to a worker that was found in pg, as the published clients do it.
-module(demo_app).

-export([processes/0, join/1, rejoin/1, append_streams/1, place_orders/1, read_orders/2]).
-export([history/1, fingerprint/1]).

-define(STORE, default_store).
-define(PROCESSES, 20).
-define(CALL_MS, 30000).
-define(BATCH, 100).
-define(PAGE, 1000).

-spec processes() -> pos_integer().
processes() -> ?PROCESSES.

-spec join(atom()) -> ok.
join(Store) ->
    ok = esdb_client:join(Store),
    persistent_term:put(?MODULE, esdb_client:worker(old, Store)).

%% As join/1, after the server was started again: its workers are others.
-spec rejoin(atom()) -> ok.
rejoin(Store) ->
    Former = persistent_term:get(?MODULE),
    esdb_wait:until(fun() -> not lists:member(Former, esdb_client:workers(old, Store)) end),
    join(Store).

call(Request) ->
    gen_server:call(persistent_term:get(?MODULE), Request, ?CALL_MS).

%% Appends to each stream its events, all of them new, in batches.
-spec append_streams([{binary(), [map()]}]) -> ok.
append_streams(Streams) ->
    lists:foreach(fun({Stream, Events}) -> append_stream(Stream, -1, Events) end, Streams).

append_stream(_, _, []) ->
    ok;
append_stream(Stream, Version, Events) ->
    {Batch, Rest} = lists:split(min(?BATCH, length(Events)), Events),
    {ok, Next} = call({append_events, ?STORE, Stream, Version, Batch}),
    append_stream(Stream, Next, Rest).

%% Returns the number of appends and of events, and the microseconds.
-spec place_orders(pos_integer()) -> {pos_integer(), pos_integer(), pos_integer()}.
place_orders(Number) ->
    {Parts, Micros} = in_parallel("   placing ", Number, fun place_order/2, {0, 0}),
    {Calls, Events} = lists:unzip(Parts),
    {lists:sum(Calls), lists:sum(Events), Micros}.

%% The customer's act is one append, what the shop does about it the next: the first expects that
%% there is no such stream, the second that nothing has been appended since.
place_order(Order, {Calls, Events}) ->
    Stream = demo_orders:stream(Order),
    [Placed | Handled] = demo_orders:life(Order),
    {ok, 0} = call({append_events, ?STORE, Stream, -1, [Placed]}),
    {ok, Last} = call({append_events, ?STORE, Stream, 0, Handled}),
    Last = length(Handled),
    {Calls + 2, Events + 1 + Last}.

%% Reads the stream of each order, holds it against what was written, and folds it. Returns what
%% the orders amount to, the number of events and the microseconds.
-spec read_orders(pos_integer(), forward | backward) ->
    {demo_orders:summary(), pos_integer(), pos_integer()}.
read_orders(Number, Direction) ->
    Title = lists:flatten(io_lib:format("   ~-8s", [Direction])),
    Read = fun(Order, {Summary, Events}) ->
        Life = read_order(Direction, Order),
        {demo_orders:fold(Life, Summary), Events + length(Life)}
    end,
    {Parts, Micros} = in_parallel(Title, Number, Read, {demo_orders:none(), 0}),
    {Summaries, Events} = lists:unzip(Parts),
    {lists:foldl(fun demo_orders:add/2, demo_orders:none(), Summaries), lists:sum(Events), Micros}.

read_order(Direction, Order) ->
    Stream = demo_orders:stream(Order),
    Written = demo_orders:life(Order),
    Last = length(Written) - 1,
    Expected = [
        {Version, Type, Data}
     || {Version, #{event_type := Type, data := Data}} <- lists:enumerate(0, Written)
    ],
    case Direction of
        forward ->
            {ok, Events} = call({stream_forward, ?STORE, Stream, 0, ?BATCH}),
            Expected = contents(Events);
        backward ->
            {ok, Events} = call({stream_backward, ?STORE, Stream, Last, ?BATCH}),
            Expected = contents(lists:reverse(Events))
    end.

%% version, type and data of #event{} records
contents(Events) ->
    [{element(5, E), element(3, E), element(6, E)} || E <- Events].

%% What each author has done, or what was done in each folder: the streams of the history, folded.
-spec history(author | folder) -> demo_history:summary().
history(Kind) ->
    {ok, Streams} = call({get_streams, ?STORE}),
    demo_history:fold([
        {Name, read_stream(Stream, 0)}
     || {Stream, Name} <- demo_history:names(Kind, Streams)
    ]).

read_stream(Stream, From) ->
    case call({stream_forward, ?STORE, Stream, From, ?PAGE}) of
        {ok, []} -> [];
        {ok, Events} -> contents(Events) ++ read_stream(Stream, From + length(Events))
    end.

%% Reads the whole store in global order, of which Expected events are known.
-spec fingerprint(pos_integer()) -> {non_neg_integer(), string()}.
fingerprint(Expected) ->
    Hash = crypto:hash_init(sha256),
    Read = fun(Counter) -> read_all(0, Hash, Counter) end,
    {{Count, Final}, _} = esdb_print:while("   reading all", Expected, Read),
    {Count, string:lowercase(binary_to_list(binary:encode_hex(crypto:hash_final(Final))))}.

read_all(Count, Hash, Counter) ->
    case call({read_all_global, ?STORE, Count, ?PAGE}) of
        {ok, []} ->
            {Count, Hash};
        {ok, Events} ->
            counters:add(Counter, 1, length(Events)),
            Add = fun(Event, H) -> crypto:hash_update(H, term_to_binary(Event)) end,
            read_all(Count + length(Events), lists:foldl(Add, Hash, Events), Counter)
    end.

%% Folds the orders 1 to Number, spread over the processes; one result for each of them.
in_parallel(Title, Number, Fun, Start) ->
    esdb_print:while(Title, Number, fun(Counter) ->
        Work = fun(First) ->
            lists:foldl(
                fun(Order, State) ->
                    Next = Fun(Order, State),
                    counters:add(Counter, 1, 1),
                    Next
                end,
                Start,
                lists:seq(First, Number, ?PROCESSES)
            )
        end,
        Processes = [
            spawn_monitor(fun() -> exit({part, Work(First)}) end)
         || First <- lists:seq(1, min(Number, ?PROCESSES))
        ],
        [part(Process) || Process <- Processes]
    end).

part({Pid, Monitor}) ->
    receive
        {'DOWN', Monitor, process, Pid, {part, Result}} -> Result;
        {'DOWN', Monitor, process, Pid, Reason} -> exit(Reason)
    end.
