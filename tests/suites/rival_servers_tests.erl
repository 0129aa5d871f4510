%% Two servers that offer one store name with different data to one node would split the data of its
%% clients: the later one gives way, at all nodes, says why, and takes over when the other has gone.
-module(rival_servers_tests).
-include_lib("eunit/include/eunit.hrl").

-export([sample/2]).

-define(STORE, orders).
-define(SCOPES, [reckon_gater_pg, erl_esdb_gater_pg]).
%% a rival must have been away for net_ticktime
-define(TICKTIME, ["--net-ticktime", "4"]).

rival_servers_test_() ->
    {inparallel, 2, [
        {Title, {timeout, 60, Test}}
     || {Title, Test} <- [
            {"the later one is not offered until the other has gone", fun later/0},
            {"of two that come at once one stays", fun at_once/0},
            {"a server gives way at all nodes", fun at_all_nodes/0},
            {"a server that is there gives way to one that began at the same time", fun also_there/0},
            {"servers of one store are no rivals", fun same_store/0},
            {"a BEAM server that was there before", fun beam_server_first/0},
            {"a BEAM server that comes later", fun beam_server_later/0},
            {"several that were there before and do not answer", fun silent_first/0},
            {"a store that another server offers is not created", fun creation/0}
        ]
    ]}.

later() ->
    Client = client(),
    First = server("b", [?STORE], [Client]),
    await_offered_by([First], Client),
    Sampler = esdb_peer:run(Client, fun() -> spawn(?MODULE, sample, [?STORE, #{}]) end),
    %% neither the lesser name nor the greater one takes the place of one that is there
    Lesser = server("a", [?STORE, only_a], [Client]),
    Greater = server("c", [?STORE], [Client]),
    [await_refused(S, First) || S <- [Lesser, Greater]],
    esdb_wait:until(fun() -> [esdb_server:node(Lesser)] =:= offered_by(only_a, Client) end),
    append(Client),
    ?assertMatch({0, _}, status(First)),
    {Failed, Output} = status(Lesser),
    ?assertNotEqual(0, Failed),
    [contains(Output, Words) || Words <- ["conflict", "not offered to clients", node_name(First)]],
    ?assertEqual([esdb_server:node(First)], sampled(Client, Sampler)),
    esdb_server:close(Greater),
    0 = esdb_server:stop(First),
    await_offered_by([Lesser], Client),
    esdb_wait:until(fun() -> element(1, status(Lesser)) =:= 0 end),
    append(Client),
    %% now this one is the later one
    Again = esdb_server:restart(First),
    await_refused(Again, Lesser),
    ?assertEqual([esdb_server:node(Lesser)], offered_by(?STORE, Client)),
    close([Client], [Lesser, Again]).

%% The scope starts when both are connected. Whoever is the first to find it stays; if both are, the
%% one with the lesser name.
at_once() ->
    Client = esdb_peer:start(),
    [A, B] = Servers = [server(Prefix, [?STORE], [Client]) || Prefix <- ["a", "b"]],
    [await_connected(S, Client) || S <- Servers],
    start_scopes(Client),
    [Stays] = esdb_wait:value(
        fun() ->
            case {refused(A, B), refused(B, A)} of
                {true, false} -> {value, [B]};
                {false, true} -> {value, [A]};
                Other -> Other
            end
        end,
        10000
    ),
    await_offered_by([Stays], Client),
    append(Client),
    esdb_wait:until(fun() -> element(1, status(Stays)) =:= 0 end),
    ?assertEqual([esdb_server:node(Stays)], offered_by(?STORE, Client)),
    close([Client], Servers).

%% Each has a client of its own; then the second comes to the first one's, too.
at_all_nodes() ->
    {Clients = [One, Two], [A, B] = Servers} = meet("a", "b"),
    await_refused(B, A),
    await_offered_by([A], One),
    await_offered_by([], Two),
    close(Clients, Servers).

also_there() ->
    {Clients = [One, Two], [B, A] = Servers} = meet("b", "a"),
    await_refused(B, A),
    await_offered_by([A], One),
    await_offered_by([A], Two),
    close(Clients, Servers).

meet(FirstName, SecondName) ->
    Clients = [One, Two] = [client(), client()],
    First = server(FirstName, [?STORE], [One]),
    Second = server(SecondName, [?STORE], [Two]),
    await_offered_by([First], One),
    await_offered_by([Second], Two),
    pong = esdb_peer:call(One, net_adm, ping, [esdb_server:node(Second)]),
    {Clients, [First, Second]}.

same_store() ->
    Client = client(),
    First = server("a", [?STORE], [Client]),
    await_offered_by([First], Client),
    0 = esdb_server:stop(First),
    Copy = esdb_sandbox:dir("copy"),
    [] = os:cmd("cp -r " ++ esdb_server:dir(First) ++ " " ++ Copy),
    Again = esdb_server:restart(First),
    Second = esdb_server:start(options("b", [?STORE], [Client], #{dir => Copy})),
    await_offered_by([Again, Second], Client),
    close([Client], [Again, Second]).

beam_server_first() ->
    Clients = [Client, Other] = [client(), client()],
    pong = esdb_peer:call(Client, net_adm, ping, [esdb_peer:node(Other)]),
    Worker = beam_worker(Other),
    esdb_wait:until(fun() -> offered_by(?STORE, Client) =:= [esdb_peer:node(Other)] end),
    Server = server("a", [?STORE], [Client]),
    await_told(Server, ["not offered to clients", atom_to_list(esdb_peer:node(Other)), "no rs-esdb"]),
    ?assertEqual([esdb_peer:node(Other)], offered_by(?STORE, Client)),
    esdb_peer:run(Other, fun() -> exit(Worker, kill) end),
    await_offered_by([Server], Client),
    close(Clients, [Server]).

%% It does not know that it has to give way; the one that was there does not either, but says so.
beam_server_later() ->
    Client = client(),
    Server = server("a", [?STORE], [Client]),
    await_offered_by([Server], Client),
    _ = beam_worker(Client),
    await_told(Server, ["is split", atom_to_list(esdb_peer:node(Client)), "no rs-esdb"]),
    Both = lists:sort([esdb_server:node(Server), esdb_peer:node(Client)]),
    ?assertEqual(Both, offered_by(?STORE, Client)),
    ?assertNotEqual(0, element(1, status(Server))),
    close([Client], [Server]).

silent_first() ->
    [Client | Silent] = Clients = [client() || _ <- [1, 2, 3, 4]],
    [pong = esdb_peer:call(Client, net_adm, ping, [esdb_peer:node(S)]) || S <- Silent],
    lists:foreach(fun beam_worker/1, Silent),
    esdb_wait:until(fun() -> length(offered_by(?STORE, Client)) =:= length(Silent) end),
    Pids = [esdb_peer:call(S, os, getpid, []) || S <- Silent],
    signal("STOP", Pids),
    Server = server("a", [?STORE], [Client]),
    await_told(Server, ["not offered to clients", "does not say which"]),
    ?assertNot(lists:member(esdb_server:node(Server), offered_by(?STORE, Client))),
    signal("CONT", Pids),
    close(Clients, [Server]).

signal(Signal, Pids) ->
    [] = os:cmd("kill -" ++ Signal ++ " " ++ lists:join(" ", Pids)).

creation() ->
    Client = client(),
    A = server("a", [?STORE], [Client]),
    B = server("b", [only_b], [Client]),
    await_offered_by([A], Client),
    esdb_wait:until(fun() -> [esdb_server:node(B)] =:= offered_by(only_b, Client) end),
    %% in one scope, for one generation, means not yet in the others
    ok = esdb_peer:call(Client, esdb_client, join, [only_b]),
    Create = fun(Name) ->
        Call = [only_b, {create_store, Name, []}],
        esdb_peer:call(Client, esdb_client, call, Call)
    end,
    ?assertEqual({error, already_exists}, Create(?STORE)),
    ?assertEqual(ok, Create(another)),
    ?assertEqual(ok, esdb_peer:call(Client, esdb_client, call, [only_b, {remove_store, another}])),
    close([Client], [A, B]).

client() ->
    Client = esdb_peer:start(),
    start_scopes(Client),
    Client.

start_scopes(Client) ->
    [esdb_peer:call(Client, esdb_client, start_scope, [Scope]) || Scope <- ?SCOPES].

server(Prefix, Stores, Clients) ->
    esdb_server:start(options(Prefix, Stores, Clients, #{})).

options(Prefix, Stores, Clients, More) ->
    maps:merge(
        #{
            node => esdb_sandbox:name(Prefix),
            stores => Stores,
            connect => [esdb_peer:node(C) || C <- Clients],
            args => ?TICKTIME
        },
        More
    ).

%% A worker as a BEAM server has them, on that node.
beam_worker(Node) ->
    esdb_peer:run(Node, fun() ->
        Pid = spawn(fun() -> receive stop -> ok end end),
        ok = pg:join(reckon_gater_pg, 'reckon_gater_workers_orders', Pid),
        Pid
    end).

%% The nodes whose workers a client finds, in any group.
offered_by(Store, Client) ->
    esdb_peer:run(Client, fun() -> members(Store) end).

members(Store) ->
    lists:usort([
        node(Worker)
     || Scope <- ?SCOPES, Generation <- [old, new], Worker <- esdb_client:workers(Scope, Generation, Store)
    ]).

await_offered_by(Servers, Client) ->
    Nodes = lists:sort([esdb_server:node(S) || S <- Servers]),
    esdb_wait:until(fun() -> offered_by(?STORE, Client) =:= Nodes orelse offered_by(?STORE, Client) end, 20000).

%% Runs on a client: the nodes whose workers were ever found.
-spec sample(atom(), #{node() => []}) -> ok.
sample(Store, Seen) ->
    receive
        {seen, From} -> From ! {seen, lists:sort(maps:keys(Seen))}, ok
    after 1 -> sample(Store, maps:merge(Seen, maps:from_keys(members(Store), [])))
    end.

sampled(Client, Sampler) ->
    esdb_peer:run(Client, fun() ->
        Sampler ! {seen, self()},
        receive {seen, Nodes} -> Nodes end
    end).

await_refused(Server, Rival) ->
    esdb_wait:until(fun() -> refused(Server, Rival) end, 20000).

refused(Server, Rival) ->
    told(Server, ["not offered to clients", node_name(Server), node_name(Rival), "UUID"]).

await_told(Server, Words) ->
    esdb_wait:until(fun() -> told(Server, Words) orelse Words end).

%% Whether one line has all of it.
told(Server, Words) ->
    Has = fun(Line) -> lists:all(fun(Word) -> string:find(Line, Word) =/= nomatch end, Words) end,
    lists:any(Has, string:split(esdb_server:errors(Server), "\n", all)).

await_connected(Server, Client) ->
    Node = esdb_server:node(Server),
    esdb_wait:until(fun() -> lists:member(Node, esdb_peer:call(Client, erlang, nodes, [hidden])) end).

status(Server) ->
    esdb_server:run(["status", "--name", node_name(Server), "--cookie", esdb_sandbox:cookie()], []).

append(Client) ->
    Event = #{event_type => <<"t">>, data => 1},
    Appended = esdb_peer:call(Client, esdb_client, append, [?STORE, <<"s">>, [Event]]),
    ?assertMatch({ok, _}, Appended).

node_name(Server) ->
    atom_to_list(esdb_server:node(Server)).

contains(Text, Word) ->
    ?assertEqual({Word, Text, found}, {Word, Text, found(string:find(Text, Word))}).

found(nomatch) -> missing;
found(_) -> found.

close(Clients, Servers) ->
    lists:foreach(fun esdb_server:close/1, Servers),
    lists:foreach(fun esdb_peer:stop/1, Clients).
