%% Appends under way on a client node: each writer has a stream of its own, gives its events ids, repeats
%% what was not acknowledged, and notes each acknowledgement in a file, which outlives the node.
-module(esdb_writers).

-export([start/2, await/3, stop/1, check/2]).
-export([write/3]).

-define(WRITERS, 8).
%% between attempts, as the published clients wait at least
-define(RETRY_MS, 100).

-type writers() :: #{peer := esdb_peer:peer(), store := atom(), dir := file:filename()}.
-export_type([writers/0]).

%% Begins, or goes on where writers of the same store on that node have ended.
-spec start(esdb_peer:peer(), atom()) -> writers().
start(Peer, Store) ->
    Dir = esdb_sandbox:dir_for("writers", esdb_peer:node(Peer)),
    ok = filelib:ensure_dir(filename:join(Dir, "x")),
    esdb_peer:run(Peer, fun() ->
        Group = spawn(fun() ->
            register(?MODULE, self()),
            [spawn_link(?MODULE, write, [Dir, Store, W]) || W <- lists:seq(1, ?WRITERS)],
            receive
                stop -> exit(shutdown)
            end
        end),
        esdb_wait:until(fun() -> whereis(?MODULE) =:= Group end)
    end),
    #{peer => Peer, store => Store, dir => Dir}.

%% Waits until every writer has had Count acknowledgements after the time Since; returns how long
%% after it, in milliseconds, the last writer got its first one.
-spec await(writers(), integer(), pos_integer()) -> non_neg_integer().
await(#{dir := Dir}, Since, Count) ->
    Times = fun(W) -> [T || {_, T} <- acknowledged(Dir, W), T > Since] end,
    esdb_wait:value(
        fun() ->
            All = [Times(W) || W <- lists:seq(1, ?WRITERS)],
            case lists:min([length(Ts) || Ts <- All]) >= Count of
                true -> {value, lists:max([hd(Ts) || Ts <- All]) - Since};
                false -> [length(Ts) || Ts <- All]
            end
        end,
        20000
    ).

-spec stop(writers()) -> ok.
stop(#{peer := Peer}) ->
    esdb_peer:run(Peer, fun() ->
        ?MODULE ! stop,
        esdb_wait:until(fun() -> whereis(?MODULE) =:= undefined end)
    end).

%% That each stream holds, once and in order, every event that was acknowledged, and at most one more,
%% whose acknowledgement was on its way. Events is what reads a stream.
-spec check(writers(), fun((binary()) -> [EventId :: binary()])) -> ok.
check(#{dir := Dir}, Read) ->
    lists:foreach(
        fun(W) ->
            Acknowledged = [N || {N, _} <- acknowledged(Dir, W)],
            Count = length(Acknowledged),
            Stored = Read(stream(W)),
            {W, Acknowledged} = {W, lists:seq(0, Count - 1)},
            {W, Stored} = {W, [id(W, N) || N <- lists:seq(0, length(Stored) - 1)]},
            {W, true} = {W, length(Stored) - Count =:= 0 orelse length(Stored) - Count =:= 1}
        end,
        lists:seq(1, ?WRITERS)
    ).

%% Runs on the client node.
-spec write(file:filename(), atom(), pos_integer()) -> no_return().
write(Dir, Store, W) ->
    First = length(acknowledged(Dir, W)),
    {ok, File} = file:open(file(Dir, W), [append, raw]),
    write(File, Store, W, First).

write(File, Store, W, N) ->
    Event = #{event_type => <<"t">>, data => N, event_id => id(W, N)},
    ok = append(Store, stream(W), Event, N),
    ok = file:write(File, io_lib:format("~b ~b~n", [N, erlang:system_time(millisecond)])),
    write(File, Store, W, N + 1).

append(Store, Stream, Event, N) ->
    try esdb_client:append(Store, Stream, any, [Event]) of
        {ok, N} -> ok;
        {error, {store_stopped, _}} -> append_again(Store, Stream, Event, N)
    catch
        %% no worker is known
        error:badarg -> append_again(Store, Stream, Event, N);
        exit:{_, {gen_server, call, _}} -> append_again(Store, Stream, Event, N)
    end.

append_again(Store, Stream, Event, N) ->
    receive
    after ?RETRY_MS -> append(Store, Stream, Event, N)
    end.

%% Numbers and times, in order; a line that was cut off is none.
acknowledged(Dir, W) ->
    case file:read_file(file(Dir, W)) of
        {ok, Bytes} ->
            Lines = lists:droplast(binary:split(Bytes, <<"\n">>, [global])),
            [list_to_tuple([binary_to_integer(F) || F <- binary:split(L, <<" ">>)]) || L <- Lines];
        {error, enoent} ->
            []
    end.

file(Dir, W) -> filename:join(Dir, integer_to_list(W)).
stream(W) -> <<"stream-", (integer_to_binary(W))/binary>>.
id(W, N) -> iolist_to_binary(io_lib:format("~b-~b", [W, N])).
