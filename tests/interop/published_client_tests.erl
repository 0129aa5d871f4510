%% A published client library, unmodified, in its own application on its own node.
-module(published_client_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).

published_client_test_() ->
    esdb_fixture:with(fun start/0, [
        {"every expected version", fun(C) -> on_client(C, fun expected_versions/1) end},
        {"reads of one stream", fun(C) -> on_client(C, fun stream_reads/1) end},
        {"reads of all streams", fun(C) -> on_client(C, fun queries/1) end},
        {"events come back as they were given", fun(C) -> on_client(C, fun fields/1) end},
        {"a deleted stream begins anew", fun(C) -> on_client(C, fun deletion/1) end},
        {"a subscription", fun(C) -> on_client(C, fun subscription/1) end},
        {"permanent errors are not retried", fun(C) -> on_client(C, fun errors/1) end},
        {"everything is found again after a kill -9", fun killed/1},
        {"the client's own retry gets over a restart", fun retried/1}
    ]).

start() ->
    Client = published_client:start(),
    {ok, Version} = esdb_peer:call(Client, application, get_key, [reckon_gater, vsn]),
    Library = library([list_to_integer(Number) || Number <- string:lexemes(Version, ".")]),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    Context = Library#{clients => [Client], servers => [Server]},
    await_workers(Context),
    Context.

%% What this version is called, and what it takes an `#event{}` to be.
library(Version) when Version < [1, 1] -> #{api => esdb_gater_api, arity => 11};
library(Version) when Version < [2, 0] -> #{api => esdb_gater_api, arity => 12};
library(Version) when Version < [2, 1] -> #{api => reckon_gater_api, arity => 12};
library(_) -> #{api => reckon_gater_api, arity => 15}.

await_workers(#{clients := [Client]}) ->
    published_client:await_workers(Client, ?STORE).

on_client(Context = #{clients := [Client]}, Test) ->
    esdb_peer:run(Client, fun() -> Test(Context) end).

event(N) ->
    #{
        event_type => <<"placed">>,
        data => #{n => N, self => self()},
        metadata => #{<<"user">> => N},
        tags => [<<"tag">>, integer_to_binary(N rem 2)]
    }.

events(From, To) ->
    [event(N) || N <- lists:seq(From, To)].

expected_versions(#{api := Api}) ->
    Append = fun(Stream, Expected) -> Api:append_events(?STORE, Stream, Expected, [event(0)]) end,
    Conflict = fun(Expected, Current) -> {error, conflict(Api, Expected, Current)} end,
    ?assertEqual({ok, 1}, Api:append_events(?STORE, <<"e1">>, events(0, 1))),
    ?assertEqual({ok, 2}, Append(<<"e1">>, 1)),
    ?assertEqual(Conflict(1, 2), Append(<<"e1">>, 1)),
    ?assertEqual(Conflict(3, 2), Append(<<"e1">>, 3)),
    ?assertEqual(Conflict(-1, 2), Append(<<"e1">>, -1)),
    ?assertEqual(Conflict(no_stream, 2), Append(<<"e1">>, no_stream)),
    ?assertEqual({ok, 3}, Append(<<"e1">>, any)),
    ?assertEqual({ok, 4}, Append(<<"e1">>, stream_exists)),
    ?assertEqual({ok, 5}, Append(<<"e1">>, -2)),
    ?assertEqual({ok, 6}, Append(<<"e1">>, -4)),
    ?assertEqual({ok, 6}, Api:append_events(?STORE, <<"e1">>, [])),
    ?assertEqual(Conflict(stream_exists, -1), Append(<<"e2">>, stream_exists)),
    ?assertEqual(Conflict(-4, -1), Append(<<"e2">>, -4)),
    ?assertEqual(Conflict(1, -1), Append(<<"e2">>, 1)),
    ?assertEqual({ok, -1}, Api:get_version(?STORE, <<"e2">>)),
    ?assertEqual({ok, 0}, Append(<<"e2">>, -1)),
    ?assertEqual({ok, 0}, Append(<<"e3">>, no_stream)),
    ?assertEqual({ok, 0}, Append(<<"e4">>, any)),
    ?assertEqual({ok, 6}, Api:get_version(?STORE, <<"e1">>)).

conflict(esdb_gater_api, _, Current) -> {wrong_expected_version, Current};
conflict(reckon_gater_api, Expected, Current) -> {wrong_expected_version, Expected, Current}.

stream_reads(#{api := Api, arity := Arity}) ->
    {ok, 5} = Api:append_events(?STORE, <<"orders">>, -1, events(0, 5)),
    Get = fun(Start, Count, Direction) ->
        Api:get_events(?STORE, <<"orders">>, Start, Count, Direction)
    end,
    {ok, Forward} = Get(0, 100, forward),
    ?assertEqual([{Arity, N} || N <- lists:seq(0, 5)], [
        {tuple_size(E), element(5, E)}
     || E <- Forward
    ]),
    Backward = lists:reverse(Forward),
    ?assertEqual({ok, Backward}, Get(5, 100, backward)),
    ?assertEqual({ok, []}, Get(6, 100, forward)),
    ?assertEqual({ok, []}, Get(0, 0, forward)),
    ?assertEqual({ok, lists:sublist(Forward, 3, 2)}, Get(2, 2, forward)),
    Short = fun(Function, Start, Count) -> Api:Function(?STORE, <<"orders">>, Start, Count) end,
    ?assertEqual({ok, lists:sublist(Forward, 3, 2)}, Short(stream_forward, 2, 2)),
    ?assertEqual({ok, lists:sublist(Backward, 3, 2)}, Short(stream_backward, 3, 2)),
    ?assertEqual({ok, Backward}, Short(stream_backward, 5, 10)),
    ?assertEqual({ok, 5}, Api:get_version(?STORE, <<"orders">>)),
    {ok, Streams} = Api:get_streams(?STORE),
    ?assertEqual([<<"e1">>, <<"e2">>, <<"e3">>, <<"e4">>, <<"orders">>], Streams).

queries(#{api := Api, arity := Arity}) ->
    {ok, 0} = Api:append_events(?STORE, <<"other">>, [(event(7))#{event_type => <<"paid">>}]),
    Numbers = fun({ok, Events}) ->
        ?assertEqual([], [E || E <- Events, tuple_size(E) =/= Arity]),
        [maps:get(n, element(6, E)) || E <- Events]
    end,
    ?assertEqual([7], Numbers(Api:read_by_event_types(?STORE, [<<"paid">>], 10))),
    ?assertEqual([0, 1, 0, 0], Numbers(Api:read_by_event_types(?STORE, [<<"placed">>], 4))),
    ?assertEqual([], Numbers(Api:read_by_event_types(?STORE, [<<"unknown">>], 4))),
    served(Api, read_by_tags, 2) andalso
        begin
            ?assertEqual([1, 1, 3, 5, 7], Numbers(Api:read_by_tags(?STORE, [<<"1">>]))),
            All = #{match => all, batch_size => 2},
            ?assertEqual([1, 1], Numbers(Api:read_by_tags(?STORE, [<<"tag">>, <<"1">>], All))),
            ?assertEqual([], Numbers(Api:read_by_tags(?STORE, [])))
        end,
    served(Api, read_all_global, 3) andalso
        begin
            ?assertEqual([1, 0], Numbers(Api:read_all_global(?STORE, 1, 2))),
            ?assertEqual([], Numbers(Api:read_all_global(?STORE, 1000, 2))),
            ?assertEqual(true, Api:has_events(?STORE))
        end.

served(Api, Function, Arity) ->
    erlang:function_exported(Api, Function, Arity).

fields(#{api := Api, arity := Arity}) ->
    Given = (event(1))#{event_id => <<"id-1">>, data_content_type => <<"text/plain">>},
    Before = erlang:system_time(microsecond),
    {ok, 0} = Api:append_events(?STORE, <<"fields">>, [Given]),
    {ok, [Event]} = Api:get_events(?STORE, <<"fields">>, 0, 1, forward),
    [event, Id, Type, Stream, 0, Data, Metadata | Rest] = tuple_to_list(Event),
    ?assertEqual(
        {<<"id-1">>, <<"placed">>, <<"fields">>, maps:get(data, Given), #{<<"user">> => 1}},
        {Id, Type, Stream, Data, Metadata}
    ),
    {Tags, [Milliseconds, Microseconds, <<"text/plain">>, <<"application/json">> | Integrity]} =
        case Arity of
            11 -> {[<<"tag">>, <<"1">>], Rest};
            _ -> {hd(Rest), tl(Rest)}
        end,
    ?assertEqual([<<"tag">>, <<"1">>], Tags),
    ?assertEqual(lists:duplicate(max(0, Arity - 12), undefined), Integrity),
    ?assertEqual(Microseconds div 1000, Milliseconds),
    ?assert(abs(Microseconds - Before) < 60000000).

deletion(#{api := Api}) ->
    {ok, 1} = Api:append_events(?STORE, <<"gone">>, events(0, 1)),
    ?assertEqual({ok, ok}, Api:delete_stream(?STORE, <<"gone">>)),
    ?assertEqual({ok, ok}, Api:delete_stream(?STORE, <<"gone">>)),
    ?assertEqual({ok, -1}, Api:get_version(?STORE, <<"gone">>)),
    ?assertEqual(
        {error, {stream_not_found, <<"gone">>}},
        Api:get_events(?STORE, <<"gone">>, 0, 10, forward)
    ),
    ?assertEqual({ok, 0}, Api:append_events(?STORE, <<"gone">>, -1, events(0, 0))).

subscription(#{api := Api, arity := Arity}) ->
    done(Api:save_subscription(?STORE, by_stream, <<"watched">>, <<"watcher">>, 0, self())),
    {ok, 1} = Api:append_events(?STORE, <<"watched">>, events(0, 1)),
    [First, Last] = receive_events(2),
    ?assertEqual([{Arity, 0}, {Arity, 1}], [{tuple_size(E), element(5, E)} || E <- [First, Last]]),
    done(Api:ack_event(?STORE, <<"watcher">>, self(), #{version => 1})),
    esdb_wait:until(fun() ->
        {ok, Subscription} = Api:get_subscription(?STORE, <<"watcher">>),
        maps:get(checkpoint, Subscription) =:= 1
    end),
    done(Api:remove_subscription(?STORE, by_stream, <<"watched">>, <<"watcher">>)),
    esdb_wait:until(fun() ->
        Api:get_subscription(?STORE, <<"watcher">>) =:= {error, not_found}
    end).

%% Old versions cast; newer ones show the answer, in a tuple even if it is just `ok`.
done(ok) -> ok;
done({ok, _}) -> ok.

receive_events(0) ->
    [];
receive_events(Missing) ->
    receive
        {events, Events} -> Events ++ receive_events(Missing - length(Events))
    after 5000 -> error({events_missing, Missing})
    end.

%% A retried error would come back as `{retries_exhausted, _}` after a minute.
errors(#{api := Api}) ->
    Missing = {error, {stream_not_found, <<"none">>}},
    prompt(Missing, fun() -> Api:get_events(?STORE, <<"none">>, 0, 10, forward) end),
    prompt(Missing, fun() -> Api:stream_forward(?STORE, <<"none">>, 0, 10) end),
    prompt(Missing, fun() -> Api:stream_backward(?STORE, <<"none">>, 0, 10) end),
    [
        begin
            {error, {stream_not_found, {Name, Text}}} = prompt(Call),
            ?assert(is_binary(Text))
        end
     || {Name, Call} <- [
            {invalid_event, fun() -> Api:append_events(?STORE, <<"s">>, [#{data => 1}]) end},
            {invalid_request, fun() ->
                Api:append_events(?STORE, <<"s">>, sometimes, events(1, 1))
            end},
            {invalid_request, fun() -> Api:append_events(?STORE, no_binary, events(1, 1)) end},
            {invalid_request, fun() -> Api:get_events(?STORE, <<"s">>, -1, 1, forward) end},
            {invalid_request, fun() -> Api:get_events(?STORE, <<"s">>, 0, 1, sideways) end},
            {invalid_request, fun() -> Api:read_by_event_types(?STORE, [1], 1) end}
        ]
    ],
    Large = (event(1))#{data => binary:copy(<<0>>, (64 bsl 20) + 1)},
    ?assertMatch(
        {error, {stream_not_found, {too_large, _}}}, Api:append_events(?STORE, <<"s">>, [Large])
    ),
    ?assertEqual({ok, -1}, Api:get_version(?STORE, <<"s">>)).

prompt(Wanted, Call) ->
    ?assertEqual(Wanted, prompt(Call)).

prompt(Call) ->
    {Microseconds, Reply} = timer:tc(Call),
    ?assert(Microseconds < 1000000),
    Reply.

killed(Context = #{api := Api, clients := [Client], servers := [Server]}) ->
    Read = fun() ->
        esdb_peer:call(Client, Api, get_events, [?STORE, <<"orders">>, 0, 100, forward])
    end,
    Before = {ok, [_ | _]} = Read(),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    await_workers(Context),
    ?assertEqual(Before, Read()),
    esdb_server:close(Again).

%% The server of the test before is down when the append is called.
retried(#{api := Api, clients := [Client], servers := [Server]}) ->
    esdb_peer:run(Client, fun() ->
        spawn(fun() ->
            Reply = Api:append_events(?STORE, <<"retried">>, [event(1)]),
            persistent_term:put(?MODULE, Reply)
        end)
    end),
    Again = esdb_server:restart(Server),
    esdb_wait:until(
        fun() -> {ok, 0} =:= esdb_peer:call(Client, persistent_term, get, [?MODULE, none]) end,
        30000
    ),
    esdb_server:close(Again).
