%% The check of the torture finds each kind of damage: it is shown a sound history and damaged ones.
-module(torture_check_tests).
-include_lib("eunit/include/eunit.hrl").

a_sound_history_passes_test() ->
    ?assertEqual(6, torture_check:count(check(history()))).

pages_may_end_within_a_batch_test() ->
    {One, Two} = lists:split(4, history()),
    Seen = torture_check:page(Two, check_page(One), fun known/1),
    ok = torture_check:finish(Seen),
    ?assertEqual(#{{1, 1} => {<<"a">>, 1}, {2, 1} => {<<"b">>, 0}, {1, 2} => {<<"a">>, 4}},
        torture_check:batches(Seen)).

damage_test_() ->
    [A1, A2, B1, A3, A4, A5] = history(),
    [
        {Title, ?_assertEqual(What, violation(Events))}
     || {Title, What, Events} <- [
            {"a batch without its end", half_batch, [A1]},
            {"a batch without its beginning", half_batch, [A2, B1]},
            {"a hole in a batch", half_batch, [A1, A2, B1, A3, A5]},
            {"a batch with others between", half_batch, [A1, B1, A2]},
            {"a batch twice", repeated_or_out_of_order, [A1, A2, A1, A2]},
            {"a writer's later batch first", repeated_or_out_of_order, [
                with([{5, V} | at(90)], E)
             || {V, E} <- [{0, A3}, {1, A4}, {2, A5}]
            ] ++ [A1, A2]},
            {"a version left out", version_gap, [A1, A2, B1, with([{5, 3}], A3)]},
            {"a version again", version_gap, [A1, with([{5, 0}], A2)]},
            {"two times in a batch", batch_torn_apart, [A1, with(at(11), A2)]},
            {"two streams in a batch", batch_torn_apart, [A1, with([{4, <<"b">>}], A2)]},
            {"a time that does not grow", time_does_not_grow, [A1, A2, with(at(10), B1)]},
            {"changed data", changed_event, [with([{6, #{}}], A1)]},
            {"changed metadata", changed_event, [with([{7, #{}}], A1)]},
            {"changed tags", changed_event, [with([{8, []}], A1)]},
            {"an id that nobody gave", foreign_event, [with([{2, <<"x">>}], A1)]}
        ]
    ].

knowledge_test_() ->
    [
        {Title, ?_assertEqual(Result, violation(history(), knowing(Known)))}
     || {Title, Result, Known} <- [
            {"unanswered, and there", none, #{{2, 1} => {unanswered, <<"b">>}}},
            {"unanswered, in another stream", {the_writer_knows_otherwise, {unanswered, <<"c">>}},
                #{{2, 1} => {unanswered, <<"c">>}}},
            {"acknowledged with another version",
                {the_writer_knows_otherwise, {acknowledged, {<<"a">>, 2}}},
                #{{1, 1} => {acknowledged, {<<"a">>, 2}}}},
            {"refused", {the_writer_knows_otherwise, refused}, #{{2, 1} => refused}},
            {"never sent", {the_writer_knows_otherwise, never_sent}, #{{2, 1} => never_sent}}
        ]
    ].

what_was_acknowledged_and_is_not_there_is_named_test() ->
    Seen = check(lists:sublist(history(), 3)),
    ?assertEqual([{1, 2}], torture_check:missing([{1, 1}, {2, 1}, {1, 2}], Seen)).

%% two batches of writer 1 in stream a, between them one of writer 2 in stream b
history() ->
    events(1, 1, 2, <<"a">>, 0, 10) ++ events(2, 1, 1, <<"b">>, 0, 11) ++
        events(1, 2, 3, <<"a">>, 2, 12).

knowing(Otherwise) ->
    fun(Key) -> maps:get(Key, Otherwise, known(Key)) end.

known({1, 1}) -> {acknowledged, {<<"a">>, 1}};
known({2, 1}) -> {acknowledged, {<<"b">>, 0}};
known({1, 2}) -> {acknowledged, {<<"a">>, 4}}.

%% as the store returns them
events(Writer, Batch, Size, Stream, Version, Time) ->
    [
        {event, maps:get(event_id, New), maps:get(event_type, New), Stream, Version + N,
            maps:get(data, New), maps:get(metadata, New), maps:get(tags, New), Time div 1000, Time,
            <<"application/json">>, <<"application/json">>}
     || {N, New} <- lists:enumerate(0, torture_event:batch(Writer, Batch, Size))
    ].

at(Time) -> [{9, Time div 1000}, {10, Time}].

with(Changes, Event) ->
    lists:foldl(fun({N, Value}, E) -> setelement(N, E, Value) end, Event, Changes).

check_page(Events) ->
    torture_check:page(Events, torture_check:new(), fun known/1).

check(Events) ->
    Seen = check_page(Events),
    ok = torture_check:finish(Seen),
    Seen.

violation(Events) ->
    %% versions and streams are damaged here: what the writers know is not to be held against them
    violation(Events, fun(Key) ->
        hd([{unanswered, element(4, E)} || E <- Events, key(E) =:= Key])
    end).

violation(Events, Known) ->
    try torture_check:finish(torture_check:page(Events, torture_check:new(), Known)) of
        ok -> none
    catch
        error:{violation, What, _} -> What
    end.

key(Event) ->
    {ok, {Key, _, _}} = torture_event:place(element(2, Event)),
    Key.
