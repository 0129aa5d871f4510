%% A subscription without a subscriber delivers to the processes in its pg groups, as the published
%% servers do: each event to one emitter, all events to each listener.
-module(emitter_pool_tests).

-include_lib("eunit/include/eunit.hrl").

-define(STORE, default_store).
-define(SCOPE, reckon_db_pg).
-define(WAIT_MS, 10000).

emitter_pool_test_() ->
    esdb_fixture:on_client(#{}, [
        {"emitters share the events, by stream", fun(_) -> emitters_share() end},
        {"an emitter's death loses nothing", fun(_) -> emitter_dies() end},
        {"no more than the pool size", fun(_) -> pool_size() end},
        {"live again after each change of the pool size", fun(_) -> resized() end},
        {"listeners get everything", fun(_) -> listeners() end}
    ]).

emitters_share() ->
    Key = save(<<"pool">>, <<"pool-*">>),
    Emitters = [emitter(Key) || _ <- [1, 2, 3]],
    Streams = streams(<<"pool-">>, 30),
    [append(S, lists:seq(0, 9)) || S <- Streams],
    until_taken(Emitters, 300),
    [
        ?assertEqual([lists:seq(0, 9)], [Ns || E <- Emitters, Ns <- [of_stream(S, E)], Ns =/= []])
     || S <- Streams
    ],
    ?assert(lists:all(fun(E) -> taken(E) =/= [] end, Emitters)),
    done(<<"pool">>, Emitters).

%% what came before it joined waits in the store
emitter_dies() ->
    Key = save(<<"dies">>, <<"dies-*">>),
    append(<<"dies-0">>, [0]),
    [A, B] = [emitter(Key) || _ <- [1, 2]],
    until_taken([A, B], 1),
    exit(A, kill),
    esdb_wait:until(fun() -> pg:get_members(?SCOPE, {?STORE, Key, emitters}) =:= [B] end),
    Streams = streams(<<"dies-">>, 20),
    [append(S, [1, 2]) || S <- Streams],
    %% those that were sent to the dead one before the server knew come to the other
    Complete = fun() -> lists:all(fun(S) -> ends_with([1, 2], of_stream(S, B)) end, Streams) end,
    esdb_wait:until(Complete, ?WAIT_MS),
    done(<<"dies">>, [B]).

pool_size() ->
    {ok, Key} = call(
        {save_subscription, ?STORE, by_event_pattern, <<"size-*">>, <<"size">>, 0, undefined, #{
            pool_size => 2
        }}
    ),
    {ok, #{pool_size := 2}} = call({get_subscription, ?STORE, <<"size">>}),
    Emitters = [emitter(Key) || _ <- [1, 2, 3, 4]],
    append(<<"size-warm">>, [0]),
    until_taken(Emitters, 1),
    [append(S, [0, 1]) || S <- streams(<<"size-">>, 40)],
    until_taken(Emitters, 81),
    ?assert(length([E || E <- Emitters, length(taken(E)) > 1]) =< 2),
    done(<<"size">>, Emitters),
    {error, {_, {invalid_request, _}}} = call(
        {save_subscription, ?STORE, by_stream, <<"$all">>, <<"size">>, 0, undefined, #{
            pool_size => none
        }}
    ).

%% it goes on with the emitters that are there, and is not taken for one that nobody is there for
resized() ->
    Emitter = emitter(save(<<"resized">>, <<"resized-*">>)),
    Resize = fun(Size) ->
        {ok, _} = call(
            {save_subscription, ?STORE, by_event_pattern, <<"resized-*">>, <<"resized">>, 0, undefined,
                #{pool_size => Size}}
        ),
        append(<<"resized-1">>, [Size]),
        until_taken([Emitter], Size),
        esdb_wait:until(fun() -> status(<<"resized">>) =:= {live, 0} end, ?WAIT_MS)
    end,
    [Resize(Size) || Size <- lists:seq(1, 30)],
    done(<<"resized">>, [Emitter]).

status(Name) ->
    {ok, #{subscriptions := All}} = call({subscription_health, ?STORE}),
    [Status] = [
        {Status, Absent}
     || #{subscription_name := N, status := Status, absent_ms := Absent} <- All, N =:= Name
    ],
    Status.

listeners() ->
    Key = save(<<"listen">>, <<"listen-*">>),
    Topic = <<(atom_to_binary(?STORE))/binary, ":", Key/binary>>,
    Listeners = [member({?STORE, Topic, subscribers}) || _ <- [1, 2]],
    append(<<"listen-1">>, [0, 1, 2]),
    [
        esdb_wait:until(fun() -> of_stream(<<"listen-1">>, L) =:= [0, 1, 2] end, ?WAIT_MS)
     || L <- Listeners
    ],
    done(<<"listen">>, Listeners).

%% --- helpers, on the client node

save(Name, Pattern) ->
    {ok, Key} = call(
        {save_subscription, ?STORE, by_event_pattern, Pattern, Name, 0, undefined}
    ),
    Key.

call(Request) ->
    esdb_client:call(?STORE, Request).

append(Stream, Numbers) ->
    Events = [#{event_type => <<"numbered">>, data => N} || N <- Numbers],
    {ok, _} = esdb_client:append(?STORE, Stream, Events),
    ok.

streams(Prefix, Count) ->
    [<<Prefix/binary, (integer_to_binary(N))/binary>> || N <- lists:seq(1, Count)].

emitter(Key) ->
    member({?STORE, Key, emitters}).

member(Group) ->
    _ = esdb_client:start_scope(?SCOPE),
    Pid = spawn(fun() -> take([]) end),
    ok = pg:join(?SCOPE, Group, Pid),
    Pid.

take(Taken) ->
    receive
        {events, Events} ->
            take(Taken ++ [{element(4, E), element(6, E)} || E <- Events]);
        {taken, To} ->
            To ! {self(), Taken},
            take(Taken);
        stop ->
            ok
    end.

taken(Member) ->
    Member ! {taken, self()},
    receive
        {Member, Taken} -> Taken
    after ?WAIT_MS -> error(no_answer)
    end.

of_stream(Stream, Member) ->
    [N || {S, N} <- taken(Member), S =:= Stream].

ends_with(Suffix, List) ->
    lists:suffix(Suffix, List).

until_taken(Members, Count) ->
    esdb_wait:until(
        fun() -> length(lists:append([taken(M) || M <- Members])) >= Count end, ?WAIT_MS
    ).

done(Name, Members) ->
    ok = call({remove_subscription, ?STORE, by_event_pattern, x, Name}),
    [M ! stop || M <- Members],
    ok.
