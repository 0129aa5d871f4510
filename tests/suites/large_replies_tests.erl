%% Large answers, many at once or one beyond all measure, never cost a node its connection: all its
%% other users would lose theirs.
-module(large_replies_tests).
-include_lib("eunit/include/eunit.hrl").

-define(MIB, 1024 * 1024).
-define(STREAM, <<"large">>).

large_replies_test_() ->
    esdb_fixture:on_client(#{}, [
        {"many large answers at once", fun many_at_once/1},
        {"an answer that is too large is refused, and said to be so", fun beyond_measure/1}
    ]).

%% More than the 256 MiB that may wait for one node.
many_at_once(#{store := Store, server := Server}) ->
    [append(Store) || _ <- lists:seq(1, 16)],
    Connection = connection(Server),
    Readers = [
        spawn_monitor(fun() -> exit({read, read(old, Store, 16)}) end) || _ <- lists:seq(1, 40)
    ],
    [
        receive
            {'DOWN', Monitor, process, Pid, Reason} -> ?assertEqual({read, {ok, 16}}, Reason)
        end
     || {Pid, Monitor} <- Readers
    ],
    ?assert(is_process_alive(Connection)).

beyond_measure(#{store := Store, server := Server}) ->
    [append(Store) || _ <- lists:seq(1, 272)],
    Connection = connection(Server),
    %% not dressed as `stream_not_found`: reckon_evoq takes that for an empty stream
    ?assertMatch({error, {too_large, _}}, read(old, Store, 1000)),
    ?assertMatch({error, {invalid_filter, {too_large, _}}}, read(new, Store, 1000)),
    %% in smaller pieces all of it can be read
    ?assertEqual({ok, 8}, read(old, Store, 8)),
    ?assert(is_process_alive(Connection)).

append(Store) ->
    Event = #{event_type => <<"t">>, data => binary:copy(<<7>>, ?MIB)},
    {ok, _} = esdb_client:append(Store, ?STREAM, [Event]).

%% An answer that cannot leave in time never does: clients ask again then.
read(Generation, Store, Count) ->
    try
        read_once(Generation, Store, Count)
    catch
        exit:{timeout, _} -> read(Generation, Store, Count)
    end.

read_once(Generation, Store, Count) ->
    Worker = esdb_client:worker(Generation, Store),
    case gen_server:call(Worker, {stream_forward, Store, ?STREAM, 0, Count}, 5000) of
        {ok, Events} -> {ok, length(Events)};
        Refused -> Refused
    end.

%% A process that ends when the connection does.
connection(Server) ->
    spawn(fun() ->
        true = erlang:monitor_node(Server, true),
        receive
            {nodedown, Server} -> ok
        end
    end).
