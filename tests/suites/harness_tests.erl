%% The harness itself: what it starts ends, and a failure is seen.
-module(harness_tests).
-include_lib("eunit/include/eunit.hrl").

a_command_reports_its_lines_and_status_test() ->
    Command = esdb_command:start("/bin/sh", ["-c", "echo one; echo two; exit 3"], #{}),
    ?assertEqual(3, esdb_command:await_exit(Command, 5000)),
    ?assertEqual(["one", "two"], esdb_command:output(Command)),
    esdb_command:close(Command).

a_command_dies_with_its_holder_test() ->
    Command = esdb_command:start("/bin/sh", ["-c", "echo up; exec sleep 1000"], #{}),
    {ok, "up"} = esdb_command:await_line(Command, "up", 5000),
    Path = "/proc/" ++ esdb_command:os_pid(Command),
    ?assert(filelib:is_dir(Path)),
    exit(Command, kill),
    esdb_wait:until(fun() -> not filelib:is_dir(Path) end).

peers_form_a_cluster_without_the_suite_test() ->
    One = esdb_peer:start(),
    Two = esdb_peer:start(),
    ?assertEqual(pong, esdb_peer:call(One, net_adm, ping, [esdb_peer:node(Two)])),
    ?assertEqual([esdb_peer:node(One)], esdb_peer:call(Two, erlang, nodes, [])),
    ?assertEqual([], nodes()),
    ok = esdb_peer:kill(One),
    esdb_wait:until(fun() -> esdb_peer:call(Two, erlang, nodes, []) =:= [] end),
    ok = esdb_peer:stop(Two).

a_stopped_peer_goes_on_when_its_test_ends_test() ->
    Peer = esdb_peer:start(),
    {Pid, Monitor} = spawn_monitor(fun() -> ok = esdb_peer:signal(Peer, "STOP") end),
    receive
        {'DOWN', Monitor, process, Pid, normal} -> ok
    end,
    ?assertEqual(esdb_peer:node(Peer), esdb_peer:call(Peer, erlang, node, [])),
    ok = esdb_peer:stop(Peer).

a_wait_ends_at_its_deadline_test() ->
    ?assertError({not_in_time, 50, false}, esdb_wait:until(fun() -> false end, 50)).
