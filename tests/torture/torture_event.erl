%% The events that the writers of the torture append. An event's id says which writer's which batch
%% it belongs to, at which place and of how many; all else in it follows from the id. So a check
%% needs nothing but the event to know what it must look like and what must stand next to it.
-module(torture_event).

-export([batch/3, place/1, is_intact/1]).

-type writer() :: pos_integer().
-type key() :: {writer(), Batch :: pos_integer()}.
-type place() :: {key(), Index :: pos_integer(), Size :: pos_integer()}.
-export_type([writer/0, key/0, place/0]).

-define(MAX_FILL, 400).

%% New events as an append takes them: batch number Batch of a writer, with Size events.
-spec batch(writer(), pos_integer(), pos_integer()) -> [map()].
batch(Writer, Batch, Size) ->
    [event({{Writer, Batch}, Index, Size}) || Index <- lists:seq(1, Size)].

event(Place) ->
    #{
        event_id => id(Place),
        event_type => type(Place),
        data => data(Place),
        metadata => metadata(Place),
        tags => tags(Place)
    }.

id({{Writer, Batch}, Index, Size}) ->
    iolist_to_binary(io_lib:format("~b-~b-~b-~b", [Writer, Batch, Index, Size])).

%% Reads an id; `error` if no writer can have made it.
-spec place(term()) -> {ok, place()} | error.
place(Id) when is_binary(Id) ->
    try [binary_to_integer(Part) || Part <- binary:split(Id, <<"-">>, [global])] of
        [Writer, Batch, Index, Size] -> {ok, {{Writer, Batch}, Index, Size}};
        _ -> error
    catch
        error:badarg -> error
    end;
place(_) ->
    error.

%% Whether an event read from the store is, in each field a client gives, what was appended.
-spec is_intact(tuple()) -> boolean().
is_intact(Event) ->
    {ok, Place} = place(element(2, Event)),
    element(3, Event) =:= type(Place) andalso
        element(6, Event) =:= data(Place) andalso
        element(7, Event) =:= metadata(Place) andalso
        element(8, Event) =:= tags(Place).

type({{Writer, _}, Index, _}) ->
    <<"type-", (integer_to_binary((Writer + Index) rem 7))/binary>>.

data(Place) ->
    Length = erlang:phash2({length, Place}, ?MAX_FILL),
    Byte = erlang:phash2({byte, Place}, 256),
    #{place => Place, fill => binary:copy(<<Byte>>, Length), <<"half">> => Length / 2}.

metadata({{Writer, Batch}, _, _}) ->
    Correlation = io_lib:format("~b/~b", [Writer, Batch]),
    #{correlation_id => iolist_to_binary(Correlation)}.

tags({{Writer, _}, Index, _}) ->
    [<<"writer-", (integer_to_binary(Writer))/binary>>, <<"odd-", ($0 + Index rem 2)>>].
