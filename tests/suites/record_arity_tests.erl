%% The size of event records follows the version of the client library that a node has loaded, in the
%% answer to every request that reads.
-module(record_arity_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
-define(STREAM, <<"s">>).

record_arity_test_() ->
    Cases = [
        {"1.0.3", old, 11}, {"1.1.3", old, 12}, {"1.3.2", old, 12}, {"2.0.1", new, 12},
        {"2.1.0", new, 15}, {"3.8.0", new, 15}
    ],
    esdb_fixture:with(fun() -> start([Version || {Version, _, _} <- Cases]) end, [
        {io_lib:format("reckon_gater ~s gets ~b elements", [Version, Arity]), fun(Context) ->
            Client = client(Version, Context),
            esdb_peer:run(Client, fun() ->
                [
                    ?assertEqual({Request, [record(Arity)]}, {Request, read(Generation, Request)})
                 || Request <- requests()
                ]
            end)
        end}
     || {Version, Generation, Arity} <- Cases
    ]).

%% One node for each version, with the library loaded before the server connects.
start(Versions) ->
    Clients = [esdb_peer:start() || _ <- Versions],
    [load(C, V) || {C, V} <- lists:zip(Clients, Versions)],
    Server = esdb_server:start(#{connect => [esdb_peer:node(C) || C <- Clients]}),
    [ok = esdb_peer:call(C, esdb_client, join, [?STORE]) || C <- Clients],
    {ok, 0} = esdb_peer:call(hd(Clients), esdb_client, append, [?STORE, ?STREAM, [event()]]),
    #{clients => Clients, server => Server, versions => Versions}.

client(Version, #{clients := Clients, versions := Versions}) ->
    proplists:get_value(Version, lists:zip(Versions, Clients)).

load(Client, Version) ->
    Application = {application, reckon_gater, [{vsn, Version}]},
    ok = esdb_peer:call(Client, application, load, [Application]).

requests() ->
    [
        {get_events, ?STORE, ?STREAM, 0, 10, forward},
        {get_events, ?STORE, ?STREAM, 0, 10, backward},
        {stream_forward, ?STORE, ?STREAM, 0, 10},
        {stream_backward, ?STORE, ?STREAM, 0, 10},
        {read_by_event_types, ?STORE, [<<"t">>], 10},
        {read_by_event_types, ?STORE, [], 10},
        {read_by_tags, ?STORE, [<<"tag">>], any, 10},
        {read_by_tags, ?STORE, [<<"tag">>], all, 10},
        {read_all_global, ?STORE, 0, 10}
    ].

event() ->
    #{
        event_id => <<"id">>, event_type => <<"t">>, data => #{n => 1}, metadata => #{m => 2},
        tags => [<<"tag">>]
    }.

%% Time, which the server gives, is left out.
record(Arity) ->
    Tags = [[<<"tag">>] || Arity > 11],
    Integrity = lists:duplicate(max(0, Arity - 12), undefined),
    [event, <<"id">>, <<"t">>, ?STREAM, 0, #{n => 1}, #{m => 2}] ++ Tags ++
        [time, time, <<"application/json">>, <<"application/json">>] ++ Integrity.

read(Generation, Request) ->
    {ok, Events} = esdb_client:call(Generation, ?STORE, Request),
    [[without_time(Field) || Field <- tuple_to_list(Event)] || Event <- Events].

without_time(Field) when is_integer(Field), Field > 1000000000000 -> time;
without_time(Field) -> Field.
