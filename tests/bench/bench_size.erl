%% What appends and reads cost in a store that grows, what an event takes of memory and disk, and how
%% long a killed server takes to be ready again.
%%
%% The store first has streams of 1,000 and of 10,000 events (small), then also one of 1 million
%% (large), then also as many of 1,000 as are asked for (many). Ten streams are spread over all of it: each
%% of their events stands among those of others. Every event has one of ten types and one of a
%% thousand tags. At each size the same things are measured beside the same yardsticks: a cost is flat
%% when its ratio to the yardstick is. Before, all files are read once: what is measured is the store,
%% and not whether the system had given up their pages meanwhile.
-module(bench_size).

-export([run/4, names/1]).
%% on the client node
-export([prepare/1, fill/1, measure/2]).

-define(STORE, default_store).
-define(CALL_MS, 120000).
-define(PAYLOAD, 256).
-define(BATCH, 1000).
-define(FILLERS, 8).
-define(SPREAD, 10).
-define(LARGE, 1000000).
-define(KILLS, 3).
-define(IDLE_SAMPLE_MS, 500).
-define(IDLE_WAIT_MS, 60000).
%% the yardstick's lists
-define(KEPT, 100).

-type level() :: small | large | {many, pos_integer()}.
-type size() :: #{
    events := pos_integer(), open_ms := [pos_integer()], data_kib := pos_integer(),
    resident_kib := pos_integer(), resident_after_reads_kib := pos_integer(),
    results := #{atom() => [bench_load:result()]}
}.
-export_type([level/0, size/0]).

%% Each next to its yardstick; a stream's name is how many events it has.
-spec names(level()) -> [atom()].
names(small) ->
    [
        echo, version, append, transfer, forward_1000_100, forward_10000_100, spread, global, by_type, by_tag,
        transfer_1000, forward_1000_1000, forward_10000_1000
    ];
names(_) ->
    names(small) ++ [append_1000000, forward_1000000_100, forward_1000000_1000].

%% Grows a store of its own, to Events in the end or a little more, and measures at each size; also says how many bytes an event has, as a reader gets it. Echo is the node that runs bench_echo.
-spec run(node(), pos_integer(), pos_integer(), pos_integer()) -> {[size()], pos_integer()}.
run(Echo, Events, Rounds, Milliseconds) ->
    Levels = [small, large] ++ [{many, (Events - ?LARGE) div ?BATCH} || Events > ?LARGE],
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    Bytes = esdb_peer:call(Client, ?MODULE, prepare, [Echo], ?CALL_MS),
    Step = fun(Level, {Running, Before}) ->
        Filled = esdb_peer:call(Client, ?MODULE, fill, [Level], infinity),
        {Again, At} = at_level(Client, Running, Level, Rounds, Milliseconds),
        {At#{events => Before + Filled}, {Again, Before + Filled}}
    end,
    {Results, {Last, _}} = lists:mapfoldl(Step, {Server, ?KEPT}, Levels),
    esdb_peer:stop(Client),
    esdb_server:close(Last),
    {Results, Bytes}.

at_level(Client, Filled, Level, Rounds, Milliseconds) ->
    {Server, OpenMs} = reopen(Client, Filled, ?KILLS, []),
    ok = await_idle(Server),
    ok = bench_process:read_data(Server),
    Resident = bench_process:resident_kib(Server),
    Results = [round(Client, Level, Milliseconds) || _ <- lists:seq(1, Rounds)],
    ok = await_idle(Server),
    At = #{
        open_ms => OpenMs,
        resident_kib => Resident,
        resident_after_reads_kib => bench_process:resident_kib(Server),
        data_kib => bench_process:data_kib(Server),
        results => maps:from_list([{N, [maps:get(N, R) || R <- Results]} || N <- names(Level)])
    },
    {Server, At}.

await_idle(Server) ->
    bench_process:await_idle(Server, ?IDLE_SAMPLE_MS, ?IDLE_WAIT_MS).

%% The first kill comes with the last batch's acknowledgement: the log has something to replay.
reopen(_, Server, 0, Times) ->
    {Server, lists:reverse(Times)};
reopen(Client, Server, Kills, Times) ->
    ok = esdb_server:kill(Server),
    Began = erlang:monotonic_time(millisecond),
    Again = esdb_server:restart(Server),
    Took = erlang:monotonic_time(millisecond) - Began,
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE], ?CALL_MS),
    reopen(Client, Again, Kills - 1, [Took | Times]).

round(Client, Level, Milliseconds) ->
    io:format("."),
    maps:from_list([
        {Name, esdb_peer:call(Client, ?MODULE, measure, [Name, Milliseconds], ?CALL_MS)}
     || Name <- names(Level)
    ]).

%% Meets the server and the echo node; returns the bytes of one event, as a reader gets it.
-spec prepare(node()) -> pos_integer().
prepare(EchoNode) ->
    ok = esdb_client:join(?STORE),
    {ok, _} = call({append_events, ?STORE, <<"sample">>, lists:sublist(batch(0), ?KEPT)}),
    {ok, Events} = call({stream_forward, ?STORE, <<"sample">>, 0, ?KEPT}),
    Echo = rpc:call(EchoNode, erlang, whereis, [bench_echo]),
    ok = gen_server:call(Echo, {keep, Events}),
    ok = persistent_term:put(?MODULE, Echo),
    byte_size(term_to_binary(Events)) div length(Events).

%% Appends what the store lacks of a level; returns how many events.
-spec fill(level()) -> pos_integer().
fill(small) ->
    Spread = lists:sum([spread(N) || N <- lists:seq(1, ?KEPT * ?SPREAD)]),
    write(<<"1000">>, 1000, 1) + write(<<"10000">>, 10000, 1) + Spread;
fill(large) ->
    write(<<"1000000">>, ?LARGE, 1);
fill({many, Streams}) ->
    Self = self(),
    Fill = fun(Filler) ->
        Write = fun(N) -> write(<<"many-", (integer_to_binary(N))/binary>>, ?BATCH, N) end,
        Self ! {filled, lists:sum([Write(N) || N <- lists:seq(Filler, Streams, ?FILLERS)])}
    end,
    [spawn_link(fun() -> Fill(Filler) end) || Filler <- lists:seq(1, ?FILLERS)],
    lists:sum([receive {filled, Count} -> Count end || _ <- lists:seq(1, ?FILLERS)]).

%% In batches with numbers from First on.
write(Stream, Events, First) ->
    Batches = Events div ?BATCH,
    [
        {ok, _} = call({append_events, ?STORE, Stream, Batch})
     || N <- lists:seq(First, First + Batches - 1), Batch <- [batch(N)], spread(N) > 0
    ],
    Events + Batches.

%% Appends an event to one of the streams that are spread.
spread(N) ->
    {ok, _} = call({append_events, ?STORE, spread_name(N), [hd(batch(N))]}),
    1.

spread_name(N) -> <<"spread-", (integer_to_binary(N rem ?SPREAD))/binary>>.

%% The payload is random but the same each time: making it costs more than storing it.
batch(Nth) ->
    Payload = fun(N) -> binary:part(payloads(), N, ?PAYLOAD) end,
    [
        #{
            event_type => <<"type-", (integer_to_binary(N rem 10))/binary>>,
            data => #{payload => Payload(N)},
            tags => [<<"tag-", (integer_to_binary((Nth * 7 + N) rem 1000))/binary>>]
        }
     || N <- lists:seq(1, ?BATCH)
    ].

payloads() ->
    case persistent_term:get({?MODULE, payloads}, none) of
        none ->
            persistent_term:put({?MODULE, payloads}, rand:bytes(?BATCH + ?PAYLOAD)),
            payloads();
        Bytes ->
            Bytes
    end.

%% One client, for so many milliseconds; where it reads from is random.
-spec measure(atom(), pos_integer()) -> bench_load:result().
measure(Name, Milliseconds) ->
    Stream = iolist_to_binary(io_lib:format("append-~b", [erlang:unique_integer([positive])])),
    bench_load:run(Milliseconds, [{step(Name, persistent_term:get(?MODULE), Stream), 0}]).

step(echo, Echo, Stream) ->
    appending(Echo, Stream);
step(append, _, Stream) ->
    appending(store(), Stream);
step(append_1000000, _, _) ->
    appending(store(), <<"1000000">>);
step(version, _, _) ->
    Store = store(),
    fun(N) ->
        true = is_integer(gen_server:call(Store, {get_version, ?STORE, <<"10000">>}, ?CALL_MS)),
        {N, 1}
    end;
step(transfer, Echo, _) ->
    asking(Echo, fun() -> {stream_forward, ?STORE, <<>>, 0, ?KEPT} end);
step(transfer_1000, Echo, _) ->
    asking(Echo, fun() -> transfer_1000 end);
step(global, _, _) ->
    asking(store(), fun() -> {read_all_global, ?STORE, rand:uniform(10000), ?KEPT} end);
step(spread, _, _) ->
    Names = [spread_name(N) || N <- lists:seq(0, ?SPREAD - 1)],
    Streams = [{Name, call({get_version, ?STORE, Name}) + 1} || Name <- Names],
    asking(store(), fun() ->
        {Name, Events} = lists:nth(rand:uniform(?SPREAD), Streams),
        From = rand:uniform(Events - ?KEPT + 1) - 1,
        {stream_forward, ?STORE, Name, From, ?KEPT}
    end);
step(by_type, _, _) ->
    asking(store(), fun() ->
        Type = <<"type-", (integer_to_binary(rand:uniform(10) - 1))/binary>>,
        {read_by_event_types, ?STORE, [Type], ?KEPT}
    end);
step(by_tag, _, _) ->
    asking(store(), fun() ->
        Tag = <<"tag-", (integer_to_binary(rand:uniform(1000) - 1))/binary>>,
        {read_by_tags, ?STORE, [Tag], any, ?KEPT}
    end);
step(Forward, _, _) ->
    ["forward", Stream, Batch] = string:lexemes(atom_to_list(Forward), "_"),
    [Events, Count] = [list_to_integer(Text) || Text <- [Stream, Batch]],
    asking(store(), fun() ->
        From = rand:uniform(Events - Count + 1) - 1,
        {stream_forward, ?STORE, list_to_binary(Stream), From, Count}
    end).

appending(Server, Stream) ->
    Request = {append_events, ?STORE, Stream, [hd(batch(0))]},
    fun(N) ->
        {ok, _} = gen_server:call(Server, Request, ?CALL_MS),
        {N, 1}
    end.

asking(Server, Request) ->
    fun(N) ->
        {ok, Events} = gen_server:call(Server, Request(), ?CALL_MS),
        {N, length(Events)}
    end.

store() -> esdb_client:worker(old, ?STORE).

call(Request) -> gen_server:call(store(), Request, ?CALL_MS).
