%% The subscription protocol of this server's own, as docs/protocol.md describes it.
-module(persistent_subscriptions_tests).

-include_lib("eunit/include/eunit.hrl").

-import(esdb_subscriber, [open/3, options/2, delete/1, nack/3, status/1, call/1, append/2, events/1]).

-define(STORE, default_store).
-define(WAIT_MS, 10000).

protocol_test_() ->
    esdb_fixture:on_client(#{}, [
        {Title, fun(_) -> Test() end}
     || {Title, Test} <- [
            {"events come with their positions, as far as the window goes", fun window/0},
            {"an acknowledgement makes room", fun acknowledgement_makes_room/0},
            {"up to a position", fun up_to/0},
            {"a window of 0 is widened on demand", fun demand/0},
            {"caught up, and heartbeats", fun caught_up/0},
            {"given back to be tried again, in order", fun retried/0},
            {"parked, listed as such, and replayed", fun parked/0},
            {"tried too often", fun tried_too_often/0},
            {"skipped", fun skipped/0},
            {"exclusive, or several consumers", fun several_consumers/0},
            {"a dead consumer's events go to one survivor, in order", fun survivor/0},
            {"closed: what is left comes to the next one", fun closed/0},
            {"reset", fun reset/0},
            {"deleted", fun deleted/0},
            {"await a position", fun awaited/0},
            {"await a position whose event is deleted", fun awaited_in_vain/0},
            {"await for longer than a call waits", fun awaited_for_long/0},
            {"a full buffer drops or ends", fun full/0},
            {"what makes no sense is refused", fun refused/0}
        ]
    ]).

window() ->
    Stream = append(<<"window">>, lists:seq(0, 9)),
    ok = open(<<"window">>, Stream, #{window => 4}),
    {Positions, Numbers} = events(4),
    ?assertEqual([0, 1, 2, 3], Numbers),
    ?assertEqual(lists:sort(Positions), Positions),
    silence(),
    ok = delete(<<"window">>).

acknowledgement_makes_room() ->
    Stream = append(<<"room">>, lists:seq(0, 9)),
    ok = open(<<"room">>, Stream, #{window => 2}),
    {[P0, P1], [0, 1]} = events(2),
    ok = ack(<<"room">>, P1),
    %% the other one is still in flight
    {[P2], [2]} = events(1),
    ok = ack(<<"room">>, [P0, P2]),
    {_, [3, 4]} = events(2),
    %% an acknowledgement that comes twice is none too many
    ok = ack(<<"room">>, P0),
    {error, {not_in_flight, _}} = ack(<<"room">>, P2 + 1000000),
    ok = delete(<<"room">>).

up_to() ->
    Stream = append(<<"upto">>, lists:seq(0, 9)),
    ok = open(<<"upto">>, Stream, #{window => 3}),
    {[_, P1, _], [0, 1, 2]} = events(3),
    ok = ack(<<"upto">>, {up_to, P1}),
    {_, [3, 4]} = events(2),
    {ok, #{checkpoint := Checkpoint, in_flight := 3}} = status(<<"upto">>),
    ?assert(Checkpoint > P1),
    ok = delete(<<"upto">>).

demand() ->
    Stream = append(<<"demand">>, lists:seq(0, 9)),
    ok = open(<<"demand">>, Stream, #{window => 0}),
    silence(),
    ok = call({subscription_window, ?STORE, <<"demand">>, self(), 3}),
    {_, [0, 1, 2]} = events(3),
    silence(),
    ok = delete(<<"demand">>).

caught_up() ->
    Stream = append(<<"caught">>, [0, 1]),
    ok = open(<<"caught">>, Stream, #{heartbeat => 20}),
    {_, [0, 1]} = events(2),
    caught_up = notice(<<"caught">>, fun(N) -> N =:= caught_up end),
    Stream = append(<<"caught">>, [2]),
    {[P], [2]} = events(1),
    ok = ack(<<"caught">>, {up_to, P}),
    Beat = notice(<<"caught">>, fun
        ({heartbeat, #{checkpoint := C}}) -> C > P;
        (_) -> false
    end),
    {heartbeat, #{head := Head}} = Beat,
    ?assert(Head > P),
    ok = delete(<<"caught">>).

retried() ->
    Stream = append(<<"retry">>, lists:seq(0, 4)),
    ok = open(<<"retry">>, Stream, #{window => 3}),
    {[P0, P1, _], [0, 1, 2]} = events(3),
    ok = ack(<<"retry">>, P0),
    ok = nack(<<"retry">>, P1, retry),
    {_, Again} = events_until(4),
    %% 3 may have been sent before the nack; from the nack on the order begins with 1
    ?assertEqual([1, 2, 3], lists:nthtail(length(Again) - 3, Again)),
    ok = delete(<<"retry">>).

parked() ->
    Stream = append(<<"park">>, lists:seq(0, 3)),
    ok = open(<<"park">>, Stream, #{}),
    {[P0, P1, P2, P3], [0, 1, 2, 3]} = events(4),
    ok = nack(<<"park">>, P1, {park, {broken, 1}}),
    ok = ack(<<"park">>, [P0, P2, P3]),
    {ok, [#{position := P1, attempt := 1, reason := {broken, 1}}]} = parked_events(<<"park">>),
    {ok, #{checkpoint := Checkpoint}} = status(<<"park">>),
    ?assert(Checkpoint > P3),
    {ok, 1} = call({replay_parked, ?STORE, <<"park">>, all}),
    {[P1], [1]} = events(1),
    ok = ack(<<"park">>, P1),
    {ok, []} = parked_events(<<"park">>),
    {ok, 0} = call({replay_parked, ?STORE, <<"park">>, all}),
    ok = delete(<<"park">>).

tried_too_often() ->
    Stream = append(<<"often">>, [0, 1]),
    ok = open(<<"often">>, Stream, #{max_attempts => 2, window => 1}),
    {[P], [0]} = events(1),
    ok = nack(<<"often">>, P, retry),
    {[P], [0]} = events(1),
    ok = nack(<<"often">>, P, retry),
    {_, [1]} = events(1),
    {ok, [#{position := P, attempt := 2, reason := max_attempts}]} = parked_events(<<"often">>),
    ok = delete(<<"often">>).

skipped() ->
    Stream = append(<<"skip">>, [0, 1]),
    ok = open(<<"skip">>, Stream, #{window => 1}),
    {[P], [0]} = events(1),
    ok = nack(<<"skip">>, P, skip),
    {_, [1]} = events(1),
    {ok, []} = parked_events(<<"skip">>),
    ok = delete(<<"skip">>).

several_consumers() ->
    Name = <<"several">>,
    Stream = append(<<"several">>, [0]),
    ok = open(Name, Stream, #{}),
    Other = consumer(),
    {error, {subscription_in_use, _}} = call(
        {open_subscription, ?STORE, Name, options(Stream, #{consumer => Other})}
    ),
    {error, {subscription_differs, _}} = call(
        {open_subscription, ?STORE, Name, options(<<"another">>, #{})}
    ),
    ok = delete(Name),
    flush(),
    %% each stream goes to one of three
    Streams = [<<"several-", (integer_to_binary(N))/binary>> || N <- lists:seq(1, 30)],
    [append(S, lists:seq(0, 9)) || S <- Streams],
    Consumers = [consumer() || _ <- lists:seq(1, 3)],
    All = #{
        type => by_event_pattern,
        selector => #{stream_id => <<"several-*">>},
        max_consumers => 3,
        window => 50
    },
    [
        ok = call({open_subscription, ?STORE, Name, All#{consumer => C}})
     || C <- Consumers
    ],
    [C ! {acknowledge, Name} || C <- Consumers],
    esdb_wait:until(
        fun() -> length(lists:append([taken(C) || C <- Consumers])) =:= 300 end, ?WAIT_MS
    ),
    [
        ?assertEqual(lists:seq(0, 9), [N || C <- Consumers, {S1, N} <- taken(C), S1 =:= S])
     || S <- Streams
    ],
    ok = delete(Name).

survivor() ->
    Name = <<"survivor">>,
    Streams = [<<"survivor-", (integer_to_binary(N))/binary>> || N <- lists:seq(1, 10)],
    [append(S, lists:seq(0, 4)) || S <- Streams],
    [Dies, Lives] = [consumer(), consumer()],
    All = #{
        type => by_event_pattern,
        selector => #{stream_id => <<"survivor-*">>},
        max_consumers => 2,
        window => 100
    },
    ok = call({open_subscription, ?STORE, Name, All#{consumer => Dies}}),
    esdb_wait:until(fun() -> length(taken(Dies)) =:= 50 end, ?WAIT_MS),
    ok = call({open_subscription, ?STORE, Name, All#{consumer => Lives}}),
    exit(Dies, kill),
    esdb_wait:until(fun() -> length(taken(Lives)) =:= 50 end, ?WAIT_MS),
    [
        ?assertEqual(lists:seq(0, 4), [N || {S1, N} <- taken(Lives), S1 =:= S])
     || S <- Streams
    ],
    ok = delete(Name).

closed() ->
    Stream = append(<<"closed">>, lists:seq(0, 3)),
    ok = open(<<"closed">>, Stream, #{}),
    {[P0, _, P2, _], [0, 1, 2, 3]} = events(4),
    ok = ack(<<"closed">>, [P0, P2]),
    ok = call({close_subscription, ?STORE, <<"closed">>, self()}),
    {error, {not_a_consumer, _}} = ack(<<"closed">>, P0),
    ok = open(<<"closed">>, Stream, #{}),
    {_, [1, 3]} = events(2),
    ok = delete(<<"closed">>).

reset() ->
    Stream = append(<<"reset">>, lists:seq(0, 3)),
    ok = open(<<"reset">>, Stream, #{}),
    {[_, P1, _, P3], [0, 1, 2, 3]} = events(4),
    ok = ack(<<"reset">>, {up_to, P3}),
    ok = call({reset_subscription, ?STORE, <<"reset">>, P1}),
    {[P1 | _], [1, 2, 3]} = events(3),
    {ok, #{checkpoint := P1}} = status(<<"reset">>),
    ok = delete(<<"reset">>).

deleted() ->
    Stream = append(<<"deleted">>, [0]),
    ok = open(<<"deleted">>, Stream, #{}),
    {[P], [0]} = events(1),
    ok = nack(<<"deleted">>, P, {park, why}),
    ok = delete(<<"deleted">>),
    {closed, deleted} = notice(<<"deleted">>, fun({closed, _}) -> true; (_) -> false end),
    {error, {subscription_not_found, <<"deleted">>}} = status(<<"deleted">>),
    {ok, []} = call({list_persistent_subscriptions, ?STORE}),
    {ok, []} = parked_events(<<"deleted">>),
    %% one of the same name begins anew
    ok = open(<<"deleted">>, Stream, #{}),
    {[P], [0]} = events(1),
    ok = delete(<<"deleted">>).

awaited() ->
    Stream = append(<<"await">>, [0]),
    ok = open(<<"await">>, Stream, #{}),
    {[P], [0]} = events(1),
    {ok, P} = await(store, P, 1000),
    {error, {timeout, Head}} = await(store, P + 100, 20),
    ?assertEqual(P + 1, Head),
    {error, {timeout, P}} = await(<<"await">>, P, 20),
    ok = ack(<<"await">>, P),
    {ok, P} = await(<<"await">>, P, 1000),
    %% an event that is none of its own does not keep it waiting
    append(<<"await-other">>, [1]),
    Next = P + 1,
    {ok, Next} = await(<<"await">>, Next, 1000),
    Me = self(),
    Waiter = spawn_link(fun() -> Me ! {self(), await(<<"await">>, P + 2, 5000)} end),
    Stream = append(<<"await">>, [2]),
    {[P2], [2]} = events(1),
    ok = ack(<<"await">>, P2),
    receive
        {Waiter, Answer} -> ?assertEqual({ok, P2}, Answer)
    after ?WAIT_MS -> error(missing)
    end,
    {error, {subscription_not_found, _}} = await(<<"nobody">>, 0, 10),
    ok = delete(<<"await">>).

%% of what is deleted nobody will ever have done with anything
awaited_in_vain() ->
    Stream = append(<<"await-deleted">>, [0]),
    ok = open(<<"await-deleted">>, Stream, #{}),
    {[P], [0]} = events(1),
    {error, {timeout, P}} = await(<<"await-deleted">>, P, 20),
    Me = self(),
    Waiter = spawn_link(fun() -> Me ! {self(), await(<<"await-deleted">>, P, 4500)} end),
    esdb_wait:until(fun() ->
        process_info(Waiter, current_function) =:= {current_function, {gen, do_call, 4}}
    end),
    ok = call({delete_stream, ?STORE, Stream}),
    receive
        {Waiter, Answer} -> ?assertEqual({ok, P}, Answer)
    after ?WAIT_MS -> error(missing)
    end,
    ok = delete(<<"await-deleted">>).

awaited_for_long() ->
    ?assertMatch({error, {timeout, _}}, await(store, 1000000, 60000)).

full() ->
    Open = fun(WhenFull) ->
        Name = <<"full-", (atom_to_binary(WhenFull))/binary>>,
        Stream = append(Name, [0]),
        ok = open(Name, Stream, #{
            window => 1, buffer => 2, when_full => WhenFull, warn_at => 2, heartbeat => 0
        }),
        {[P], [0]} = events(1),
        caught_up = notice(Name, fun(N) -> N =:= caught_up end),
        Stream = append(Name, lists:seq(1, 5)),
        {Name, P}
    end,
    {Newest, P1} = Open(drop_newest),
    {warning, 2} = notice(Newest, fun({warning, _}) -> true; (_) -> false end),
    {dropped, _} = notice(Newest, fun({dropped, D}) -> D =:= P1 + 5; (_) -> false end),
    ok = call({subscription_window, ?STORE, Newest, self(), 10}),
    {_, [1, 2]} = events(2),
    ok = delete(Newest),
    {Oldest, P2} = Open(drop_oldest),
    {dropped, _} = notice(Oldest, fun({dropped, D}) -> D =:= P2 + 3; (_) -> false end),
    ok = call({subscription_window, ?STORE, Oldest, self(), 10}),
    {_, [4, 5]} = events(2),
    ok = delete(Oldest),
    {Error, _} = Open(error),
    {closed, buffer_full} = notice(Error, fun({closed, _}) -> true; (_) -> false end),
    ok = delete(Error),
    {Block, _} = Open(block),
    ok = call({subscription_window, ?STORE, Block, self(), 10}),
    {_, [1, 2, 3, 4, 5]} = events(5),
    ok = delete(Block).

refused() ->
    Open = fun(Options) ->
        {error, {_, {Name, _}}} = call({open_subscription, ?STORE, <<"refused">>, Options}),
        Name
    end,
    ?assertEqual(invalid_request, Open([])),
    ?assertEqual(invalid_request, Open(#{windw => 1})),
    ?assertEqual(invalid_request, Open(#{window => -1})),
    ?assertEqual(invalid_request, Open(#{window => 1000000})),
    ?assertEqual(invalid_request, Open(#{when_full => explode})),
    ?assertEqual(invalid_request, Open(#{consumer => me})),
    ?assertEqual(invalid_request, Open(#{start_from => first})),
    {error, {invalid_filter, _}} = call(
        {open_subscription, ?STORE, <<"refused">>, #{selector => 7}}
    ),
    [
        {error, {_, {invalid_request, _}}} = call(Request)
     || Request <- [
            {ack_subscription, ?STORE, <<"refused">>, me, 1},
            {ack_subscription, ?STORE, <<"refused">>, self(), -1},
            {nack_subscription, ?STORE, <<"refused">>, self(), 1, again},
            {reset_subscription, ?STORE, <<"refused">>, origin},
            {await_position, ?STORE, everybody, 1, 1}
        ]
    ],
    [
        {error, {subscription_not_found, <<"refused">>}} = call(Request)
     || Request <- [
            {ack_subscription, ?STORE, <<"refused">>, self(), 1},
            {close_subscription, ?STORE, <<"refused">>, self()},
            {delete_subscription, ?STORE, <<"refused">>}
        ]
    ],
    {ok, []} = call({list_persistent_subscriptions, ?STORE}).

%% --- helpers, on the client node

ack(Name, What) ->
    call({ack_subscription, ?STORE, Name, self(), What}).

parked_events(Name) ->
    call({parked_events, ?STORE, Name}).

await(Whose, Position, Timeout) ->
    call({await_position, ?STORE, Whose, Position, Timeout}).

%% what comes, until nothing comes any more; at least so many
events_until(Least) ->
    {P, N} = events(Least - 1),
    {P1, N1} = rest(),
    {P ++ P1, N ++ N1}.

rest() ->
    receive
        {esdb_subscription, _, {events, _}} = Message ->
            self() ! Message,
            {P, N} = events(1),
            {P1, N1} = rest(),
            {P ++ P1, N ++ N1}
    after 200 -> {[], []}
    end.

notice(Name, IsWanted) ->
    receive
        {esdb_subscription, Name, Notice} ->
            case IsWanted(Notice) of
                true -> Notice;
                false -> notice(Name, IsWanted)
            end
    after ?WAIT_MS -> error(missing)
    end.

silence() ->
    receive
        {esdb_subscription, _, {events, _}} = Message -> error({unexpected, Message})
    after 50 -> ok
    end.

flush() ->
    receive
        {esdb_subscription, _, _} -> flush()
    after 0 -> ok
    end.

%% a process that keeps stream and number of what it gets; told to, it acknowledges
consumer() ->
    spawn(fun() -> consume(none, [], []) end).

consume(Name, Unacked, Taken) ->
    receive
        {esdb_subscription, _, {events, Events}} ->
            New = [{S, N} || {_, _, #{stream_id := S, data := #{n := N}}} <- Events],
            Positions = [Position || {Position, _, _} <- Events],
            consume(Name, acked(Name, Unacked ++ Positions), Taken ++ New);
        {esdb_subscription, _, _} ->
            consume(Name, Unacked, Taken);
        {acknowledge, For} ->
            consume(For, acked(For, Unacked), Taken);
        {taken, To} ->
            To ! {self(), Taken},
            consume(Name, Unacked, Taken)
    end.

acked(none, Unacked) ->
    Unacked;
acked(_, []) ->
    [];
acked(Name, Positions) ->
    ok = ack(Name, Positions),
    [].

taken(Consumer) ->
    Consumer ! {taken, self()},
    receive
        {Consumer, Taken} -> Taken
    end.
