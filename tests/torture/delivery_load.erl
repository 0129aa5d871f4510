%% The client's side of the delivery torture: writers, one subscriber at a time, and the book in which
%% every event that arrives is checked at once.
-module(delivery_load).

-export([start/1, figures/0, kill_subscriber/0, stop/0]).

-define(STORE, default_store).
-define(NAME, <<"torture">>).
-define(BATCH, 20).
%% writers wait when the subscriber is so far behind
-define(AHEAD, 50000).
%% without acknowledgements only what was sent last may come again
-define(REPEATED, 1000).
-define(CALL_MS, 5000).

%% events in flight to a consumer of the protocol of our own
-define(WINDOW, 1000).

-type protocol() :: published | own.
-type options() :: #{
    events := pos_integer(), writers := pos_integer(), acks := boolean(), protocol => protocol()
}.
-export_type([options/0]).

-record(book, {
    protocol :: protocol(),
    acks :: boolean(),
    total :: pos_integer(),
    written = 0 :: non_neg_integer(),
    %% distinct events; the number of the last one
    received = 0 :: non_neg_integer(),
    acked = 0 :: non_neg_integer(),
    repeated = 0 :: non_neg_integer(),
    messages = 0 :: non_neg_integer(),
    %% the version that each stream must have next
    next = #{} :: #{pos_integer() => non_neg_integer()},
    %% {Stream, Version} to the number of its first arrival
    numbers :: ets:table(),
    subscriber :: pid() | undefined,
    wrong = none :: none | term()
}).

%% Each writer has a stream of its own and appends its share of the events, once, whatever happens to
%% the server meanwhile.
-spec start(options()) -> ok.
start(Options) ->
    register(?MODULE, spawn(fun() -> init(Options) end)),
    ok.

-spec figures() -> #{atom() => term()}.
figures() ->
    ask(figures).

%% Ends the subscriber; another one takes its place.
-spec kill_subscriber() -> ok.
kill_subscriber() ->
    ask(kill_subscriber).

-spec stop() -> ok.
stop() ->
    ask(stop).

ask(Question) ->
    Monitor = monitor(process, ?MODULE),
    ?MODULE ! {ask, {self(), Monitor}, Question},
    receive
        {Monitor, Answer} ->
            demonitor(Monitor, [flush]),
            Answer;
        {'DOWN', Monitor, process, _, Reason} ->
            error(Reason)
    end.

init(Options = #{events := Events, writers := Writers, acks := Acks}) ->
    Protocol = maps:get(protocol, Options, published),
    Share = Events div Writers,
    Book = self(),
    [spawn_link(fun() -> write(Book, Writer, 0, Share) end) || Writer <- lists:seq(1, Writers)],
    Numbers = ets:new(numbers, [set]),
    State = #book{protocol = Protocol, acks = Acks, total = Share * Writers, numbers = Numbers},
    loop(subscribe(State)).

loop(Book) ->
    receive
        {got, Subscriber, Places, Floor} ->
            Checked = lists:foldl(fun(Place, B) -> check(Place, Floor, B) end, Book, Places),
            Subscriber ! noted,
            loop(Checked#book{messages = Checked#book.messages + 1});
        {acked, Number} ->
            loop(Book#book{acked = max(Number, Book#book.acked)});
        {written, Writer, Count} ->
            Written = Book#book.written + Count,
            Writer ! {ahead, Written - Book#book.received},
            loop(Book#book{written = Written});
        {ahead, Writer} ->
            Writer ! {ahead, Book#book.written - Book#book.received},
            loop(Book);
        {ask, {From, Tag}, stop} ->
            From ! {Tag, ok},
            exit(shutdown);
        {ask, {From, Tag}, Question} ->
            {Answer, Next} = answer(Question, Book),
            From ! {Tag, Answer},
            loop(Next)
    end.

answer(figures, Book) ->
    Keys = record_info(fields, book),
    All = maps:from_list(lists:zip(Keys, tl(tuple_to_list(Book)))),
    {maps:with([total, written, received, acked, repeated, messages, wrong], All), Book};
answer(kill_subscriber, Book = #book{subscriber = Subscriber}) ->
    exit(Subscriber, kill),
    {ok, subscribe(Book)}.

%% Floor is the number of the last event whose acknowledgement was answered before this one was sent.
check(Place = {Stream, Version}, Floor, Book = #book{next = Next, received = Received}) ->
    Expected = maps:get(Stream, Next, 0),
    if
        Version =:= Expected ->
            Number = Received + 1,
            true = ets:insert(Book#book.numbers, {Place, Number}),
            Book#book{received = Number, next = Next#{Stream => Version + 1}};
        Version > Expected ->
            wrong({gap, Place, Expected}, Book);
        true ->
            [{_, Number}] = ets:lookup(Book#book.numbers, Place),
            Again = Book#book{repeated = Book#book.repeated + 1},
            case Book of
                #book{acks = true} when Number =< Floor ->
                    wrong({again_though_acknowledged, Place, Number, Floor}, Again);
                #book{acks = false} when Received - Number >= ?REPEATED ->
                    wrong({again_after, Received - Number, Place}, Again);
                _ ->
                    Again
            end
    end.

wrong(What, Book = #book{wrong = none}) -> Book#book{wrong = What};
wrong(_, Book) -> Book.

subscribe(Book = #book{protocol = Protocol, acks = Acks, acked = Floor, numbers = Numbers}) ->
    This = self(),
    Subscriber = spawn_link(fun() ->
        unlink(This),
        open(Protocol),
        take(#{book => This, protocol => Protocol, acks => Acks, numbers => Numbers}, Floor, [])
    end),
    Book#book{subscriber = Subscriber}.

open(published) ->
    {ok, _} = again(fun() ->
        call(new, {save_subscription, ?STORE, by_stream, <<"$all">>, ?NAME, 0, self()})
    end);
%% whose consumers come back by themselves
open(own) ->
    Options = #{window => ?WINDOW, max_attempts => 0, heartbeat => 0},
    {ok, Worker} = again(fun() ->
        case call(new, {open_subscription, ?STORE, ?NAME, Options}) of
            ok -> {ok, worker()};
            Other -> Other
        end
    end),
    monitor(process, Worker).

%% If it is gone already, the monitor tells at once.
worker() ->
    case esdb_client:workers(new, ?STORE) of
        [Worker | _] -> Worker;
        [] -> spawn(fun() -> ok end)
    end.

%% Waiting are messages that have been taken out of the mailbox, each with its floor. A message is a list
%% of places, with what names it in an acknowledgement.
take(To = #{protocol := Protocol}, Floor, []) ->
    receive
        {events, Events} ->
            take(To, Floor, [{Floor, published(Events)}]);
        {esdb_subscription, _, {events, Events}} ->
            take(To, Floor, [{Floor, own(Events)}]);
        {esdb_subscription, _, _} ->
            take(To, Floor, []);
        {'DOWN', _, process, _, _} ->
            open(Protocol),
            take(To, Floor, [])
    end;
take(To = #{book := Book, acks := Acks}, Floor, [{ItsFloor, {Places, Name}} | Waiting]) ->
    Book ! {got, self(), Places, ItsFloor},
    receive
        noted -> ok
    end,
    case Acks andalso acknowledge(Name) of
        true ->
            %% What is in the mailbox may have been sent before the answer; what comes from now on
            %% was sent after it.
            Sent = [{Floor, Message} || Message <- in_mailbox()],
            take(To, max(Floor, acked(To, lists:last(Places))), Waiting ++ Sent);
        false ->
            take(To, Floor, Waiting)
    end.

in_mailbox() ->
    receive
        {events, Events} -> [published(Events) | in_mailbox()];
        {esdb_subscription, _, {events, Events}} -> [own(Events) | in_mailbox()]
    after 0 -> []
    end.

published(Events) ->
    Places = [{binary_to_integer(element(4, E)), element(5, E)} || E <- Events],
    {Stream, Version} = lists:last(Places),
    Event = #{stream_id => integer_to_binary(Stream), version => Version},
    {Places, {ack_event, ?STORE, ?NAME, self(), Event}}.

own(Events) ->
    {Last, _, _} = lists:last(Events),
    Places = [{binary_to_integer(S), V} || {_, _, #{stream_id := S, version := V}} <- Events],
    {Places, {ack_subscription, ?STORE, ?NAME, self(), {up_to, Last}}}.

%% One that is not answered may have been taken, or not.
acknowledge(Request) ->
    ok =:= call(new, Request).

acked(#{book := Book, numbers := Numbers}, Place) ->
    [{_, Number}] = ets:lookup(Numbers, Place),
    Book ! {acked, Number},
    Number.

write(_, _, Share, Share) ->
    ok;
write(Book, Writer, Done, Share) ->
    Count = min(?BATCH, Share - Done),
    Events = [event(Writer, N) || N <- lists:seq(Done, Done + Count - 1)],
    Append = {append_events, ?STORE, integer_to_binary(Writer), any, Events},
    {ok, _} = again(fun() -> call(generation(Writer), Append) end),
    Book ! {written, self(), Count},
    not_too_far_ahead(Book),
    write(Book, Writer, Done + Count, Share).

generation(Writer) when Writer rem 2 =:= 0 -> old;
generation(_) -> new.

not_too_far_ahead(Book) ->
    receive
        {ahead, Events} when Events < ?AHEAD -> ok;
        {ahead, _} ->
            pause(),
            Book ! {ahead, self()},
            not_too_far_ahead(Book)
    end.

event(Writer, N) ->
    #{
        event_id => <<(integer_to_binary(Writer))/binary, "-", (integer_to_binary(N))/binary>>,
        event_type => <<"numbered">>,
        data => #{n => N, filler => binary:copy(<<"x">>, 100)}
    }.

call(Generation, Request) ->
    try
        gen_server:call(esdb_client:worker(Generation, ?STORE), Request, ?CALL_MS)
    catch
        _:Reason -> {error, Reason}
    end.

again(Do) ->
    case Do() of
        {ok, _} = Done ->
            Done;
        _ ->
            pause(),
            again(Do)
    end.

%% between two attempts
pause() ->
    receive
    after 10 -> ok
    end.
