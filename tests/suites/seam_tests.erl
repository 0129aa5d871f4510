%% Subscriptions of every type, of both protocols, that begin at any place while writers go on: each gets
%% exactly the events that it selects, in the order in which a client reads them.
-module(seam_tests).

-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
-define(WAIT_MS, 30000).
-define(BEFORE, 2000).
-define(MEANWHILE, 2000).
-define(WRITERS, 3).

seam_test_() ->
    esdb_fixture:on_client(#{}, [{"exactly what is selected", fun(_) -> exactly() end}]).

exactly() ->
    rand:seed(exsss, {1, 2, 3}),
    [append(Events) || Events <- batches(lists:seq(1, ?BEFORE))],
    Me = self(),
    Writers = [
        spawn_link(fun() ->
            rand:seed(exsss, {4, 5, W}),
            [append(Events) || Events <- batches(lists:seq(W, ?MEANWHILE, ?WRITERS))],
            Me ! {written, self()}
        end)
     || W <- lists:seq(1, ?WRITERS)
    ],
    Subscribed = [
        {subscribe(N, Selection, From), Selection, From}
     || {N, {Selection, From}} <- lists:enumerate([
            {Selection, From}
         || _ <- lists:seq(1, 2), Selection <- selections(), From <- [0, rand:uniform(?BEFORE)]
        ])
    ],
    [receive {written, W} -> ok after ?WAIT_MS -> error(writers) end || W <- Writers],
    {ok, All} = esdb_client:call(?STORE, {read_all_global, ?STORE, 0, 100000}),
    ?BEFORE + ?MEANWHILE = length(All),
    [
        begin
            Expected = [place(E) || E <- from(Selection, From, All), selects(Selection, E)],
            esdb_wait:until(fun() -> length(taken(Pid)) >= length(Expected) end, ?WAIT_MS),
            ?assertEqual({Selection, From, Expected}, {Selection, From, taken(Pid)})
        end
     || {Pid, Selection, From} <- Subscribed
    ].

selections() ->
    [
        {by_stream, <<"$all">>},
        {by_stream, <<"s-3">>},
        {by_event_type, <<"type-2">>},
        {by_event_pattern, <<"s-*">>},
        {by_event_pattern, #{stream_id => <<"*-4">>, event_type => <<"type-1">>}},
        {by_event_payload, #{total => {gt, 90}}},
        {by_event_payload, #{total => 7, region => <<"eu">>}},
        {by_tags, [<<"tag-1">>, <<"tag-2">>]},
        {by_tags, [<<"tag-6">>]}
    ].

selects({by_stream, <<"$all">>}, _) -> true;
selects({by_stream, Stream}, E) -> stream(E) =:= Stream;
selects({by_event_type, Type}, E) -> type(E) =:= Type;
selects({by_event_pattern, <<"s-*">>}, _) -> true;
selects({by_event_pattern, #{}}, E) -> stream(E) =:= <<"s-4">> andalso type(E) =:= <<"type-1">>;
selects({by_event_payload, #{total := {gt, N}}}, E) -> maps:get(total, data(E)) > N;
selects({by_event_payload, Map}, E) -> maps:with(maps:keys(Map), data(E)) =:= Map;
selects({by_tags, Tags}, E) -> lists:any(fun(T) -> lists:member(T, Tags) end, element(8, E)).

%% of a single stream it is a version
from({by_stream, <<"s-", _/binary>> = Stream}, From, All) ->
    [E || E <- All, stream(E) =:= Stream, element(5, E) >= From];
from(_, From, All) ->
    lists:nthtail(From, All).

place(E) -> {stream(E), element(5, E)}.
stream(E) -> element(4, E).
type(E) -> element(3, E).
data(E) -> element(6, E).

batches([]) ->
    [];
batches(Numbers) ->
    {Batch, Rest} = lists:split(min(rand:uniform(6), length(Numbers)), Numbers),
    [[event(N) || N <- Batch] | batches(Rest)].

event(N) ->
    #{
        event_type => <<"type-", (integer_to_binary(rand:uniform(4)))/binary>>,
        data => #{n => N, total => rand:uniform(100), region => lists:nth(1 + N rem 2, [<<"eu">>, <<"us">>])},
        tags => [<<"tag-", (integer_to_binary(T))/binary>> || T <- lists:seq(1, 6), rand:uniform(3) =:= 1]
    }.

append(Events) ->
    Stream = <<"s-", (integer_to_binary(rand:uniform(6)))/binary>>,
    {ok, _} = esdb_client:append(?STORE, Stream, Events).

%% the first half by the one protocol, the second by the other
subscribe(N, {Type, Selector}, From) ->
    Name = integer_to_binary(N),
    Pid = spawn_link(fun() -> take(Name, []) end),
    case ((N - 1) div (2 * length(selections()))) of
        0 ->
            Save = {save_subscription, ?STORE, Type, Selector, Name, From, Pid},
            {ok, _} = esdb_client:call(?STORE, Save);
        1 ->
            Options = #{
                type => Type, selector => Selector, start_from => From, consumer => Pid,
                window => rand:uniform(200), buffer => rand:uniform(300)
            },
            ok = esdb_client:call(new, ?STORE, {open_subscription, ?STORE, Name, Options})
    end,
    Pid.

take(Name, Taken) ->
    receive
        {events, Events} ->
            take(Name, lists:reverse([place(E) || E <- Events], Taken));
        {esdb_subscription, Name, {events, Events}} ->
            {Last, _, _} = lists:last(Events),
            Ack = {ack_subscription, ?STORE, Name, self(), {up_to, Last}},
            ok = esdb_client:call(new, ?STORE, Ack),
            Places = [{S, V} || {_, 1, #{stream_id := S, version := V}} <- Events],
            take(Name, lists:reverse(Places, Taken));
        {esdb_subscription, Name, _} ->
            take(Name, Taken);
        {taken, To} ->
            To ! {self(), lists:reverse(Taken)},
            take(Name, Taken)
    end.

taken(Pid) ->
    Pid ! {taken, self()},
    receive
        {Pid, Taken} -> Taken
    end.
