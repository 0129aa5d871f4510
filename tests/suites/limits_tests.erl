%% What clients and other nodes may use up is limited; each limit can be configured, and says what it is
%% when it is exceeded, while everybody else goes on.
-module(limits_tests).
-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
-define(MIB, (1024 * 1024)).

limits_test_() ->
    [
        esdb_fixture:with(fun start/0, [
            {"bytes of an event", fun event/1},
            {"bytes of a frame", fun frame/1},
            {"bytes of an answer", fun answer/1},
            {"memory for a node that does not read", fun node_that_does_not_read/1},
            {"reads that wait for their turn", fun reads/1},
            {"connections", fun connections/1},
            {"time for a handshake", fun handshake/1}
        ]),
        {"limits that make no sense are refused, and named", {timeout, 60, fun refusals/0}},
        {"limits in a file and in the environment", {timeout, 60, fun other_places/0}}
    ].

start() ->
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{
        connect => [esdb_peer:node(Client)],
        args => [
            "--max-event-mib", "1", "--max-frame-mib", "2", "--max-queued-mib", "8",
            "--max-connections", "2", "--handshake-seconds", "1"
        ]
    }),
    ok = esdb_peer:call(Client, esdb_client, join, [?STORE]),
    #{client => Client, server => Server}.

event(Context) ->
    ?assertMatch({ok, _}, append(Context, old, 1, ?MIB - 1000)),
    refused(append(Context, old, 1, ?MIB + 1000), append(Context, new, 1, ?MIB + 1000), "1048576").

frame(Context) ->
    ?assertMatch({ok, _}, append(Context, old, 2, ?MIB - 1000)),
    refused(append(Context, old, 3, ?MIB - 1000), append(Context, new, 3, ?MIB - 1000), "2097152").

answer(Context) ->
    [{ok, _} = append(Context, old, 1, ?MIB - 1000) || _ <- lists:seq(1, 8)],
    ?assertMatch({ok, [_, _, _, _]}, read(Context, 4)),
    {error, {too_large, Text}} = read(Context, 1000),
    contains(Text, "6 MiB").

%% 2,000 answers of 512 KiB are asked for, and not one of them is read.
node_that_does_not_read(Context = #{client := Client, server := Server}) ->
    Half = #{event_type => <<"t">>, data => binary:copy(<<1>>, ?MIB div 2)},
    {ok, 0} = esdb_peer:call(Client, esdb_client, append, [?STORE, <<"half">>, [Half]]),
    Deaf = esdb_peer:start(),
    pong = esdb_peer:call(Deaf, net_adm, ping, [esdb_server:node(Server)]),
    ok = esdb_peer:call(Deaf, esdb_client, join, [?STORE]),
    Before = peak_memory(Server),
    ok = esdb_peer:run(Deaf, fun() ->
        Request = {get_events, ?STORE, <<"half">>, 0, 1, forward},
        Worker = esdb_client:worker(old, ?STORE),
        lists:foreach(fun(_) -> gen_server:send_request(Worker, Request) end, lists:seq(1, 2000))
    end),
    ok = esdb_peer:signal(Deaf, "STOP"),
    [?assertMatch({ok, _}, append(Context, old, 1, 100)) || _ <- lists:seq(1, 200)],
    Used = peak_memory(Server) - Before,
    ?assert(Used < 64 * 1024),
    ok = esdb_peer:signal(Deaf, "CONT"),
    esdb_peer:stop(Deaf),
    esdb_wait:until(fun() -> connected(Server) =:= 1 end).

%% In KiB.
peak_memory(Server) ->
    {ok, Status} = file:read_file("/proc/" ++ esdb_server:os_pid(Server) ++ "/status"),
    {match, [Peak]} = re:run(Status, "VmHWM:\\s+(\\d+) kB", [{capture, all_but_first, list}]),
    list_to_integer(Peak).

%% Of more reads than can wait some are refused, at once; then all is as before.
reads(#{client := Client}) ->
    esdb_peer:run(Client, fun() ->
        Event = fun(Tag) -> #{event_type => <<"t">>, data => 1, tags => [Tag]} end,
        Batch = lists:append(lists:duplicate(500, [Event(<<"a">>), Event(<<"b">>)])),
        [{ok, _} = esdb_client:append(?STORE, <<"tagged">>, any, Batch) || _ <- lists:seq(1, 5)],
        %% takes time, and has a short answer
        Request = {read_by_tags, ?STORE, [<<"a">>, <<"b">>], all, 1000},
        {ok, []} = esdb_client:call(?STORE, Request),
        Worker = esdb_client:worker(old, ?STORE),
        Tag = make_ref(),
        [Worker ! {'$gen_call', {self(), Tag}, Request} || _ <- lists:seq(1, 30000)],
        ?assertMatch({overloaded, _}, refusal(Tag)),
        esdb_wait:until(fun() -> {ok, []} =:= esdb_client:call(?STORE, Request) end)
    end).

refusal(Tag) ->
    receive
        {Tag, {ok, []}} -> refusal(Tag);
        {Tag, {error, Reason}} -> Reason
    after 10000 -> none
    end.

connections(Context = #{server := Server}) ->
    Ping = [net_adm, ping, [esdb_server:node(Server)]],
    [Second, Third] = [esdb_peer:start(), esdb_peer:start()],
    ?assertEqual(pong, erlang:apply(esdb_peer, call, [Second | Ping])),
    ?assertEqual(pang, erlang:apply(esdb_peer, call, [Third | Ping])),
    said(Server, [atom_to_list(esdb_peer:node(Third)), "2 connections, and no more are allowed"]),
    ?assertMatch({ok, _}, append(Context, old, 1, 1)),
    esdb_peer:stop(Second),
    esdb_wait:until(fun() -> erlang:apply(esdb_peer, call, [Third | Ping]) =:= pong end),
    esdb_peer:stop(Third).

handshake(Context = #{server := Server}) ->
    {ok, Port, hidden} = esdb_epmd:lookup(esdb_server:node(Server)),
    {Microseconds, Closed} = timer:tc(fun() ->
        {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}], 5000),
        gen_tcp:recv(Socket, 0, 4000)
    end),
    ?assertEqual({error, closed}, Closed),
    ?assert(Microseconds > 900000),
    said(Server, ["the handshake took too long"]),
    ?assertMatch({ok, _}, append(Context, old, 1, 1)).

refusals() ->
    Start = ["start", "--data-dir", esdb_sandbox:dir("d"), "--cookie", "c"],
    [
        begin
            {Status, Output} = esdb_server:run(Start ++ Args, []),
            ?assertNotEqual({0, Args}, {Status, Args}),
            contains(Output, Words)
        end
     || {Args, Words} <- [
            {["--max-event-mib", "0"], "max_event_mib = 0: give 1 to 1024 MiB"},
            {["--max-frame-mib", "1025"], "max_frame_mib = 1025"},
            {["--max-frame-mib", "64"], "more than max_event_mib, which is 64"},
            {["--max-queued-frames", "1"], "max_queued_frames = 1"},
            {["--max-queued-mib", "0"], "max_queued_mib = 0"},
            {["--max-connections", "0"], "max_connections = 0"},
            {["--max-handshakes", "0"], "max_handshakes = 0"},
            {["--handshake-seconds", "0"], "handshake_seconds = 0: give 1 to 3600 seconds"}
        ]
    ].

other_places() ->
    File = esdb_sandbox:dir("config") ++ ".toml",
    ok = file:write_file(File, "max_event_mib = 2\nmax_frame_mib = 2\n"),
    Start = ["start", "--data-dir", esdb_sandbox:dir("d"), "--cookie", "c", "--config", File],
    {_, OfFile} = esdb_server:run(Start, []),
    contains(OfFile, "max_frame_mib = 2"),
    {_, OfEnvironment} = esdb_server:run(Start, [{"RS_ESDB_MAX_FRAME_MIB", "1"}]),
    contains(OfEnvironment, "max_frame_mib = 1").

%% The error says the limit, in the shape that each generation does not retry.
refused(Old, New, Limit) ->
    {error, {stream_not_found, {too_large, OldText}}} = Old,
    [contains(Text, Limit) || Text <- [OldText, iolist_to_binary(io_lib:format("~p", [New]))]].

append(#{client := Client}, Generation, Count, Size) ->
    esdb_peer:run(Client, fun() ->
        Event = #{event_type => <<"t">>, data => binary:copy(<<0>>, Size)},
        Request = {append_events, ?STORE, <<"s">>, any, lists:duplicate(Count, Event)},
        esdb_client:call(Generation, ?STORE, Request)
    end).

read(#{client := Client}, Count) ->
    Request = {get_events, ?STORE, <<"s">>, 0, Count, forward},
    esdb_peer:call(Client, esdb_client, call, [?STORE, Request]).

%% How many nodes are connected, as the log says.
connected(Server) ->
    Lines = string:split(esdb_server:errors(Server), "\n", all),
    Up = [L || L <- Lines, string:find(L, " connected dialled=") =/= nomatch],
    Down = [L || L <- Lines, string:find(L, "@127.0.0.1 lost: ") =/= nomatch],
    length(Up) - length(Down).

said(Server, Words) ->
    Has = fun(Line) -> lists:all(fun(Word) -> string:find(Line, Word) =/= nomatch end, Words) end,
    esdb_wait:until(fun() ->
        lists:any(Has, string:split(esdb_server:errors(Server), "\n", all)) orelse Words
    end).

contains(Text, Word) ->
    ?assertNotEqual({nomatch, Word, Text}, {string:find(Text, Word), Word, Text}).
