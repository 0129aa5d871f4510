%% Where a request's time goes: what the server says of its store's thread, what the system says of the
%% processor's time, and for the rest the difference.
-module(bench_profile).

-export([run/3, table/1, json/1]).

-define(CALL_MS, 60000).
-define(ROUND, 999999).

%% microseconds; `batch` and its parts are of one batch, the others of one call
-type profile() :: #{
    name := atom(), calls := pos_integer(), call := float(), echo := float(),
    commands := float(), batch := float(), disk := float(), apply := float(), answers := float(),
    cpu := #{store | network => bench_process:time()}
}.
-export_type([profile/0]).

%% Each work together with the echo call that has as many clients.
works() ->
    [{append_1, echo_1, 1}, {append_50, echo_50, 50}, {batch_1, echo_1, 1}, {batch_10, echo_10, 10},
        {forward, echo_1, 1}].

%% One run of each work on the client node, for so many milliseconds.
-spec run(esdb_peer:peer(), esdb_server:server(), pos_integer()) -> [profile()].
run(Client, Server, Milliseconds) ->
    [profile(Client, Server, Work, Milliseconds) || Work <- works()].

profile(Client, Server, {Name, Echo, Clients}, Milliseconds) ->
    %% Streams of its own: no round has this number.
    Measure = fun(What) ->
        esdb_peer:call(Client, bench_work, measure, [What, ?ROUND, Milliseconds], ?CALL_MS)
    end,
    #{rate := EchoRate} = Measure(Echo),
    ok = bench_process:await_idle(Server, 200, 10000),
    {Spent, Threads} = {spent(Client, Server), bench_process:threads(Server)},
    #{calls := Calls} = Measure(Name),
    {SpentAfter, ThreadsAfter} = {spent(Client, Server), bench_process:threads(Server)},
    Total = maps:map(fun(Key, After) -> After - maps:get(Key, Spent) end, SpentAfter),
    Batches = max(1, maps:get(batches, Total)),
    Each = fun(Key) -> maps:get(Key, Total) / Batches end,
    #{
        name => Name,
        calls => Calls,
        call => 1000.0 * Milliseconds * Clients / Calls,
        echo => 1.0e6 * Clients / EchoRate,
        commands => Each(commands),
        batch => Each(batches_us),
        disk => Each(disk_us),
        apply => Each(apply_us),
        answers => Each(answers_us),
        cpu => maps:map(
            fun(Kind, {User, System}) ->
                {UserBefore, SystemBefore} = maps:get(Kind, Threads),
                {(User - UserBefore) / Calls, (System - SystemBefore) / Calls}
            end,
            ThreadsAfter
        )
    }.

spent(Client, Server) ->
    Node = esdb_server:node(Server),
    #{stores := [Store]} = esdb_peer:call(Client, rpc, call, [Node, rs_esdb, info, []]),
    maps:with([batches, commands, batches_us, disk_us, apply_us, answers_us], Store).

-spec table([profile()]) -> ok.
table(Profiles) ->
    Micros = fun(Value) -> [esdb_print:number(Value), " us"] end,
    esdb_print:table(
        "",
        ["where the time goes", "a call", "echo", "a batch", "its calls", "disk", "apply", "answers", "agree"],
        [
            [bench_report:title(Name), Micros(Call), Micros(Echo)] ++
                case Disk > 0 of
                    true ->
                        [Micros(Batch), io_lib:format("~.1f", [Commands]), Micros(Disk),
                            Micros(Apply), Micros(Answers), Micros(Batch - Disk - Apply - Answers)];
                    false ->
                        lists:duplicate(6, "-")
                end
         || #{name := Name, call := Call, echo := Echo, batch := Batch, commands := Commands} = P <- Profiles,
            #{disk := Disk, apply := Apply, answers := Answers} <- [P]
        ]
    ),
    esdb_print:line("A call is the mean that a client waits, echo the same for calls that do nothing."),
    esdb_print:line("A batch is one turn of the store's thread; what a call has beyond it is wire, parsing and"),
    esdb_print:line("waiting for the batch before."),
    esdb_print:line(""),
    esdb_print:table(
        "",
        ["processor's time of a call", "store, user", "system", "network, user", "system"],
        [
            [bench_report:title(Name) | lists:append([
                [io_lib:format("~.1f us", [float(T)]) || T <- tuple_to_list(maps:get(Kind, Cpu))]
             || Kind <- [store, network]
            ])]
         || #{name := Name, cpu := Cpu} <- Profiles
        ]
    ).

%% As bench_json takes it.
-spec json([profile()]) -> [map()].
json(Profiles) ->
    Time = fun(_, {User, System}) -> #{user => User, system => System} end,
    [Profile#{cpu := maps:map(Time, Cpu)} || #{cpu := Cpu} = Profile <- Profiles].
