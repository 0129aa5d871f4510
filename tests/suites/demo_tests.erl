%% The demo runs to its end and finds everything again; it reads a git history as it is, a shallow
%% clone as well, and does without one.
-module(demo_tests).
-include_lib("eunit/include/eunit.hrl").

-define(AUTHOR, <<"J. Ångström"/utf8>>).

the_demo_finds_everything_again_test_() ->
    {"the demo finds everything again",
        {timeout, 60, fun() -> ?assert(demo:tell(repository(), 500)) end}}.

a_history_becomes_streams_of_authors_and_folders_test() ->
    {ok, Commits} = demo_history:commits(repository()),
    ?assertMatch([#{subject := <<"First">>}, #{subject := <<"Second: \"ü\""/utf8>>}], Commits),
    Streams = demo_history:streams(Commits),
    ?assertEqual(
        [<<"author-", ?AUTHOR/binary>>, <<"folder-.">>, <<"folder-a b">>, <<"folder-ö"/utf8>>],
        [Stream || {Stream, _} <- Streams]
    ),
    Counts = [
        [maps:get(Key, Data) || Key <- [files, added, removed]]
     || {<<"author-", _/binary>>, Events} <- Streams, #{data := Data} <- Events
    ],
    ?assertEqual([[1, 2, 0], [3, 4, 1]], Counts),
    ?assertEqual(#{?AUTHOR => [2, 4, 6, 1]}, demo_history:fold(as_read(author, Streams))).

a_shallow_clone_is_read_test() ->
    Clone = esdb_sandbox:dir("clone"),
    git(".", ["clone", "--quiet", "--depth", "1", "file://" ++ repository(), Clone]),
    {ok, [#{author := ?AUTHOR, changes := Changes}]} = demo_history:commits(Clone),
    %% the oldest commit that is there shows all files as new
    ?assertEqual(3, length(Changes)).

a_folder_without_history_is_no_error_test() ->
    Dir = esdb_sandbox:dir("empty"),
    ?assertEqual({error, "no .git"}, demo_history:commits(Dir)),
    git(".", ["init", "--quiet", Dir]),
    ?assertMatch({error, [_ | _]}, demo_history:commits(Dir)).

%% Two commits: a text file; then that file changed, a binary one, and one in a third folder.
repository() ->
    Dir = esdb_sandbox:dir("repository"),
    git(".", ["init", "--quiet", Dir]),
    write(Dir, "a b/text", "one\ntwo\n"),
    commit(Dir, "First"),
    write(Dir, "a b/text", "one\nzwei\n"),
    write(Dir, "binary", <<0, 1, 2>>),
    write(Dir, <<"ö/text"/utf8>>, "1\n2\n3\n"),
    commit(Dir, <<"Second: \"ü\""/utf8>>),
    Dir.

write(Dir, Name, Content) ->
    Path = filename:join(list_to_binary(Dir), Name),
    ok = filelib:ensure_dir(Path),
    ok = file:write_file(Path, Content).

commit(Dir, Subject) ->
    git(Dir, ["add", "--all"]),
    git(Dir, ["commit", "--quiet", "-m", Subject]).

%% the machine's own git configuration plays no part
git(Dir, Args) ->
    Env = [
        {"GIT_CONFIG_GLOBAL", "/dev/null"},
        {"GIT_CONFIG_SYSTEM", "/dev/null"},
        {"GIT_COMMITTER_NAME", "Committer"},
        {"GIT_COMMITTER_EMAIL", "committer@example.org"}
    ],
    Author = <<"user.name=", ?AUTHOR/binary>>,
    Port = open_port({spawn_executable, os:find_executable("git")}, [
        {args, ["-C", Dir, "-c", Author, "-c", "user.email=author@example.org" | Args]},
        {env, Env},
        exit_status,
        hide,
        stderr_to_stdout
    ]),
    receive
        {Port, {exit_status, 0}} -> ok
    after 20000 -> error({git, Args})
    end.

%% what the store returns of them: version (any will do here), type, data
as_read(Kind, Streams) ->
    [
        {Name, [{0, Type, Data} || #{event_type := Type, data := Data} <- Events]}
     || {Stream, Events} <- Streams,
        {_, Name} <- demo_history:names(Kind, [Stream])
    ].
