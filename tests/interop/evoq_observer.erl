%% An event handler and a projection of evoq, in one: tells a process what it gets.
-module(evoq_observer).

-export([interested_in/0, init/1, handle_event/4, project/4]).

interested_in() ->
    [<<"done">>].

init(#{tell := Pid, projection := true}) ->
    {ok, ReadModel} = evoq_read_model:new(evoq_read_model_ets, #{}),
    {ok, Pid, ReadModel};
init(#{tell := Pid}) ->
    {ok, Pid}.

handle_event(_, Event, _, Pid) ->
    Pid ! {observed, place(Event)},
    {ok, Pid}.

project(Event, _, Pid, ReadModel) ->
    Pid ! {observed, place(Event)},
    evoq_read_model:put(place(Event), true, ReadModel),
    {ok, Pid, ReadModel}.

%% the metadata's version counts what evoq has routed
place(#{stream_id := Stream, version := Version}) ->
    {Stream, Version}.
