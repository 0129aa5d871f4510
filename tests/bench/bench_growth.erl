%% What the measurements of a growing store mean, as tables and as JSON.
-module(bench_growth).

-export([table/2, json/2]).

%% bytes of memory for each event that is stored, and bytes of disk for each of its bytes
-define(MEMORY_GOAL, 16).
-define(DISK_GOAL, 1.5).
-define(OPEN_GOAL_MS, 1000).

definitions() ->
    [
        {version, "get_version", p50, echo},
        {append, "append 1 to a new stream", p50, echo},
        {append_1000000, "append 1 to one of 1,000,000", p50, echo},
        {forward_1000_100, "read 100 of 1,000", rate, transfer},
        {forward_10000_100, "read 100 of 10,000", rate, transfer},
        {forward_1000000_100, "read 100 of 1,000,000", rate, transfer},
        {forward_1000_1000, "read 1000 of 1,000", rate, transfer_1000},
        {forward_10000_1000, "read 1000 of 10,000", rate, transfer_1000},
        {forward_1000000_1000, "read 1000 of 1,000,000", rate, transfer_1000},
        {spread, "read 100 of a spread one", rate, transfer},
        {global, "read 100 of all", rate, transfer},
        {by_type, "read 100 by type", rate, transfer},
        {by_tag, "read by tag, at most 100", rate, transfer}
    ].

%% The ratios are to an echo call's median (smaller is better) or to the rate of equal lists from a BEAM
%% node (larger is better), so that what the machine does meanwhile shows in neither.
-spec table([bench_size:size()], pos_integer()) -> ok.
table(Sizes, EventBytes) ->
    Header = [[esdb_print:number(Events), ""] || #{events := Events} <- Sizes],
    esdb_print:table("", ["as the store grows, events:" | lists:append(Header)] ++ ["last/first"], [
        [Title | lists:append([cells(Name, By, Yardstick, Size) || Size <- Sizes])] ++
            [growth(Name, By, Yardstick, Sizes)]
     || {Name, Title, By, Yardstick} <- definitions()
    ]),
    esdb_print:line("Median latency or events a second, and its ratio to the yardstick: an echo call, or as"),
    esdb_print:line("many events from a BEAM node. A flat cost has a last/first of about 1."),
    esdb_print:line(""),
    esdb_print:table("", ["", "open after kill -9", "resident, opened", "after reads", "on disk", "for each of its bytes"], [
        [
            [esdb_print:number(Events), " events"],
            [esdb_print:number(median(OpenMs)), " ms"],
            [esdb_print:number(Opened / 1024), " MB"],
            [esdb_print:number(Read / 1024), " MB"],
            [esdb_print:number(Data / 1024), " MB"],
            io_lib:format("~.2f", [disk(Size, EventBytes)])
        ]
     || #{events := Events, open_ms := OpenMs, resident_kib := Opened, data_kib := Data} = Size <- Sizes,
        #{resident_after_reads_kib := Read} <- [Size]
    ]),
    esdb_print:line("An event has ~b bytes, as a reader gets it. Goals: open 1 million in ~b ms, ~.1f of its", [
        EventBytes, ?OPEN_GOAL_MS, ?DISK_GOAL
    ]),
    esdb_print:line("bytes on disk, ~b bytes of memory for an event; it takes ~.1f.", [
        ?MEMORY_GOAL, memory(Sizes)
    ]).

cells(Name, By, Yardstick, #{results := Results}) ->
    case Results of
        #{Name := Own} ->
            Median = median([maps:get(By, Result) || Result <- Own]),
            Text = [esdb_print:number(Median), case By of p50 -> " us"; rate -> "/s" end],
            [Text, io_lib:format("~.2f", [ratio(Name, By, Yardstick, Results)])];
        _ ->
            ["", ""]
    end.

growth(Name, By, Yardstick, Sizes) ->
    case [ratio(Name, By, Yardstick, R) || #{results := #{Name := _} = R} <- Sizes] of
        [_] -> "";
        Ratios -> io_lib:format("~.2f", [lists:last(Ratios) / hd(Ratios)])
    end.

ratio(Name, By, Yardstick, Results) ->
    #{Name := Own, Yardstick := Others} = Results,
    median([maps:get(By, O) / maps:get(By, Y) || {O, Y} <- lists:zip(Own, Others)]).

disk(#{events := Events, data_kib := Kib}, EventBytes) ->
    Kib * 1024 / (Events * EventBytes).

%% Of each event that came after those of the smallest size, before anything was read.
memory([#{events := Few, resident_kib := Before} | _] = Sizes) ->
    #{events := Many, resident_kib := After} = lists:last(Sizes),
    (After - Before) * 1024 / max(1, Many - Few).

median(Values) ->
    lists:nth((length(Values) + 1) div 2, lists:sort(Values)).

%% As bench_json takes it.
-spec json([bench_size:size()], pos_integer()) -> map().
json(Sizes, EventBytes) ->
    #{sizes => Sizes, event_bytes => EventBytes, memory_per_event => memory(Sizes)}.
