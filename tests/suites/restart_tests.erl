%% What was there before a restart is there after it, after a stop as after a kill.
-module(restart_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORES, [default_store, 'Ünïcode/..']).
-define(STORE, default_store).

restart_test_() ->
    [
        {Title, {timeout, 60, fun() -> restart(End) end}}
     || {Title, End} <- [
            {"after SIGTERM, which exits with 0", fun(S) -> 0 = esdb_server:stop(S) end},
            {"after SIGINT, which exits with 0", fun(S) -> 0 = esdb_server:stop(S, "INT") end},
            {"after SIGKILL", fun esdb_server:kill/1}
        ]
    ] ++ [
        {"after three restarts, with appends in between", {timeout, 60, fun several_times/0}},
        {"a stop finishes what was accepted", {timeout, 60, fun stop_under_load/0}},
        {"a checkpoint in between changes nothing", {timeout, 60, fun checkpoints/0}}
    ].

restart(End) ->
    {Client, Server} = start(#{stores => ?STORES}),
    esdb_peer:run(Client, fun fill/0),
    Before = esdb_peer:run(Client, fun everything/0),
    _ = End(Server),
    Again = esdb_server:restart(Server),
    joined(Client),
    ?assertEqual(Before, esdb_peer:run(Client, fun everything/0)),
    esdb_peer:run(Client, fun go_on/0),
    close(Client, Again).

fill() ->
    Data = fun(N) -> [{N, 1.5, <<N:3>>}, #{n => N}, self() | improper] end,
    [
        begin
            Batch = [event(Store, {Stream, N, I}, Data(I)) || I <- lists:seq(1, 1 + N rem 4)],
            {ok, _} = esdb_client:append(Store, Stream, Batch)
        end
     || Store <- ?STORES,
        N <- lists:seq(1, 50),
        Stream <- [<<"a">>, <<"b">>, <<0, 255>>, <<"gone">>]
    ],
    ok = esdb_client:call(?STORE, {delete_stream, ?STORE, <<"gone">>}),
    {ok, 0} = esdb_client:append(?STORE, <<"once">>, no_stream, [event(?STORE, once, 1)]).

event(Store, Id, Data) ->
    #{
        event_id => base64:encode(term_to_binary({Store, Id})),
        event_type => lists:nth(1 + erlang:phash2(Id, 3), [<<"x">>, <<"y">>, z]),
        data => Data,
        metadata => #{id => Id},
        tags => [<<"all">>, integer_to_binary(erlang:phash2(Id, 5))]
    }.

%% Every read there is, of every store.
everything() ->
    [
        {Request, esdb_client:call(Generation, Store, Request)}
     || Store <- ?STORES,
        Generation <- [old, new],
        Request <- [
            {get_streams, Store},
            {has_events, Store},
            {read_all_global, Store, 0, 100000},
            {read_all_global, Store, 123, 45},
            {read_by_event_types, Store, [<<"x">>, z], 100000},
            {read_by_tags, Store, [<<"all">>, <<"3">>], all, 100000},
            {get_version, Store, <<"a">>},
            {get_version, Store, <<"gone">>},
            {get_events, Store, <<"gone">>, 0, 10, forward},
            {stream_backward, Store, <<0, 255>>, 50, 30}
        ]
    ].

%% Versions go on, retries are recognised, a deleted stream begins anew.
go_on() ->
    Version = esdb_client:call(?STORE, {get_version, ?STORE, <<"a">>}),
    Next = [#{event_type => <<"x">>, data => 1}],
    ?assertEqual({ok, Version + 1}, esdb_client:append(?STORE, <<"a">>, Version, Next)),
    ?assertEqual(
        {ok, 0}, esdb_client:append(?STORE, <<"once">>, no_stream, [event(?STORE, once, 1)])
    ),
    ?assertEqual({ok, 0}, esdb_client:append(?STORE, <<"gone">>, no_stream, Next)).

several_times() ->
    {Client, First} = start(#{}),
    Last = lists:foldl(
        fun(Round, Server) ->
            ?assertEqual({ok, Round}, append(Client, <<"s">>, Round)),
            ok = esdb_server:kill(Server),
            Again = esdb_server:restart(Server),
            joined(Client),
            Again
        end,
        First,
        [0, 1, 2]
    ),
    Events = esdb_peer:call(Client, esdb_client, events, [?STORE, <<"s">>]),
    ?assertEqual([0, 1, 2], [element(6, E) || E <- Events]),
    Times = [element(10, E) || E <- Events],
    ?assertEqual(lists:usort(Times), Times),
    close(Client, Last).

append(Client, Stream, Data) ->
    Events = [#{event_type => <<"t">>, data => Data}],
    esdb_peer:call(Client, esdb_client, append, [?STORE, Stream, Events]).

%% Every append that was answered with ok before the end is there; the server still exits with 0.
stop_under_load() ->
    {Client, Server} = start(#{}),
    Writers = esdb_peer:run(Client, fun() ->
        [spawn(fun() -> append_forever(W, 0) end) || W <- lists:seq(1, 10)]
    end),
    esdb_wait:until(fun() ->
        esdb_peer:call(Client, esdb_client, call, [?STORE, {get_version, ?STORE, <<5>>}]) > 20
    end),
    ?assertEqual(0, esdb_server:stop(Server)),
    Acknowledged = [
        esdb_peer:run(Client, fun() ->
            Monitor = monitor(process, Pid),
            receive
                {'DOWN', Monitor, process, Pid, _} -> persistent_term:get({?MODULE, W})
            after 20000 -> error(still_appending)
            end
        end)
     || {W, Pid} <- lists:enumerate(Writers)
    ],
    Again = esdb_server:restart(Server),
    joined(Client),
    [
        begin
            Request = {get_version, ?STORE, <<W>>},
            Version = esdb_peer:call(Client, esdb_client, call, [?STORE, Request]),
            ?assert(Version >= Last),
            ?assert(Version =< Last + 1)
        end
     || {W, Last} <- lists:enumerate(Acknowledged)
    ],
    close(Client, Again).

append_forever(W, Number) ->
    try esdb_client:append(?STORE, <<W>>, [#{event_type => <<"t">>, data => Number}]) of
        {ok, Number} ->
            persistent_term:put({?MODULE, W}, Number),
            append_forever(W, Number + 1);
        _ ->
            exit(done)
    catch
        _:_ -> exit(done)
    end.

%% With little memory, checkpoints come while appends go on.
checkpoints() ->
    {Client, Server} = start(#{args => ["--memtable-mib", "1"]}),
    Payload = binary:copy(<<"p">>, 10000),
    Stream = fun(N) -> integer_to_binary(N rem 7) end,
    esdb_peer:run(Client, fun() ->
        [
            {ok, _} = esdb_client:append(?STORE, Stream(N), [
                #{event_type => <<"t">>, data => {N, Payload}, tags => [Stream(N)]}
            ])
         || N <- lists:seq(0, 1999)
        ]
    end),
    Check = fun() ->
        [
            begin
                Events = esdb_client:events(?STORE, Stream(S)),
                ?assert([N || {N, _} <- [element(6, E) || E <- Events]] =:= lists:seq(S, 1999, 7)),
                {ok, Tagged} =
                    esdb_client:call(?STORE, {read_by_tags, ?STORE, [Stream(S)], any, 10000}),
                ?assert(Tagged =:= Events)
            end
         || S <- lists:seq(0, 6)
        ]
    end,
    esdb_peer:run(Client, Check),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    joined(Client),
    esdb_peer:run(Client, Check),
    close(Client, Again).

start(Options) ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(Options#{connect => [esdb_peer:node(Client)]}),
    joined(Client),
    {Client, Server}.

joined(Client) ->
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]).

close(Client, Server) ->
    esdb_server:close(Server),
    esdb_peer:stop(Client).
