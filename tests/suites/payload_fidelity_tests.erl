%% Data and metadata are any term, and come back byte for byte.
-module(payload_fidelity_tests).
-include_lib("eunit/include/eunit.hrl").

-export([deep/1, adder/1]).

payload_fidelity_test_() ->
    esdb_fixture:on_client(#{}, [
        {Title, fun(#{store := Store}) -> round_trip(Store, Title, Make()) end}
     || {Title, Make} <- terms()
    ] ++ [
        {"funs still run", fun funs_run/1},
        {"all of it in one batch", fun one_batch/1}
    ]).

terms() ->
    [
        {"atoms", fun() -> ['', a, 'Ünïcödé ⓔ', list_to_atom(lists:duplicate(255, 233)), nil] end},
        {"integers", fun() ->
            [0, -1, 255, 256, -256, 1 bsl 31 - 1, 1 bsl 31, -(1 bsl 31), -(1 bsl 31) - 1]
        end},
        {"big integers", fun() ->
            [1 bsl 63, -(1 bsl 64), 1 bsl 2040 - 1, 1 bsl 2040, -(1 bsl 20000) - 7]
        end},
        {"floats", fun() -> [0.0, -0.0, 1.5, -1.0e-308, 5.0e-324, 1.7976931348623157e308] end},
        {"binaries", fun() -> [<<>>, <<0>>, binary:copy(<<1, 2, 255>>, 100000)] end},
        {"bit strings", fun() -> [<<1:1>>, <<0:13>>, <<255, 1:7>>] end},
        {"a part of a binary", fun() -> binary:part(binary:copy(<<7>>, 1000), 100, 300) end},
        {"lists of bytes", fun() -> [[1, 2, 3], [255, 254], lists:duplicate(70000, 9)] end},
        {"lists of small negative numbers", fun() -> [[-1, -2], [256, 1], [0]] end},
        {"improper lists", fun() -> [[a | b], [1, 2 | 3], [<<"x">> | #{}]] end},
        {"the empty list", fun() -> [] end},
        {"tuples", fun() -> {{}, {1}, list_to_tuple(lists:seq(1, 300))} end},
        {"maps with any keys", fun() ->
            #{1 => a, 1.0 => b, "s" => c, <<"b">> => d, {t} => e, #{} => f, [] => g, -1 => h}
        end},
        {"large maps", fun() -> maps:from_list([{{key, N}, N} || N <- lists:seq(1, 2000)]) end},
        {"structs", fun() ->
            #{'__struct__' => 'Elixir.My.Event', id => nil, at => #{'__struct__' => 'Elixir.Date'}}
        end},
        {"pids", fun() -> [self(), esdb_client:worker(old, default_store)] end},
        {"ports", fun() -> hd(erlang:ports()) end},
        {"references", fun() -> [make_ref(), alias()] end},
        {"local funs", fun() -> [adder(3), fun() -> ok end] end},
        {"external funs", fun() -> [fun lists:map/2, fun nowhere:nothing/255] end},
        {"deep lists", fun() -> deep(100000) end},
        {"deep tuples and maps", fun() ->
            lists:foldl(fun(N, T) -> {N, #{k => T}} end, end_of_it, lists:seq(1, 10000))
        end},
        {"records", fun() -> {event, <<"id">>, undefined, [{a, 1} | '$end']} end}
    ].

-spec deep(non_neg_integer()) -> list().
deep(Depth) ->
    lists:foldl(fun(_, Inner) -> [Inner] end, [], lists:seq(1, Depth)).

-spec adder(integer()) -> fun((integer()) -> integer()).
adder(A) ->
    fun(B) -> A + B end.

%% Compared as bytes, because -0.0 =:= 0.0 and because the same map can be written in several orders.
round_trip(Store, Title, Term) ->
    Stream = list_to_binary(Title),
    Event = #{event_type => <<"t">>, data => Term, metadata => {meta, Term}},
    {ok, 0} = esdb_client:append(Store, Stream, [Event]),
    [Read] = esdb_client:events(Store, Stream),
    ?assert(term_to_binary(Term) =:= term_to_binary(element(6, Read))),
    ?assert(term_to_binary({meta, Term}) =:= term_to_binary(element(7, Read))),
    ?assert(Term =:= element(6, Read)).

funs_run(#{store := Store}) ->
    Funs = [adder(40), fun lists:sum/1],
    {ok, 0} = esdb_client:append(Store, <<"funs">>, [#{event_type => <<"t">>, data => Funs}]),
    [Read] = esdb_client:events(Store, <<"funs">>),
    [Add, Sum] = element(6, Read),
    ?assertEqual({42, 6}, {Add(2), Sum([1, 2, 3])}).

one_batch(#{store := Store}) ->
    Terms = [Make() || {_, Make} <- terms()],
    Events = [#{event_type => <<"t">>, data => T} || T <- Terms],
    {ok, _} = esdb_client:append(Store, <<"one batch">>, Events),
    Read = [element(6, E) || E <- esdb_client:events(Store, <<"one batch">>)],
    ?assert(term_to_binary(Terms) =:= term_to_binary(Read)).
