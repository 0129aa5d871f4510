%% Throughput and latency of the server beside what the machine and the BEAM do without it, in one
%% run: rounds in which each measurement stands next to its yardstick, and of the rounds the median.
-module(bench).

-export([main/1]).

-define(CALL_MS, 120000).
-define(WARM_UP_MS, 300).
%% fdatasync and term_to_binary vary little; they get a part of the time
-define(SHORT, 3).
-define(IDLE_SAMPLE_MS, 100).
-define(IDLE_WAIT_MS, 10000).

%% Arguments: JSON_FILE ROUNDS MILLISECONDS, the last for one measurement in one round.
-spec main([string()]) -> no_return().
main([File, Rounds, Milliseconds]) ->
    esdb_main:run(fun() ->
        run(File, list_to_integer(Rounds), list_to_integer(Milliseconds)) =:= ok
    end).

run(File, Rounds, Milliseconds) ->
    Echo = esdb_peer:start(),
    Client = esdb_peer:start(),
    Server = esdb_server:start(#{connect => [esdb_peer:node(Client)]}),
    ok = esdb_peer:call(Echo, bench_echo, start, []),
    Disk = filename:dirname(esdb_server:dir(Server)),
    ok = esdb_peer:call(Client, bench_work, prepare, [esdb_peer:node(Echo), Disk]),
    esdb_print:line("~b rounds, ~b ms for each measurement; a round:", [Rounds, Milliseconds]),
    esdb_print:line("  ~ts", [lists:join(", ", [atom_to_list(N) || N <- bench_report:names()])]),
    Measure = fun(Round, Ms) -> round(Client, Server, Round, Ms) end,
    _ = Measure(0, ?WARM_UP_MS),
    Results = collect([Measure(Round, Milliseconds) || Round <- lists:seq(1, Rounds)]),
    Rows = bench_report:rows(Results),
    esdb_print:line(""),
    ok = bench_report:yardsticks(Results),
    esdb_print:line(""),
    ok = bench_report:table(Rows),
    Facts = facts(Server),
    explain(Facts),
    About = maps:merge(Facts, #{rounds => Rounds, milliseconds => Milliseconds}),
    ok = filelib:ensure_dir(File),
    ok = file:write_file(File, bench_report:json(About, Results, Rows)),
    esdb_print:line("JSON: ~ts", [File]),
    lists:foreach(fun esdb_peer:stop/1, [Client, Echo]),
    esdb_server:close(Server).

round(Client, Server, Round, Milliseconds) ->
    io:format("  ~ts ", [
        case Round of
            0 -> "warm-up";
            _ -> ["round ", integer_to_list(Round)]
        end
    ]),
    Results = [
        begin
            ok = await_idle(Server),
            io:format("."),
            Ms = milliseconds(Name, Milliseconds),
            {Name, esdb_peer:call(Client, bench_work, measure, [Name, Round, Ms], ?CALL_MS)}
        end
     || Name <- bench_report:names()
    ],
    esdb_print:line(""),
    maps:from_list(Results).

milliseconds(Name, Milliseconds) when Name =:= fdatasync; Name =:= encode ->
    Milliseconds div ?SHORT;
milliseconds(_, Milliseconds) ->
    Milliseconds.

%% [#{Name => Result}] to #{Name => [Result]}
collect(Rounds) ->
    maps:from_list([
        {Name, [maps:get(Name, Round) || Round <- Rounds]}
     || Name <- bench_report:names()
    ]).

%% What a measurement has left to do, a checkpoint for instance, must not slow the next one's.
await_idle(Server) ->
    esdb_wait:until(
        fun() ->
            Before = cpu_ticks(Server),
            receive
            after ?IDLE_SAMPLE_MS -> ok
            end,
            cpu_ticks(Server) - Before =< 1
        end,
        ?IDLE_WAIT_MS
    ).

%% user and system time of the process, in hundredths of a second: proc(5), fields 14 and 15
cpu_ticks(Server) ->
    {ok, Stat} = file:read_file("/proc/" ++ esdb_server:os_pid(Server) ++ "/stat"),
    [_, Fields] = string:split(Stat, ") ", trailing),
    [User, System] = lists:sublist(string:lexemes(Fields, " "), 12, 2),
    binary_to_integer(User) + binary_to_integer(System).

facts(Server) ->
    #{
        cores => erlang:system_info(logical_processors_available),
        otp => list_to_binary(erlang:system_info(otp_release)),
        system => list_to_binary(string:trim(os:cmd("uname -srm"))),
        resident_kib => resident_kib(Server),
        data_kib => data_kib(Server)
    }.

data_kib(Server) ->
    Said = os:cmd("du -sk '" ++ esdb_server:dir(Server) ++ "'"),
    list_to_integer(hd(string:lexemes(Said, "\t "))).

resident_kib(Server) ->
    {ok, Status} = file:read_file("/proc/" ++ esdb_server:os_pid(Server) ++ "/status"),
    {match, [Kib]} = re:run(Status, "VmRSS:\\s+([0-9]+)", [{capture, all_but_first, list}]),
    list_to_integer(Kib).

explain(#{cores := Cores, otp := Otp, system := System} = Facts) ->
    #{resident_kib := Resident, data_kib := Data} = Facts,
    Mb = fun(Kib) -> esdb_print:number(Kib / 1024) end,
    esdb_print:line(""),
    esdb_print:line("Events have a payload of 256 bytes. Figures are medians of the rounds; a ratio is"),
    esdb_print:line("the median of the rounds' ratios, of p50 where the yardstick is one, else of rates."),
    esdb_print:line("Clients, yardstick and server share ~b cores; OTP ~ts, ~ts.", [Cores, Otp, System]),
    esdb_print:line("At the end the server has ~ts MB resident and ~ts MB on disk.", [
        Mb(Resident), Mb(Data)
    ]).
