%% The port mapper's protocol, as far as tests look at it from outside.
-module(esdb_epmd).

-export([register/2, register/3, lookup/1, lookup/2, names/0]).

%% Registers a node that does not exist otherwise. It stays known as long as the socket is open.
-spec register(node(), inet:port_number()) -> gen_tcp:socket().
register(Node, Port) ->
    register(esdb_sandbox:epmd_port(), Node, Port).

%% As register/2, at the port mapper on EpmdPort.
-spec register(inet:port_number(), node(), inet:port_number()) -> gen_tcp:socket().
register(EpmdPort, Node, Port) ->
    Name = alive(Node),
    Socket = request(
        EpmdPort,
        <<120, Port:16, 77, 0, 6:16, 5:16, (byte_size(Name)):16, Name/binary, 0:16>>
    ),
    {ok, <<118, 0, _Creation:32>>} = gen_tcp:recv(Socket, 6, 5000),
    Socket.

%% Where a node listens, and whether it is registered as a hidden one.
-spec lookup(node()) -> {ok, inet:port_number(), hidden | normal} | error.
lookup(Node) ->
    lookup(esdb_sandbox:epmd_port(), Node).

%% As lookup/1, at the port mapper on EpmdPort.
-spec lookup(inet:port_number(), node()) -> {ok, inet:port_number(), hidden | normal} | error.
lookup(EpmdPort, Node) ->
    Socket = request(EpmdPort, <<122, (alive(Node))/binary>>),
    {ok, Answer} = receive_all(Socket, <<>>),
    case Answer of
        <<119, 0, Port:16, 72, _/binary>> -> {ok, Port, hidden};
        <<119, 0, Port:16, 77, _/binary>> -> {ok, Port, normal};
        <<119, _>> -> error
    end.

%% The names that are registered.
-spec names() -> [binary()].
names() ->
    {ok, <<_Port:32, Text/binary>>} = receive_all(request(esdb_sandbox:epmd_port(), <<110>>), <<>>),
    [lists:nth(2, string:lexemes(Line, " ")) || Line <- string:lexemes(Text, "\n")].

request(EpmdPort, Request) ->
    Options = [binary, {active, false}, {packet, raw}],
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, EpmdPort, Options, 5000),
    ok = gen_tcp:send(Socket, <<(byte_size(Request)):16, Request/binary>>),
    Socket.

receive_all(Socket, Received) ->
    case gen_tcp:recv(Socket, 0, 5000) of
        {ok, Bytes} -> receive_all(Socket, <<Received/binary, Bytes/binary>>);
        {error, closed} -> {ok, Received}
    end.

alive(Node) ->
    hd(binary:split(atom_to_binary(Node), <<"@">>)).
