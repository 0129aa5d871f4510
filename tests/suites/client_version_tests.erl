%% Which client library a node runs is found out, whatever the order in which things happen.
-module(client_version_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
-define(STREAM, <<"s">>).

client_version_test_() ->
    esdb_fixture:with(fun start/0, [
        {"the first read waits for an answer that is late", fun late_answer/1},
        {"a call that makes the connection waits, too", fun first_call/1},
        {"a node that never answers gets the default, and its own records once it does",
            fun no_answer/1},
        {"a library that is loaded later is noticed", fun loaded_later/1},
        {"a subscriber, too, gets its own records once it is known", fun subscriber/1},
        {"what is known survives a lost connection and a node that is busy then", fun known/1},
        {"a node that starts again with an older library", fun started_again/1},
        {"a node that starts again with a library of the next generation", fun next_generation/1},
        {"a node with the library's ancestor, erl_esdb_gater", fun ancestor/1},
        {"nodes with different libraries read side by side", fun side_by_side/1}
    ]).

start() ->
    Server = esdb_server:start(#{}),
    Client = joined(Server, none),
    Events = [#{event_type => <<"t">>, data => 1, tags => [<<"tag">>]}],
    {ok, 0} = esdb_peer:call(Client, esdb_client, append, [?STORE, ?STREAM, Events]),
    esdb_peer:stop(Client),
    #{server => Server}.

late_answer(#{server := Server}) ->
    Client = busy(Server, "1.0.3"),
    Asked = questions(Client),
    Reader = reader(Client, old),
    esdb_wait:until(fun() -> questions(Client) > Asked end),
    resume(Client),
    ?assertEqual(11, read_by(Client, Reader)),
    esdb_peer:stop(Client).

subscriber(#{server := Server}) ->
    Client = joined(Server, none),
    esdb_peer:run(Client, fun() ->
        Me = spawn(fun() -> keep_events([]) end),
        register(subscriber, Me),
        Save = {save_subscription, ?STORE, by_stream, <<"feed">>, <<"name">>, 0, Me},
        {ok, _} = esdb_client:call(?STORE, Save)
    end),
    ?assertEqual(12, size_of_last_delivered(Client)),
    load(Client, "1.0.3"),
    esdb_wait:until(fun() -> size_of_last_delivered(Client) =:= 11 end, 15000),
    %% each once, and in order
    Versions = [element(5, E) || E <- delivered(Client)],
    ?assertEqual(lists:seq(0, length(Versions) - 1), Versions),
    esdb_peer:stop(Client).

%% Appends an event and waits for it.
size_of_last_delivered(Client) ->
    {ok, Version} = esdb_peer:call(Client, esdb_client, append, [
        ?STORE, <<"feed">>, [#{event_type => <<"t">>, data => 1}]
    ]),
    Arrived = fun() ->
        case [E || E <- delivered(Client), element(5, E) =:= Version] of
            [Event | _] -> {value, tuple_size(Event)};
            [] -> {missing, Version}
        end
    end,
    esdb_wait:value(Arrived, 5000).

delivered(Client) ->
    esdb_peer:run(Client, fun() ->
        subscriber ! {self(), ask},
        receive
            {delivered, Events} -> Events
        end
    end).

keep_events(Kept) ->
    receive
        {events, Events} ->
            keep_events(Kept ++ Events);
        {From, ask} ->
            From ! {delivered, Kept},
            keep_events(Kept)
    end.

%% The worker is known from another node, so nothing was asked before the call.
first_call(#{server := Server}) ->
    Other = joined(Server, none),
    Worker = esdb_peer:call(Other, esdb_client, worker, [old, ?STORE]),
    Client = esdb_peer:start(),
    load(Client, "1.0.3"),
    Request = {get_events, ?STORE, ?STREAM, 0, 1, forward},
    {ok, [Event]} = esdb_peer:call(Client, gen_server, call, [Worker, Request]),
    ?assertEqual(11, tuple_size(Event)),
    [esdb_peer:stop(C) || C <- [Other, Client]].

no_answer(#{server := Server}) ->
    Client = busy(Server, "1.0.3"),
    ?assertEqual(12, arity(Client, old)),
    Asked = questions(Client),
    ?assertEqual(15, arity(Client, new)),
    %% not asked again for each read
    ?assertEqual(Asked, questions(Client)),
    resume(Client),
    esdb_wait:until(fun() -> arity(Client, old) =:= 11 end, 15000),
    esdb_peer:stop(Client).

loaded_later(#{server := Server}) ->
    Client = joined(Server, none),
    ?assertEqual({12, 15}, {arity(Client, old), arity(Client, new)}),
    load(Client, "1.0.3"),
    esdb_wait:until(fun() -> arity(Client, old) =:= 11 end, 15000),
    esdb_peer:stop(Client).

known(#{server := Server}) ->
    Client = joined(Server, "1.0.3"),
    ?assertEqual(11, arity(Client, old)),
    Node = esdb_server:node(Server),
    ok = suspend(Client),
    true = esdb_peer:call(Client, erlang, disconnect_node, [Node]),
    esdb_wait:until(fun() -> esdb_peer:call(Client, esdb_client, workers, [old, ?STORE]) =:= [] end),
    join(Client, Server),
    ?assertEqual(11, arity(Client, old)),
    resume(Client),
    esdb_peer:stop(Client).

started_again(#{server := Server}) ->
    Client = joined(Server, "1.1.3"),
    ?assertEqual(12, arity(Client, old)),
    ok = esdb_peer:kill(Client),
    Again = esdb_peer:restart(Client),
    load(Again, "1.0.3"),
    join(Again, Server),
    ?assertEqual(11, arity(Again, old)),
    esdb_peer:stop(Again).

next_generation(#{server := Server}) ->
    Client = joined(Server, "2.0.0"),
    ?assertEqual(12, arity(Client, new)),
    ok = esdb_peer:kill(Client),
    Again = esdb_peer:restart(Client),
    load(Again, "3.8.0"),
    join(Again, Server),
    ?assertEqual(15, arity(Again, new)),
    esdb_peer:stop(Again).

ancestor(#{server := Server}) ->
    Client = esdb_peer:start(),
    load(Client, erl_esdb_gater, "0.6.6"),
    join(Client, Server),
    ?assertEqual(11, arity(Client, old)),
    esdb_peer:stop(Client).

side_by_side(#{server := Server}) ->
    Clients = [
        {Arity, Generation, joined(Server, Version)}
     || {Version, Generation, Arity} <- [{"1.0.3", old, 11}, {"1.3.2", old, 12}, {"3.8.0", new, 15}]
    ],
    Readers = [
        {Arity, Client, reader(Client, Generation)}
     || _ <- lists:seq(1, 20), {Arity, Generation, Client} <- Clients
    ],
    [?assertEqual(Arity, read_by(Client, Reader)) || {Arity, Client, Reader} <- Readers],
    [esdb_peer:stop(Client) || {_, _, Client} <- Clients].

%% A node with that version of the library loaded, connected and joined.
joined(Server, Version) ->
    Client = esdb_peer:start(),
    load(Client, Version),
    join(Client, Server),
    Client.

%% As joined/2, but the node answers no question.
busy(Server, Version) ->
    Client = esdb_peer:start(),
    load(Client, Version),
    ok = suspend(Client),
    join(Client, Server),
    Client.

join(Client, Server) ->
    pong = esdb_peer:call(Client, net_adm, ping, [esdb_server:node(Server)]),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]).

load(_, none) ->
    ok;
load(Client, Version) ->
    load(Client, reckon_gater, Version).

load(Client, Name, Version) ->
    ok = esdb_peer:call(Client, application, load, [{application, Name, [{vsn, Version}]}]).

%% `rex` is whom nodes are asked through.
suspend(Client) -> esdb_peer:call(Client, sys, suspend, [rex]).

resume(Client) -> ok = esdb_peer:call(Client, sys, resume, [rex]).

questions(Client) ->
    esdb_peer:run(Client, fun() ->
        {message_queue_len, Length} = process_info(whereis(rex), message_queue_len),
        Length
    end).

arity(Client, Generation) ->
    esdb_peer:run(Client, fun() -> read(Generation) end).

%% A process on the node that reads at once.
reader(Client, Generation) ->
    esdb_peer:run(Client, fun() -> spawn(fun() -> keep(read(Generation)) end) end).

keep(Value) ->
    receive
        {From, ask} -> From ! {self(), Value}
    end.

read_by(Client, Reader) ->
    esdb_peer:run(Client, fun() ->
        Reader ! {self(), ask},
        receive
            {Reader, Value} -> Value
        after 10000 -> error(no_answer)
        end
    end).

read(Generation) ->
    tuple_size(hd(esdb_client:events(Generation, ?STORE, ?STREAM))).
