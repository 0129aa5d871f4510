%% The size of event records follows the version of the client library that a node has loaded.
-module(record_arity_tests).
-include_lib("eunit/include/eunit.hrl").

record_arity_test_() ->
    Cases = [
        {"1.0.3", old, 11}, {"1.1.3", old, 12}, {"1.3.2", old, 12}, {"2.0.1", new, 12},
        {"2.1.0", new, 15}, {"3.8.0", new, 15}
    ],
    esdb_fixture:with(fun() -> start([Version || {Version, _, _} <- Cases]) end, [
        {io_lib:format("reckon_gater ~s gets ~b elements", [Version, Arity]), fun(Context) ->
            Client = client(Version, Context),
            ?assertEqual(Arity, esdb_peer:run(Client, fun() -> arity(Generation) end))
        end}
     || {Version, Generation, Arity} <- Cases
    ] ++ [{"a library that is loaded later is noticed", fun loaded_later/1}]).

%% One node for each version, with the library loaded before the server connects, and one without.
start(Versions) ->
    Clients = [esdb_peer:start() || _ <- [none | Versions]],
    [load(C, V) || {C, V} <- lists:zip(tl(Clients), Versions)],
    Server = esdb_server:start(#{connect => [esdb_peer:node(C) || C <- Clients]}),
    [ok = esdb_peer:call(C, esdb_client, join, [default_store]) || C <- Clients],
    Event = #{event_type => <<"t">>, data => 1},
    {ok, 0} = esdb_peer:call(hd(Clients), esdb_client, append, [default_store, <<"s">>, [Event]]),
    #{clients => Clients, server => Server, versions => Versions}.

client(Version, #{clients := [_ | Clients], versions := Versions}) ->
    proplists:get_value(Version, lists:zip(Versions, Clients)).

load(Client, Version) ->
    Application = {application, reckon_gater, [{vsn, Version}]},
    ok = esdb_peer:call(Client, application, load, [Application]).

loaded_later(#{clients := [Client | _]}) ->
    Ask = fun(Generation) -> esdb_peer:run(Client, fun() -> arity(Generation) end) end,
    ?assertEqual({12, 15}, {Ask(old), Ask(new)}),
    load(Client, "1.0.3"),
    esdb_wait:until(fun() -> Ask(old) =:= 11 end, 15000).

arity(Generation) ->
    tuple_size(hd(esdb_client:events(Generation, default_store, <<"s">>))).
