%% What demo, bench and torture print: numbers that can be read, aligned tables, progress.
-module(esdb_print).

-export([line/1, line/2, number/1, seconds/1, table/3, while/3, start/0]).

-define(POLL_MS, 50).

%% To be called by a main function: names of people and places are not always ASCII.
-spec start() -> ok.
start() ->
    _ = io:setopts(user, [{encoding, unicode}]),
    ok.

-spec line(string()) -> ok.
line(Text) ->
    line("~ts", [Text]).

-spec line(string(), [term()]) -> ok.
line(Format, Args) ->
    io:format(Format ++ "~n", Args).

%% 1234567 as "1,234,567"; a float is rounded.
-spec number(number()) -> string().
number(Float) when is_float(Float) ->
    number(round(Float));
number(Negative) when Negative < 0 ->
    "-" ++ number(-Negative);
number(Small) when Small < 1000 ->
    integer_to_list(Small);
number(Integer) ->
    number(Integer div 1000) ++ io_lib:format(",~3..0b", [Integer rem 1000]).

%% Microseconds as "12 ms" or "3.4 s".
-spec seconds(number()) -> string().
seconds(Micros) when Micros < 1000000 -> io_lib:format("~b ms", [round(Micros / 1000)]);
seconds(Micros) -> io_lib:format("~.1f s", [Micros / 1000000]).

%% A table, each line after Indent; the first column is aligned left, the others right.
-spec table(string(), [string()], [[unicode:chardata()]]) -> ok.
table(Indent, Header, Rows) ->
    All = [[lists:flatten(Cell) || Cell <- Row] || Row <- [Header | Rows]],
    Widths = [lists:max([string:length(Cell) || Cell <- Column]) || Column <- columns(All)],
    [First | Rest] = [[Indent, cells(Row, Widths)] || Row <- All],
    Rule = [Indent, lists:join("  ", [lists:duplicate(W, $-) || W <- Widths])],
    lists:foreach(fun(L) -> line("~ts", [L]) end, [First, Rule | Rest]).

cells([First | Row], [Width | Widths]) ->
    Right = [string:pad(Cell, W, leading) || {Cell, W} <- lists:zip(Row, Widths)],
    lists:join("  ", [string:pad(First, Width, trailing) | Right]).

columns([[] | _]) -> [];
columns(Rows) -> [[hd(Row) || Row <- Rows] | columns([tl(Row) || Row <- Rows])].

%% Runs Work, which adds to the counter it is given as it proceeds, and meanwhile shows each tenth
%% of Total on one growing line that begins with Title. Returns the result and its microseconds.
-spec while(string(), pos_integer(), fun((counters:counters_ref()) -> Result)) ->
    {Result, pos_integer()}.
while(Title, Total, Work) ->
    Counter = counters:new(1, []),
    Start = erlang:monotonic_time(microsecond),
    {Pid, Monitor} = spawn_monitor(fun() -> exit({result, Work(Counter)}) end),
    io:format("~ts", [Title]),
    Result = watch(Pid, Monitor, Counter, Total, 0),
    Micros = max(1, erlang:monotonic_time(microsecond) - Start),
    line("  ~ts", [seconds(Micros)]),
    {Result, Micros}.

watch(Pid, Monitor, Counter, Total, Shown) ->
    Tenths = counters:get(Counter, 1) * 10 div Total,
    [io:format(" ~b%", [10 * Tenth]) || Tenth <- lists:seq(Shown + 1, Tenths)],
    receive
        {'DOWN', Monitor, process, Pid, {result, Result}} ->
            [io:format(" ~b%", [10 * Tenth]) || Tenth <- lists:seq(max(Shown, Tenths) + 1, 10)],
            Result;
        {'DOWN', Monitor, process, Pid, Reason} ->
            line("", []),
            exit(Reason)
    after ?POLL_MS ->
        watch(Pid, Monitor, Counter, Total, max(Shown, Tenths))
    end.
