%% Whoever can reach the port can send anything; the server goes on serving the others.
-module(hostile_bytes_tests).
-include_lib("eunit/include/eunit.hrl").

hostile_bytes_test_() ->
    esdb_fixture:with(
        fun() ->
            Client = esdb_peer:start(),
            Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
            ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
            {ok, Port, hidden} = esdb_epmd:lookup(esdb_server:node(Server)),
            #{client => Client, server => Server, port => Port}
        end,
        [{Title, fun(Context) -> survives(Bytes, Context) end} || {Title, Bytes} <- attacks()] ++
            [
                {"many connections that say nothing", fun silent_connections/1},
                {"a handshake that is not finished is ended", fun unfinished/1}
            ]
    ).

attacks() ->
    Random = rand:seed_s(exsss, 42),
    {Noise, _} = rand:bytes_s(100000, Random),
    Name = <<"intruder@127.0.0.1">>,
    Hello = <<$N, (16#d07df7fbd):64, 1:32, (byte_size(Name)):16, Name/binary>>,
    [
        {"noise", Noise},
        {"a web browser", <<"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n">>},
        {"an empty handshake message", <<0:16>>},
        {"a length without its bytes", <<16#ffff:16, $N>>},
        {"a name that is longer than its message", <<17:16, $N, 0:64, 1:32, 16#ffff:16, 1, 2>>},
        {"a name without a host", <<18:16, $N, 0:64, 1:32, 3:16, "bob">>},
        {"an answer to no question", <<(byte_size(Hello)):16, Hello/binary, 21:16, $r, 0:160>>},
        {"frames before the handshake is over", <<
            (byte_size(Hello)):16, Hello/binary, 16#7fffffff:32, 112, 131, 104, 255
        >>},
        {"the handshake of before OTP 23", <<12:16, $n, 5:16, 0:32, "bob@h">>}
    ].

%% Ends the connection without leaving anything running, and a good client does not notice.
survives(Bytes, Context = #{port := Port}) ->
    Socket = connect(Port),
    _ = gen_tcp:send(Socket, Bytes),
    %% the server may have hung up on it already
    _ = gen_tcp:shutdown(Socket, write),
    ?assertEqual(closed, drain(Socket)),
    served(Context).

drain(Socket) ->
    case gen_tcp:recv(Socket, 0, 10000) of
        {ok, _} -> drain(Socket);
        {error, timeout} -> timeout;
        {error, _} -> closed
    end.

%% A newcomer gets in at once, and the log does not fill with those that gave way.
silent_connections(Context = #{port := Port, server := Server}) ->
    Newcomer = esdb_peer:start(),
    Sockets = [connect(Port) || _ <- lists:seq(1, 1000)],
    Ping = [net_adm, ping, [esdb_server:node(Server)]],
    {Microseconds, Answer} = esdb_peer:call(Newcomer, timer, tc, Ping),
    ?assertEqual(pong, Answer),
    ?assert(Microseconds < 1000000),
    served(Context),
    Refusals = string:split(esdb_server:errors(Server), "refused a connection", all),
    ?assert(length(Refusals) < 40),
    esdb_peer:stop(Newcomer),
    lists:foreach(fun gen_tcp:close/1, Sockets).

unfinished(Context = #{port := Port}) ->
    Socket = connect(Port),
    ?assertEqual(closed, drain(Socket)),
    served(Context).

connect(Port) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}], 5000),
    Socket.

served(#{client := Client}) ->
    Call = [default_store, {has_events, default_store}],
    ?assertEqual(false, esdb_peer:call(Client, esdb_client, call, Call)).
