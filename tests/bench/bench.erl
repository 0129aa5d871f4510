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

%% Arguments: JSON_FILE ROUNDS MILLISECONDS EVENTS: the milliseconds are for one measurement in one
%% round, the events those of the largest store that is measured.
-spec main([string()]) -> no_return().
main([File | Numbers]) ->
    [Rounds, Milliseconds, Events] = [list_to_integer(Number) || Number <- Numbers],
    esdb_main:run(fun() -> run(File, Rounds, Milliseconds, Events) =:= ok end).

run(File, Rounds, Milliseconds, Events) ->
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
    esdb_print:line(""),
    Profiles = bench_profile:run(Client, Server, Milliseconds),
    ok = bench_profile:table(Profiles),
    Facts = facts(Server),
    explain(Facts),
    esdb_peer:stop(Client),
    esdb_server:close(Server),
    esdb_print:line(""),
    esdb_print:line("a store that grows, ~b rounds at each size:", [Rounds]),
    {Sizes, EventBytes} = bench_size:run(esdb_peer:node(Echo), Events, Rounds, Milliseconds),
    esdb_print:line(""),
    ok = bench_growth:table(Sizes, EventBytes),
    esdb_peer:stop(Echo),
    About = maps:merge(Facts, #{rounds => Rounds, milliseconds => Milliseconds}),
    Json = bench_report:json(About, Results, Rows),
    Growth = #{profile => bench_profile:json(Profiles), growth => bench_growth:json(Sizes, EventBytes)},
    ok = filelib:ensure_dir(File),
    ok = file:write_file(File, bench_json:encode(maps:merge(Json, Growth))),
    esdb_print:line("JSON: ~ts", [File]).

round(Client, Server, Round, Milliseconds) ->
    io:format("  ~ts ", [
        case Round of
            0 -> "warm-up";
            _ -> ["round ", integer_to_list(Round)]
        end
    ]),
    Results = [
        begin
            ok = bench_process:await_idle(Server, ?IDLE_SAMPLE_MS, ?IDLE_WAIT_MS),
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

facts(Server) ->
    #{
        cores => erlang:system_info(logical_processors_available),
        otp => list_to_binary(erlang:system_info(otp_release)),
        system => list_to_binary(string:trim(os:cmd("uname -srm"))),
        resident_kib => bench_process:resident_kib(Server),
        data_kib => bench_process:data_kib(Server)
    }.

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
