%% evoq and its adapter reckon_evoq, unmodified: commands are dispatched, subscriptions deliver, are
%% acknowledged and go on; handlers and projections see every event once, whoever starts again.
-module(evoq_subscriptions_tests).
-include_lib("eunit/include/eunit.hrl").

%% evoq's callbacks of an aggregate
-export([init/1, execute/2, apply/2]).
-compile({no_auto_import, [apply/2]}).

-define(STORE, default_store).
-define(ADAPTER, reckon_evoq_adapter).
-define(CHECKPOINTS, reckon_evoq_checkpoint_store).
-define(WAIT_MS, 20000).

evoq_subscriptions_test_() ->
    esdb_fixture:with(fun start/0, [
        {"commands are dispatched", fun(C) -> on_client(C, fun commands/0) end},
        {"each type of subscription", fun(C) -> on_client(C, fun types/0) end},
        {"acknowledged, and subscribed to again", fun(C) -> on_client(C, fun acknowledged/0) end},
        {"known by name, and listed", fun(C) -> on_client(C, fun listed/0) end},
        {"handlers see each event once", fun handlers/1},
        {"projections keep their checkpoints", fun projections/1},
        {"after a kill of the server all goes on", fun killed/1}
    ]).

start() ->
    Client = published_client:start(),
    ok = esdb_peer:run(Client, fun() ->
        Keys = [event_store_adapter, snapshot_adapter, subscription_adapter],
        [ok = application:set_env(evoq, Key, ?ADAPTER) || Key <- Keys],
        ok = application:set_env(reckon_evoq, checkpoint_store_id, ?STORE),
        {ok, _} = application:ensure_all_started(evoq),
        ok
    end),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    published_client:await_workers(Client, ?STORE),
    #{clients => [Client], servers => [Server]}.

on_client(#{clients := [Client]}, Test) ->
    esdb_peer:run(Client, Test).

commands() ->
    [A, B] = [id(1), id(2)],
    [
        ?assertMatch({ok, N, [_]}, dispatch(Id, N))
     || N <- lists:seq(0, 9), Id <- [A, B]
    ],
    {error, refused} = dispatch(A, refused),
    {ok, Pid} = evoq_aggregate_registry:get_or_start(?MODULE, A, ?STORE),
    ?assertEqual({ok, lists:seq(0, 9)}, evoq_aggregate:get_state(Pid)),
    %% one that starts anew reads what was
    ok = gen_server:stop(Pid),
    esdb_wait:until(fun() -> not is_process_alive(Pid) end),
    ?assertMatch({ok, 10, [_]}, dispatch(A, 10)),
    {ok, Again} = evoq_aggregate_registry:get_or_start(?MODULE, A, ?STORE),
    ?assertEqual({ok, lists:seq(0, 10)}, evoq_aggregate:get_state(Again)).

types() ->
    Id = id(3),
    [{ok, N, _} = dispatch(Id, N) || N <- lists:seq(0, 4)],
    Types = [
        {stream, Id},
        {event_pattern, #{stream_id => Id}},
        {event_payload, #{account => Id}},
        {event_payload, #{account => Id, n => {gt, -1}}}
    ],
    Subscribers = [
        subscriber(Type, Selector, <<"t-", (integer_to_binary(N))/binary>>)
     || {N, {Type, Selector}} <- lists:enumerate(Types)
    ],
    Done = subscriber(event_type, <<"done">>, <<"t-done">>),
    All = subscriber(stream, <<"$all">>, <<"t-all">>),
    [{ok, N, _} = dispatch(Id, N) || N <- lists:seq(5, 9)],
    Expected = [{Id, V} || V <- lists:seq(0, 9)],
    [?assertEqual(Expected, taken(S, 10)) || S <- Subscribers],
    [?assertEqual(Expected, [P || {I, _} = P <- taken(S, 31), I =:= Id]) || S <- [Done, All]],
    [exit(S, kill) || S <- [Done, All | Subscribers]].

acknowledged() ->
    Id = id(4),
    Name = <<"acked">>,
    [{ok, N, _} = dispatch(Id, N) || N <- lists:seq(0, 9)],
    First = subscriber(stream, Id, Name),
    10 = length(taken(First, 10)),
    ok = ?ADAPTER:ack(?STORE, Name, Id, 4),
    esdb_wait:until(fun() -> ?ADAPTER:get_checkpoint(?STORE, Name) =:= {ok, 4} end, ?WAIT_MS),
    exit(First, kill),
    {ok, 10, _} = dispatch(Id, 10),
    Second = subscriber(stream, Id, Name),
    ?assertEqual([{Id, V} || V <- lists:seq(5, 10)], taken(Second, 6)),
    {error, not_found} = ?ADAPTER:get_checkpoint(?STORE, <<"nobody">>).

listed() ->
    {ok, All} = ?ADAPTER:list(?STORE),
    ?assert(length(All) >= 2),
    {ok, Acked} = ?ADAPTER:get_by_name(?STORE, <<"acked">>),
    ?assert(lists:member(Acked, All)),
    ?assertEqual({error, not_found}, ?ADAPTER:get_by_name(?STORE, <<"nobody">>)).

%% From 1.8 on evoq replays the store by itself, each time that it starts, and then wants what is new.
handlers(#{clients := [Client]}) ->
    esdb_peer:run(Client, fun() ->
        case code:which(evoq_store_subscription) of
            non_existing ->
                ok;
            _ ->
                Id = id(5),
                [{ok, N, _} = dispatch(Id, N) || N <- lists:seq(0, 4)],
                Run = fun(More) ->
                    unlink_all(),
                    {ok, Handler} = evoq_event_handler:start_link(evoq_observer, #{tell => self()}),
                    %% a writer goes on while it starts
                    Writer = spawn_monitor(fun() -> [{ok, _, _} = dispatch(Id, N) || N <- More] end),
                    {ok, Subscription} = evoq_store_subscription:start_link(?STORE),
                    receive
                        {'DOWN', _, process, Pid, Reason} when {Pid, Reason} =:= {element(1, Writer), normal} -> ok
                    after ?WAIT_MS -> error(writer)
                    end,
                    Last = lists:last(More),
                    Observed = observed_until({Id, Last}, Id),
                    ?assertEqual([{Id, V} || V <- lists:seq(0, Last)], Observed),
                    nothing_more(),
                    [stop(P) || P <- [Subscription, Handler]],
                    {ok, _, _} = dispatch(Id, Last + 1)
                end,
                Run(lists:seq(5, 60)),
                Run(lists:seq(62, 120)),
                Run(lists:seq(122, 180))
        end
    end, 60000).

projections(#{clients := [Client]}) ->
    esdb_peer:run(Client, fun() ->
        case {code:which(?CHECKPOINTS), code:which(evoq_store_subscription)} of
            {C, S} when C =:= non_existing; S =:= non_existing ->
                ok;
            _ ->
                %% evoq looks whether it is loaded, as it is in a release
                {module, _} = code:ensure_loaded(?CHECKPOINTS),
                Config = #{tell => self(), projection => true},
                Options = #{checkpoint_store => ?CHECKPOINTS},
                {ok, Projection} = evoq_projection:start_link(evoq_observer, Config, Options),
                {ok, Subscription} = evoq_store_subscription:start_link(?STORE),
                Id = id(6),
                [{ok, N, _} = dispatch(Id, N) || N <- lists:seq(0, 9)],
                ?assertEqual([{Id, V} || V <- lists:seq(0, 9)], observed_until({Id, 9}, Id)),
                Checkpoint = evoq_projection:get_checkpoint(Projection),
                Saved = fun() -> ?CHECKPOINTS:load(evoq_observer) =:= {ok, Checkpoint} end,
                esdb_wait:until(Saved, ?WAIT_MS),
                [stop(P) || P <- [Subscription, Projection]],
                %% it has seen all that evoq replays; what is new has a higher number
                {ok, Again} = evoq_projection:start_link(evoq_observer, Config, Options),
                ?assertEqual(Checkpoint, evoq_projection:get_checkpoint(Again)),
                {ok, Next} = evoq_store_subscription:start_link(?STORE),
                {ok, 10, _} = dispatch(Id, 10),
                ?assertEqual([{Id, 10}], observed_until({Id, 10}, Id)),
                nothing_more(),
                [stop(P) || P <- [Next, Again]]
        end
    end, 60000).

killed(#{clients := [Client], servers := [Server]}) ->
    Id = id(7),
    {Subscriber, Checkpoint} = esdb_peer:run(Client, fun() ->
        [{ok, N, _} = dispatch(Id, N) || N <- lists:seq(0, 9)],
        Subscriber = subscriber(stream, Id, <<"killed">>),
        10 = length(taken(Subscriber, 10)),
        ok = ?ADAPTER:ack(?STORE, <<"killed">>, Id, 9),
        Acked = fun() -> ?ADAPTER:get_checkpoint(?STORE, <<"killed">>) =:= {ok, 9} end,
        esdb_wait:until(Acked, ?WAIT_MS),
        {Subscriber, checkpoint()}
    end),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    published_client:await_workers(Client, ?STORE),
    esdb_peer:run(Client, fun() ->
        {ok, 10, _} = dispatch(Id, 10),
        ?assertEqual([{Id, V} || V <- lists:seq(0, 10)], taken(Subscriber, 11)),
        ?assertEqual(Checkpoint, checkpoint())
    end),
    esdb_server:close(Again).

checkpoint() ->
    case code:which(?CHECKPOINTS) of
        non_existing -> none;
        _ -> ?CHECKPOINTS:load(evoq_observer)
    end.

%% --- the client's side

id(N) ->
    <<"account-", (iolist_to_binary(io_lib:format("~32.16.0b", [N])))/binary>>.

dispatch(Id, N) ->
    Command = evoq_command:new(do, ?MODULE, Id, #{command_type => do, account => Id, n => N}),
    evoq_router:dispatch(Command, #{store_id => ?STORE}).

init(_Id) ->
    {ok, []}.

execute(_Done, #{n := refused}) ->
    {error, refused};
execute(_Done, #{n := N, account := Id}) ->
    {ok, [#{event_type => <<"done">>, data => #{n => N, account => Id}, account => Id, n => N}]}.

apply(Done, Event) ->
    Done ++ [number(Event)].

%% evoq 1.2 reads an event with the map that was executed as its data, later ones read that map.
number(#{n := N}) -> N;
number(#{data := Data}) -> number(Data).

%% a process that subscribes, and keeps the places of what it gets
subscriber(Type, Selector, Name) ->
    Me = self(),
    Pid = spawn(fun() ->
        Options = #{subscriber_pid => self(), start_from => 0},
        {ok, _} = ?ADAPTER:subscribe(?STORE, Type, Selector, Name, Options),
        Me ! {subscribed, self()},
        keep([])
    end),
    receive
        {subscribed, Pid} -> Pid
    after ?WAIT_MS -> error({not_subscribed, Type})
    end.

keep(Kept) ->
    receive
        {events, Events} ->
            keep(Kept ++ [{element(4, E), element(5, E)} || E <- Events]);
        {give, To, Count} when length(Kept) >= Count ->
            To ! {self(), Kept},
            keep(Kept)
    end.

taken(Subscriber, Count) ->
    Subscriber ! {give, self(), Count},
    receive
        {Subscriber, Kept} -> Kept
    after ?WAIT_MS -> error({missing, Count})
    end.

%% what was observed of a stream, up to this place
observed_until(Last, Id) ->
    receive
        {observed, Last} -> [Last];
        {observed, {Id, _} = Place} -> [Place | observed_until(Last, Id)];
        {observed, _} -> observed_until(Last, Id)
    after ?WAIT_MS -> error({missing, Last})
    end.

nothing_more() ->
    receive
        {observed, Place} -> error({unexpected, Place})
    after 200 -> ok
    end.

unlink_all() ->
    {links, Links} = process_info(self(), links),
    [unlink(P) || P <- Links, is_pid(P)].

%% as a node that goes takes its processes with it
stop(Pid) ->
    unlink(Pid),
    Monitor = monitor(process, Pid),
    {links, Links} = process_info(Pid, links),
    [exit(P, kill) || P <- [Pid | Links], is_pid(P), P =/= self()],
    receive
        {'DOWN', Monitor, _, _, _} -> ok
    end.
