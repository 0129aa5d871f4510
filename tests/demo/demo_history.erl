%% A git history as events: `git log` is read into commits, and each commit becomes one event in its
%% author's stream and one in the stream of each top-level folder that it touches.
-module(demo_history).

-export([commits/1, streams/1, names/2, fold/1, table/2]).

-type change() :: {Path :: binary(), Added :: non_neg_integer(), Removed :: non_neg_integer()}.
-type commit() :: #{
    id := binary(),
    author := binary(),
    time := integer(),
    subject := binary(),
    changes := [change()]
}.
%% author or folder => commits, files, lines added and removed
-type summary() :: #{binary() => [non_neg_integer()]}.
-export_type([commit/0, summary/0]).

-define(AUTHOR, "author-").
-define(FOLDER, "folder-").
%% the newest ones, should a history be longer
-define(MAX_COMMITS, "5000").
-define(SHOWN, 10).

%% The commits of the repository in Dir, oldest first; or why there are none.
-spec commits(file:filename()) -> {ok, [commit()]} | {error, string()}.
commits(Dir) ->
    case {filelib:is_file(filename:join(Dir, ".git")), os:find_executable("git")} of
        {false, _} -> {error, "no .git"};
        {_, false} -> {error, "git is not installed"};
        {true, Git} -> log(Git, Dir)
    end.

log(Git, Dir) ->
    Format = "--format=%x01%H%x00%an%x00%at%x00%s",
    Log = ["log", "-n", ?MAX_COMMITS, "--reverse", "--no-renames", "--numstat", Format],
    Args = ["-C", Dir, "-c", "core.quotePath=false" | Log],
    Port = open_port({spawn_executable, Git}, [
        {args, Args}, binary, exit_status, hide, stderr_to_stdout
    ]),
    case collect(Port, []) of
        {0, Output} ->
            {ok, [commit(Text) || Text <- binary:split(Output, <<1>>, [global, trim_all])]};
        {_, Output} ->
            {error, unicode:characters_to_list(hd(string:split(Output, "\n")))}
    end.

collect(Port, Parts) ->
    receive
        {Port, {data, Part}} -> collect(Port, [Part | Parts]);
        {Port, {exit_status, Status}} -> {Status, iolist_to_binary(lists:reverse(Parts))}
    end.

commit(Text) ->
    [Head | Lines] = binary:split(Text, <<"\n">>, [global, trim_all]),
    [Id, Author, Time, Subject] = binary:split(Head, <<0>>, [global]),
    #{
        id => Id,
        author => Author,
        time => binary_to_integer(Time),
        subject => Subject,
        changes => [change(binary:split(Line, <<"\t">>, [global])) || Line <- Lines]
    }.

%% git shows "-" for the lines of a binary file
change([Added, Removed | Path]) ->
    {iolist_to_binary(lists:join("\t", Path)), lines(Added), lines(Removed)}.

lines(<<"-">>) -> 0;
lines(Number) -> binary_to_integer(Number).

%% The events of each stream, in the order of the commits.
-spec streams([commit()]) -> [{binary(), [map()]}].
streams(Commits) ->
    Events = [Event || Commit <- Commits, Event <- events(Commit)],
    Streams = lists:foldl(
        fun({Stream, Event}, Map) ->
            maps:update_with(Stream, fun(Former) -> [Event | Former] end, [Event], Map)
        end,
        #{},
        Events
    ),
    [{Stream, lists:reverse(Reversed)} || {Stream, Reversed} <- lists:sort(maps:to_list(Streams))].

events(Commit = #{author := Author, changes := Changes}) ->
    Folders = lists:usort([folder(Change) || Change <- Changes]),
    In = fun(Folder) -> [Change || Change <- Changes, folder(Change) =:= Folder] end,
    [event(<<?AUTHOR, Author/binary>>, Changes, Commit)] ++
        [event(<<?FOLDER, Folder/binary>>, In(Folder), Commit) || Folder <- Folders].

%% `.` for the files that are in no folder; git quotes names with unusual characters
folder({Path, _, _}) ->
    case filename:split(string:trim(Path, leading, "\"")) of
        [_] -> <<".">>;
        [Folder | _] -> Folder
    end.

%% The event's id follows from the commit: appended again, it would be recognised, not doubled.
event(Stream, Changes, #{id := Id, author := Author, time := Time, subject := Subject}) ->
    {Stream, #{
        event_id => <<Id/binary, "/", Stream/binary>>,
        event_type => <<"committed">>,
        data => #{
            commit => Id,
            author => Author,
            time => Time,
            subject => Subject,
            files => length(Changes),
            added => lists:sum([A || {_, A, _} <- Changes]),
            removed => lists:sum([R || {_, _, R} <- Changes])
        },
        tags => [<<"history">>]
    }}.

%% Those of the streams that are an author's or a folder's, and whose.
-spec names(author | folder, [binary()]) -> [{Stream :: binary(), Name :: binary()}].
names(author, Streams) -> [{S, Name} || S = <<?AUTHOR, Name/binary>> <- Streams];
names(folder, Streams) -> [{S, Name} || S = <<?FOLDER, Name/binary>> <- Streams].

%% Sums up the stream of each author or folder, given as {Version, Type, Data}.
-spec fold([{binary(), [{non_neg_integer(), binary(), map()}]}]) -> summary().
fold(Streams) ->
    maps:from_list([{Name, sums(Events)} || {Name, Events} <- Streams]).

sums(Events) ->
    lists:foldl(
        fun({_, <<"committed">>, #{files := Files, added := Added, removed := Removed}}, Sums) ->
            lists:zipwith(fun erlang:'+'/2, [1, Files, Added, Removed], Sums)
        end,
        [0, 0, 0, 0],
        Events
    ).

%% Prints those with the most commits.
-spec table(string(), summary()) -> ok.
table(Title, Summary) ->
    Sorted = lists:reverse(lists:keysort(2, maps:to_list(Summary))),
    Header = [Title, "commits", "files changed", "lines added", "lines removed"],
    esdb_print:table("   ", Header, [
        [unicode:characters_to_list(Name) | [esdb_print:number(N) || N <- Sums]]
     || {Name, Sums} <- lists:sublist(Sorted, ?SHOWN)
    ]).
