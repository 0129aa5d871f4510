%% A disk that takes no more: the store stops acknowledging and says why, nothing that was acknowledged
%% is lost, and all is well again once there is room. A limit on the size of files stands for the disk.
-module(full_disk_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
%% In blocks of 512 bytes, as ulimit takes it: 4 MiB.
-define(LIMIT, "8192").
%% So long that not even its deletion fits on a full disk.
-define(OWN, <<
    "own-0123456789-0123456789-0123456789-0123456789-"
    "0123456789-0123456789-0123456789-0123456789-0123456789"
>>).

full_disk_test_() ->
    [
        {"nothing is acknowledged that a full disk did not take", {timeout, 60, fun full_disk/0}},
        {"stores come and go on a full disk",
            {timeout, 60, fun() -> with_a_small_disk(fun stores_come_and_go/1) end}},
        {"what a full disk keeps from being removed is there as before",
            {timeout, 60, fun() -> with_a_small_disk(fun subscriptions_stay/1) end}}
    ].

full_disk() ->
    Limit = "trap '' XFSZ; ulimit -f " ++ ?LIMIT ++ "; exec \"$@\"",
    Client = esdb_peer:start(),
    Options = #{
        connect => [esdb_peer:node(Client)],
        launcher => ["/bin/sh", "-c", Limit, "sh"],
        %% the log goes on in small segments: it is the checkpoints that have no room
        args => ["--memtable-mib", "1"]
    },
    Server = esdb_server:start(Options),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    {Acknowledged, Name, Text} = esdb_peer:run(Client, fun() -> fill(0) end),
    ?assert(Acknowledged > 5),
    ?assertEqual(disk_full, Name),
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

%% A file system of 3 MiB, where the suite may mount one.
with_a_small_disk(Test) ->
    Dir = esdb_sandbox:dir("small"),
    ok = filelib:ensure_dir(filename:join(Dir, "x")),
    case run("mount -t tmpfs -o size=3m tmpfs " ++ Dir) of
        ok ->
            try
                Test(Dir)
            after
                ok = run("umount -l " ++ Dir)
            end;
        {error, Text} ->
            io:format(user, "  not tried, no file system can be mounted: ~s~n", [Text])
    end.

stores_come_and_go(Dir) ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{
        connect => [esdb_peer:node(Client)], dir => filename:join(Dir, "data")
    }),
    Ask = fun(Request) ->
        esdb_peer:run(Client, fun() -> gen_server:call(esdb_client:worker(old, ?STORE), Request) end)
    end,
    Filler = filename:join(Dir, "filler"),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    [ok = Ask({create_store, Name, []}) || Name <- [to_go, to_go_too]],
    {ok, 0} = esdb_peer:run(Client, fun() -> append(0) end),
    %% Not even a store fits.
    ok = take(Filler, 100),
    {error, {_, Text}} = Ask({create_store, new, []}),
    ?assertNotEqual(nomatch, string:find(Text, "No space left")),
    ?assertEqual([?STORE, to_go, to_go_too], listed(Ask)),
    %% Nothing at all fits; what is there can be taken away.
    ok = take(Filler, 0),
    {_, Refusal, _} = esdb_peer:run(Client, fun() -> fill(1) end),
    ?assertEqual(disk_full, Refusal),
    [?assertEqual(ok, Ask({remove_store, Name})) || Name <- [to_go, to_go_too]],
    ?assertEqual([?STORE], listed(Ask)),
    %% Its room is for others.
    esdb_wait:until(fun() -> Ask({create_store, new, []}) =:= ok end),
    ok = file:delete(Filler),
    Next = length(esdb_peer:run(Client, fun read/0)),
    ?assertEqual({ok, Next}, esdb_peer:run(Client, fun() -> append(Next) end)),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    ?assertEqual([?STORE, new], listed(Ask)),
    ?assertEqual(lists:seq(0, Next), esdb_peer:run(Client, fun read/0)),
    esdb_server:close(Again),
    esdb_peer:stop(Client).

subscriptions_stay(Dir) ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{
        connect => [esdb_peer:node(Client)], dir => filename:join(Dir, "data")
    }),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    Filler = filename:join(Dir, "filler"),
    esdb_peer:run(Client, fun() ->
        ok = ask({open_subscription, ?STORE, ?OWN, #{selector => <<"s">>, heartbeat => 0}}),
        {ok, _} = ask({save_subscription, ?STORE, by_stream, <<"s">>, <<"published">>, 0, self()}),
        {ok, 0} = append(0),
        delivered(),
        ok = take(Filler, 0),
        [{_, disk_full, _} = fill(1, Size) || Size <- [100000, 1000, 1]],
        Refused = {error, disk_full},
        ?assertEqual(Refused, name_of(ask({delete_subscription, ?STORE, ?OWN}))),
        ?assertEqual(Refused, name_of(remove(<<"published">>))),
        ?assertEqual({ok, [?OWN]}, ask({list_persistent_subscriptions, ?STORE})),
        ?assertMatch({ok, [#{subscription_name := <<"published">>}]}, ask({get_subscriptions, ?STORE})),
        forget_messages(),
        ok = file:delete(Filler),
        esdb_wait:until(fun() -> element(1, append(last)) =:= ok end),
        delivered(),
        ok = ask({delete_subscription, ?STORE, ?OWN}),
        ok = remove(<<"published">>)
    end),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    esdb_peer:run(Client, fun() ->
        ?assertEqual({ok, []}, ask({list_persistent_subscriptions, ?STORE})),
        ?assertEqual({ok, []}, ask({get_subscriptions, ?STORE}))
    end),
    esdb_server:close(Again),
    esdb_peer:stop(Client).

listed(Ask) ->
    {ok, Stores} = Ask({list_stores}),
    lists:sort([Id || #{store_id := Id} <- Stores]).

%% Takes all of the disk's room but so many KiB.
take(Filler, Left) ->
    _ = file:delete(Filler),
    [_, Line] = string:lexemes(os:cmd("df -k --output=avail " ++ filename:dirname(Filler)), "\n"),
    Room = list_to_integer(string:trim(Line)) - Left,
    file:write_file(Filler, binary:copy(<<0>>, Room * 1024)).

run(Command) ->
    case os:cmd(Command ++ " && echo done") of
        "done\n" -> ok;
        Text -> {error, Text}
    end.

%% Appends until one is refused.
fill(Number) ->
    fill(Number, 100000).

fill(Number, Size) ->
    case append(Number, Size) of
        {ok, _} -> fill(Number + 1, Size);
        {error, {Name, Text}} -> {Number, Name, Text}
    end.

append(Number) ->
    append(Number, 100000).

append(Number, Size) ->
    Event = #{event_type => <<"t">>, data => {Number, rand:bytes(Size)}},
    esdb_client:append(?STORE, <<"s">>, [Event]).

ask(Request) ->
    esdb_client:call(new, ?STORE, Request).

remove(Name) ->
    ask({remove_subscription, ?STORE, by_stream, <<"s">>, Name}).

name_of({error, {Name, _}}) -> {error, Name};
name_of(Other) -> Other.

forget_messages() ->
    receive
        _ -> forget_messages()
    after 0 -> ok
    end.

%% Waits until an event has come by either subscription.
delivered() ->
    receive
        {events, _} -> ok
    after 10000 -> error(published)
    end,
    receive
        {esdb_subscription, ?OWN, {events, _}} -> ok
    after 10000 -> error(own)
    end.

read() ->
    [element(1, element(6, E)) || E <- esdb_client:events(?STORE, <<"s">>)].
