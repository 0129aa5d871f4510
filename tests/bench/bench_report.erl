%% What the measurements mean: rows with their yardstick, ratio and goal, as a table and as JSON.
-module(bench_report).

-export([names/0, title/1, rows/1, table/1, yardsticks/1, json/3]).

%% for each name the results of all rounds, in the order of the rounds
-type results() :: #{bench_work:name() => [bench_load:result()]}.
-type spread() :: {Median :: float(), Min :: float(), Max :: float()}.
-type goal() :: 
    {ratio_at_most | ratio_at_least | rate_at_least | p99_at_most, number()}.
-type row() :: #{
    title := string(), name := bench_work:name(), yardstick := string(), unit := string(),
    rate := spread(), p50 := spread(), p99 := spread(),
    by := rate | p50, against := spread(), ratio := spread(),
    goals := [goal()], reached := boolean() | none
}.
-export_type([results/0, row/0]).

%% Order within a round: each yardstick next to what is held against it.
-spec names() -> [bench_work:name()].
names() ->
    [
        fdatasync, append_1, echo_1, version_1, append_long, append_watched,
        echo_10, append_10, version_50, echo_50, append_50, echo_100, append_100,
        batch_1, small_batch_10, encode, batch_10, large_batch_10,
        forward, transfer, backward, forward_1000, transfer_1000, by_type, by_tag, global,
        replay, replay_sent, latency, live_1, live_100
    ].

%% The goals are those of the design for a machine with two cores.
definitions() ->
    RoundTrip = {"echo call + fdatasync", p50, [echo_1, fdatasync]},
    Echo50 = {"echo calls, 50 clients", rate, [echo_50]},
    Echo1 = {"echo call, 1 client", p50, [echo_1]},
    Encode = {"term_to_binary of them", rate, [encode]},
    Transfer = {"equal lists from a BEAM node", rate, [transfer]},
    ReadGoals = [{ratio_at_least, 0.8}, {rate_at_least, 400000}],
    [
        {version_1, "get_version, 1 client", "calls/s", Echo1, []},
        {version_50, "get_version, 50 clients", "calls/s", Echo50, []},
        {append_1, "append 1 event, 1 client", "calls/s", RoundTrip, [{ratio_at_most, 1.3}]},
        {append_long, "  to a stream of 20,000", "calls/s", RoundTrip, [{ratio_at_most, 1.3}]},
        {append_watched, "  with 10,000 subscriptions", "calls/s", {"append 1, without", p50, [append_1]},
            [{ratio_at_most, 1.5}]},
        {append_10, "append 1 event, 10 clients", "calls/s", {"echo calls, 10 clients", rate, [echo_10]}, []},
        {append_50, "append 1 event, 50 clients", "calls/s", Echo50, [{ratio_at_least, 0.7}]},
        {append_100, "append 1 event, 100 clients", "calls/s",
            {"echo calls, 100 clients", rate, [echo_100]}, [{ratio_at_least, 0.7}]},
        {small_batch_10, "append 10 events, 10 clients", "events/s", Encode, []},
        {large_batch_10, "append 1000 events, 10 clients", "events/s", Encode, []},
        {batch_1, "append 100 events, 1 client", "events/s", Encode, []},
        {batch_10, "append 100 events, 10 clients", "events/s", Encode, [{rate_at_least, 250000}]},
        {forward, "read forward by 100, 1 client", "events/s", Transfer, ReadGoals},
        {backward, "read backward by 100, 1 client", "events/s", Transfer, ReadGoals},
        {forward_1000, "read forward by 1000, 1 client", "events/s",
            {"equal lists from a BEAM node", rate, [transfer_1000]}, ReadGoals},
        {by_type, "read by type, 100", "events/s", Transfer, []},
        {by_tag, "read by tag, 100", "events/s", Transfer, []},
        {global, "read globally, 100", "events/s", Transfer, []},
        {replay, "replay to a subscriber", "events/s",
            {"the same terms sent by a BEAM node", rate, [replay_sent]}, [{rate_at_least, 750000}]},
        {latency, "reply of an append to message", "", Echo1, [{p99_at_most, 2000}]},
        {live_1, "live events, 1 subscriber", "events/s",
            {"the same terms sent by a BEAM node", rate, [replay_sent]}, []},
        {live_100, "live events, 100 subscribers", "events/s",
            {"the same terms sent by a BEAM node", rate, [replay_sent]}, []}
    ].

-spec title(bench_work:name()) -> string().
title(Name) ->
    element(2, lists:keyfind(Name, 1, definitions())).

-spec rows(results()) -> [row()].
rows(Results) ->
    [row(Definition, Results) || Definition <- definitions()].

row({Name, Title, Unit, {Yardstick, By, Parts}, Goals}, Results) ->
    Own = values(By, Name, Results),
    Against = sum([values(By, Part, Results) || Part <- Parts]),
    Rate = spread(values(rate, Name, Results)),
    P99 = spread(values(p99, Name, Results)),
    Ratio = spread([O / A || {O, A} <- lists:zip(Own, Against)]),
    #{
        name => Name,
        title => Title,
        unit => Unit,
        yardstick => Yardstick,
        rate => Rate,
        p50 => spread(values(p50, Name, Results)),
        p99 => P99,
        against => spread(Against),
        by => By,
        ratio => Ratio,
        goals => Goals,
        reached => reached(Goals, median(Ratio), median(Rate), median(P99))
    }.

reached([], _, _, _) ->
    none;
reached(Goals, Ratio, Rate, P99) ->
    lists:all(
        fun
            ({ratio_at_most, Most}) -> Ratio =< Most;
            ({ratio_at_least, Least}) -> Ratio >= Least;
            ({rate_at_least, Least}) -> Rate >= Least;
            ({p99_at_most, Most}) -> P99 =< Most
        end,
        Goals
    ).

values(By, Name, Results) ->
    [maps:get(By, Result) || Result <- maps:get(Name, Results)].

sum([One]) -> One;
sum([One, Two]) -> [A + B || {A, B} <- lists:zip(One, Two)].

spread(Values) ->
    Sorted = lists:sort(Values),
    {lists:nth((length(Sorted) + 1) div 2, Sorted), hd(Sorted), lists:last(Sorted)}.

median({Median, _, _}) -> Median.

%% Prints the measurements that others are held against.
-spec yardsticks(results()) -> ok.
yardsticks(Results) ->
    Names = [
        {fdatasync, "write 512 bytes + fdatasync", "syncs/s"},
        {echo_1, "echo call, 1 client", "calls/s"},
        {echo_50, "echo call, 50 clients", "calls/s"},
        {encode, "term_to_binary, lists of 100 events", "events/s"},
        {transfer, "lists of 100 events from a BEAM node", "events/s"}
    ],
    Header = ["what this machine does", "per second", "[min - max]", "", "p50", "p99"],
    esdb_print:table("", Header, [
        [Title, rate(Rate), range(Rate), Unit, latency(P50), latency(P99)]
     || {Name, Title, Unit} <- Names,
        [Rate, P50, P99] <- [[spread(values(By, Name, Results)) || By <- [rate, p50, p99]]]
    ]).

%% Prints the figures, and below them what they are held against.
-spec table([row()]) -> ok.
table(Rows) ->
    esdb_print:table("", ["rs-esdb", "per second", "[min - max]", "", "p50", "p99"], [
        [Title, rate(Rate), range(Rate), Unit, latency(P50), latency(P99)]
     || #{title := Title, rate := Rate, unit := Unit, p50 := P50, p99 := P99} <- Rows
    ]),
    esdb_print:line(""),
    Header = ["held against", "its yardstick", "", "ratio", "[min - max]", "goal", "reached"],
    esdb_print:table("", Header, [
        [
            Title, Yardstick, against(Row), io_lib:format("~.2f", [median(Ratio)]),
            io_lib:format("[~.2f - ~.2f]", [Min, Max]), goals(Goals), reached(Reached)
        ]
     || Row = #{title := Title, ratio := Ratio = {_, Min, Max}, yardstick := Yardstick} <- Rows,
        #{goals := Goals, reached := Reached} <- [Row]
    ]).

rate({Median, _, _}) -> esdb_print:number(Median).
range({_, Min, Max}) -> ["[", esdb_print:number(Min), " - ", esdb_print:number(Max), "]"].
latency({Median, _, _}) -> [esdb_print:number(Median), " us"].

against(#{against := {Median, _, _}, by := p50}) -> [esdb_print:number(Median), " us"];
against(#{against := {Median, _, _}}) -> [esdb_print:number(Median), "/s"].

goals([]) -> "";
goals(Goals) -> lists:join(", ", [goal(Goal) || Goal <- Goals]).

goal({ratio_at_most, Most}) -> io_lib:format("<= ~.2f", [float(Most)]);
goal({ratio_at_least, Least}) -> io_lib:format(">= ~.2f", [float(Least)]);
goal({p99_at_most, Most}) -> ["p99 <= ", esdb_print:number(Most), " us"];
goal({rate_at_least, Least}) -> [">= ", esdb_print:number(Least), "/s"].

reached(none) -> "";
reached(true) -> "yes";
reached(false) -> "NO".

%% The same, for programs: latencies in microseconds, all rounds of all measurements included.
-spec json(map(), results(), [row()]) -> map().
json(About, Results, Rows) ->
    #{about => About, rows => [json_row(Row) || Row <- Rows], rounds => Results}.

json_row(Row = #{goals := Goals}) ->
    Spreads = maps:from_list([
        {Key, json_spread(maps:get(Key, Row))}
     || Key <- [rate, p50, p99, against, ratio]
    ]),
    Texts = maps:from_list([
        {Key, list_to_binary(maps:get(Key, Row))}
     || Key <- [title, unit, yardstick]
    ]),
    Other = #{
        name => maps:get(name, Row),
        compared_by => maps:get(by, Row),
        goals => maps:from_list(Goals),
        reached =>
            case maps:get(reached, Row) of
                none -> null;
                Reached -> Reached
            end
    },
    maps:merge(maps:merge(Spreads, Texts), Other).

json_spread({Median, Min, Max}) -> #{median => Median, min => Min, max => Max}.
