%% Subscriptions as the published clients make them: saved, delivered to, acknowledged, removed.
-module(subscriptions_tests).

-include_lib("eunit/include/eunit.hrl").

-export([deliver_to_me/0]).

-define(STORE, default_store).
-define(WAIT_MS, 10000).

subscriptions_test_() ->
    esdb_fixture:on_client(#{}, [
        {Name, fun(_) -> Test() end}
     || {Name, Test} <- [
            {"a call answers the key", fun answers_the_key/0},
            {"new events come", fun new_events_come/0},
            {"what was there before comes first", fun history_comes_first/0},
            {"only one stream", fun one_stream/0},
            {"only one type", fun one_type/0},
            {"the seam neither loses nor repeats", fun the_seam/0},
            {"start_from", fun start_from/0},
            {"evoq's own replay is not repeated", fun evoq_replays_itself/0},
            {"nor when evoq starts again", fun evoq_starts_again/0},
            {"nor when it starts while events come", fun evoq_starts_meanwhile/0},
            {"a cast is as good as a call", fun by_cast/0},
            {"removed ones get nothing", fun removed/0},
            {"acknowledged up to there", fun acknowledged/0},
            {"acknowledged by one of two of that name", fun acknowledged_by_one/0},
            {"acknowledged by one process with several of that name", fun acknowledged_of_several/0},
            {"bound to another process", fun bound_anew/0},
            {"what was sent to a dead process", fun sent_to_the_dead/0},
            {"a stream is deleted and begins anew", fun deleted_stream/0},
            {"those that were removed leave nothing behind", fun nothing_left/0},
            {"lists", fun lists/0},
            {"what makes no sense is refused", fun refused/0}
        ]
    ]).

answers_the_key() ->
    Name = <<"key">>,
    {ok, Key} = save(by_stream, <<"$orders-1">>, Name, 0, self()),
    ?assertEqual(integer_to_binary(erlang:phash2({by_stream, <<"$orders-1">>, Name})), Key),
    {ok, Key} = save(by_stream, <<"$orders-1">>, Name, 0, self()),
    ok = remove(by_stream, Name).

new_events_come() ->
    {ok, _} = save(by_stream, <<"$new-1">>, <<"new">>, 0, self()),
    {ok, 0} = append(<<"new-1">>, [one]),
    {ok, 2} = append(<<"new-1">>, [two, three]),
    ?assertEqual([one, two, three], numbers(receive_events(3))),
    ok = remove(by_stream, <<"new">>),
    silence().

history_comes_first() ->
    {ok, 1999} = append(<<"history">>, lists:seq(0, 1999)),
    {ok, _} = save(by_stream, <<"history">>, <<"history">>, 0, self()),
    {ok, 2000} = append(<<"history">>, [2000]),
    Events = receive_events(2001),
    ?assertEqual(lists:seq(0, 2000), numbers(Events)),
    ?assertEqual(lists:seq(0, 2000), [element(5, Event) || Event <- Events]),
    ok = remove(by_stream, <<"history">>),
    silence().

one_stream() ->
    {ok, _} = save(by_stream, <<"mine">>, <<"mine">>, 0, self()),
    {ok, _} = append(<<"other">>, [x]),
    {ok, _} = append(<<"mine">>, [a]),
    {ok, _} = append(<<"mine-not">>, [x]),
    {ok, _} = append(<<"mine">>, [b]),
    ?assertEqual([a, b], numbers(receive_events(2))),
    ok = remove(by_stream, <<"mine">>),
    silence().

one_type() ->
    {ok, _} = append(<<"typed">>, [event(<<"wanted">>, 1), event(<<"unwanted">>, 2)]),
    {ok, _} = save(by_event_type, <<"wanted">>, <<"typed">>, 0, self()),
    {ok, _} = append(<<"typed">>, [event(<<"unwanted">>, 3), event(<<"wanted">>, 4)]),
    ?assertEqual([1, 4], numbers(receive_events(2))),
    ok = remove(by_event_type, <<"typed">>),
    silence().

%% appends go on while the subscription catches up
the_seam() ->
    Me = self(),
    Stream = <<"seam">>,
    {ok, _} = append(Stream, lists:seq(0, 4999)),
    Writer = spawn_link(fun() ->
        [{ok, _} = append(Stream, [N]) || N <- lists:seq(5000, 5999)],
        Me ! {written, self()}
    end),
    {ok, _} = save(by_stream, Stream, <<"seam">>, 0, self()),
    ?assertEqual(lists:seq(0, 5999), numbers(receive_events(6000))),
    receive
        {written, Writer} -> ok
    after ?WAIT_MS -> error(writer)
    end,
    ok = remove(by_stream, <<"seam">>),
    silence().

start_from() ->
    Stream = <<"start">>,
    {ok, _} = append(Stream, lists:seq(0, 9)),
    From = fun(Start) ->
        {ok, _} = save(by_stream, Stream, <<"start">>, Start, self()),
        {ok, Last} = append(Stream, [last]),
        Events = receive_until(fun(Event) -> element(5, Event) =:= Last end),
        ok = remove(by_stream, <<"start">>),
        silence(),
        {Last, [element(5, Event) || Event <- Events]}
    end,
    {L1, V1} = From(7),
    ?assertEqual(lists:seq(7, L1), V1),
    {L2, V2} = From(current),
    ?assertEqual([L2], V2),
    {L3, V3} = From(-1),
    ?assertEqual([L3], V3),
    {L4, V4} = From(origin),
    ?assertEqual(lists:seq(0, L4), V4).

evoq_replays_itself() ->
    Name = <<"evoq_all_default_store">>,
    {ok, _} = append(<<"evoq">>, [before]),
    {ok, _} = save(by_stream, <<"$all">>, Name, 0, self()),
    {ok, _} = append(<<"evoq">>, [afterwards]),
    ?assertEqual([afterwards], numbers(receive_events(1))),
    ok = remove(by_stream, Name),
    silence().

%% It begins where the process that subscribes has stopped reading, each time that it starts.
evoq_starts_again() ->
    Name = <<"evoq_all_default_store">>,
    Start = fun() ->
        {ok, Read} = call({read_all_global, ?STORE, 0, 1000000}),
        {ok, _} = append(<<"evoq-again">>, [between]),
        Collector = collector(),
        {ok, _} = save(by_stream, <<"$all">>, Name, 0, Collector),
        {ok, _} = append(<<"evoq-again">>, [afterwards]),
        ?assertEqual([between, afterwards], numbers(collected(Collector, 2))),
        exit(Collector, kill),
        {ok, _} = append(<<"evoq-again">>, [while_down]),
        length(Read)
    end,
    First = Start(),
    ?assertEqual([First + 3, First + 6], [Start(), Start()]),
    %% the last one of a full batch is not the last one that there is
    {ok, [_]} = call({read_all_global, ?STORE, First + 7, 1}),
    {ok, _} = save(by_stream, <<"$all">>, Name, 0, self()),
    ?assertEqual([while_down], numbers(receive_events(1))),
    %% the same process again is not disturbed
    {ok, _} = save(by_stream, <<"$all">>, Name, 0, self()),
    ok = remove(by_stream, Name),
    silence().

%% nobody gets what another one is in the middle of, and nobody misses it
evoq_starts_meanwhile() ->
    Name = <<"evoq_all_default_store">>,
    {ok, Before} = call({read_all_global, ?STORE, 0, 1000000}),
    Writer = spawn_link(fun() -> write_forever(<<"evoq-meanwhile">>, 0) end),
    Start = fun(_, From) ->
        {ok, Read} = call({read_all_global, ?STORE, length(Before) + From, 1000000}),
        Next = From + length(Read),
        Collector = collector(),
        {ok, _} = save(by_stream, <<"$all">>, Name, 0, Collector),
        _ = collected(Collector, 1),
        {{Collector, Next}, Next}
    end,
    {Started, _} = lists:mapfoldl(Start, 0, lists:seq(1, 300)),
    unlink(Writer),
    exit(Writer, kill),
    [
        begin
            Numbers = numbers(collected(Collector, 1)),
            ?assertEqual(lists:seq(Next, Next + length(Numbers) - 1), Numbers),
            exit(Collector, kill)
        end
     || {Collector, Next} <- Started
    ],
    ok = remove(by_stream, Name).

write_forever(Stream, N) ->
    {ok, _} = append(Stream, lists:seq(N, N + 9)),
    write_forever(Stream, N + 10).

by_cast() ->
    Worker = esdb_client:worker(old, ?STORE),
    Save = {save_subscription, ?STORE, by_stream, <<"$cast">>, <<"cast">>, 0, self()},
    ok = gen_server:cast(Worker, Save),
    {ok, #{subscription_name := <<"cast">>}} = subscription(<<"cast">>),
    {ok, _} = append(<<"cast">>, [1]),
    [Event] = receive_events(1),
    Ack = {ack_event, ?STORE, <<"cast">>, self(), #{stream_id => <<"cast">>, version => element(5, Event)}},
    ok = gen_server:cast(Worker, Ack),
    {ok, #{checkpoint := 0}} = subscription(<<"cast">>),
    ok = gen_server:cast(Worker, {remove_subscription, ?STORE, by_stream, <<"$cast">>, <<"cast">>}),
    {error, not_found} = subscription(<<"cast">>),
    silence().

removed() ->
    {ok, _} = save(by_stream, <<"gone">>, <<"gone">>, 0, self()),
    ok = remove(by_stream, <<"gone">>),
    ok = remove(by_stream, <<"gone">>),
    {ok, _} = append(<<"gone">>, [1]),
    silence().

%% the one who takes over goes on after what was acknowledged
acknowledged() ->
    Stream = <<"acked">>,
    {ok, _} = append(Stream, lists:seq(0, 9)),
    First = collector(),
    {ok, _} = save(by_stream, Stream, <<"acked">>, 0, First),
    10 = length(collected(First, 10)),
    ok = call({ack_event, ?STORE, <<"acked">>, First, #{version => 4}}),
    {ok, #{checkpoint := 4, subscriber_pid := First}} = subscription(<<"acked">>),
    exit(First, kill),
    {ok, _} = save(by_stream, Stream, <<"acked">>, 0, self()),
    ?assertEqual(lists:seq(5, 9), numbers(receive_events(5))),
    ?assertEqual(
        {error, {subscription_not_found, <<"nobody">>}},
        call({ack_event, ?STORE, <<"nobody">>, self(), #{version => 4}})
    ),
    ok = remove(by_stream, <<"acked">>),
    silence().

%% what one has done with moves nobody else
acknowledged_by_one() ->
    Name = <<"two">>,
    {ok, _} = append(<<"two">>, lists:seq(0, 9)),
    [First, Second] = [collector(), collector()],
    {ok, _} = save(by_stream, <<"two">>, Name, 0, First),
    {ok, _} = save(by_event_pattern, <<"tw*">>, Name, 0, Second),
    [10 = length(collected(C, 10)) || C <- [First, Second]],
    Ack = fun(Pid, Version) ->
        Event = #{stream_id => <<"two">>, version => Version},
        ok = call({ack_event, ?STORE, Name, Pid, Event})
    end,
    Ack(First, 2),
    Ack(Second, 6),
    [exit(C, kill) || C <- [First, Second]],
    {ok, _} = save(by_stream, <<"two">>, Name, 0, self()),
    ?assertEqual(lists:seq(3, 9), numbers(receive_events(7))),
    ok = remove(by_stream, Name),
    {ok, _} = save(by_event_pattern, <<"tw*">>, Name, 0, self()),
    ?assertEqual(lists:seq(7, 9), numbers(receive_events(3))),
    %% a process that is none of its subscribers, as adapters have it
    Ack(Second, 8),
    {ok, _} = save(by_event_pattern, <<"tw*">>, Name, 0, First),
    {ok, _} = save(by_event_pattern, <<"tw*">>, Name, 0, self()),
    ?assertEqual([9], numbers(receive_events(1))),
    ok = remove(by_event_pattern, Name),
    silence().

%% the stream that is named says which of them it is for
acknowledged_of_several() ->
    Name = <<"several">>,
    Streams = [<<"several-", C>> || C <- "abcdef"],
    One = collector(),
    [{ok, 9} = append(S, lists:seq(0, 9)) || S <- Streams],
    [{ok, _} = save(by_stream, S, Name, 0, One) || S <- Streams],
    60 = length(collected(One, 60)),
    Ack = fun(Event) -> ok = call({ack_event, ?STORE, Name, One, Event}) end,
    [Ack(#{stream_id => S, version => 2}) || S <- Streams],
    [
        Ack(#{stream_id => S, version => V})
     || {S, V} <- lists:zip(Streams, lists:seq(4, 9))
    ],
    %% this could be one of each of them
    Ack(#{version => 9}),
    exit(One, kill),
    [
        begin
            {ok, _} = save(by_stream, S, Name, 0, self()),
            ?assertEqual(
                [{S, N} || N <- lists:seq(V + 1, 9)],
                [
                    {element(4, E), element(5, E)}
                 || E <- receive_events(9 - V)
                ]
            )
        end
     || {S, V} <- lists:zip(Streams, lists:seq(4, 9))
    ],
    ok = remove(by_stream, Name),
    silence().

%% without acknowledgements the next one goes on after what was sent
bound_anew() ->
    Stream = <<"bound">>,
    First = collector(),
    {ok, _} = save(by_stream, Stream, <<"bound">>, 0, First),
    {ok, _} = append(Stream, lists:seq(0, 2)),
    3 = length(collected(First, 3)),
    %% that these have arrived is known, and saved
    ok = esdb_wait:until(
        fun() -> {ok, #{lag_events := Lag}} = call({subscription_lag, ?STORE, <<"bound">>}), Lag =:= 0 end,
        ?WAIT_MS
    ),
    exit(First, kill),
    {ok, _} = append(Stream, [3, 4]),
    {ok, _} = save(by_stream, Stream, <<"bound">>, 0, self()),
    {ok, _} = append(Stream, [5]),
    ?assertEqual([3, 4, 5], numbers(receive_events(3))),
    ok = remove(by_stream, <<"bound">>),
    silence().

%% What was sent to a process that was no more when it arrived comes to the next one. Of what came before
%% some may come again.
sent_to_the_dead() ->
    [
        begin
            Stream = <<"dead-", (integer_to_binary(N))/binary>>,
            First = collector(),
            {ok, _} = save(by_stream, Stream, <<"dead">>, 0, First),
            {ok, _} = append(Stream, [0, 1, 2]),
            3 = length(collected(First, 3)),
            exit(First, kill),
            {ok, 4} = append(Stream, [3, 4]),
            {ok, _} = save(by_stream, Stream, <<"dead">>, 0, self()),
            {ok, 5} = append(Stream, [5]),
            Got = numbers(receive_until(fun(Event) -> element(5, Event) =:= 5 end)),
            ?assertEqual(lists:seq(hd(Got), 5), Got),
            ?assert(hd(Got) =< 3),
            ok = remove(by_stream, <<"dead">>)
        end
     || N <- lists:seq(1, 100)
    ],
    silence().

deleted_stream() ->
    Stream = <<"deleted">>,
    {ok, _} = append(Stream, [1, 2]),
    First = collector(),
    {ok, _} = save(by_stream, Stream, <<"one">>, 0, First),
    {ok, _} = save(by_event_pattern, <<"delete*">>, <<"pattern">>, 0, self()),
    ?assertEqual([1, 2], numbers(receive_events(2))),
    2 = length(collected(First, 2)),
    ok = call({delete_stream, ?STORE, Stream}),
    {ok, 1} = append(Stream, [3, 4]),
    ?assertEqual([1, 2, 3, 4], numbers(collected(First, 4))),
    ?assertEqual([3, 4], numbers(receive_events(2))),
    ok = call({ack_event, ?STORE, <<"one">>, First, #{version => 0}}),
    exit(First, kill),
    %% what is gone is not delivered, what was not acknowledged is
    {ok, _} = save(by_stream, Stream, <<"one">>, 0, self()),
    ?assertEqual([4], numbers(receive_events(1))),
    ok = remove(by_stream, <<"one">>),
    ok = remove(by_event_pattern, <<"pattern">>),
    silence().

%% neither monitors nor persistent subscriptions
nothing_left() ->
    Pid = spawn(fun() -> receive stop -> ok end end),
    [
        begin
            Name = <<"left-", (integer_to_binary(N rem 7))/binary>>,
            {ok, _} = save(by_stream, <<"$all">>, Name, current, Pid),
            {ok, _} = save(by_stream, <<"$all">>, Name, current, self()),
            {ok, _} = save(by_stream, <<"$all">>, Name, current, Pid),
            ok = remove(by_stream, Name),
            ok = call({open_subscription, ?STORE, Name, #{consumer => Pid, start_from => current}}),
            ok = call({open_subscription, ?STORE, Name, #{consumer => Pid}}),
            ok = call({delete_subscription, ?STORE, Name})
        end
     || N <- lists:seq(1, 50)
    ],
    Monitors = fun() -> process_info(Pid, monitored_by) =:= {monitored_by, []} end,
    esdb_wait:until(Monitors, ?WAIT_MS),
    {ok, []} = call({list_persistent_subscriptions, ?STORE}),
    {ok, #{subscriptions := []}} = call({subscription_health, ?STORE}),
    exit(Pid, kill).

lists() ->
    {ok, []} = call({get_subscriptions, ?STORE}),
    {ok, Key} = save(by_stream, <<"$all">>, <<"listed">>, current, self()),
    {ok, [Listed]} = call({get_subscriptions, ?STORE}),
    Me = self(),
    #{
        id := Key,
        type := by_stream,
        selector := <<"$all">>,
        subscription_name := <<"listed">>,
        subscriber_pid := Me,
        created_at := Created,
        pool_size := 1,
        checkpoint := current,
        options := #{start_from := current, subscriber := Me}
    } = Listed,
    ?assert(abs(erlang:system_time(millisecond) - Created) < 60000),
    ?assertEqual({ok, maps:remove(id, Listed)}, subscription(<<"listed">>)),
    {ok, #{lag_events := 0, subscription_name := <<"listed">>}} =
        call({subscription_lag, ?STORE, <<"listed">>}),
    ok = remove(by_stream, <<"listed">>),
    {error, not_found} = call({subscription_lag, ?STORE, <<"listed">>}).

refused() ->
    Refused = fun(Type, Selector) ->
        {error, {Name, _}} = call(
            new, {save_subscription, ?STORE, Type, Selector, <<"refused">>, 0, self()}
        ),
        Name
    end,
    ?assertEqual(invalid_filter, Refused(by_stream, <<>>)),
    ?assertEqual(invalid_filter, Refused(by_stream, 7)),
    ?assertEqual(invalid_filter, Refused(by_nothing, <<"x">>)),
    ?assertEqual(invalid_filter, Refused(by_event_payload, <<"x">>)),
    {ok, []} = call({get_subscriptions, ?STORE}).

%% --- helpers, on the client node

save(Type, Selector, Name, Start, Pid) ->
    call({save_subscription, ?STORE, Type, Selector, Name, Start, Pid}).

remove(Type, Name) ->
    call({remove_subscription, ?STORE, Type, <<"ignored">>, Name}).

subscription(Name) ->
    call({get_subscription, ?STORE, Name}).

call(Request) ->
    call(old, Request).

call(Generation, Request) ->
    esdb_client:call(Generation, ?STORE, Request).

append(Stream, Data) ->
    Events = [
        case is_map(D) of
            true -> D;
            false -> event(<<"numbered">>, D)
        end
     || D <- Data
    ],
    esdb_client:append(?STORE, Stream, Events).

event(Type, N) ->
    #{event_type => Type, data => #{n => N}}.

numbers(Events) ->
    [maps:get(n, element(6, Event)) || Event <- Events].

receive_events(Count) ->
    receive_events(Count, []).

receive_events(Count, Sofar) when Count =< 0 ->
    lists:append(lists:reverse(Sofar));
receive_events(Count, Sofar) ->
    receive
        {events, Events} -> receive_events(Count - length(Events), [Events | Sofar])
    after ?WAIT_MS -> error({missing, Count, Sofar})
    end.

receive_until(Last) ->
    receive
        {events, Events} ->
            case lists:any(Last, Events) of
                true -> Events;
                false -> Events ++ receive_until(Last)
            end
    after ?WAIT_MS -> error(missing)
    end.

%% nothing is on its way: a later message of the server comes before any event
silence() ->
    {ok, _} = call({get_subscriptions, ?STORE}),
    receive
        {events, _} = Message -> error({unexpected, Message})
    after 50 -> ok
    end.

%% a process that keeps the events it gets
collector() ->
    spawn(?MODULE, deliver_to_me, []).

deliver_to_me() ->
    collect([]).

collect(Events) ->
    receive
        {events, More} ->
            collect(Events ++ More);
        {give, To, Count} when length(Events) >= Count ->
            To ! {self(), Events},
            collect(Events)
    end.

collected(Collector, Count) ->
    Collector ! {give, self(), Count},
    receive
        {Collector, Events} -> Events
    after ?WAIT_MS -> error(missing)
    end.
