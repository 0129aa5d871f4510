%% Reads across streams: all events, by type, by tag; and what stores and streams there are.
-module(queries_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, shop).
-define(EMPTY, 'an empty Store').

queries_test_() ->
    esdb_fixture:with(fun start/0, [
        {Title, fun(#{client := Client}) ->
            esdb_peer:run(Client, fun() -> [Test(Generation) || Generation <- [old, new]] end)
        end}
     || {Title, Test} <- [
            {"get_streams answers names, sorted and unique", fun streams/1},
            {"read_all_global reads in the order of commit, from an offset", fun all_global/1},
            {"read_by_event_types reads any of the types", fun types/1},
            {"no event types means all", fun no_types/1},
            {"atoms and binaries are different types", fun atom_types/1},
            {"read_by_tags, any", fun any_tag/1},
            {"read_by_tags, all", fun all_tags/1},
            {"no tags means no events", fun no_tags/1},
            {"has_events answers a bare boolean", fun has_events/1},
            {"an empty store", fun empty_store/1},
            {"list_stores describes every store", fun list_stores/1}
        ]
    ]).

%% Numbered 0 to 29 in the order of commit, over three streams.
start() ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{
        stores => [?STORE, ?EMPTY], connect => [esdb_peer:node(Client)]
    }),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    ok = esdb_peer:call(Client, esdb_client, join, [?EMPTY]),
    [
        {ok, _} = esdb_peer:call(Client, esdb_client, append, [?STORE, stream(N), [event(N)]])
     || N <- lists:seq(0, 29)
    ],
    #{client => Client, server => Server}.

stream(N) -> lists:nth(1 + N rem 3, [<<"c">>, <<"a">>, <<"b">>]).

event(N) ->
    Tagged = #{
        0 => #{tags => [<<"even">>, <<"four">>]},
        2 => #{tags => [<<"even">>]},
        1 => #{tags => []},
        3 => #{}
    },
    Type = lists:nth(1 + N rem 5, [<<"placed">>, <<"paid">>, <<"sent">>, placed, <<"returned">>]),
    maps:merge(#{event_type => Type, data => N}, maps:get(N rem 4, Tagged)).

streams(Generation) ->
    Reply = esdb_client:call(Generation, ?STORE, {get_streams, ?STORE}),
    ?assertEqual({ok, [<<"a">>, <<"b">>, <<"c">>]}, Reply).

all_global(Generation) ->
    Read = fun(Offset, Limit) -> read(Generation, {read_all_global, ?STORE, Offset, Limit}) end,
    ?assertEqual(lists:seq(0, 29), Read(0, 1000)),
    ?assertEqual(lists:seq(0, 6), Read(0, 7)),
    ?assertEqual(lists:seq(23, 29), Read(23, 7)),
    ?assertEqual([29], Read(29, 10)),
    ?assertEqual([], Read(30, 10)),
    ?assertEqual([], Read(1 bsl 62, 10)).

types(Generation) ->
    Read = fun(Types, Limit) ->
        read(Generation, {read_by_event_types, ?STORE, Types, Limit})
    end,
    ?assertEqual([0, 5, 10, 15, 20, 25], Read([<<"placed">>], 1000)),
    ?assertEqual([1, 4, 6, 9, 11], Read([<<"returned">>, <<"paid">>], 5)),
    ?assertEqual([1, 6, 11, 16, 21, 26], Read([<<"paid">>, <<"paid">>], 100)),
    ?assertEqual([2, 7, 12, 17, 22, 27], Read([<<"sent">>, <<"no such type">>], 100)),
    ?assertEqual([], Read([<<"no such type">>], 100)).

no_types(Generation) ->
    ?assertEqual(
        lists:seq(0, 9), read(Generation, {read_by_event_types, ?STORE, [], 10})
    ).

atom_types(Generation) ->
    ?assertEqual(
        [3, 8, 13, 18, 23, 28], read(Generation, {read_by_event_types, ?STORE, [placed], 100})
    ).

any_tag(Generation) ->
    Read = fun(Tags, Limit) -> read(Generation, {read_by_tags, ?STORE, Tags, any, Limit}) end,
    ?assertEqual([N || N <- lists:seq(0, 29), N rem 2 =:= 0], Read([<<"even">>], 1000)),
    ?assertEqual([0, 2, 4], Read([<<"four">>, <<"even">>], 3)),
    ?assertEqual([0, 4, 8, 12, 16, 20, 24, 28], Read([<<"four">>, <<"none such">>], 1000)),
    ?assertEqual([], Read([<<"none such">>], 1000)).

all_tags(Generation) ->
    Read = fun(Tags, Limit) -> read(Generation, {read_by_tags, ?STORE, Tags, all, Limit}) end,
    ?assertEqual([0, 4, 8, 12, 16, 20, 24, 28], Read([<<"even">>, <<"four">>], 1000)),
    ?assertEqual([0, 4], Read([<<"four">>, <<"even">>], 2)),
    ?assertEqual([], Read([<<"even">>, <<"none such">>], 1000)).

no_tags(Generation) ->
    [?assertEqual([], read(Generation, {read_by_tags, ?STORE, [], M, 10})) || M <- [any, all]].

has_events(Generation) ->
    ?assertEqual(true, esdb_client:call(Generation, ?STORE, {has_events, ?STORE})).

empty_store(Generation) ->
    Call = fun(Request) -> esdb_client:call(Generation, ?EMPTY, Request) end,
    ?assertEqual(false, Call({has_events, ?EMPTY})),
    ?assertEqual({ok, []}, Call({get_streams, ?EMPTY})),
    ?assertEqual({ok, []}, Call({read_all_global, ?EMPTY, 0, 10})),
    ?assertEqual({ok, []}, Call({read_by_event_types, ?EMPTY, [], 10})),
    %% the store in the request counts, whichever store's worker got it
    ?assertEqual(true, Call({has_events, ?STORE})).

list_stores(Generation) ->
    {ok, Stores} = esdb_client:call(Generation, ?STORE, {list_stores}),
    ?assertEqual([?EMPTY, ?STORE], lists:sort([maps:get(store_id, S) || S <- Stores])),
    Worker = esdb_client:worker(Generation, ?STORE),
    [
        begin
            Keys = [data_dir, mode, node, registered_at, store_id, timeout],
            ?assertEqual(Keys, lists:sort(maps:keys(S))),
            ?assertEqual(node(Worker), maps:get(node, S))
        end
     || S <- Stores
    ].

read(Generation, Request) ->
    {ok, Events} = esdb_client:call(Generation, ?STORE, Request),
    [?assertEqual(stream(element(6, E)), element(4, E)) || E <- Events],
    [element(6, E) || E <- Events].
