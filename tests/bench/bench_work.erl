%% What is measured, each as a load of bench_load. Runs on the client node. All terms are built
%% before the clock starts; a step is one gen_server call.
-module(bench_work).

-export([prepare/2, measure/3]).

-type name() ::
    fdatasync | echo_1 | echo_10 | echo_50 | echo_100 | encode | transfer | transfer_1000
    | version_1 | version_50
    | append_1 | append_long | append_10 | append_50 | append_100
    | batch_1 | batch_10 | small_batch_10 | large_batch_10
    | forward | backward | forward_1000 | by_type | by_tag | global
    | replay | replay_sent | latency | live_1 | live_100 | append_watched.
-export_type([name/0]).

-define(STORE, default_store).
-define(CALL_MS, 30000).
-define(PAYLOAD, 256).
-define(BATCH, 100).
%% the streams that exist before anything is measured
-define(READ_STREAM, <<"read">>).
-define(READ_EVENTS, 10000).
-define(LONG_STREAM, <<"long">>).
-define(LONG_EVENTS, 20000).
%% the file for fdatasync, all of which is written before
-define(FILE_BYTES, 4 * 1024 * 1024).
-define(WRITE_BYTES, 512).

%% Fills the store and the echo node. Dir is on the disk that the store is on.
-spec prepare(node(), file:filename()) -> ok.
prepare(EchoNode, Dir) ->
    ok = esdb_client:join(?STORE),
    Store = esdb_client:worker(old, ?STORE),
    Echo = rpc:call(EchoNode, erlang, whereis, [bench_echo]),
    true = is_pid(Echo),
    persistent_term:put(?MODULE, #{store => Store, echo => Echo, dir => Dir}),
    fill(Store, ?READ_STREAM, ?READ_EVENTS),
    fill(Store, ?LONG_STREAM, ?LONG_EVENTS),
    {ok, Events} = gen_server:call(Store, {stream_forward, ?STORE, ?READ_STREAM, 0, ?BATCH}),
    ?BATCH = length(Events),
    ok = gen_server:call(Echo, {keep, Events}),
    Tagged = [
        #{event_type => <<"tagged">>, data => #{payload => rand:bytes(?PAYLOAD)}, tags => [<<"tagged">>]}
     || _ <- lists:seq(1, ?BATCH)
    ],
    {ok, _} = gen_server:call(Store, {append_events, ?STORE, <<"tagged">>, Tagged}, ?CALL_MS),
    ok.

fill(Store, Stream, Number) ->
    Request = append(Stream, ?BATCH),
    Versions = [gen_server:call(Store, Request, ?CALL_MS) || _ <- lists:seq(1, Number div ?BATCH)],
    {ok, Last} = lists:last(Versions),
    Last = Number - 1,
    ok.

%% Measures for so many milliseconds. Each Round has streams of its own.
-spec measure(name(), non_neg_integer(), pos_integer()) -> bench_load:result().
measure(Name, Round, Milliseconds) ->
    Peers = persistent_term:get(?MODULE),
    case Name of
        append_watched ->
            bench_delivery:watched(Peers, fun() ->
                bench_load:run(Milliseconds, clients(append_1, 1000 + Round, Peers))
            end);
        _ ->
            case lists:member(Name, [replay, replay_sent, latency, live_1, live_100]) of
                true -> bench_delivery:measure(Name, Peers);
                false -> bench_load:run(Milliseconds, clients(Name, Round, Peers))
            end
    end.

clients(fdatasync, _, #{dir := Dir}) ->
    [{fun sync/1, {open(filename:join(Dir, "fdatasync")), 0}}];
clients(encode, _, _) ->
    Request = append(<<"encode">>, ?BATCH),
    Encode = fun(R) ->
        true = byte_size(term_to_binary(R)) > 0,
        {R, ?BATCH}
    end,
    [{Encode, Request}];
clients(echo_1, Round, #{echo := Echo}) ->
    appenders(Echo, "echo", Round, 1, 1);
clients(echo_10, Round, #{echo := Echo}) ->
    appenders(Echo, "echo", Round, 10, 1);
clients(echo_50, Round, #{echo := Echo}) ->
    appenders(Echo, "echo", Round, 50, 1);
clients(echo_100, Round, #{echo := Echo}) ->
    appenders(Echo, "echo", Round, 100, 1);
clients(transfer_1000, _, #{echo := Echo}) ->
    [{fun(_) -> taken(gen_server:call(Echo, transfer_1000, ?CALL_MS)) end, 0}];
clients(transfer, _, #{echo := Echo}) ->
    [{fun(N) -> read(Echo, stream_forward, N, N + ?BATCH) end, 0}];
clients(version_1, _, #{store := Store}) ->
    [version(Store)];
clients(version_50, _, #{store := Store}) ->
    lists:duplicate(50, version(Store));
clients(append_1, Round, #{store := Store}) ->
    appenders(Store, "append-1", Round, 1, 1);
clients(append_10, Round, #{store := Store}) ->
    appenders(Store, "append-10", Round, 10, 1);
clients(append_50, Round, #{store := Store}) ->
    appenders(Store, "append-50", Round, 50, 1);
clients(append_100, Round, #{store := Store}) ->
    appenders(Store, "append-100", Round, 100, 1);
clients(small_batch_10, Round, #{store := Store}) ->
    appenders(Store, "small-10", Round, 10, 10);
clients(large_batch_10, Round, #{store := Store}) ->
    appenders(Store, "large-10", Round, 10, 1000);
clients(forward_1000, _, #{store := Store}) ->
    Next = fun(N) -> (N + 1000) rem ?READ_EVENTS end,
    [
        {
            fun(N) ->
                Request = {stream_forward, ?STORE, ?READ_STREAM, N, 1000},
                {ok, Events} = gen_server:call(Store, Request, ?CALL_MS),
                {Next(N), length(Events)}
            end,
            0
        }
    ];
clients(by_type, _, #{store := Store}) ->
    asking(Store, {read_by_event_types, ?STORE, [<<"measured">>], ?BATCH});
clients(by_tag, _, #{store := Store}) ->
    asking(Store, {read_by_tags, ?STORE, [<<"tagged">>], any, ?BATCH});
clients(global, _, #{store := Store}) ->
    asking(Store, {read_all_global, ?STORE, 5000, ?BATCH});
clients(append_long, _, #{store := Store}) ->
    [appender(Store, ?LONG_STREAM, 1)];
clients(batch_1, Round, #{store := Store}) ->
    appenders(Store, "batch-1", Round, 1, ?BATCH);
clients(batch_10, Round, #{store := Store}) ->
    appenders(Store, "batch-10", Round, 10, ?BATCH);
clients(forward, _, #{store := Store}) ->
    [{fun(N) -> read(Store, stream_forward, N, (N + ?BATCH) rem ?READ_EVENTS) end, 0}];
clients(backward, _, #{store := Store}) ->
    Top = ?READ_EVENTS - 1,
    Next = fun
        (N) when N < ?BATCH -> Top;
        (N) -> N - ?BATCH
    end,
    [{fun(N) -> read(Store, stream_backward, N, Next(N)) end, Top}].

appenders(Server, Prefix, Round, Clients, Batch) ->
    [
        appender(Server, list_to_binary(io_lib:format("~s-~b-~b", [Prefix, Round, N])), Batch)
     || N <- lists:seq(1, Clients)
    ].

%% the same request again and again
asking(Store, Request) ->
    [{fun(_) -> taken(gen_server:call(Store, Request, ?CALL_MS)) end, 0}].

taken({ok, Events}) ->
    {0, length(Events)}.

%% a request that neither writes nor reads an event: what the way to the store and back costs
version(Server) ->
    Step = fun(Request) ->
        true = is_integer(gen_server:call(Server, Request, ?CALL_MS)),
        {Request, 1}
    end,
    {Step, {get_version, ?STORE, ?READ_STREAM}}.

appender(Server, Stream, Batch) ->
    Step = fun(Request) ->
        {ok, _} = gen_server:call(Server, Request, ?CALL_MS),
        {Request, Batch}
    end,
    {Step, append(Stream, Batch)}.

read(Server, Direction, From, Next) ->
    Request = {Direction, ?STORE, ?READ_STREAM, From, ?BATCH},
    {ok, Events} = gen_server:call(Server, Request, ?CALL_MS),
    {Next, length(Events)}.

%% no event ids: the store makes them
append(Stream, Batch) ->
    Events = [
        #{event_type => <<"measured">>, data => #{payload => rand:bytes(?PAYLOAD)}}
     || _ <- lists:seq(1, Batch)
    ],
    {append_events, ?STORE, Stream, Events}.

open(Path) ->
    {ok, File} = file:open(Path, [read, write, raw, binary]),
    ok = file:pwrite(File, 0, <<0:(?FILE_BYTES)/unit:8>>),
    ok = file:sync(File),
    ok = file:close(File),
    Path.

%% the file belongs to the process that opened it: the client opens it with its first step
sync({Path, Offset}) when is_list(Path) ->
    {ok, File} = file:open(Path, [read, write, raw, binary]),
    sync({File, Offset});
sync({File, Offset}) ->
    ok = file:pwrite(File, Offset, <<1:(?WRITE_BYTES)/unit:8>>),
    ok = file:datasync(File),
    {{File, (Offset + ?WRITE_BYTES) rem ?FILE_BYTES}, 1}.
