%% A client as the published ones do it: a pg scope of its own, workers looked up by group, one
%% gen_server call per request. Everything here runs on a client node.
-module(esdb_client).

-export([join/1, join/2, start_scope/1, workers/2, workers/3, worker/2, call/2, call/3]).
-export([append/3, append/4, events/2, events/3]).

-type generation() :: old | new.
-export_type([generation/0]).

-define(SCOPE, reckon_gater_pg).
-define(JOIN_MS, 10000).
%% the published clients' call timeout
-define(CALL_MS, 5000).

%% Starts the scope and waits until the server's workers of both generations are seen in it.
-spec join(atom()) -> ok.
join(Store) ->
    join(?SCOPE, Store).

-spec join(atom(), atom()) -> ok.
join(Scope, Store) ->
    start_scope(Scope),
    esdb_wait:until(
        fun() ->
            workers(Scope, old, Store) =/= [] andalso workers(Scope, new, Store) =/= []
        end,
        ?JOIN_MS
    ).

%% Starts a pg scope that survives the calling process, as the published clients' does.
-spec start_scope(atom()) -> pid().
start_scope(Scope) ->
    case pg:start(Scope) of
        {ok, Pid} -> Pid;
        {error, {already_started, Pid}} -> Pid
    end.

-spec workers(generation(), atom()) -> [pid()].
workers(Generation, Store) ->
    workers(?SCOPE, Generation, Store).

-spec workers(atom(), generation(), atom()) -> [pid()].
workers(Scope, Generation, Store) ->
    pg:get_members(Scope, group(Generation, Store)).

-spec worker(generation(), atom()) -> pid().
worker(Generation, Store) ->
    hd(workers(Generation, Store)).

%% Sends a request, whose second element is the store, to a worker of the old group.
-spec call(atom(), tuple()) -> term().
call(Store, Request) ->
    call(old, Store, Request).

-spec call(generation(), atom(), tuple()) -> term().
call(Generation, Store, Request) ->
    gen_server:call(worker(Generation, Store), Request, ?CALL_MS).

-spec append(atom(), binary(), [map()]) -> term().
append(Store, Stream, Events) ->
    call(Store, {append_events, Store, Stream, Events}).

-spec append(atom(), binary(), term(), [map()]) -> term().
append(Store, Stream, Expected, Events) ->
    call(Store, {append_events, Store, Stream, Expected, Events}).

%% All events of a stream, in order.
-spec events(atom(), binary()) -> [tuple()].
events(Store, Stream) ->
    events(old, Store, Stream).

-spec events(generation(), atom(), binary()) -> [tuple()].
events(Generation, Store, Stream) ->
    {ok, Events} = call(Generation, Store, {get_events, Store, Stream, 0, 1000000, forward}),
    Events.

group(old, Store) -> list_to_atom("esdb_gater_workers_" ++ atom_to_list(Store));
group(new, Store) -> list_to_atom("reckon_gater_workers_" ++ atom_to_list(Store)).
