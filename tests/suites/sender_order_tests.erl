%% What one process sends takes effect in the order in which it was sent, whichever worker it names,
%% also when it does not wait for replies.
-module(sender_order_tests).
-include_lib("eunit/include/eunit.hrl").

sender_order_test_() ->
    esdb_fixture:on_client(#{stores => [default_store, other]}, [
        {"appends by calls that are not waited for", fun calls/1},
        {"appends by casts", fun casts/1},
        {"a read sees the sender's writes before it", fun read_sees_writes/1},
        {"a deletion between appends", fun deletion/1},
        {"many senders at once", fun many_senders/1}
    ]).

calls(#{store := Store}) ->
    Requests = [send(Store, <<"calls">>, N) || N <- lists:seq(0, 499)],
    Replies = [gen_server:wait_response(R, 10000) || R <- Requests],
    ?assertEqual([{reply, {ok, N}} || N <- lists:seq(0, 499)], Replies),
    ?assertEqual(lists:seq(0, 499), data(Store, <<"calls">>)).

casts(#{store := Store}) ->
    [cast(Store, <<"casts">>, N) || N <- lists:seq(0, 499)],
    ?assertEqual(lists:seq(0, 499), data(Store, <<"casts">>)).

%% Every kind of read, after a write that was not waited for, through another worker.
read_sees_writes(#{store := Store}) ->
    Stream = <<"read sees writes">>,
    Event = #{event_type => <<"seen">>, tags => [<<"seen">>]},
    Reads = [
        {get_events, Store, Stream, 0, 1000, forward},
        {stream_forward, Store, Stream, 0, 1000},
        {read_by_event_types, Store, [<<"seen">>], 1000},
        {read_by_tags, Store, [<<"seen">>], any, 1000}
    ],
    lists:foreach(
        fun(N) ->
            Data = Event#{data => N},
            gen_server:cast(worker(Store, N), {append_events, Store, Stream, [Data]}),
            Read = lists:nth(1 + N rem length(Reads), Reads),
            {ok, Events} = gen_server:call(worker(Store, N + 1), Read),
            ?assertEqual({N, lists:seq(0, N)}, {N, [element(6, E) || E <- Events]}),
            gen_server:cast(worker(Store, N + 2), {append_events, other, Stream, [Data]}),
            ?assertEqual(N, gen_server:call(worker(Store, N), {get_version, other, Stream}))
        end,
        lists:seq(0, 99)
    ).

deletion(#{store := Store}) ->
    Stream = <<"deletion">>,
    lists:foreach(
        fun(N) ->
            [cast(Store, Stream, {N, I}) || I <- lists:seq(1, 3)],
            gen_server:cast(worker(Store, N), {delete_stream, Store, Stream}),
            cast(Store, Stream, {N, last}),
            ?assertEqual([{N, last}], data(Store, Stream)),
            gen_server:cast(worker(Store, N), {delete_stream, Store, Stream})
        end,
        lists:seq(1, 50)
    ).

many_senders(#{store := Store}) ->
    Senders = [
        spawn_monitor(fun() ->
            Stream = <<"sender ", (integer_to_binary(S))/binary>>,
            Requests = [send(Store, Stream, N) || N <- lists:seq(0, 99)],
            Read = data(Store, Stream),
            _ = [{reply, {ok, _}} = gen_server:wait_response(R, 10000) || R <- Requests],
            exit({read, Read})
        end)
     || S <- lists:seq(1, 20)
    ],
    [
        receive
            {'DOWN', Monitor, process, Pid, Reason} ->
                ?assertEqual({read, lists:seq(0, 99)}, Reason)
        end
     || {Pid, Monitor} <- Senders
    ].

send(Store, Stream, Data) ->
    Event = #{event_type => <<"t">>, data => Data},
    gen_server:send_request(worker(Store, Data), {append_events, Store, Stream, [Event]}).

cast(Store, Stream, Data) ->
    Event = #{event_type => <<"t">>, data => Data},
    gen_server:cast(worker(Store, Data), {append_events, Store, Stream, [Event]}).

%% Clients rotate over the workers; here over those of both generations.
worker(Store, Data) ->
    Workers = esdb_client:workers(old, Store) ++ esdb_client:workers(new, Store),
    lists:nth(1 + erlang:phash2(Data, length(Workers)), Workers).

data(Store, Stream) ->
    [element(6, E) || E <- esdb_client:events(Store, Stream)].
