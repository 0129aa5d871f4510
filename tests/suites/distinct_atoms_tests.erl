%% The names that clients make up cost the server nothing that stays, however many they are: a BEAM
%% node would have a million atoms more, for ever.
-module(distinct_atoms_tests).
-include_lib("eunit/include/eunit.hrl").

-define(MIB, 1048576).
-define(KEYS, 700000).
-define(TYPES, 200000).
-define(NAMES, 50000).

distinct_atoms_test_() ->
    esdb_fixture:with(
        fun() ->
            Client = esdb_peer:start(#{args => ["+t", "3000000"]}),
            Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
            ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
            #{client => Client, server => Server}
        end,
        [{"a million", fun a_million/1}]
    ).

a_million(#{client := Client, server := Server}) ->
    %% what is needed for the first requests is there
    Small = esdb_peer:run(Client, fun() -> [part(N, 1000) || N <- [2000, 2001]] end),
    ?assertEqual([ok, ok], Small),
    Before = resident(Server),
    Parts = lists:seq(0, 99),
    [ok = esdb_peer:run(Client, fun() -> part(N, 1) end) || N <- Parts],
    Grown = resident(Server) - Before,
    ?assert(Grown < 48 * ?MIB, Grown),
    ?assertEqual(false, esdb_peer:call(Client, esdb_client, call, [default_store, {has_events, default_store}])).

%% The `Number`th hundredth of all atoms, or one `Share`th of that.
part(Number, Share) ->
    Atoms = fun(Sort, Count) ->
        [binary_to_atom(<<Sort/binary, "_", (integer_to_binary(Number))/binary, "_", (integer_to_binary(N))/binary>>) ||
            N <- lists:seq(1, Count div 100 div Share)]
    end,
    Store = default_store,
    Worker = esdb_client:worker(old, Store),
    %% keys of an event that has no type
    Keys = maps:from_list([{Key, 1} || Key <- Atoms(<<"key">>, ?KEYS)]),
    {error, {stream_not_found, {invalid_event, _}}} =
        gen_server:call(Worker, {append_events, Store, <<"s">>, [Keys#{data => 1}]}),
    %% types that no event has
    [
        {ok, []} = gen_server:call(Worker, {read_by_event_types, Store, Types, 10})
     || Types <- thousands(Atoms(<<"type">>, ?TYPES))
    ],
    %% stores that are not there, and requests that nobody knows
    [gen_server:cast(Worker, {has_events, Name}) || Name <- Atoms(<<"store">>, ?NAMES)],
    [gen_server:cast(Worker, {Name, Store}) || Name <- Atoms(<<"request">>, ?NAMES)],
    false = gen_server:call(Worker, {has_events, Store}),
    ok.

thousands(List) when length(List) =< 1000 -> [List];
thousands(List) ->
    {First, Rest} = lists:split(1000, List),
    [First | thousands(Rest)].

%% Bytes of memory that the server has.
resident(Server) ->
    {ok, Status} = file:read_file("/proc/" ++ esdb_server:os_pid(Server) ++ "/status"),
    {match, [Kilobytes]} = re:run(Status, "VmRSS:\\s+(\\d+) kB", [{capture, all_but_first, list}]),
    list_to_integer(Kilobytes) * 1024.
