%% What an earlier version left on disk is read by this one, event by event: see fixtures/README.md.
-module(format_fixture_tests).
-include_lib("eunit/include/eunit.hrl").

format_fixture_test_() ->
    Names = format_fixture:files(),
    [
        {"there are some", ?_assertNotEqual([], Names)}
        | [{filename:basename(Name), {timeout, 60, fun() -> opens(Name) end}} || Name <- Names]
    ].

opens(Name) ->
    Dir = esdb_sandbox:dir(filename:basename(Name)),
    ok = format_fixture:unpack(Name, Dir),
    {0, _} = esdb_server:run(["verify", Dir], []),
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{dir => Dir, stores => [other], connect => [esdb_peer:node(Client)]}),
    ok = esdb_peer:call(Client, esdb_client, join, ['Fixture-ü']),
    Expected = format_fixture:expected(Name),
    ?assertEqual(Expected, esdb_peer:run(Client, fun format_fixture:listing/0)),
    %% also when it has been written anew
    0 = esdb_server:stop(Server),
    {0, _} = esdb_server:run(["verify", Dir], []),
    Again = esdb_server:restart(Server),
    ok = esdb_peer:call(Client, esdb_client, join, ['Fixture-ü']),
    ?assertEqual(Expected, esdb_peer:run(Client, fun format_fixture:listing/0)),
    esdb_server:close(Again),
    esdb_peer:stop(Client).
