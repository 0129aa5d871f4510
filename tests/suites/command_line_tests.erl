%% The command line and the configuration: scripts and operators rely on them.
-module(command_line_tests).
-include_lib("eunit/include/eunit.hrl").

command_line_test_() ->
    [
        {Title, {timeout, 60, Test}}
     || {Title, Test} <- [
            {"help names the commands and every option", fun help/0},
            {"the version", fun version/0},
            {"one line on standard output says that the server is ready", fun ready_line/0},
            {"the environment configures a server", fun environment/0},
            {"a file configures a server", fun config_file/0},
            {"a flag wins over the environment, that over the file", fun precedence/0},
            {"the cookie can come from a file", fun cookie_file/0},
            {"an unknown key of the file is named", fun unknown_key/0},
            {"what cannot be right is refused, and named", fun refusals/0},
            {"status describes a running server", fun status/0},
            {"status fails when there is no server, or the cookie is wrong", fun no_status/0}
        ]
    ].

help() ->
    {0, General} = esdb_server:run(["--help"], []),
    [contains(General, Word) || Word <- ["start", "status", "event store"]],
    {0, Start} = esdb_server:run(["start", "--help"], []),
    Options = ["config", "name", "cookie", "cookie-file", "data-dir", "store", "connect", "http"],
    [contains(Start, "--" ++ Option) || Option <- Options],
    Words = ["./data", "default_store", "RS_ESDB_DATA_DIR", "ready:"],
    [contains(Start, Word) || Word <- Words],
    {0, Status} = esdb_server:run(["status", "--help"], []),
    [contains(Status, "--" ++ Option) || Option <- ["name", "cookie", "cookie-file"]],
    {Nothing, Usage} = esdb_server:run([], []),
    ?assertNotEqual(0, Nothing),
    contains(Usage, "Usage").

version() ->
    {0, Version} = esdb_server:run(["--version"], []),
    ?assertMatch({match, _}, re:run(Version, "^rs-esdb [0-9]+\\.[0-9]+\\.[0-9]+")).

ready_line() ->
    Server = esdb_server:start(#{stores => [one, two]}),
    Line = lists:concat(["ready: node=", esdb_server:node(Server), " stores=one,two http=off"]),
    ?assertEqual(Line, esdb_server:ready_line(Server)),
    #{command := Command} = Server,
    ?assertEqual([Line], esdb_command:output(Command)),
    ?assertEqual(0, esdb_server:stop(Server)),
    ?assertEqual([Line], esdb_command:output(Command)),
    esdb_server:close(Server).

environment() ->
    Node = esdb_sandbox:name("env"),
    Line = ready(["start"], [
        {"RS_ESDB_NAME", atom_to_list(Node)},
        {"RS_ESDB_COOKIE", esdb_sandbox:cookie()},
        {"RS_ESDB_DATA_DIR", esdb_sandbox:dir("env")},
        {"RS_ESDB_STORE", "from_env,second"},
        {"RS_ESDB_HTTP", "off"}
    ]),
    ?assertEqual(lists:concat(["ready: node=", Node, " stores=from_env,second http=off"]), Line).

config_file() ->
    Node = esdb_sandbox:name("file"),
    File = config(Node, ["store = [\"from_file\"]", "http = \"off\""]),
    ?assertEqual(
        lists:concat(["ready: node=", Node, " stores=from_file http=off"]),
        ready(["start", "--config", File], [])
    ),
    %% the file itself can be named by the environment
    Other = esdb_sandbox:name("other"),
    ?assertMatch(
        "ready: node=other_" ++ _,
        ready(["start"], [{"RS_ESDB_CONFIG", config(Other, [])}])
    ).

precedence() ->
    Node = esdb_sandbox:name("file"),
    Start = ["start", "--config", config(Node, ["store = [\"of_file\"]"])],
    Store = fun(Args, Env) ->
        [S] = [S || "stores=" ++ S <- string:lexemes(ready(Start ++ Args, Env), " ")],
        S
    end,
    %% the directory keeps its stores: each one started here stays
    ?assertEqual("of_file", Store([], [])),
    ?assertEqual("of_env,of_file", Store([], [{"RS_ESDB_STORE", "of_env"}])),
    Dir = esdb_sandbox:dir("flag"),
    ?assertEqual(
        "of_flag",
        Store(["--store", "of_flag", "--data-dir", Dir], [
            {"RS_ESDB_STORE", "of_env2"}, {"RS_ESDB_DATA_DIR", esdb_sandbox:dir("env")}
        ])
    ).

cookie_file() ->
    File = esdb_sandbox:dir("cookie"),
    ok = file:write_file(File, esdb_sandbox:cookie() ++ "\n"),
    ok = file:change_mode(File, 8#644),
    Node = atom_to_list(esdb_sandbox:name("cookie")),
    Args = ["start", "--name", Node, "--data-dir", esdb_sandbox:dir("d"), "--cookie-file", File],
    refused(Args, [], [File]),
    ok = file:change_mode(File, 8#400),
    ?assertMatch("ready: node=cookie_" ++ _, ready(Args, [])).

unknown_key() ->
    File = config(esdb_sandbox:name("x"), ["stroe = [\"a\"]"]),
    refused(["start", "--config", File], [], ["stroe", File]).

refusals() ->
    Dir = ["--data-dir", esdb_sandbox:dir("d"), "--cookie", "c"],
    refused(["start", "--stroe", "a"], [], ["--stroe"]),
    refused(["begin"], [], ["begin"]),
    refused(["start", "--http", "127.0.0.1:80" | Dir], [], ["http", "off"]),
    refused(["start", "--name", "a@b@c" | Dir], [], ["a@b@c"]),
    refused(["start", "--net-ticktime", "1" | Dir], [], ["net_ticktime"]),
    Forget = "--forget-subscriptions-seconds",
    refused(["start", Forget, "0" | Dir], [], ["forget_subscriptions_seconds = 0"]),
    refused(["start", "--config", "/nowhere/at/all.toml"], [], ["/nowhere/at/all.toml"]),
    refused(["start", "--store", "" | Dir], [], ["store"]).

status() ->
    Server = esdb_server:start(#{stores => [one, two]}),
    {Status, Output} = esdb_server:run(status_args(esdb_server:node(Server)), []),
    ?assertEqual({0, Output}, {Status, Output}),
    [contains(Output, Word) || Word <- [atom_to_list(esdb_server:node(Server)), "one", "two"]],
    ?assertEqual(0, esdb_server:stop(Server)).

no_status() ->
    Server = esdb_server:start(#{}),
    Node = esdb_server:node(Server),
    Wrong = ["status", "--name", atom_to_list(Node), "--cookie", "wrong"],
    refused(Wrong, [], ["cookie"]),
    ?assertEqual(0, esdb_server:stop(Server)),
    refused(status_args(Node), [], [atom_to_list(Node)]).

status_args(Node) ->
    ["status", "--name", atom_to_list(Node), "--cookie", esdb_sandbox:cookie()].

config(Node, Lines) ->
    File = esdb_sandbox:dir("config") ++ ".toml",
    Common = [
        "name = \"" ++ atom_to_list(Node) ++ "\"",
        "cookie = \"" ++ esdb_sandbox:cookie() ++ "\"",
        "data_dir = \"" ++ esdb_sandbox:dir("data") ++ "\""
    ],
    ok = file:write_file(File, lists:join("\n", Common ++ Lines)),
    File.

%% Starts a server with just these arguments, stops it, and returns its ready line.
ready(Args, Env) ->
    Errors = esdb_sandbox:dir("stderr"),
    Command = esdb_command:start(esdb_server:binary(), Args, #{
        env => esdb_sandbox:env() ++ Env, errors => Errors
    }),
    case esdb_command:await_line(Command, "ready: ", 15000) of
        {ok, Line} ->
            ok = esdb_command:signal(Command, "TERM"),
            ?assertEqual(0, esdb_command:await_exit(Command, 15000)),
            esdb_command:close(Command),
            Line;
        Other ->
            error({not_ready, Other, esdb_command:errors(Command)})
    end.

refused(Args, Env, Words) ->
    {Status, Output} = esdb_server:run(Args, Env),
    ?assertNotEqual({0, Output}, {Status, Output}),
    [contains(Output, Word) || Word <- Words].

contains(Text, Word) ->
    ?assertEqual({Word, found}, {Word, found(string:find(Text, Word), Text)}).

found(nomatch, Text) -> {missing_in, Text};
found(_, _) -> found.
