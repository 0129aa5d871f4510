%% Records what real BEAM nodes say, for the tests that change a byte here and there and look what
%% happens: `handshake.txt` holds the messages of both sides of a handshake between two of them,
%% `frames.txt` one frame of each sort that a client sends to the server, `requests.txt` the requests
%% in them, terms without version byte. A line is a name and bytes in hexadecimal digits.
%%
%% Whatever the server chose anew at its start is replaced: its creation by 1, the numbers of the worker
%% of the old group, of that of the new group and of the scope process by 100, 101 and 102.
-module(recorder).

-export([main/1]).

-define(COOKIE, "recorded").
-define(OLD, 'esdb_gater_workers_default_store').
-define(NEW, 'reckon_gater_workers_default_store').

main([Folder]) ->
    esdb_main:run(fun() ->
        write(filename:join(Folder, "handshake.txt"), handshake()),
        Frames = frames(),
        write(filename:join(Folder, "frames.txt"), Frames),
        write(filename:join(Folder, "requests.txt"), lists:append([request(F) || {_, F} <- Frames])),
        true
    end).

write(File, Items) ->
    Lines = [[Name, $\s, digits(Bytes), $\n] || {Name, Bytes} <- Items],
    ok = file:write_file(File, Lines),
    esdb_print:line("~ts: ~b recorded", [File, length(Items)]).

digits(Bytes) ->
    [io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= Bytes].

%% The messages of two BEAM nodes.
handshake() ->
    Acceptor = peer('acceptor@127.0.0.1', []),
    {Proxy, Dialler} = behind_proxy(Acceptor),
    pong = esdb_peer:call(Dialler, net_adm, ping, [esdb_peer:node(Acceptor)]),
    {First, Second} = recorder_proxy:said(Proxy),
    {[Name, Reply], _} = packets(First, 2, []),
    {[Status, Challenge, Ack], _} = packets(Second, 3, []),
    lists:foreach(fun esdb_peer:stop/1, [Dialler, Acceptor]),
    [
        {"name", Name},
        {"status", Status},
        {"challenge", Challenge},
        {"reply", Reply},
        {"ack", Ack}
    ].

peer(Node, Args) ->
    esdb_peer:start(#{node => Node, cookie => ?COOKIE, args => Args}).

behind_proxy(Other) when is_map_key(control, Other) ->
    behind_proxy(esdb_peer:node(Other));
behind_proxy(Node) ->
    {ok, Port, _} = esdb_epmd:lookup(Node),
    {Proxy, Mine} = recorder_proxy:start(Port),
    Args = ["-env", "RECORDER_PORT", integer_to_list(Mine), "-epmd_module", "recorder_proxy"],
    {Proxy, peer('client@127.0.0.1', Args)}.

packets(Rest, 0, Found) ->
    {lists:reverse(Found), Rest};
packets(<<Size:16, Packet:Size/binary, Rest/binary>>, Count, Found) ->
    packets(Rest, Count - 1, [Packet | Found]).

%% One frame of each sort that a client sends.
frames() ->
    Server = esdb_server:start(#{node => 'server@127.0.0.1', cookie => ?COOKIE}),
    {Proxy, Client} = behind_proxy(esdb_server:node(Server)),
    Pids = esdb_peer:run(Client, fun() -> recorder_client:speak(esdb_server:node(Server)) end),
    {Said, _} = recorder_proxy:said(Proxy),
    esdb_peer:stop(Client),
    esdb_server:close(Server),
    {_, Frames} = packets(Said, 2, []),
    {_, Sorts} = lists:foldl(fun keep/2, {#{}, []}, split(anonymous(Frames, Pids))),
    lists:reverse(Sorts).

split(<<0:32, Rest/binary>>) -> split(Rest);
split(<<Size:32, Frame:Size/binary, Rest/binary>>) -> [Frame | split(Rest)];
split(_) -> [].

%% The first of each sort.
keep(Frame, {Seen, Sorts}) ->
    Sort = lists:flatten(sort(Frame)),
    case Seen of
        #{Sort := _} -> {Seen, Sorts};
        #{} -> {Seen#{Sort => true}, [{Sort, Frame} | Sorts]}
    end.

sort(<<112, Terms/binary>>) ->
    {Control, Used} = binary_to_term(Terms, [used]),
    Message =
        case Terms of
            <<_:Used/binary>> -> "";
            <<_:Used/binary, Rest/binary>> -> sort_of_message(binary_to_term(Rest))
        end,
    [integer_to_list(element(1, Control)), to(Control), Message].

to({6, _, _, Name}) -> ["_", atom_to_list(Name)];
to({16, _, _, Name, _}) -> ["_", atom_to_list(Name)];
to({19, _, Name, _}) when is_atom(Name) -> "_name";
to({29, _, _, _, {_, Function, _}, Options}) -> io_lib:format("_~s_~0p", [Function, Options]);
to(_) -> "".

sort_of_message({'$gen_call', _, Request}) -> ["_call_", label(Request)];
sort_of_message({'$gen_cast', Request}) -> ["_cast_", label(Request)];
sort_of_message(Message) -> ["_", label(Message)].

label(Tuple) when is_tuple(Tuple), is_atom(element(1, Tuple)) ->
    [atom_to_list(element(1, Tuple)), "_", integer_to_list(tuple_size(Tuple))];
label(Atom) when is_atom(Atom) -> atom_to_list(Atom);
label(List) when is_list(List) -> "list";
label(_) -> "term".

%% The request in a call of a worker.
request(<<112, Terms/binary>>) ->
    {Control, Used} = binary_to_term(Terms, [used]),
    case {element(1, Control), Terms} of
        {22, <<_:Used/binary, Message/binary>>} -> request_of(binary_to_term(Message));
        _ -> []
    end.

request_of({'$gen_call', _, Request}) ->
    <<131, Bytes/binary>> = term_to_binary(Request, [{minor_version, 2}]),
    [{atom_to_list(element(1, Request)), Bytes}];
request_of(_) ->
    [].

%% The server's pids with other numbers, in their external form; the first one with number 100.
anonymous(Bytes, Pids) ->
    Numbered = lists:zip(Pids, lists:seq(100, 99 + length(Pids))),
    lists:foldl(
        fun({Pid, Number}, All) ->
            <<131, Raw/binary>> = term_to_binary(Pid, [{minor_version, 2}]),
            Size = byte_size(Raw) - 12,
            <<Node:Size/binary, _:64, Creation:4/binary>> = Raw,
            Other = <<Node/binary, Number:32, 0:32, Creation/binary>>,
            Renamed = binary:replace(All, Raw, Other, [global]),
            binary:replace(Renamed, Creation, <<1:32>>, [global])
        end,
        Bytes,
        Numbered
    ).
