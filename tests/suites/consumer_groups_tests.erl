%% Persistent subscriptions where consumers come, go and fail: nothing is lost, nobody is shut out, and
%% every request is answered.
-module(consumer_groups_tests).

-include_lib("eunit/include/eunit.hrl").

-import(esdb_fixture, [start/1, stop/2]).
-import(esdb_subscriber, [open/3, options/2, delete/1, nack/3, status/1, call/1, append/2, events/1]).

-define(STORE, default_store).
-define(WAIT_MS, 10000).

groups_test_() ->
    [
        esdb_fixture:on_client(#{}, [
            {Title, fun(_) -> Test() end}
         || {Title, Test} <- [
                {"several events of a stream are given back at once", fun list_given_back/0},
                {"attempts count, whatever another acknowledges", fun attempts_are_kept/0},
                {"what comes back may be more than the buffer", fun more_than_the_buffer/0},
                {"each request is answered, also when it is deleted", fun deleted_under_load/0},
                {"what was dropped is counted", fun dropped/0},
                {"bytes are bounded, too", fun bytes/0}
            ]
        ]),
        {"deleted and opened at once", {timeout, 60, fun deleted_and_opened/0}},
        {"an event whose consumers die is parked", {timeout, 60, fun consumers_die/0}},
        {"a consumer on another node than the caller's", {timeout, 60, fun other_node/0}},
        {"the store is removed", {timeout, 60, fun store_removed/0}}
    ].

%% the first of them takes back those behind it, which are given back, too
list_given_back() ->
    Stream = append(<<"list">>, lists:seq(0, 3)),
    ok = open(<<"list">>, Stream, #{}),
    {[P0, P1, P2, _], [0, 1, 2, 3]} = events(4),
    ok = nack(<<"list">>, [P0, P1, P2], retry),
    {[P0, P1, P2, P3], [0, 1, 2, 3]} = events(4),
    %% one that is not in flight does not keep the others from being taken
    {error, {not_in_flight, _}} = nack(<<"list">>, [P3 + 1000, P0, P1], skip),
    ok = nack(<<"list">>, [P2, P3], skip),
    {ok, #{in_flight := 0, waiting := 0}} = status(<<"list">>),
    ok = delete(<<"list">>).

attempts_are_kept() ->
    Name = <<"kept">>,
    [append(<<"kept-", S/binary>>, [1]) || S <- [<<"a">>, <<"b">>]],
    Other = spawn(fun() -> receive stop -> ok end end),
    Options = #{
        type => by_event_pattern,
        selector => <<"kept-*">>,
        max_consumers => 2,
        max_attempts => 2,
        window => 1,
        heartbeat => 0
    },
    ok = call({open_subscription, ?STORE, Name, Options}),
    ok = call({open_subscription, ?STORE, Name, Options#{consumer => Other}}),
    {[P], [1]} = events(1),
    ok = nack(Name, P, retry),
    {[P], [1]} = events(1),
    ok = call({ack_subscription, ?STORE, Name, Other, {up_to, P + 1000}}),
    ok = nack(Name, P, retry),
    {ok, [#{position := P, attempt := 2, reason := max_attempts}]} =
        call({parked_events, ?STORE, Name}),
    ok = delete(Name).

%% a subscription that blocks lets nobody go
more_than_the_buffer() ->
    Name = <<"more">>,
    Stream = append(Name, lists:seq(0, 9)),
    ok = open(Name, Stream, #{window => 10, buffer => 2}),
    {[P0 | _], [0 | _]} = events(10),
    ok = call({subscription_window, ?STORE, Name, self(), 0}),
    ok = nack(Name, P0, retry),
    Stream = append(Name, [10, 11, 12]),
    ok = call({subscription_window, ?STORE, Name, self(), 100}),
    {_, Numbers} = events(13),
    ?assertEqual(lists:seq(0, 12), Numbers),
    ok = delete(Name).

deleted_under_load() ->
    Name = <<"load">>,
    Worker = esdb_client:worker(new, ?STORE),
    Stream = append(Name, lists:seq(1, 500)),
    ok = open(Name, Stream, #{window => 500}),
    {Positions, _} = events(500),
    Acks = [
        gen_server:send_request(Worker, {ack_subscription, ?STORE, Name, self(), P})
     || P <- Positions
    ],
    Delete = gen_server:send_request(Worker, {delete_subscription, ?STORE, Name}),
    Late = gen_server:send_request(Worker, {subscription_status, ?STORE, Name}),
    [{reply, _} = gen_server:wait_response(A, 2000) || A <- Acks],
    {reply, ok} = gen_server:wait_response(Delete, 2000),
    {reply, {error, {subscription_not_found, Name}}} = gen_server:wait_response(Late, 2000).

dropped() ->
    Name = <<"dropped">>,
    Stream = append(Name, [0]),
    ok = open(Name, Stream, #{window => 1, buffer => 2, when_full => drop_newest}),
    {_, [0]} = events(1),
    esdb_wait:until(fun() -> {ok, #{next := Next}} = status(Name), Next > 0 end, ?WAIT_MS),
    Stream = append(Name, lists:seq(1, 7)),
    esdb_wait:until(
        fun() -> {ok, #{dropped := Dropped}} = status(Name), Dropped =:= 5 end, ?WAIT_MS
    ),
    {ok, #{waiting := 2}} = status(Name),
    ok = delete(Name).

%% in memory and in flight
bytes() ->
    Name = <<"bytes">>,
    Blob = binary:copy(<<"x">>, 100000),
    Events = [#{event_type => <<"large">>, data => #{n => N, blob => Blob}} || N <- lists:seq(1, 50)],
    {ok, _} = esdb_client:append(?STORE, Name, Events),
    ok = open(Name, Name, #{window => 50, buffer_bytes => 250000}),
    {[P1, P2, P3], [1, 2, 3]} = events(3),
    esdb_wait:until(
        fun() -> {ok, #{waiting := W, in_flight := 3}} = status(Name), W =:= 3 end, ?WAIT_MS
    ),
    ok = call({ack_subscription, ?STORE, Name, self(), [P1, P2, P3]}),
    {Positions, _} = events(3),
    ok = call({ack_subscription, ?STORE, Name, self(), Positions}),
    {_, [7, 8, 9]} = events(3),
    ok = delete(Name).

%% Nobody knows which of the events in flight ended a consumer: after so many attempts they are put
%% aside, also where there is never another consumer meanwhile.
consumers_die() ->
    {Client, Server} = start(#{}),
    esdb_peer:run(Client, fun() ->
        Stream = append(<<"poison">>, lists:seq(0, 3)),
        Attempt = fun(N, Exit) ->
            Dies = spawn(fun() -> collect([]) end),
            Options = options(Stream, #{consumer => Dies, window => 2, max_attempts => 3}),
            esdb_wait:until(
                fun() -> call({open_subscription, ?STORE, <<"poison">>, Options}) =:= ok end, ?WAIT_MS
            ),
            esdb_wait:until(fun() -> collected(Dies) =:= N end, ?WAIT_MS),
            Exit(Dies)
        end,
        Kill = fun(Pid) -> exit(Pid, kill) end,
        Close = fun(Pid) -> ok = call({close_subscription, ?STORE, <<"poison">>, Pid}) end,
        [Attempt([0, 1], Exit) || Exit <- [Kill, Close, Kill, Close, Kill]],
        Attempt([2, 3], Close),
        {ok, Parked} = call({parked_events, ?STORE, <<"poison">>}),
        [{3, max_attempts}, {3, max_attempts}] =
            [{Count, Reason} || #{attempt := Count, reason := Reason} <- Parked]
    end),
    stop([Client], Server).

%% the one that is new is in the store, not taken out with the old one
deleted_and_opened() ->
    {Client, Server} = start(#{}),
    Names = [<<"again-", (integer_to_binary(N))/binary>> || N <- lists:seq(10, 29)],
    esdb_peer:run(Client, fun() ->
        Worker = esdb_client:worker(new, ?STORE),
        Stream = append(<<"again">>, lists:seq(1, 200)),
        [
            begin
                ok = open(Name, Stream, #{window => 200}),
                {Positions, _} = events(200),
                ok = nack(Name, Positions, {park, why}),
                Delete = gen_server:send_request(Worker, {delete_subscription, ?STORE, Name}),
                Options = options(Stream, #{window => 0}),
                Open = gen_server:send_request(Worker, {open_subscription, ?STORE, Name, Options}),
                {reply, ok} = gen_server:wait_response(Delete, 2000),
                {reply, ok} = gen_server:wait_response(Open, 2000),
                {ok, []} = call({parked_events, ?STORE, Name})
            end
         || Name <- Names
        ],
        {ok, Names} = call({list_persistent_subscriptions, ?STORE})
    end),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    esdb_peer:run(Client, fun() ->
        ok = esdb_client:join(?STORE),
        {ok, Names} = call({list_persistent_subscriptions, ?STORE})
    end),
    stop([Client], Again).

other_node() ->
    {Client, Server} = start(#{}),
    Other = esdb_peer:start(),
    ok = esdb_peer:run(Other, fun() ->
        pong = net_adm:ping(esdb_server:node(Server)),
        esdb_client:join(?STORE)
    end),
    Consumer = esdb_peer:run(Other, fun() -> spawn(fun() -> collect([]) end) end),
    esdb_peer:run(Client, fun() ->
        Stream = append(<<"far">>, lists:seq(0, 9)),
        ok = open(<<"far">>, Stream, #{consumer => Consumer})
    end),
    esdb_peer:run(Other, fun() ->
        esdb_wait:until(fun() -> collected(Consumer) =:= lists:seq(0, 9) end, ?WAIT_MS)
    end),
    %% its end is seen, too
    ok = esdb_peer:kill(Other),
    esdb_peer:run(Client, fun() ->
        esdb_wait:until(
            fun() -> {ok, #{consumers := C}} = status(<<"far">>), C =:= [] end, ?WAIT_MS
        ),
        %% and nobody waits for one that cannot be reached
        {error, {not_connected, _}} =
            call({open_subscription, ?STORE, <<"far">>, options(<<"far">>, #{consumer => Consumer})})
    end),
    stop([Client], Server).

store_removed() ->
    {Client, Server} = start(#{}),
    esdb_peer:run(Client, fun() ->
        Stream = append(<<"r">>, lists:seq(0, 9)),
        ok = open(<<"r">>, Stream, #{}),
        {_, _} = events(10),
        ok = call({remove_store, ?STORE}),
        receive
            {esdb_subscription, <<"r">>, {closed, Reason}} -> ?assertEqual(store_removed, Reason)
        after ?WAIT_MS -> error(not_told)
        end
    end),
    stop([Client], Server).

collect(Kept) ->
    receive
        {esdb_subscription, _, {events, Events}} ->
            collect(Kept ++ [N || {_, _, #{data := #{n := N}}} <- Events]);
        {esdb_subscription, _, _} ->
            collect(Kept);
        {kept, To} ->
            To ! {self(), Kept},
            collect(Kept)
    end.

collected(Collector) ->
    Collector ! {kept, self()},
    receive
        {Collector, Kept} -> Kept
    end.
