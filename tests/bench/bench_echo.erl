%% The yardstick: a gen_server on a BEAM node that takes the same requests as the event store, does
%% nothing with them, and gives replies of the same form and size.
-module(bench_echo).
-behaviour(gen_server).

-export([start/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-spec start() -> ok.
start() ->
    {ok, _} = gen_server:start({local, ?MODULE}, ?MODULE, [], []),
    ok.

init([]) -> {ok, []}.

%% `keep` gives it the events that every read returns.
handle_call({append_events, _, _, _}, _, Events) -> {reply, {ok, 1}, Events};
handle_call({stream_forward, _, _, _, _}, _, Events) -> {reply, {ok, Events}, Events};
handle_call(transfer_1000, _, Events) -> {reply, {ok, thousand(Events)}, Events};
handle_call({keep, Events}, _, _) -> {reply, ok, Events}.

handle_cast(_, Events) -> {noreply, Events}.

%% sends what it keeps, so many times, as a subscription would
handle_info({send, To, Times}, Events) ->
    [To ! {events, Events} || _ <- lists:seq(1, Times)],
    {noreply, Events}.

thousand(Events) ->
    lists:append(lists:duplicate(1000 div length(Events), Events)).
