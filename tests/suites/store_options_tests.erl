%% What a store's options, given when it is created, change for its clients, in both generations.
-module(store_options_tests).
-include_lib("eunit/include/eunit.hrl").

-define(ID, "0123456789abcdef0123456789abcdef").

store_options_test_() ->
    [
        esdb_fixture:on_client(#{}, of_a_store()),
        {"options are the same after a restart", {timeout, 60, fun kept/0}}
    ].

of_a_store() ->
    [
        {"an expected version of 0 on an empty stream", fun zero/1},
        {"the format of stream ids", fun stream_ids/1},
        {"snapshots as records", fun snapshots/1},
        {"subscriptions as records", fun subscriptions/1},
        {"a value that makes no sense is refused", fun refused/1}
    ].

zero(Context) ->
    Outcomes = fun(Options) ->
        Store = created(Context, zero, Options),
        Outcome = [append(G, Store, atom_to_binary(G), 0) || G <- [old, new]],
        removed(Context, Store),
        Outcome
    end,
    Conflict = {error, {wrong_expected_version, -1}},
    NewConflict = {error, {wrong_expected_version, 0, -1}},
    ?assertEqual([{ok, 0}, NewConflict], Outcomes([])),
    ?assertEqual([{ok, 0}, {ok, 0}], Outcomes([{zero_matches_empty, true}])),
    ?assertEqual([Conflict, NewConflict], Outcomes(#{zero_matches_empty => false})).

stream_ids(Context) ->
    Store = created(Context, strict, #{stream_ids => strict}),
    Good = [<<"order-", ?ID>>, <<"$link:hot">>],
    [?assertEqual({ok, 0}, append(G, Store, <<Id/binary>>, -1)) || {G, Id} <- lists:zip([old, new], Good)],
    Bad = [
        {<<>>, empty}, {order, not_binary}, {<<"order">>, malformed_user_id},
        {<<"Order-", ?ID>>, malformed_user_id}, {<<"order-", ?ID, "0">>, malformed_user_id},
        {<<(binary:copy(<<"a">>, 33))/binary, "-", ?ID>>, malformed_user_id},
        {<<"$link">>, malformed_system_id}, {<<"$:x">>, malformed_system_id}
    ],
    [
        begin
            ?assertEqual({error, {invalid_stream_id, Why, Id}}, append(new, Store, Id, any)),
            %% these clients would ask again for an error that they do not know
            ?assertMatch({error, {stream_not_found, {invalid_request, _}}}, append(old, Store, Id, any))
        end
     || {Id, Why} <- Bad
    ],
    {ok, Streams} = esdb_client:call(default_store, {get_streams, Store}),
    ?assertEqual(lists:sort(Good), Streams),
    removed(Context, Store).

%% As the published servers keep them: what the client gave, unwrapped by nobody.
snapshots(Context) ->
    Store = created(Context, records, #{records => true}),
    Wrapper = #{data => #{n => 1}, metadata => #{}, timestamp => 5},
    ok = esdb_client:call(default_store, {record_snapshot, Store, <<"src">>, <<"s">>, 3, Wrapper}),
    Read = {read_snapshot, Store, <<"src">>, <<"s">>, 3},
    List = {list_snapshots, Store, <<"src">>, <<"s">>},
    {ok, Old} = esdb_client:call(old, default_store, Read),
    ?assertMatch({snapshot, <<"s">>, 3, Wrapper, #{}, _}, Old),
    ?assertEqual({ok, [Old]}, esdb_client:call(old, default_store, List)),
    {ok, New} = esdb_client:call(new, default_store, Read),
    ?assertMatch({snapshot, <<"s">>, 3, Wrapper, #{}, _, undefined, undefined}, New),
    ?assertEqual({ok, [New]}, esdb_client:call(new, default_store, List)),
    removed(Context, Store).

subscriptions(Context) ->
    Store = created(Context, records, [{records, true}]),
    Save = {save_subscription, Store, by_stream, <<"$all">>, <<"n">>, 7, self()},
    {ok, Id} = esdb_client:call(new, default_store, Save),
    {ok, [Subscription]} = esdb_client:call(default_store, {get_subscriptions, Store}),
    ?assertMatch(
        {subscription, Id, by_stream, <<"$all">>, <<"n">>, Me, At, 1, 7, #{start_from := 7}} when
            Me =:= self() andalso is_integer(At),
        Subscription
    ),
    %% a single one is a map everywhere
    {ok, One} = esdb_client:call(default_store, {get_subscription, Store, <<"n">>}),
    ?assertMatch(#{subscription_name := <<"n">>}, One),
    removed(Context, Store).

refused(#{store := Store}) ->
    [
        ?assertMatch(
            {error, {stream_not_found, {invalid_request, _}}},
            esdb_client:call(G, Store, {create_store, refused, Options})
        )
     || G <- [old, new],
        Options <- [[{zero_matches_empty, 1}], #{stream_ids => loose}, #{records => yes}]
    ],
    {error, not_found} = esdb_client:call(Store, {get_store_status, refused}).

kept() ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
    Create = {create_store, strict, [{stream_ids, strict}]},
    ok = esdb_peer:call(Client, esdb_client, call, [default_store, Create]),
    ok = esdb_server:kill(Server),
    Again = esdb_server:restart(Server),
    ok = esdb_peer:call(Client, esdb_client, join, [strict]),
    Append = {append_events, strict, <<"s">>, any, [#{event_type => <<"t">>, data => 1}]},
    ?assertMatch(
        {error, {invalid_stream_id, malformed_user_id, <<"s">>}},
        esdb_peer:call(Client, esdb_client, call, [new, strict, Append])
    ),
    esdb_server:close(Again),
    esdb_peer:stop(Client).

created(#{store := Any}, Store, Options) ->
    ok = esdb_client:call(Any, {create_store, Store, Options}),
    Store.

removed(#{store := Any}, Store) ->
    ok = esdb_client:call(Any, {remove_store, Store}).

%% Whatever store is named, any worker answers.
append(Generation, Store, Stream, Expected) ->
    Event = #{event_type => <<"t">>, data => 1},
    esdb_client:call(Generation, default_store, {append_events, Store, Stream, Expected, [Event]}).
