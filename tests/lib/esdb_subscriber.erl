%% A subscriber by this server's own protocol (docs/protocol.md), to a stream of numbered events. Runs on
%% a client node, in the process that gets the events.
-module(esdb_subscriber).

-export([open/3, options/2, delete/1, nack/3, status/1, call/1, append/2, events/1]).

-define(STORE, default_store).
-define(WAIT_MS, 10000).

-spec open(binary(), binary(), map()) -> term().
open(Name, Stream, Options) ->
    call({open_subscription, ?STORE, Name, options(Stream, Options)}).

%% Without heartbeats, unless they are asked for.
-spec options(binary(), map()) -> map().
options(Stream, Options) ->
    maps:merge(#{type => by_stream, selector => Stream, heartbeat => 0}, Options).

-spec delete(binary()) -> term().
delete(Name) ->
    call({delete_subscription, ?STORE, Name}).

-spec nack(binary(), term(), atom() | tuple()) -> term().
nack(Name, Positions, Fate) ->
    call({nack_subscription, ?STORE, Name, self(), Positions, Fate}).

-spec status(binary()) -> term().
status(Name) ->
    call({subscription_status, ?STORE, Name}).

-spec call(tuple()) -> term().
call(Request) ->
    esdb_client:call(new, ?STORE, Request).

%% Appends one event for each number; returns the stream.
-spec append(binary(), [term()]) -> binary().
append(Stream, Numbers) ->
    {ok, _} = esdb_client:append(?STORE, Stream, [
        #{event_type => <<"numbered">>, data => #{n => N}}
     || N <- Numbers
    ]),
    Stream.

%% Positions and numbers of the next events: so many, or what the last message has beyond them.
-spec events(integer()) -> {[non_neg_integer()], [term()]}.
events(Count) when Count =< 0 ->
    {[], []};
events(Count) ->
    receive
        {esdb_subscription, _, {events, Events}} ->
            {P, N} = lists:unzip([
                {Position, Number}
             || {Position, _, #{position := Position, data := #{n := Number}}} <- Events
            ]),
            {Ps, Ns} = events(Count - length(Events)),
            {P ++ Ps, N ++ Ns};
        {esdb_subscription, _, {closed, buffer_full}} ->
            error(closed)
    after ?WAIT_MS -> error({missing, Count})
    end.
