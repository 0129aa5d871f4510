%% Processes of a client node that keep a store busy with appends, whatever becomes of the connection.
-module(esdb_busy).

-export([start/2, stop/1]).

-define(PROCESSES, 10).

%% Each append has so many events of 1,000 bytes.
-spec start(atom(), 1..255) -> [pid()].
start(Store, Events) ->
    Batch = [#{event_type => <<"t">>, data => binary:copy(<<N>>, 1000)} || N <- lists:seq(1, Events)],
    Worker = esdb_client:worker(old, Store),
    [
        spawn(fun() -> append_forever(Worker, {append_events, Store, <<S>>, Batch}) end)
     || S <- lists:seq(1, ?PROCESSES)
    ].

-spec stop([pid()]) -> ok.
stop(Pids) ->
    lists:foreach(fun(Pid) -> exit(Pid, kill) end, Pids).

append_forever(Worker, Request) ->
    try
        {ok, _} = gen_server:call(Worker, Request, 30000)
    catch
        exit:_ -> lost_connection
    end,
    append_forever(Worker, Request).
