%% A disk that takes no more: the store stops acknowledging and says why, nothing that was acknowledged
%% is lost, and all is well again once there is room. A limit on the size of files stands for the disk.
-module(full_disk_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
%% In blocks of 512 bytes, as ulimit takes it: 4 MiB.
-define(LIMIT, "8192").

full_disk_test_() ->
    {"nothing is acknowledged that a full disk did not take", {timeout, 60, fun full_disk/0}}.

full_disk() ->
    Limit = "trap '' XFSZ; ulimit -f " ++ ?LIMIT ++ "; exec \"$@\"",
    Client = esdb_peer:start(),
    Options = #{connect => [esdb_peer:node(Client)], launcher => ["/bin/sh", "-c", Limit, "sh"]},
    Server = esdb_server:start(Options),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    {Acknowledged, Name, Text} = esdb_peer:run(Client, fun() -> fill(0) end),
    ?assert(Acknowledged > 5),
    ?assert(lists:member(Name, [disk_full, store_stopped])),
    ?assertNotEqual(<<>>, Text),
    %% what is there can still be read
    ?assertEqual(Acknowledged, esdb_peer:run(Client, fun() -> length(read()) end)),
    %% another append is answered, too, and does not hang
    {error, _} = esdb_peer:run(Client, fun() -> append(Acknowledged) end),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server, #{launcher => []}),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    Numbers = esdb_peer:run(Client, fun read/0),
    ?assertEqual(lists:seq(0, Acknowledged - 1), lists:sublist(Numbers, Acknowledged)),
    %% at most the append that failed is there besides
    ?assert(length(Numbers) =< Acknowledged + 1),
    ?assertEqual({ok, length(Numbers)}, esdb_peer:run(Client, fun() -> append(length(Numbers)) end)),
    esdb_server:close(Again),
    esdb_peer:stop(Client).

%% Appends until one is refused.
fill(Number) ->
    case append(Number) of
        {ok, Number} -> fill(Number + 1);
        {error, {Name, Text}} -> {Number, Name, Text}
    end.

append(Number) ->
    Event = #{event_type => <<"t">>, data => {Number, rand:bytes(100000)}},
    esdb_client:append(?STORE, <<"s">>, [Event]).

read() ->
    [element(1, element(6, E)) || E <- esdb_client:events(?STORE, <<"s">>)].
