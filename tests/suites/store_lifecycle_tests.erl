%% Stores come and go at run time: created, seen, used, removed, by any worker, as call and as cast.
-module(store_lifecycle_tests).
-include_lib("eunit/include/eunit.hrl").

store_lifecycle_test_() ->
    [
        esdb_fixture:on_client(#{}, [
            {"a created store is found, and takes events", fun created/1},
            {"a name that is taken is refused", fun taken/1},
            {"a store is created by cast as well", fun by_cast/1},
            {"a removed store is gone for everybody", fun removed/1},
            {"a store of the same name begins empty", fun begins_anew/1},
            {"status and configuration", fun described/1},
            {"names that are no file names", fun odd_names/1},
            {"wrong arguments are refused", fun refused/1},
            {"fifty stores at once", fun many/1}
        ]),
        {"thousands of creations hold up nobody's reads", {timeout, 60, fun flood/0}},
        {"created stores are there after a kill, removed ones are not", {timeout, 60, fun restart/0}},
        {"names that are no file names, over a restart", {timeout, 60, fun odd_names_stay/0}}
    ].

created(#{store := Store}) ->
    ?assertEqual(ok, ask(old, Store, {create_store, orders, [{timeout, 15000}]})),
    joined(orders),
    ?assertEqual({ok, 0}, append(orders)),
    {ok, Stores} = ask(new, Store, {list_stores}),
    ?assert(lists:member(orders, [Id || #{store_id := Id} <- Stores])).

taken(#{store := Store}) ->
    ok = ask(new, Store, {create_store, taken, #{}}),
    ?assertEqual({error, already_exists}, ask(old, Store, {create_store, taken, []})),
    ?assertEqual({error, already_exists}, ask(new, Store, {create_store, Store, []})).

by_cast(#{store := Store}) ->
    ok = gen_server:cast(esdb_client:worker(old, Store), {create_store, by_cast, []}),
    joined(by_cast),
    ?assertEqual({ok, 0}, append(by_cast)),
    ok = gen_server:cast(esdb_client:worker(new, Store), {remove_store, by_cast}),
    esdb_wait:until(fun() -> workers(by_cast) =:= [] end, 5000).

removed(#{store := Store}) ->
    ok = ask(old, Store, {create_store, short_lived, []}),
    joined(short_lived),
    {ok, 0} = append(short_lived),
    [Worker | _] = esdb_client:workers(old, short_lived),
    %% asked of the store's own worker, which ends after it has answered
    ?assertEqual(ok, gen_server:call(Worker, {remove_store, short_lived})),
    ?assertEqual({error, not_found}, ask(old, Store, {remove_store, short_lived})),
    esdb_wait:until(fun() -> workers(short_lived) =:= [] end, 5000),
    Monitor = erlang:monitor(process, Worker),
    receive
        {'DOWN', Monitor, process, Worker, Reason} -> ?assertEqual(noproc, Reason)
    after 5000 -> error(worker_still_there)
    end,
    ?assertMatch(
        {error, {stream_not_found, {unknown_store, _}}},
        ask(old, Store, {get_streams, short_lived})
    ).

begins_anew(#{store := Store}) ->
    ok = ask(old, Store, {create_store, again, []}),
    joined(again),
    {ok, 0} = append(again),
    ok = ask(old, Store, {remove_store, again}),
    ok = ask(old, Store, {create_store, again, []}),
    ?assertEqual({ok, []}, ask(old, Store, {get_streams, again})).

described(#{store := Store}) ->
    ok = ask(old, Store, {create_store, described, [{timeout, 20000}]}),
    ?assertEqual({ok, running}, ask(new, Store, {get_store_status, described})),
    {ok, Config} = ask(old, Store, {get_store_config, described}),
    ?assertMatch(#{store_id := described, timeout := 20000, mode := single}, Config),
    {ok, Stores} = ask(old, Store, {list_stores}),
    Timeouts = maps:from_list([{Id, T} || #{store_id := Id, timeout := T} <- Stores]),
    ?assertMatch(#{Store := 5000, described := 20000}, Timeouts),
    ?assertEqual({error, not_found}, ask(old, Store, {get_store_status, nowhere})),
    ?assertEqual({error, not_found}, ask(new, Store, {get_store_config, nowhere})).

odd_names(#{store := Store}) ->
    Names = ['a/b', '..', 'A', a, 'with space', 'ä', list_to_atom(lists:duplicate(234, $x))],
    [?assertEqual({Name, ok}, {Name, ask(old, Store, {create_store, Name, []})}) || Name <- Names],
    [?assertEqual({ok, []}, ask(old, Store, {get_streams, Name})) || Name <- Names].

odd_names_stay() ->
    Names = [
        'a/b', '/', '.', '..', '../../etc', 'A', a, 'LOCK', 'STORE', 'a b\n', '%61', 'ä', 'Ä', '日本',
        list_to_atom([0]), list_to_atom("nul" ++ [0] ++ "in it"), list_to_atom([16#1F600]),
        %% 255 bytes, and as many characters as a name may have, of four bytes each
        list_to_atom(lists:duplicate(85, 16#65E5)), list_to_atom(lists:duplicate(234, 16#1F600))
    ],
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    Run = fun(Fun) -> esdb_peer:run(Client, fun() -> [{Name, Fun(Name)} || Name <- Names] end) end,
    All = fun(Result) -> [{Name, Result} || Name <- Names] end,
    Append = fun(Name) ->
        Event = #{event_type => <<"t">>, data => 1},
        ask(old, default_store, {append_events, Name, <<"s">>, -2, [Event]})
    end,
    Listed = fun() ->
        {ok, Stores} = ask(old, default_store, {list_stores}),
        lists:sort([Id || #{store_id := Id} <- Stores])
    end,
    ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
    ?assertEqual(All(ok), Run(fun(Name) -> ask(new, default_store, {create_store, Name, []}) end)),
    ?assertEqual(All({ok, 0}), Run(Append)),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
    ?assertEqual(lists:sort([default_store | Names]), esdb_peer:run(Client, Listed)),
    ?assertEqual(All({ok, 1}), Run(Append)),
    ?assertEqual(All(ok), Run(fun(Name) -> ask(old, default_store, {remove_store, Name}) end)),
    ?assertEqual([default_store], esdb_peer:run(Client, Listed)),
    0 = esdb_server:stop(Again),
    %% Nothing was put anywhere else.
    Dir = esdb_server:dir(Again),
    ?assertEqual({ok, ["default_store"]}, file:list_dir(filename:join(Dir, "stores"))),
    ?assertEqual(["LOCK", "removed", "stores"], lists:sort(element(2, file:list_dir(Dir)))),
    esdb_peer:stop(Client).

refused(#{store := Store}) ->
    Refused = fun(Request) ->
        ?assertMatch({error, {stream_not_found, {invalid_request, _}}}, ask(new, Store, Request))
    end,
    Refused({create_store, <<"binary">>, []}),
    Refused({create_store, '', []}),
    %% the name of a group, an atom as well, would have more than 255 characters
    Refused({create_store, list_to_atom(lists:duplicate(235, $x)), []}),
    Refused({create_store, fine, not_options}),
    Refused({create_store, fine, [not_an_option]}),
    Refused({remove_store, 1}),
    ?assertEqual({error, not_found}, ask(new, Store, {get_store_status, fine})).

many(#{store := Store}) ->
    Names = [list_to_atom("many_" ++ integer_to_list(N)) || N <- lists:seq(1, 50)],
    Me = self(),
    [spawn_link(fun() -> Me ! {Name, ask(old, Store, {create_store, Name, []})} end) || Name <- Names],
    [
        receive
            {Name, Reply} -> ?assertEqual({Name, ok}, {Name, Reply})
        after 30000 -> error({no_reply, Name})
        end
     || Name <- Names
    ],
    [?assertEqual({ok, 0}, append_by(Store, Name)) || Name <- Names].

%% More than a server has threads, or keeps in mind.
flood() ->
    [Creator, Reader] = Clients = [esdb_peer:start() || _ <- [1, 2]],
    Server = esdb_server:start(#{connect => [esdb_peer:node(C) || C <- Clients]}),
    [ok = esdb_peer:call(C, esdb_client, join, [default_store]) || C <- Clients],
    {ok, 0} = esdb_peer:run(Reader, fun() -> append(default_store) end),
    esdb_peer:run(Creator, fun() ->
        Worker = esdb_client:worker(old, default_store),
        Create = fun(N) -> {create_store, list_to_atom("flood_" ++ integer_to_list(N)), []} end,
        [gen_server:cast(Worker, Create(N)) || N <- lists:seq(1, 2000)],
        %% the casts have arrived before this is answered
        {error, {overloaded, _}} = ask(old, default_store, Create(0))
    end),
    Read = {get_events, default_store, <<"s">>, 0, 1000, forward},
    {ok, [_]} = esdb_peer:call(Reader, esdb_client, call, [default_store, Read]),
    esdb_server:close(Server),
    lists:foreach(fun esdb_peer:stop/1, Clients).

restart() ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    esdb_peer:run(Client, fun() ->
        ok = esdb_client:join(default_store),
        ok = ask(old, default_store, {create_store, kept, [{timeout, 7000}]}),
        {ok, 0} = append_by(default_store, kept),
        ok = ask(old, default_store, {create_store, dropped, []}),
        ok = ask(old, default_store, {remove_store, dropped})
    end),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    try
        esdb_peer:run(Client, fun() ->
            ok = esdb_client:join(default_store),
            {ok, Stores} = ask(old, default_store, {list_stores}),
            ?assertEqual([default_store, kept], lists:sort([Id || #{store_id := Id} <- Stores])),
            ?assertMatch({ok, #{timeout := 7000}}, ask(old, kept, {get_store_config, kept})),
            ?assertEqual({ok, [<<"s">>]}, ask(old, default_store, {get_streams, kept}))
        end)
    after
        esdb_server:close(Again),
        esdb_peer:stop(Client)
    end.

%% Asks a worker of Store, whatever store the request names.
ask(Generation, Store, Request) ->
    gen_server:call(esdb_client:worker(Generation, Store), Request, 30000).

append(Store) ->
    append_by(Store, Store).

append_by(Asked, Store) ->
    Event = #{event_type => <<"t">>, data => 1},
    ask(old, Asked, {append_events, Store, <<"s">>, -1, [Event]}).

workers(Store) ->
    esdb_client:workers(old, Store) ++ esdb_client:workers(new, Store).

joined(Store) ->
    esdb_wait:until(fun() -> length(workers(Store)) =:= 2 end, 5000).
