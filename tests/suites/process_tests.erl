%% Workers behave as processes do: calls in every form, monitors, links, names.
-module(process_tests).
-include_lib("eunit/include/eunit.hrl").

-define(REQUEST, {has_events, default_store}).

process_test_() ->
    esdb_fixture:on_client(#{}, [
        {"gen_server:call by pid", fun call_by_pid/1},
        {"gen_server:call by name and node", fun call_by_name/1},
        {"a call without alias, as before OTP 24", fun call_without_alias/1},
        {"a call with an alias tag", fun call_with_alias/1},
        {"calls to what does not exist exit with noproc", fun no_process/1},
        {"a reply that comes too late leaves nothing behind", fun given_up/1},
        {"monitor and demonitor", fun monitors/1},
        {"a monitor of what does not exist", fun monitor_nobody/1},
        {"messages to what does not exist are lost", fun send_nobody/1},
        {"link and unlink", fun links/1},
        {"an exit signal of a client does not harm the worker", fun exit_signal/1},
        {"a link to what does not exist", fun link_nobody/1},
        {"thousands of calls at once", fun many_calls/1}
    ]).

process_end_test_() ->
    [
        {Title, {timeout, 60, fun() -> at_the_end(End, Reasons) end}}
     || {Title, End, Reasons} <- [
            {"monitors and links learn of a stop", fun esdb_server:stop/1, [shutdown, normal]},
            {"monitors and links learn of a kill", fun esdb_server:kill/1, [noconnection]}
        ]
    ].

call_by_pid(_) ->
    [
        ?assertEqual(false, esdb_client:call(Generation, default_store, ?REQUEST))
     || Generation <- [old, new]
    ].

call_by_name(#{server := Server}) ->
    ?assertEqual(yes, gen_server:call({net_kernel, Server}, {is_auth, node()})).

call_without_alias(_) ->
    Tag = make_ref(),
    worker() ! {'$gen_call', {self(), Tag}, ?REQUEST},
    receive
        {Tag, Reply} -> ?assertEqual(false, Reply)
    after 5000 -> error(no_reply)
    end.

call_with_alias(_) ->
    Alias = monitor(process, worker(), [{alias, reply_demonitor}]),
    worker() ! {'$gen_call', {self(), [alias | Alias]}, ?REQUEST},
    receive
        {[alias | Alias], Reply} -> ?assertEqual(false, Reply)
    after 5000 -> error(no_reply)
    end,
    %% any term is a tag
    worker() ! {'$gen_call', {self(), {my, "tag", 1}}, ?REQUEST},
    receive
        {{my, "tag", 1}, Again} -> ?assertEqual(false, Again)
    after 5000 -> error(no_reply)
    end.

no_process(#{server := Server}) ->
    ?assertExit({noproc, _}, gen_server:call({no_such_name, Server}, ?REQUEST)),
    ?assertExit({noproc, _}, gen_server:call(nobody(), ?REQUEST)).

given_up(_) ->
    [
        try
            gen_server:call(worker(), {read_all_global, default_store, 0, 10}, 0)
        catch
            exit:{timeout, _} -> ok
        end
     || _ <- lists:seq(1, 100)
    ],
    ?assertEqual(false, gen_server:call(worker(), ?REQUEST)),
    receive
        Message -> error({left_behind, Message})
    after 50 -> ok
    end.

monitors(_) ->
    Monitor = monitor(process, worker()),
    ?assert(demonitor(Monitor, [info])),
    Other = monitor(process, worker()),
    ?assertEqual(false, gen_server:call(worker(), ?REQUEST)),
    receive
        Message -> error({unexpected, Message})
    after 50 -> demonitor(Other, [flush])
    end.

monitor_nobody(#{server := Server}) ->
    [
        begin
            Monitor = monitor(process, Target),
            receive
                {'DOWN', Monitor, process, _, Reason} -> ?assertEqual(noproc, Reason)
            after 5000 -> error({not_told, Target})
            end
        end
     || Target <- [nobody(), {no_such_name, Server}]
    ].

send_nobody(#{server := Server}) ->
    nobody() ! hello,
    {no_such_name, Server} ! hello,
    {rex, Server} ! hello,
    {net_kernel, Server} ! {'$gen_call', not_a_caller, x},
    ?assertEqual(false, gen_server:call(worker(), ?REQUEST)).

links(_) ->
    process_flag(trap_exit, true),
    true = link(worker()),
    true = unlink(worker()),
    true = link(worker()),
    ?assertEqual(false, gen_server:call(worker(), ?REQUEST)),
    true = unlink(worker()),
    receive
        Message -> error({unexpected, Message})
    after 50 -> ok
    end.

exit_signal(_) ->
    {Pid, Monitor} = spawn_monitor(fun() ->
        true = link(worker()),
        exit(crashed)
    end),
    receive
        {'DOWN', Monitor, process, Pid, crashed} -> ok
    end,
    exit(worker(), some_reason),
    ?assertEqual(false, gen_server:call(worker(), ?REQUEST)).

link_nobody(_) ->
    process_flag(trap_exit, true),
    Pid = nobody(),
    true = link(Pid),
    receive
        {'EXIT', Pid, Reason} -> ?assertEqual(noproc, Reason)
    after 5000 -> error(not_told)
    end.

many_calls(_) ->
    Callers = [
        spawn_monitor(fun() ->
            exit({replies, [gen_server:call(worker(), ?REQUEST) || _ <- [1, 2, 3]]})
        end)
     || _ <- lists:seq(1, 2000)
    ],
    [
        receive
            {'DOWN', Monitor, process, Pid, Reason} ->
                ?assertEqual({replies, [false, false, false]}, Reason)
        end
     || {Pid, Monitor} <- Callers
    ].

%% A process on the client that monitors a worker and is linked to it tells what it hears.
at_the_end(End, Reasons) ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
    Listener = esdb_peer:run(Client, fun() ->
        {Pid, _} = spawn_monitor(fun listen/0),
        Pid ! {ready, self()},
        receive
            {Pid, ready} -> Pid
        end
    end),
    _ = End(Server),
    {Down, Exit} = esdb_peer:run(Client, fun() ->
        Listener ! {heard, self()},
        receive
            {Listener, Down, Exit} -> {Down, Exit}
        after 10000 -> error(not_told)
        end
    end),
    ?assert(lists:member(Down, Reasons)),
    ?assert(lists:member(Exit, Reasons)),
    esdb_server:close(Server),
    esdb_peer:stop(Client).

listen() ->
    process_flag(trap_exit, true),
    Worker = worker(),
    Monitor = monitor(process, Worker),
    true = link(Worker),
    %% the server has seen both when it answers this
    false = gen_server:call(Worker, ?REQUEST),
    receive
        {ready, Starter} -> Starter ! {self(), ready}
    end,
    receive
        {'DOWN', Monitor, process, Worker, Down} -> ok
    end,
    receive
        {'EXIT', Worker, Exit} -> ok
    end,
    receive
        {heard, Asker} -> Asker ! {self(), Down, Exit}
    end.

worker() ->
    esdb_client:worker(old, default_store).

%% A pid of the server that no process has: the worker's, with another number.
nobody() ->
    <<131, 88, Rest/binary>> = term_to_binary(worker()),
    Size = byte_size(Rest) - 12,
    <<Node:Size/binary, _Id:32, Serial:32, Creation:32>> = Rest,
    binary_to_term(<<131, 88, Node/binary, 32767:32, Serial:32, Creation:32>>).
