%% The main job on real input, told step by step: an Erlang application writes this repository's
%% history and 100,000 orders into the store, reads them back, and the server is killed. This VM
%% directs and prints; the application is a node of its own (demo_app), the server a process.
-module(demo).

-export([main/1, tell/2]).

-define(ORDERS, 100000).
-define(STORE, default_store).

%% Arguments: the folder whose history is told, and the number of orders or `default`.
-spec main([string()]) -> no_return().
main([Root, Orders]) ->
    esdb_main:run(fun() -> tell(Root, number(Orders)) end).

%% Tells it all with that many orders; returns whether everything was found again.
-spec tell(file:filename(), pos_integer()) -> boolean().
tell(Root, Number) ->
    Begin = now_us(),
    esdb_print:line("rs-esdb: events from an Erlang application, through a crash, and back"),
    {Server, App} = start(),
    Commits = history(App, Root),
    Written = Commits + orders(App, Number),
    read(App, Number, Commits),
    {Up, Same} = crash(Server, App, Written),
    ending(Same, Written, now_us() - Begin),
    esdb_peer:stop(App),
    esdb_server:close(Up),
    Same.

number("default") -> ?ORDERS;
number(Orders) -> list_to_integer(Orders).

start() ->
    title("1. A server and an application"),
    App = esdb_peer:start(#{node => esdb_sandbox:name("shop")}),
    {Took, Server} = timer:tc(fun() ->
        esdb_server:start(#{connect => [esdb_peer:node(App)], stores => [?STORE]})
    end),
    say("the server is ready after ~ts, with a new and empty data directory:", [seconds(Took)]),
    say("  ~ts", [esdb_server:ready_line(Server)]),
    ok = call(App, join, [?STORE]),
    say("the application is an Erlang/OTP ~ts node, ~ts;", [
        erlang:system_info(otp_release), esdb_peer:node(App)
    ]),
    say("the server connected to it as a hidden node, and its workers are in the node's pg:"),
    say("from now on a gen_server call to one of them is all it takes.", []),
    {Server, App}.

history(App, Root) ->
    title("2. The history of this repository becomes events"),
    case demo_history:commits(Root) of
        {error, Reason} ->
            say("there is no git history to read here (~ts): on without it", [Reason]),
            0;
        {ok, Commits} ->
            Streams = demo_history:streams(Commits),
            Events = lists:sum([length(E) || {_, E} <- Streams]),
            {Took, ok} = timer:tc(fun() -> call(App, append_streams, [Streams]) end),
            say("~ts commits gave ~ts events in ~ts streams, one for each author and one for", [
                number_text(length(Commits)), number_text(Events), number_text(length(Streams))
            ]),
            say("each top-level folder; appended in ~ts", [seconds(Took)]),
            Events
    end.

orders(App, Number) ->
    title("3. " ++ number_text(Number) ++ " orders of a shop"),
    say("Each order is a stream of its own: placed, then paid, shipped and delivered, or not."),
    say("~b processes of the application append them; each append names the version it expects", [
        demo_app:processes()
    ]),
    say("of its stream, and is on disk when it is answered."),
    {Calls, Events, Took} = call(App, place_orders, [Number]),
    say("~ts events in ~ts appends: ~ts appends a second, ~ts events a second", [
        number_text(Events),
        number_text(Calls),
        number_text(Calls * 1000000 / Took),
        number_text(Events * 1000000 / Took)
    ]),
    Events.

read(App, Number, Commits) ->
    title("4. Reading everything, stream by stream"),
    {Revenue, Events, Took} = call(App, read_orders, [Number, forward]),
    figures(Events, Took),
    {Revenue, Events, TookBack} = call(App, read_orders, [Number, backward]),
    figures(Events, TookBack),
    say("every event is what was written, in both directions. Folded into a table, they say:"),
    esdb_print:line(""),
    demo_orders:table(Revenue),
    Commits > 0 andalso
        begin
            esdb_print:line(""),
            demo_history:table("author", call(App, history, [author])),
            esdb_print:line(""),
            demo_history:table("folder", call(App, history, [folder]))
        end.

figures(Events, Took) ->
    say("  ~ts events, ~ts a second", [number_text(Events), number_text(Events * 1000000 / Took)]).

%% The fingerprint is the number of all events in the store and a hash over all of them, each field
%% of each, in global order.
crash(Server, App, Written) ->
    title("5. SIGKILL"),
    {Count, Hash} = Before = call(App, fingerprint, [Written]),
    say("fingerprint of the whole store, in global order: ~ts events, sha256 ~ts...", [
        number_text(Count), string:slice(Hash, 0, 16)
    ]),
    OsPid = esdb_server:os_pid(Server),
    ok = esdb_server:kill(Server),
    say("kill -9 ~ts: the server is gone, without a chance to put anything in order", [OsPid]),
    {Took, Up} = timer:tc(fun() -> esdb_server:restart(Server) end),
    say("started again on the same directory: ready after ~ts", [seconds(Took)]),
    ok = call(App, rejoin, [?STORE]),
    {CountAfter, HashAfter} = After = call(App, fingerprint, [Written]),
    say("fingerprint now: ~ts events, sha256 ~ts...", [
        number_text(CountAfter), string:slice(HashAfter, 0, 16)
    ]),
    Same = Before =:= After andalso Count =:= Written,
    say("~ts", [verdict(Same, Written)]),
    {Up, Same}.

verdict(true, Written) ->
    ["all ", number_text(Written), " events are there, in the same order, to the last byte"];
verdict(false, Written) ->
    ["THIS IS WRONG: ", number_text(Written), " events were acknowledged"].

ending(false, _, _) ->
    ok;
ending(true, Events, Took) ->
    title("What you have seen, in " ++ lists:flatten(seconds(Took))),
    say("An Erlang node used rs-esdb as if it were one of its own: no driver, no HTTP. ~ts", [
        number_text(Events)
    ]),
    say("events were appended, read and folded; each was durable when it was acknowledged, and"),
    say("a crash took none."),
    title("What to try next"),
    say("* Talk to it yourself. In one terminal:"),
    say("    make run ARGS='--name store@127.0.0.1 --cookie demo --data-dir /tmp/store --http off'"),
    say("  in another: erl -name me@127.0.0.1 -setcookie demo, and there"),
    say("    pg:start(reckon_gater_pg), net_adm:ping('store@127.0.0.1')."),
    say("    [Worker | _] = pg:get_members(reckon_gater_pg, esdb_gater_workers_default_store)."),
    say("    Hello = #{event_type => <<\"greeted\">>, data => #{whom => <<\"world\">>}}."),
    say("    gen_server:call(Worker, {append_events, default_store, <<\"hello\">>, [Hello]})."),
    say("    gen_server:call(Worker, {stream_forward, default_store, <<\"hello\">>, 0, 10})."),
    say("* make torture kills the server a hundred times under load and checks every event;"),
    say("  make bench shows what it does in a second, beside what this machine could do.").

call(App, Function, Args) ->
    esdb_peer:call(App, demo_app, Function, Args, infinity).

title(Text) -> esdb_print:line("~n~ts", [Text]).

say(Text) -> say("~ts", [Text]).

say(Format, Args) -> esdb_print:line("   " ++ Format, Args).

number_text(Number) -> lists:flatten(esdb_print:number(Number)).

seconds(Micros) -> esdb_print:seconds(Micros).

now_us() -> erlang:monotonic_time(microsecond).
