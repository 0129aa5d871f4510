%% Who may use a data directory, and what it holds.
-module(data_directory_tests).
-include_lib("eunit/include/eunit.hrl").

data_directory_test_() ->
    [
        {Title, {timeout, 60, Test}}
     || {Title, Test} <- [
            {"a second server on the same directory refuses", fun second_server/0},
            {"a killed server's directory is free at once", fun free_after_kill/0},
            {"stores are found without being named again", fun stores_found/0},
            {"a store can be added", fun store_added/0},
            {"a store's name leaves room for the names of its groups", fun longest_name/0},
            {"a file in the place of the directory", fun not_a_directory/0},
            {"damage in the log is never passed over in silence", fun damaged/0}
        ]
    ].

second_server() ->
    First = esdb_server:start(#{}),
    Dir = esdb_server:dir(First),
    {Status, Output} = esdb_server:start_expecting_failure(#{dir => Dir}),
    ?assertNotEqual(0, Status),
    ?assertNotEqual(nomatch, string:find(Output, Dir)),
    ?assertNotEqual(nomatch, string:find(Output, "in use")),
    ?assertEqual(0, esdb_server:stop(First)).

free_after_kill() ->
    First = esdb_server:start(#{}),
    ok = esdb_server:kill(First),
    Second = esdb_server:restart(First),
    ?assertEqual(0, esdb_server:stop(Second)).

stores_found() ->
    First = esdb_server:start(#{stores => ['one', 'Two', 'ünï/..']}),
    ?assertEqual(["Two", "one", "ünï/.."], stores(First)),
    0 = esdb_server:stop(First),
    Second = esdb_server:restart(First, #{stores => ['one']}),
    ?assertEqual(["Two", "one", "ünï/.."], stores(Second)),
    0 = esdb_server:stop(Second).

store_added() ->
    First = esdb_server:start(#{stores => [one]}),
    0 = esdb_server:stop(First),
    Second = esdb_server:restart(First, #{stores => [two]}),
    ?assertEqual(["one", "two"], stores(Second)),
    0 = esdb_server:stop(Second).

%% An atom has at most 255 characters, that of the group `reckon_gater_workers_<store>`, too: a longer
%% one would end the connection of every client that is told of it.
longest_name() ->
    Longest = list_to_atom(lists:duplicate(234, $x)),
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{stores => [Longest], connect => [esdb_peer:node(Client)]}),
    ok = esdb_peer:call(Client, esdb_client, join, [Longest]),
    esdb_server:close(Server),
    esdb_peer:stop(Client),
    TooLong = list_to_atom(lists:duplicate(235, $x)),
    {Status, Output} = esdb_server:start_expecting_failure(#{stores => [TooLong]}),
    ?assertNotEqual(0, Status),
    ?assertNotEqual(nomatch, string:find(Output, "234")).

%% As the ready line says.
stores(Server) ->
    Line = unicode:characters_to_list(list_to_binary(esdb_server:ready_line(Server))),
    [List] = [L || "stores=" ++ L <- string:lexemes(Line, " ")],
    lists:sort(string:split(List, ",", all)).

not_a_directory() ->
    File = esdb_sandbox:dir("a-file"),
    ok = file:write_file(File, <<"mine">>),
    {Status, Output} = esdb_server:start_expecting_failure(#{dir => File}),
    ?assertNotEqual(0, Status),
    ?assertNotEqual(nomatch, string:find(Output, File)),
    ?assertEqual({ok, <<"mine">>}, file:read_file(File)).

%% A byte is changed in the middle of the log, with valid records before and behind it.
damaged() ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
    Marker = <<"this is the event that will be damaged">>,
    esdb_peer:run(Client, fun() ->
        [
            {ok, _} = esdb_client:append(default_store, <<"s">>, [
                #{event_type => <<"t">>, data => Data}
            ])
         || Data <- [1, 2, Marker, 3, 4]
        ]
    end),
    ok = esdb_server:kill(Server),
    Files = [F || F <- files(esdb_server:dir(Server)), contains(F, Marker)],
    ?assertNotEqual([], Files),
    [damage(F, Marker) || F <- Files],
    #{options := Options} = Server,
    {Status, Output} = esdb_server:start_expecting_failure(Options),
    ?assertNotEqual(0, Status),
    ?assertNotEqual(nomatch, string:find(Output, "default_store")),
    esdb_server:close(Server),
    esdb_peer:stop(Client).

files(Dir) ->
    [F || F <- filelib:wildcard(filename:join(Dir, "**/*")), filelib:is_regular(F)].

contains(File, Bytes) ->
    {ok, Content} = file:read_file(File),
    binary:match(Content, Bytes) =/= nomatch.

damage(File, Bytes) ->
    {ok, Content} = file:read_file(File),
    {Start, _} = binary:match(Content, Bytes),
    {ok, Handle} = file:open(File, [read, write, raw, binary]),
    ok = file:pwrite(Handle, Start, <<"T">>),
    ok = file:close(Handle).
