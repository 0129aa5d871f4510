%% The clients of a measurement: processes that do nothing but call and look at the clock. Runs on
%% the node whose load is measured.
-module(bench_load).

-export([run/2]).

%% units of work per second; median and 99th percentile of a call's latency in microseconds
-type result() :: #{rate := float(), calls := pos_integer(), p50 := float(), p99 := float()}.
%% A client's next call: does it, and returns the next state and the units of work done.
-type step(State) :: fun((State) -> {State, non_neg_integer()}).
-export_type([result/0, step/1]).

%% words; so that the clients' garbage collections are few
-define(HEAP, 100000).
-define(GRACE_MS, 30000).

%% One process for each client; each repeats its step until the time is over.
-spec run(pos_integer(), [{step(State), State}]) -> result() when State :: term().
run(Milliseconds, Clients) ->
    Self = self(),
    Pids = [spawn_client(Self, Step, State) || {Step, State} <- Clients],
    [receive {ready, Pid} -> ok end || Pid <- Pids],
    Start = now_ns(),
    End = Start + Milliseconds * 1000000,
    [Pid ! {go, End} || Pid <- Pids],
    Results = [await(Pid, Milliseconds) || Pid <- Pids],
    Stop = lists:max([Last || {Last, _, _} <- Results]),
    Units = lists:sum([U || {_, U, _} <- Results]),
    Latencies = lists:sort(lists:append([L || {_, _, L} <- Results])),
    Calls = length(Latencies),
    #{
        rate => Units * 1.0e9 / (Stop - Start),
        calls => Calls,
        p50 => lists:nth((Calls + 1) div 2, Latencies) / 1000,
        p99 => lists:nth((Calls * 99 + 99) div 100, Latencies) / 1000
    }.

spawn_client(Parent, Step, State) ->
    Client = fun() ->
        Parent ! {ready, self()},
        receive
            {go, End} -> Parent ! {done, self(), loop(Step, State, now_ns(), End, 0, [])}
        end
    end,
    spawn_opt(Client, [link, {min_heap_size, ?HEAP}]).

loop(_, _, Now, End, Units, Latencies) when Now >= End ->
    {Now, Units, Latencies};
loop(Step, State, Now, End, Units, Latencies) ->
    {Next, Done} = Step(State),
    After = now_ns(),
    loop(Step, Next, After, End, Units + Done, [After - Now | Latencies]).

await(Pid, Milliseconds) ->
    receive
        {done, Pid, Result} -> Result
    after Milliseconds + ?GRACE_MS -> error({client_hangs, Pid})
    end.

now_ns() -> erlang:monotonic_time(nanosecond).
