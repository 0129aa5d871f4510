%% One of the processes that append while the server is killed. It has one batch on its way at a
%% time. When a call is not answered it stops; told to go on, it first sends that same batch, with
%% the same ids, again. What it knows of each batch stands in the table, for the check.
-module(torture_writer).

-export([start/3, go/3]).

-type mode() :: retry | load.
-export_type([mode/0]).

%% gen_server:call's own limit would do; a hanging server must show before the test gives up
-define(CALL_MS, 5000).
-define(MAX_BATCH, 20).
-define(SHARED_STREAMS, 5).

-record(writer, {
    number :: torture_event:writer(),
    table :: ets:table(),
    store :: atom(),
    random :: rand:state(),
    batch = 0 :: non_neg_integer(),
    %% last version of the stream that only this writer appends to
    own = -1 :: integer(),
    %% a batch that was sent and not answered
    pending = none :: none | #{key := torture_event:key(), stream := binary(), _ => _}
}).

-spec start(torture_event:writer(), ets:table(), #{store := atom(), seed := integer()}) -> pid().
start(Number, Table, #{store := Store, seed := Seed}) ->
    Random = rand:seed_s(exsss, {Seed, Number, 0}),
    true = ets:insert(Table, {{writer, Number}, waiting}),
    Writer = #writer{number = Number, table = Table, store = Store, random = Random},
    spawn(fun() -> idle(Writer) end).

%% `retry`: send the unanswered batch again, and stop. `load`: go on until a call is not answered.
-spec go(pid(), mode(), #{old := pid(), new := pid()}) -> ok.
go(Pid, Mode, Workers) ->
    Pid ! {go, Mode, Workers},
    ok.

idle(Writer) ->
    receive
        {go, Mode, Workers} -> run(Mode, worker(Writer, Workers), Writer)
    end.

%% half of the writers are clients of the older protocol generation, half of the newer
worker(#writer{number = Number}, #{old := Old, new := New}) ->
    element(1 + Number rem 2, {Old, New}).

run(load, Worker, Writer = #writer{pending = none}) ->
    case prepare(Worker, Writer) of
        {ok, Prepared} -> send(load, Worker, Prepared);
        no_answer -> pause(Writer)
    end;
run(retry, _, Writer = #writer{pending = none}) ->
    pause(Writer);
run(Mode, Worker, Writer) ->
    true = count(retried, Writer),
    send(Mode, Worker, Writer).

pause(Writer = #writer{table = Table, number = Number}) ->
    true = ets:insert(Table, {{writer, Number}, waiting}),
    idle(Writer).

send(Mode, Worker, Writer = #writer{store = Store, pending = Pending}) ->
    #{stream := Stream, expected := Expected, events := Events} = Pending,
    case call(Worker, request(Store, Stream, Expected, Events)) of
        {ok, Version} when is_integer(Version) ->
            run(Mode, Worker, acknowledged(Version, Writer));
        {error, Conflict} when element(1, Conflict) =:= wrong_expected_version ->
            run(Mode, Worker, refused(Conflict, Writer));
        no_answer ->
            true = count(unanswered, Writer),
            pause(Writer);
        Other ->
            fail({unexpected_reply, Other}, Writer)
    end.

request(Store, Stream, any, Events) -> {append_events, Store, Stream, Events};
request(Store, Stream, Expected, Events) -> {append_events, Store, Stream, Expected, Events}.

call(Worker, Request) ->
    try
        gen_server:call(Worker, Request, ?CALL_MS)
    catch
        exit:_ -> no_answer
    end.

acknowledged(Version, Writer = #writer{table = Table, pending = Pending}) ->
    #{key := Key, stream := Stream, own := Own, events := Events} = Pending,
    ok = same_answer(ets:lookup_element(Table, {batch, Key}, 2), Version, Writer),
    true = ets:insert(Table, {{batch, Key}, {acknowledged, {Stream, Version}}}),
    true = count(acknowledged, Writer),
    true = count(events, length(Events), Writer),
    case Own of
        true when Version =/= Writer#writer.own + length(Events) ->
            fail({wrong_version_in_reply, Version}, Writer);
        true ->
            Writer#writer{pending = none, own = Version};
        false ->
            Writer#writer{pending = none}
    end.

%% a batch that was found in the store before it was retried keeps its place
same_answer({unanswered, _}, _, _) -> ok;
same_answer({acknowledged, {_, Version}}, Version, _) -> ok;
same_answer(Stored, Version, Writer) -> fail({retry_was_appended_again, Stored, Version}, Writer).

%% Nobody else writes to the own stream: there a conflict is an error, also for a retried batch.
refused(Conflict, Writer = #writer{pending = #{own := true}}) ->
    fail({conflict_in_own_stream, Conflict}, Writer);
refused(_, Writer = #writer{pending = #{expected := any}}) ->
    fail(conflict_without_expectation, Writer);
refused(Conflict, Writer = #writer{table = Table, pending = #{key := Key}}) ->
    case ets:lookup_element(Table, {batch, Key}, 2) of
        {unanswered, _} ->
            true = ets:insert(Table, {{batch, Key}, refused}),
            true = count(refused, Writer),
            Writer#writer{pending = none};
        Stored ->
            fail({conflict_although_stored, Stored, Conflict}, Writer)
    end.

%% makes the next batch, chooses where it goes, and notes it as unanswered before it is sent
prepare(Worker, Writer = #writer{number = Number, batch = Last, table = Table}) ->
    {Size, Random1} = rand:uniform_s(?MAX_BATCH, Writer#writer.random),
    {Choice, Random2} = rand:uniform_s(100, Random1),
    {Shared, Random3} = rand:uniform_s(?SHARED_STREAMS, Random2),
    Key = {Number, Last + 1},
    case target(Choice, Shared, Worker, Writer) of
        no_answer ->
            no_answer;
        {Own, Stream, Expected} ->
            true = ets:insert(Table, {{batch, Key}, {unanswered, Stream}}),
            Pending = #{
                key => Key,
                own => Own,
                stream => Stream,
                expected => Expected,
                events => torture_event:batch(Number, Last + 1, Size)
            },
            {ok, Writer#writer{batch = Last + 1, random = Random3, pending = Pending}}
    end.

target(Choice, _, _, Writer) when Choice =< 25 ->
    {true, own_stream(Writer), any};
target(Choice, _, _, Writer) when Choice =< 50 ->
    {true, own_stream(Writer), Writer#writer.own};
target(Choice, Shared, _, _) when Choice =< 80 ->
    {false, shared_stream(Shared), any};
target(_, Shared, Worker, #writer{store = Store}) ->
    Stream = shared_stream(Shared),
    case call(Worker, {get_version, Store, Stream}) of
        no_answer -> no_answer;
        {ok, Version} -> {false, Stream, Version};
        Version -> {false, Stream, Version}
    end.

own_stream(#writer{number = Number}) -> <<"own-", (integer_to_binary(Number))/binary>>.
shared_stream(Number) -> <<"shared-", (integer_to_binary(Number))/binary>>.

count(What, Writer) ->
    count(What, 1, Writer).

count(What, Number, #writer{table = Table}) ->
    is_integer(ets:update_counter(Table, What, Number, {What, 0})).

-spec fail(term(), #writer{}) -> no_return().
fail(What, #writer{table = Table, number = Number, pending = Pending, own = Own}) ->
    Batch = maps:with([key, stream, expected], Pending),
    Failure = {violation, What, #{batch => Batch, own_version => Own}},
    true = ets:insert(Table, {{writer, Number}, Failure}),
    exit(normal).
