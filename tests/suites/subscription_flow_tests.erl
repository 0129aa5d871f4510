%% Flow control that a published client's subscription asks for, and nothing that it does not ask for.
-module(subscription_flow_tests).

-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
-define(WAIT_MS, 10000).

flow_test_() ->
    [
        esdb_fixture:on_client(#{}, [
            {Title, fun(_) -> Test() end}
         || {Title, Test} <- [
                {"pulled, as many as asked for", fun pulled/0},
                {"the oldest are dropped", fun drop_oldest/0},
                {"the newest are dropped", fun drop_newest/0},
                {"blocked, and nothing dropped", fun block/0},
                {"an error ends delivery until it is subscribed again", fun error/0},
                {"nothing of the past is dropped", fun past/0},
                {"warned once", fun warned/0},
                {"pushed through a queue", fun pushed/0},
                {"what makes no sense is refused", fun refused/0}
            ]
        ]),
        {"it is there after a kill of the server", {timeout, 60, fun killed/0}}
    ].

pulled() ->
    append(<<"pull">>, lists:seq(0, 9)),
    save(<<"pull">>, #{mode => pull}),
    silence(),
    ask(<<"pull">>, 3),
    ?assertEqual([0, 1, 2], numbers(3)),
    ask(<<"pull">>, 2),
    ?assertEqual([3, 4], numbers(2)),
    silence(),
    %% demand that is left is for what comes
    ok = gen_server:cast(
        esdb_client:worker(new, ?STORE), {add_demand, ?STORE, <<"pull">>, self(), 10}
    ),
    ?assertEqual(lists:seq(5, 9), numbers(5)),
    append(<<"pull">>, lists:seq(10, 16)),
    ?assertEqual(lists:seq(10, 14), numbers(5)),
    silence(),
    ?assertEqual(
        {error, {subscription_not_found, <<"pull">>}},
        call({add_demand, ?STORE, <<"pull">>, spawn(fun() -> ok end), 1})
    ),
    remove(<<"pull">>).

drop_oldest() ->
    Name = <<"oldest">>,
    live(Name, #{mode => pull, max_queue => 3, strategy => drop_oldest}),
    append(Name, lists:seq(0, 9)),
    until(Name, #{waiting => 3, dropped => 7}),
    ask(Name, 10),
    ?assertEqual([7, 8, 9], numbers(3)),
    append(Name, [10]),
    ?assertEqual([10], numbers(1)),
    remove(Name).

drop_newest() ->
    Name = <<"newest">>,
    live(Name, #{mode => pull, max_queue => 3, strategy => drop_newest}),
    append(Name, lists:seq(0, 9)),
    until(Name, #{waiting => 3, dropped => 7}),
    ask(Name, 4),
    ?assertEqual([0, 1, 2], numbers(3)),
    append(Name, [10]),
    ?assertEqual([10], numbers(1)),
    until(Name, #{waiting => 0, dropped => 7}),
    remove(Name).

block() ->
    Name = <<"block">>,
    live(Name, #{mode => pull, max_queue => 3}),
    append(Name, lists:seq(0, 9)),
    until(Name, #{waiting => 3, dropped => 0}),
    %% in memory it waits only as long as the subscriber is there
    Other = spawn(fun() -> receive stop -> ok end end),
    {ok, _} = call({save_subscription, ?STORE, by_stream, Name, Name, 0, Other, #{max_queue => 5, mode => pull}}),
    until(Name, #{waiting => 5}),
    exit(Other, kill),
    until(Name, #{waiting => 0, status => parked}),
    save(Name, #{mode => pull, max_queue => 3}),
    ask(Name, 10),
    ?assertEqual(lists:seq(0, 9), numbers(10)),
    until(Name, #{waiting => 0, dropped => 0}),
    remove(Name).

error() ->
    Name = <<"error">>,
    Options = #{mode => pull, max_queue => 3, strategy => error},
    live(Name, Options),
    append(Name, lists:seq(0, 9)),
    receive
        {subscription_error, {queue_full, Name}} -> ok
    after ?WAIT_MS -> error(not_told)
    end,
    until(Name, #{status => failed}),
    ask(Name, 10),
    silence(),
    %% it goes on where it was
    save(Name, Options),
    ?assertEqual(lists:seq(0, 9), numbers(10)),
    remove(Name).

past() ->
    Name = <<"past">>,
    append(Name, lists:seq(0, 99)),
    save(Name, #{mode => pull, max_queue => 3, strategy => drop_newest}),
    until(Name, #{waiting => 3}),
    ask(Name, 100),
    ?assertEqual(lists:seq(0, 99), numbers(100)),
    until(Name, #{dropped => 0}),
    remove(Name).

warned() ->
    Name = <<"warned">>,
    live(Name, #{mode => pull, warning_threshold => 2}),
    append(Name, [0]),
    append(Name, lists:seq(1, 9)),
    receive
        {subscription_warning, Name, Waiting} -> ?assert(Waiting >= 2)
    after ?WAIT_MS -> error(not_warned)
    end,
    until(Name, #{waiting => 10}),
    receive
        {subscription_warning, _, _} = Again -> error({unexpected, Again})
    after 50 -> ok
    end,
    remove(Name).

%% to a node that reads, nothing waits and nothing is dropped
pushed() ->
    Name = <<"push">>,
    append(Name, lists:seq(0, 999)),
    save(Name, #{mode => push, max_queue => 10, strategy => block}),
    append(Name, lists:seq(1000, 1999)),
    ?assertEqual(lists:seq(0, 1999), numbers(2000)),
    {ok, #{options := Shown}} = call({get_subscription, ?STORE, Name}),
    #{mode := push, max_queue := 10, strategy := block, warning_threshold := 0} = Shown,
    remove(Name).

refused() ->
    Refused = fun(Subscriber, Options) ->
        {error, {_, {invalid_request, _}}} = esdb_client:call(
            old,
            ?STORE,
            {save_subscription, ?STORE, by_stream, <<"r">>, <<"r">>, 0, Subscriber, Options}
        )
    end,
    Refused(self(), []),
    Refused(self(), #{mode => sometimes}),
    Refused(self(), #{strategy => drop}),
    Refused(self(), #{strategy => <<"block">>}),
    Refused(self(), #{max_queue => 0}),
    Refused(self(), #{max_queue => 1000000}),
    Refused(self(), #{warning_threshold => -1}),
    Refused(undefined, #{mode => pull}),
    {ok, []} = call({get_subscriptions, ?STORE}).

killed() ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    Collector = esdb_peer:run(Client, fun() ->
        append(<<"k">>, lists:seq(0, 9)),
        Pid = spawn(fun() -> collect(0, []) end),
        Options = #{mode => pull},
        {ok, _} = call({save_subscription, ?STORE, by_stream, <<"k">>, <<"k">>, 0, Pid, Options}),
        ok = call({add_demand, ?STORE, <<"k">>, Pid, 4}),
        esdb_wait:until(fun() -> {T, E} = collected(Pid), T > 0 andalso E =:= [0, 1, 2, 3] end, ?WAIT_MS),
        Event = #{stream_id => <<"k">>, version => 3},
        ok = call({ack_event, ?STORE, <<"k">>, Pid, Event}),
        Pid
    end),
    Told = esdb_peer:run(Client, fun() -> collected(Collector) end),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    esdb_peer:run(Client, fun() ->
        %% it is told that its demand is forgotten
        {Before, _} = Told,
        esdb_wait:until(fun() -> element(1, collected(Collector)) > Before end, ?WAIT_MS),
        ok = call({add_demand, ?STORE, <<"k">>, Collector, 2}),
        Continued = fun() -> element(2, collected(Collector)) =:= lists:seq(0, 5) end,
        esdb_wait:until(Continued, ?WAIT_MS)
    end),
    esdb_server:close(Again),
    esdb_peer:stop(Client).

%% --- on the client node

save(Name, Options) ->
    Save = {save_subscription, ?STORE, by_stream, Name, Name, 0, self(), Options},
    {ok, _} = call(Save),
    ok.

%% one that has caught up
live(Name, Options) ->
    save(Name, Options),
    until(Name, #{status => live}).

remove(Name) ->
    ok = call({remove_subscription, ?STORE, by_stream, Name, Name}),
    receive
        {events, _} = Message -> error({unexpected, Message})
    after 0 -> ok
    end.

ask(Name, Events) ->
    ok = call({add_demand, ?STORE, Name, self(), Events}).

call(Request) ->
    esdb_client:call(new, ?STORE, Request).

append(Stream, Numbers) ->
    Events = [#{event_type => <<"t">>, data => N} || N <- Numbers],
    {ok, _} = esdb_client:append(?STORE, Stream, Events).

numbers(Count) when Count =< 0 ->
    [];
numbers(Count) ->
    receive
        {events, Events} -> [element(6, E) || E <- Events] ++ numbers(Count - length(Events))
    after ?WAIT_MS -> error({missing, Count})
    end.

silence() ->
    receive
        {events, _} = Message -> error({unexpected, Message})
    after 50 -> ok
    end.

until(Name, Expected) ->
    esdb_wait:until(
        fun() ->
            {ok, #{subscriptions := All}} = call({subscription_health, ?STORE}),
            [One] = [S || #{subscription_name := N} = S <- All, N =:= Name],
            maps:with(maps:keys(Expected), One) =:= Expected orelse One
        end,
        ?WAIT_MS
    ).

collect(Told, Kept) ->
    receive
        {events, Events} ->
            collect(Told, Kept ++ [element(6, E) || E <- Events]);
        {subscription_demand, <<"k">>, _} ->
            collect(Told + 1, Kept);
        {give, To} ->
            To ! {self(), {Told, Kept}},
            collect(Told, Kept)
    end.

collected(Collector) ->
    Collector ! {give, self()},
    receive
        {Collector, Collected} -> Collected
    end.
