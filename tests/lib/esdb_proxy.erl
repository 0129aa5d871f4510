%% One direction of dialling through an esdb_cable: whoever connects here is connected with the target.
-module(esdb_proxy).
-behaviour(gen_server).

-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(HOST, {127, 0, 0, 1}).
%% closing means a reset
-define(OPTIONS, [binary, {active, false}, {nodelay, true}, {linger, {true, 0}}]).

%% State is 0 while the cable is whole; Target tells where to connect to, as esdb_epmd:lookup/2 does.
init({State, Target}) ->
    process_flag(trap_exit, true),
    {ok, Listener} = gen_tcp:listen(0, [{ip, ?HOST}, {backlog, 100} | ?OPTIONS]),
    Proxy = self(),
    _ = spawn_link(fun() -> accept(Listener, State, Target, Proxy) end),
    {ok, Port} = inet:port(Listener),
    {ok, #{port => Port, listener => Listener, links => []}}.

handle_call(port, _From, Proxy = #{port := Port}) ->
    {reply, Port, Proxy};
handle_call({add, Link}, _From, Proxy = #{links := Links}) ->
    {reply, ok, Proxy#{links := [Link | Links]}};
handle_call(reset, _From, Proxy = #{links := Links}) ->
    [exit(Link, kill) || Link <- Links],
    {reply, ok, Proxy#{links := []}}.

handle_cast(_, Proxy) ->
    {noreply, Proxy}.

handle_info(_, Proxy) ->
    {noreply, Proxy}.

accept(Listener, State, Target, Proxy) ->
    Socket = or_end(gen_tcp:accept(Listener)),
    Link = spawn(fun() ->
        receive
            begin_now -> link(Socket, State, Target)
        end
    end),
    ok = gen_tcp:controlling_process(Socket, Link),
    ok = gen_server:call(Proxy, {add, Link}),
    Link ! begin_now,
    accept(Listener, State, Target, Proxy).

%% Ends when either side closes; both sockets are closed with it.
link(Near, State, Target) ->
    case atomics:get(State, 1) =:= 0 andalso Target() of
        {ok, Port, _} ->
            Far = or_end(gen_tcp:connect(?HOST, Port, ?OPTIONS, 5000)),
            _ = spawn_link(fun() -> pump(Far, Near, State) end),
            pump(Near, Far, State);
        error ->
            ok;
        false ->
            swallow(Near)
    end.

pump(From, To, State) ->
    Bytes = or_end(gen_tcp:recv(From, 0)),
    _ = atomics:get(State, 1) =:= 0 andalso gen_tcp:send(To, Bytes),
    pump(From, To, State).

swallow(Socket) ->
    _ = or_end(gen_tcp:recv(Socket, 0)),
    swallow(Socket).

or_end({ok, Value}) -> Value;
or_end({error, _}) -> exit(closed).
