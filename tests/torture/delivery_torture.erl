%% One subscription to everything while the server and the subscribers are killed, again and again: no
%% gap, no event out of order within its stream, nothing again that was acknowledged.
-module(delivery_torture).

-export([main/1, run/1]).

-define(FINISH_MS, 60000).

-type options() :: #{
    events := pos_integer(),
    server_kills := non_neg_integer(),
    subscriber_kills := non_neg_integer(),
    acks := boolean(),
    protocol => published | own,
    seed := integer()
}.

%% Arguments: EVENTS SERVER_KILLS SUBSCRIBER_KILLS.
-spec main([string()]) -> no_return().
main(Arguments) ->
    [Events, ServerKills, SubscriberKills] = [list_to_integer(A) || A <- Arguments],
    Seed = erlang:system_time(millisecond) rem 1000000,
    Options = #{events => Events, server_kills => ServerKills, seed => Seed},
    esdb_main:run(fun() ->
        _ = run(Options#{subscriber_kills => SubscriberKills, acks => true}),
        %% a process that ends takes what it has not looked at with it: nobody kills this one
        _ = run(Options#{subscriber_kills => 0, acks => false}),
        Own = Options#{protocol => own},
        _ = run(Own#{subscriber_kills => SubscriberKills, acks => true}),
        true
    end).

%% Runs inside a sandbox, until all kills have been made and all events have arrived. Prints the
%% figures, and answers them; raises what was wrong.
-spec run(options()) -> #{atom() => term()}.
run(Options = #{events := Events, acks := Acks, seed := Seed}) ->
    Client = esdb_peer:start(),
    Server = remember(esdb_server:start(#{connect => [esdb_peer:node(Client)]})),
    rand:seed(exsss, {Seed, 0, 0}),
    try
        ok = esdb_peer:call(Client, esdb_client, join, [default_store]),
        Protocol = maps:get(protocol, Options, published),
        Load = #{events => Events, writers => 10, acks => Acks, protocol => Protocol},
        ok = esdb_peer:call(Client, delivery_load, start, [Load]),
        #{server_kills := ServerKills, subscriber_kills := SubscriberKills} = Options,
        kill_on(kills(ServerKills, SubscriberKills), Client, Server, Events),
        esdb_wait:until(fun() -> all_arrived(Client) end, ?FINISH_MS + Events div 10),
        Figures = figures(Client),
        print(Options, Figures),
        Figures
    after
        esdb_peer:stop(Client),
        esdb_server:close(get(server))
    end.

%% The server that runs now, for the end of the test, whatever ends it.
remember(Server) ->
    put(server, Server),
    Server.

kills(Servers, Subscribers) ->
    Kills = lists:duplicate(Servers, server) ++ lists:duplicate(Subscribers, subscriber),
    [Kill || {_, Kill} <- lists:sort([{rand:uniform(), Kill} || Kill <- Kills])].

%% The kills are spread over the arrival of the events.
kill_on(Kills, Client, Server, Events) ->
    Step = Events div (length(Kills) + 2),
    lists:foldl(
        fun({N, Kill}, Current) ->
            After = N * Step + rand:uniform(Step),
            esdb_wait:until(
                fun() -> maps:get(received, figures(Client)) >= After end, ?FINISH_MS + Step div 10
            ),
            kill(Kill, Client, Current)
        end,
        Server,
        lists:zip(lists:seq(0, length(Kills) - 1), Kills)
    ).

kill(server, _, Server) ->
    ok = esdb_server:kill(Server),
    remember(esdb_server:restart(Server));
kill(subscriber, Client, Server) ->
    ok = esdb_peer:call(Client, delivery_load, kill_subscriber, []),
    Server.

all_arrived(Client) ->
    #{total := Total, received := Received} = figures(Client),
    Received =:= Total.

figures(Client) ->
    Figures = esdb_peer:call(Client, delivery_load, figures, []),
    case Figures of
        #{wrong := none} -> Figures;
        #{wrong := Wrong} -> error({delivery, Wrong, Figures})
    end.

print(Options = #{server_kills := Servers, subscriber_kills := Subscribers, acks := Acks}, Figures) ->
    #{received := Received, messages := Messages, repeated := Repeated} = Figures,
    esdb_print:line(
        "delivery, ~w protocol, acknowledged ~w: ~b server kills, ~b subscriber kills, ~b events in ~b messages, "
        "no gap, none out of order; ~b came again",
        [maps:get(protocol, Options, published), Acks, Servers, Subscribers, Received, Messages, Repeated]
    ).
