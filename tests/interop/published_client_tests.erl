%% The published client library, unmodified, in its own application on its own node.
-module(published_client_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
-define(API, esdb_gater_api).

published_client_test_() ->
    esdb_fixture:with(fun start/0, [
        {"appends and reads", fun(C) -> on_client(C, fun appends_and_reads/0) end},
        {"queries", fun(C) -> on_client(C, fun queries/0) end},
        {"errors are not retried", fun(C) -> on_client(C, fun errors/0) end},
        {"what 1.3 added", fun(C) -> on_client(C, fun later_additions/0) end},
        {"everything is found again after a kill -9", fun killed/1},
        {"the client's own retry gets over a restart", fun retried/1}
    ]).

start() ->
    Paths = string:lexemes(os:getenv("PUBLISHED_CLIENT"), " "),
    Client = esdb_peer:start(#{args => lists:append([["-pa", P] || P <- Paths])}),
    {ok, Started} = esdb_peer:call(Client, application, ensure_all_started, [reckon_gater]),
    ?assert(lists:member(reckon_gater, Started)),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    await_workers(Client),
    #{clients => [Client], servers => [Server]}.

await_workers(Client) ->
    esdb_wait:until(fun() ->
        {ok, Workers} = esdb_peer:call(Client, ?API, get_workers, [?STORE]),
        Workers =/= []
    end).

on_client(#{clients := [Client]}, Test) ->
    esdb_peer:run(Client, Test).

event(N) ->
    #{
        event_type => <<"placed">>,
        data => #{n => N, self => self()},
        metadata => #{<<"user">> => N},
        tags => [<<"tag">>, integer_to_binary(N rem 2)]
    }.

appends_and_reads() ->
    Stream = <<"orders">>,
    ?assertEqual({ok, 4}, ?API:append_events(?STORE, Stream, [event(N) || N <- lists:seq(0, 4)])),
    ?assertEqual({ok, 5}, ?API:append_events(?STORE, Stream, 4, [event(5)])),
    ?assertEqual(
        {error, {wrong_expected_version, 5}}, ?API:append_events(?STORE, Stream, 3, [event(6)])
    ),
    ?assertEqual({ok, 5}, ?API:get_version(?STORE, Stream)),
    ?assertEqual({ok, -1}, ?API:get_version(?STORE, <<"none">>)),
    {ok, Forward} = ?API:get_events(?STORE, Stream, 0, 100, forward),
    ?assertEqual([{12, N, maps:get(data, event(N))} || N <- lists:seq(0, 5)], [
        {tuple_size(E), element(5, E), element(6, E)}
     || E <- Forward
    ]),
    ?assertEqual({ok, lists:sublist(Forward, 3, 2)}, ?API:stream_forward(?STORE, Stream, 2, 2)),
    ?assertEqual({ok, lists:reverse(Forward)}, ?API:stream_backward(?STORE, Stream, 5, 10)),
    ?assertEqual({ok, [Stream]}, ?API:get_streams(?STORE)).

queries() ->
    {ok, 0} = ?API:append_events(?STORE, <<"other">>, [(event(7))#{event_type => <<"paid">>}]),
    Numbers = fun({ok, Events}) -> [maps:get(n, element(6, E)) || E <- Events] end,
    ?assertEqual([7], Numbers(?API:read_by_event_types(?STORE, [<<"paid">>], 10))),
    ?assertEqual([0, 1, 2, 3], Numbers(?API:read_by_event_types(?STORE, [<<"placed">>], 4))),
    ?assertEqual([1, 3, 5, 7], Numbers(?API:read_by_tags(?STORE, [<<"1">>]))),
    All = #{match => all, batch_size => 2},
    ?assertEqual([0, 2], Numbers(?API:read_by_tags(?STORE, [<<"tag">>, <<"0">>], All))),
    ?assertEqual({ok, ok}, ?API:delete_stream(?STORE, <<"other">>)),
    ?assertEqual([], Numbers(?API:read_by_event_types(?STORE, [<<"paid">>], 10))).

%% A retried error would come back as `{retries_exhausted, _}` after a minute.
errors() ->
    {Microseconds, Replies} = timer:tc(fun() ->
        [
            ?API:get_events(?STORE, <<"none">>, 0, 10, forward),
            ?API:append_events(?STORE, <<"s">>, [#{data => 1}]),
            ?API:append_events(?STORE, <<"s">>, sometimes, [event(1)]),
            ?API:append_events(?STORE, not_a_binary, [event(1)])
        ]
    end),
    ?assertMatch(
        [
            {error, {stream_not_found, <<"none">>}},
            {error, {stream_not_found, {invalid_event, _}}},
            {error, {stream_not_found, {invalid_request, _}}},
            {error, {stream_not_found, {invalid_request, _}}}
        ],
        Replies
    ),
    ?assert(Microseconds < 1000000).

later_additions() ->
    case erlang:function_exported(?API, read_all_global, 3) of
        true ->
            {ok, Events} = ?API:read_all_global(?STORE, 2, 3),
            ?assertEqual([2, 3, 4], [element(5, E) || E <- Events]),
            ?assertEqual(true, ?API:has_events(?STORE));
        false ->
            ok
    end.

killed(#{clients := [Client], servers := [Server]}) ->
    Read = fun() ->
        esdb_peer:call(Client, ?API, get_events, [?STORE, <<"orders">>, 0, 100, forward])
    end,
    Before = Read(),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    await_workers(Client),
    ?assertEqual(Before, Read()),
    esdb_server:close(Again).

%% The server of the test before is down when the append is called.
retried(#{clients := [Client], servers := [Server]}) ->
    esdb_peer:run(Client, fun() ->
        spawn(fun() ->
            Reply = ?API:append_events(?STORE, <<"retried">>, [event(1)]),
            persistent_term:put(?MODULE, Reply)
        end)
    end),
    Again = esdb_server:restart(Server),
    esdb_wait:until(
        fun() -> {ok, 0} =:= esdb_peer:call(Client, persistent_term, get, [?MODULE, none]) end,
        30000
    ),
    esdb_server:close(Again).
