%% What must hold of a store after a crash, held against a record of what the writers were told.
%% Reading in global order shows: each event once and unchanged; the events of a batch side by side,
%% all of them, with one time; versions of each stream from 0 without a gap; batches of a writer in
%% the order it sent them; times that grow; nothing that was refused. It remembers what it has seen,
%% so that `missing` can name acknowledged batches that are not there.
-module(torture_check).

-export([new/0, page/3, finish/1, missing/2, count/1, batches/1, streams/1, digest/2]).

-record(seen, {
    %% events so far: the rank of the next one
    count = 0 :: non_neg_integer(),
    %% the batch of the last event, while events of it are still to come
    open = none :: none | {torture_event:place(), tuple()},
    last = none :: none | tuple(),
    %% stream => {version, digest} of its last event
    streams = #{} :: #{binary() => {non_neg_integer(), non_neg_integer()}},
    %% writer => its last batch
    writers = #{} :: #{torture_event:writer() => pos_integer()},
    %% batch => {stream, version} of its last event
    batches = #{} :: #{torture_event:key() => stored()}
}).

-type stored() :: {Stream :: binary(), Version :: non_neg_integer()}.
%% What a writer knows of a batch: where it was acknowledged, or into which stream it was sent
%% without an answer, or that it was refused.
-type knowledge() :: {acknowledged, stored()} | {unanswered, binary()} | refused | never_sent.
-opaque seen() :: #seen{}.
-export_type([seen/0, knowledge/0, stored/0]).

-spec new() -> seen().
new() -> #seen{}.

%% Takes the next events in global order. Raises `{violation, What, Details}`.
-spec page([tuple()], seen(), fun((torture_event:key()) -> knowledge())) -> seen().
page(Events, Seen, Known) ->
    lists:foldl(fun(Event, S) -> event(Event, S, Known) end, Seen, Events).

%% No event follows: a batch that has begun must have ended.
-spec finish(seen()) -> ok.
finish(#seen{open = none}) -> ok;
finish(Seen) -> violation(half_batch, none, Seen).

%% Those of the batches that have not been read.
-spec missing([torture_event:key()], seen()) -> [torture_event:key()].
missing(Keys, #seen{batches = Batches}) ->
    [Key || Key <- Keys, not is_map_key(Key, Batches)].

%% Number of events read.
-spec count(seen()) -> non_neg_integer().
count(#seen{count = Count}) -> Count.

%% Where the last event of each batch stands.
-spec batches(seen()) -> #{torture_event:key() => stored()}.
batches(#seen{batches = Batches}) -> Batches.

%% Version of the last event of each stream, and a digest of all events of it.
-spec streams(seen()) -> #{binary() => {non_neg_integer(), non_neg_integer()}}.
streams(#seen{streams = Streams}) -> Streams.

%% The digest of a stream that goes on with Event after Digest (first: 0).
-spec digest(tuple(), non_neg_integer()) -> non_neg_integer().
digest(Event, Digest) ->
    erlang:phash2({Digest, Event}, 1 bsl 32).

event(Event, Seen, Known) ->
    Place = place(Event, Seen),
    ok = follows(Place, Event, Seen),
    ok = is_known(Place, Event, Seen, Known),
    torture_event:is_intact(Event) orelse violation(changed_event, Event, Seen),
    advance(Place, Event, Seen).

place(Event, Seen) ->
    case torture_event:place(element(2, Event)) of
        {ok, Place} -> Place;
        error -> violation(foreign_event, Event, Seen)
    end.

%% the first event of a batch
follows({{Writer, Batch}, 1, _}, Event, Seen = #seen{open = none, last = Last}) ->
    Batch > maps:get(Writer, Seen#seen.writers, 0) orelse
        violation(repeated_or_out_of_order, Event, Seen),
    Last =:= none orelse time(Event) > time(Last) orelse
        violation(time_does_not_grow, Event, Seen),
    next_version(Event, Seen);
follows({Key, Index, Size}, Event, Seen = #seen{open = {{Key, Before, Size}, Last}}) when
    Index =:= Before + 1
->
    stream(Event) =:= stream(Last) andalso time(Event) =:= time(Last) orelse
        violation(batch_torn_apart, Event, Seen),
    next_version(Event, Seen);
follows(_, Event, Seen) ->
    violation(half_batch, Event, Seen).

next_version(Event, Seen = #seen{streams = Streams}) ->
    {Version, _} = maps:get(stream(Event), Streams, {-1, 0}),
    version(Event) =:= Version + 1 orelse violation(version_gap, Event, Seen),
    ok.

is_known({Key, Index, Size}, Event, Seen, Known) ->
    Stream = stream(Event),
    Last = version(Event) + Size - Index,
    case Known(Key) of
        {acknowledged, {Stream, Last}} -> ok;
        {unanswered, Stream} -> ok;
        Other -> violation({the_writer_knows_otherwise, Other}, Event, Seen)
    end.

advance(Place = {Key = {Writer, Batch}, Index, Size}, Event, Seen) ->
    Stream = stream(Event),
    Version = version(Event),
    {_, Digest} = maps:get(Stream, Seen#seen.streams, {-1, 0}),
    Next = Seen#seen{
        count = Seen#seen.count + 1,
        last = Event,
        open = {Place, Event},
        streams = (Seen#seen.streams)#{Stream => {Version, digest(Event, Digest)}},
        writers = (Seen#seen.writers)#{Writer => Batch}
    },
    case Index of
        Size ->
            Batches = (Seen#seen.batches)#{Key => {Stream, Version}},
            Next#seen{open = none, batches = Batches};
        _ ->
            Next
    end.

-spec violation(term(), none | tuple(), seen()) -> no_return().
violation(What, Event, #seen{count = Rank, last = Last}) ->
    Details = #{rank => Rank, event => summary(Event), before => summary(Last)},
    error({violation, What, Details}).

summary(none) -> none;
summary(Event) -> {element(2, Event), stream(Event), version(Event), time(Event)}.

stream(Event) -> element(4, Event).
version(Event) -> element(5, Event).
%% microseconds; the records of all client versions have it at this place
time(Event) -> element(10, Event).
