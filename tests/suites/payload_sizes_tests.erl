%% Events from 1 byte to 64 MiB go in and come out as they were.
-module(payload_sizes_tests).
-include_lib("eunit/include/eunit.hrl").

-define(KIB, 1024).
-define(MIB, 1024 * ?KIB).

payload_sizes_test_() ->
    Sizes = [1, 100, 255, 256, 4 * ?KIB, 64 * ?KIB, ?MIB, 8 * ?MIB, 64 * ?MIB - ?KIB],
    esdb_fixture:on_client(#{}, [
        {integer_to_list(Size) ++ " bytes", fun(#{store := Store}) -> round_trip(Store, Size) end}
     || Size <- Sizes
    ] ++ [
        {"a batch of many megabytes", fun large_batch/1},
        {"a request beyond the limit is refused, and costs nobody the connection", fun beyond/1},
        {"a ping is answered between large messages", fun others_go_on/1}
    ]).

round_trip(Store, Size) ->
    Data = rand:bytes(Size),
    Stream = integer_to_binary(Size),
    ?assertEqual({ok, 0}, call(Store, append(Store, Stream, [Data]))),
    {ok, [Event]} = call(Store, {get_events, Store, Stream, 0, 1, forward}),
    ?assert(Data =:= element(6, Event)).

large_batch(#{store := Store}) ->
    Batch = [rand:bytes(?MIB) || _ <- lists:seq(1, 32)],
    ?assertEqual({ok, 31}, call(Store, append(Store, <<"batch">>, Batch))),
    {ok, Events} = call(Store, {stream_backward, Store, <<"batch">>, 31, 32}),
    ?assert(lists:reverse(Batch) =:= [element(6, E) || E <- Events]).

beyond(#{store := Store, server := Server}) ->
    true = erlang:monitor_node(Server, true),
    Request = append(Store, <<"beyond">>, [rand:bytes(?MIB) || _ <- lists:seq(1, 80)]),
    ?assertMatch({error, {stream_not_found, {too_large, _}}}, call(Store, Request)),
    ?assertEqual(-1, call(Store, {get_version, Store, <<"beyond">>})),
    receive
        {nodedown, Server} -> error(connection_lost)
    after 0 -> ok
    end.

others_go_on(#{store := Store, server := Server}) ->
    Append = append(Store, <<"large">>, [rand:bytes(16 * ?MIB)]),
    Requests = [
        gen_server:send_request(esdb_client:worker(old, Store), Append) || _ <- [1, 2, 3]
    ],
    ?assertEqual(pong, net_adm:ping(Server)),
    [?assertMatch({reply, {ok, _}}, gen_server:wait_response(R, 60000)) || R <- Requests].

append(Store, Stream, Payloads) ->
    {append_events, Store, Stream, [#{event_type => <<"t">>, data => D} || D <- Payloads]}.

call(Store, Request) ->
    gen_server:call(esdb_client:worker(old, Store), Request, 30000).
