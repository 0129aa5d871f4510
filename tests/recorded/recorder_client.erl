%% A client that says everything a client can say to the server. Runs on a client node.
-module(recorder_client).

-export([speak/1]).

-define(STORE, default_store).

%% Returns the server's worker in the old group, that in the new group, and its scope process.
-spec speak(node()) -> [pid()].
speak(Server) ->
    pong = net_adm:ping(Server),
    ok = esdb_client:join(?STORE),
    [Old, New] = [esdb_client:worker(Generation, ?STORE) || Generation <- [old, new]],
    [Scope] = maps:keys(element(4, sys:get_state(reckon_gater_pg))),
    groups(),
    requests(Old),
    requests(New),
    messages(Old, Server),
    links(Old),
    remote_calls(Server),
    traced(Old, Server),
    %% all has been taken once this is answered
    true = gen_server:call(Old, {has_events, ?STORE}),
    [Old, New, Scope].

groups() ->
    ok = pg:join(reckon_gater_pg, a_group, [self(), self()]),
    ok = pg:join(reckon_gater_pg, another_group, self()),
    ok = pg:leave(reckon_gater_pg, another_group, self()),
    %% a second scope, and one that ends while it is monitored
    Second = esdb_client:start_scope(erl_esdb_gater_pg),
    esdb_wait:until(fun() -> pg:which_groups(erl_esdb_gater_pg) =/= [] end),
    exit(Second, kill).

requests(Worker) ->
    Call = fun(Request) -> gen_server:call(Worker, Request) end,
    Stream = <<"orders-1">>,
    {ok, _} = Call({append_events, ?STORE, Stream, [event(N) || N <- lists:seq(1, 3)]}),
    {ok, _} = Call({append_events, ?STORE, Stream, any, [every_term()]}),
    {error, _} = Call({append_events, ?STORE, Stream, 17, [event(4)]}),
    [
        Call(list_to_tuple([Name, ?STORE | Arguments]))
     || {Name, Arguments} <- [
            {get_events, [Stream, 0, 10, forward]},
            {stream_forward, [Stream, 0, 10]},
            {stream_backward, [Stream, 10, 10]},
            {get_version, [Stream]},
            {get_streams, []},
            {read_by_event_types, [[<<"placed">>, shipped], 10]},
            {read_by_tags, [[<<"eu">>, <<"vip">>], any, 10]},
            {read_all_global, [0, 10]},
            {has_events, []},
            {delete_stream, [<<"orders-2">>]},
            {save_subscription, [by_stream, Stream, <<"a name">>, 0, self()]},
            {ack_event, [Stream, <<"a name">>, self(), event(1)]},
            {remove_subscription, [by_stream, Stream, <<"a name">>]},
            {open_subscription, [<<"mine">>, options()]},
            {ack_subscription, [<<"mine">>, self(), {up_to, 1}]},
            {nack_subscription, [<<"mine">>, self(), [2, 3], {park, #{why => broken}}]},
            {subscription_window, [<<"mine">>, self(), 10]},
            {await_position, [<<"mine">>, 1, 1000]},
            {reset_subscription, [<<"mine">>, 0]},
            {replay_parked, [<<"mine">>, all]},
            {close_subscription, [<<"mine">>, self()]},
            {delete_subscription, [<<"mine">>]},
            {record_snapshot, [<<"source">>, Stream, 1, #{data => #{total => 1}}]},
            {read_snapshot, [<<"source">>, Stream, 1]},
            {list_snapshots, [any, any]},
            {delete_snapshot, [<<"source">>, Stream, 1]},
            {create_store, [[{timeout, 5000}]]},
            {get_store_status, []},
            {get_store_config, []}
        ]
    ],
    {ok, _} = Call({list_stores}),
    {error, not_found} = Call({remove_store, no_store}),
    ok.

options() ->
    #{
        type => by_event_payload,
        selector => #{<<"order">> => {gt, 1}, price => '_'},
        start_from => origin,
        window => 10,
        max_consumers => 2,
        max_attempts => 3,
        buffer => 100,
        when_full => drop_oldest,
        warn_at => 50,
        heartbeat => 1000
    }.

event(N) ->
    #{
        event_id => <<"id-", (integer_to_binary(N))/binary>>,
        event_type => <<"placed">>,
        data => #{<<"order">> => N, price => 19.99, lines => [#{sku => <<"a">>, count => 1}]},
        metadata => #{correlation_id => <<"c">>, causation_id => <<"d">>},
        tags => [<<"eu">>, <<"vip">>]
    }.

every_term() ->
    #{
        <<"event_type">> => shipped,
        data => [
            atom, 1, -1, 300, 1 bsl 70, -(1 bsl 2000), 1.5, "string", [1000 | tail], <<>>, <<1:3>>,
            {}, {1, [], #{}}, #{#{a => 1} => [b], {c} => 'é', 1 => 1.0}, self(), make_ref(),
            hd(erlang:ports()), fun lists:map/2, fun() -> self() end, list_to_atom("ö")
        ],
        data_content_type => <<"text/plain">>
    }.

messages(Worker, Server) ->
    ok = gen_server:cast(Worker, {append_events, ?STORE, <<"orders-3">>, [event(9)]}),
    Worker ! hello,
    {rex, Server} ! hello,
    {nobody, Server} ! hello,
    Monitor = monitor(process, {nobody, Server}),
    receive
        {'DOWN', Monitor, process, _, noproc} -> ok
    end,
    Other = monitor(process, Worker),
    true = demonitor(Other, [flush]),
    true = group_leader(self(), Worker),
    ok.

links(Worker) ->
    true = link(Worker),
    true = unlink(Worker),
    true = exit(Worker, shutdown),
    {Pid, Monitor} = spawn_monitor(fun() ->
        link(Worker),
        exit({a_reason, [1, 2, 3]})
    end),
    receive
        {'DOWN', Monitor, process, Pid, {a_reason, _}} -> ok
    end.

remote_calls(Server) ->
    Server = rpc:call(Server, erlang, node, []),
    {badrpc, _} = rpc:call(Server, application, which_applications, []),
    {badrpc, _} = rpc:block_call(Server, lists, seq, [1, 3]),
    true = rpc:cast(Server, lists, seq, [1, 3]),
    ok = erpc:cast(Server, lists, seq, [1, 3]),
    Server = erpc:call(Server, erlang, node, []),
    _ = erpc:send_request(Server, erlang, node, []),
    _ = gen_server:call({rex, Server}, {call, erlang, node, [], group_leader()}),
    _ = gen_server:cast({rex, Server}, {cast, erlang, node, [], group_leader()}),
    Options = [[], [link], [monitor], [{reply, no}], [{reply, error_only}, link, monitor]],
    process_flag(trap_exit, true),
    [spawn_request(Server, lists, seq, [1, 3], Each) || Each <- Options],
    ok.

%% The same with a trace token, which any message without one takes away.
traced(Worker, Server) ->
    Traced = fun(Act) ->
        seq_trace:set_token(label, 17),
        seq_trace:set_token(send, true),
        Act(),
        seq_trace:set_token([])
    end,
    Traced(fun() -> gen_server:call(Worker, {get_streams, ?STORE}) end),
    Traced(fun() -> gen_server:cast(Worker, {get_streams, ?STORE}) end),
    Traced(fun() -> Worker ! hello end),
    Traced(fun() -> {rex, Server} ! hello end),
    Traced(fun() -> exit(Worker, shutdown) end),
    Traced(fun() -> erpc:call(Server, erlang, node, []) end),
    {Pid, Monitor} = spawn_monitor(fun() ->
        link(Worker),
        Traced(fun() -> exit(a_reason) end)
    end),
    receive
        {'DOWN', Monitor, process, Pid, a_reason} -> ok
    end.
