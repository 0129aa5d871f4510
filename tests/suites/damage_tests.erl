%% Bytes on disk that are not what was written: a store that is damaged is refused and named, the others
%% serve, and `rs-esdb verify` says where the damage is without changing anything.
-module(damage_tests).
-include_lib("eunit/include/eunit.hrl").

damage_test_() ->
    [
        {Title, {timeout, 90, Test}}
     || {Title, Test} <- [
            {"a damaged store is refused, the others serve", fun others_serve/0},
            {"identity files that changed places are refused", fun swapped/0},
            {"damage to a checkpoint is found by the read that meets it", fun on_read/0},
            {"the last record of the log counts as torn, and is reported", fun torn/0},
            {"verify finds nothing wrong after a kill, and changes nothing", fun intact/0},
            {"verify has nothing to note after an orderly end", fun orderly/0},
            {"verify refuses while a server uses the directory", fun in_use/0},
            {"verify refuses what is no store", fun no_store/0}
        ]
    ].

others_serve() ->
    {Client, Server} = filled([broken, whole]),
    ok = esdb_server:kill(Server),
    Dir = esdb_server:dir(Server),
    [Log] = filelib:wildcard(filename:join(Dir, "stores/broken/log/*.wal")),
    damage(Log, <<"event number 2">>),
    {1, Found} = esdb_server:run(["verify", Dir], []),
    [contains(Found, Text) || Text <- ["damage: " ++ Log, "entry ", "store whole: intact"]],
    Again = esdb_server:restart(Server),
    contains(esdb_server:ready_line(Again), "stores=whole "),
    [contains(esdb_server:errors(Again), Text) || Text <- ["broken is not served", Log, "backup"]],
    ok = esdb_peer:call(Client, esdb_client, join, [whole]),
    ?assertEqual(lists:seq(1, 5), esdb_peer:run(Client, fun() -> read(whole) end)),
    ?assertEqual({ok, 5}, esdb_peer:run(Client, fun() -> append(whole, 6) end)),
    {Status, Text} = status(Again),
    ?assertNotEqual(0, Status),
    [contains(Text, Word) || Word <- ["broken", "refused", Log]],
    %% nobody gets its name
    Call = fun(Request) -> esdb_client:call(whole, Request) end,
    Asked = fun(Request) -> esdb_peer:run(Client, fun() -> Call(Request) end) end,
    ?assertEqual({error, already_exists}, Asked({create_store, broken, []})),
    ?assertEqual({ok, stopped}, Asked({get_store_status, broken})),
    ?assertEqual(0, esdb_server:stop(Again)),
    repair(Log, <<"event number 2">>),
    {0, _} = esdb_server:run(["verify", Dir], []),
    Third = esdb_server:restart(Again),
    ok = esdb_peer:call(Client, esdb_client, join, [broken]),
    ?assertEqual(lists:seq(1, 5), esdb_peer:run(Client, fun() -> read(broken) end)),
    esdb_server:close(Third),
    esdb_peer:stop(Client).

swapped() ->
    {Client, Server} = filled([one, two, three]),
    0 = esdb_server:stop(Server),
    Dir = esdb_server:dir(Server),
    [One, Two] = [filename:join([Dir, "stores", Name, "STORE"]) || Name <- ["one", "two"]],
    Aside = filename:join(Dir, "aside"),
    [ok = file:rename(From, To) || {From, To} <- [{One, Aside}, {Two, One}, {Aside, Two}]],
    {1, Found} = esdb_server:run(["verify", Dir], []),
    [contains(Found, "damage: " ++ File) || File <- [One, Two]],
    Again = esdb_server:restart(Server),
    contains(esdb_server:ready_line(Again), "stores=three "),
    contains(esdb_server:errors(Again), "belongs to the store"),
    esdb_server:close(Again),
    esdb_peer:stop(Client).

on_read() ->
    {Client, Server} = filled([default_store]),
    Other = fun() -> esdb_client:append(default_store, <<"other">>, [event(1)]) end,
    {ok, 0} = esdb_peer:run(Client, Other),
    %% an orderly end writes a checkpoint
    0 = esdb_server:stop(Server),
    Dir = esdb_server:dir(Server),
    State = filename:join(Dir, "stores/default_store/state.redb"),
    damage(State, <<"event number 3">>),
    {1, Found} = esdb_server:run(["verify", Dir], []),
    contains(Found, "damage: " ++ State ++ ": offset "),
    contains(Found, "table events"),
    Again = esdb_server:restart(Server),
    ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
    Request = {get_events, default_store, <<"s">>, 0, 100, forward},
    Read = fun() -> esdb_client:call(default_store, Request) end,
    {error, Reason} = esdb_peer:run(Client, Read),
    contains(lists:flatten(io_lib:format("~p", [Reason])), "damaged"),
    %% what is not damaged is still read
    Events = fun() -> length(esdb_client:events(default_store, <<"other">>)) end,
    ?assertEqual(1, esdb_peer:run(Client, Events)),
    esdb_server:close(Again),
    esdb_peer:stop(Client).

torn() ->
    {Client, Server} = filled([default_store]),
    ok = esdb_server:kill(Server),
    Dir = esdb_server:dir(Server),
    [Log] = filelib:wildcard(filename:join(Dir, "stores/default_store/log/*.wal")),
    damage(Log, <<"event number 5">>),
    {0, Found} = esdb_server:run(["verify", Dir], []),
    [contains(Found, Text) || Text <- ["note: " ++ Log, "torn tail of "]],
    Again = esdb_server:restart(Server),
    ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
    ?assertEqual(lists:seq(1, 4), esdb_peer:run(Client, fun() -> read(default_store) end)),
    {0, Text} = status(Again),
    contains(Text, "torn_tail"),
    esdb_server:close(Again),
    esdb_peer:stop(Client).

intact() ->
    {Client, Server} = filled([one, two]),
    ok = esdb_server:kill(Server),
    Dir = esdb_server:dir(Server),
    Before = contents(Dir),
    {0, Found} = esdb_server:run(["verify", Dir], []),
    [contains(Found, Text) || Text <- ["store one: intact", "store two: intact", "intact: 2 stores"]],
    {0, Alone} = esdb_server:run(["verify", filename:join(Dir, "stores/one")], []),
    contains(Alone, "intact: 1 stores"),
    ?assertEqual(Before, contents(Dir)),
    esdb_server:close(Server),
    esdb_peer:stop(Client).

orderly() ->
    {Client, Server} = filled([one, two]),
    0 = esdb_server:stop(Server),
    {0, Found} = esdb_server:run(["verify", esdb_server:dir(Server)], []),
    contains(Found, "intact: 2 stores"),
    ?assertEqual({nomatch, Found}, {string:find(Found, "note: "), Found}),
    esdb_server:close(Server),
    esdb_peer:stop(Client).

in_use() ->
    Server = esdb_server:start(#{stores => [one]}),
    Dir = esdb_server:dir(Server),
    [
        begin
            {Status, Text} = esdb_server:run(["verify", Path], []),
            ?assertEqual(2, Status),
            contains(Text, "another server")
        end
     || Path <- [Dir, filename:join(Dir, "stores/one")]
    ],
    ?assertEqual(0, esdb_server:stop(Server)),
    esdb_server:close(Server).

no_store() ->
    Dir = esdb_sandbox:dir("empty"),
    ok = filelib:ensure_dir(filename:join(Dir, "file")),
    {2, Empty} = esdb_server:run(["verify", Dir], []),
    contains(Empty, "neither a data directory"),
    {2, Missing} = esdb_server:run(["verify", filename:join(Dir, "missing")], []),
    contains(Missing, "missing").

%% A client, and a server whose stores each have five events in the stream `s`.
filled(Stores) ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{stores => Stores, connect => [esdb_peer:node(Client)]}),
    [
        begin
            ok = esdb_peer:call(Client, esdb_client, join, [Store]),
            Expected = [{ok, Version} || Version <- lists:seq(0, 4)],
            Append = fun() -> [append(Store, Number) || Number <- lists:seq(1, 5)] end,
            ?assertEqual(Expected, esdb_peer:run(Client, Append))
        end
     || Store <- Stores
    ],
    {Client, Server}.

append(Store, Number) ->
    esdb_client:append(Store, <<"s">>, [event(Number)]).

event(Number) ->
    Text = iolist_to_binary(["event number ", integer_to_list(Number)]),
    #{event_type => <<"t">>, data => {Number, Text}}.

read(Store) ->
    [element(1, element(6, Event)) || Event <- esdb_client:events(Store, <<"s">>)].

status(Server) ->
    Name = atom_to_list(esdb_server:node(Server)),
    esdb_server:run(["status", "--name", Name, "--cookie", esdb_sandbox:cookie()], []).

contents(Dir) ->
    Files = [F || F <- filelib:wildcard(filename:join(Dir, "**/*")), filelib:is_regular(F)],
    [{F, element(2, {ok, _} = file:read_file(F))} || F <- Files].

contains(Text, Part) ->
    ?assertNotEqual({nomatch, Part, Text}, {string:find(Text, Part), Part, Text}).

%% Changes the first byte of a text where it stands in a file.
damage(File, Text) ->
    <<_, Rest/binary>> = Text,
    write(File, Text, <<"E", Rest/binary>>).

repair(File, Text) ->
    <<_, Rest/binary>> = Text,
    write(File, <<"E", Rest/binary>>, Text).

write(File, From, To) ->
    {ok, Content} = file:read_file(File),
    {Start, _} = binary:match(Content, From),
    {ok, Handle} = file:open(File, [read, write, raw, binary]),
    ok = file:pwrite(Handle, Start, To),
    ok = file:close(Handle).
