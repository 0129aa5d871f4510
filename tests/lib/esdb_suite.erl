%% Runs one EUnit module in this VM, inside a sandbox, and leaves the counts in a file.
-module(esdb_suite).

-export([main/1]).

%% Arguments: the module, and the file for the line `PASSED FAILED`.
-spec main([string()]) -> no_return().
main([Name, ResultFile]) ->
    Module = list_to_atom(Name),
    _ = code:ensure_loaded(Module),
    ok = esdb_sandbox:start(sandbox_options(Module)),
    {Passed, Failed} = esdb_report:run(Module),
    ok = file:write_file(ResultFile, io_lib:format("~b ~b~n", [Passed, Failed])),
    _ = Failed > 0 andalso print_errors(),
    ok = esdb_sandbox:stop(),
    halt(min(Failed, 1)).

%% A suite that needs other surroundings exports sandbox/0.
sandbox_options(Module) ->
    case erlang:function_exported(Module, sandbox, 0) of
        true -> Module:sandbox();
        false -> #{}
    end.

%% What the servers of a failed suite had to say.
print_errors() ->
    Files = filelib:wildcard(filename:join(filename:dirname(esdb_sandbox:dir("x")), "stderr-*")),
    lists:foreach(fun print_tail/1, Files).

print_tail(File) ->
    {ok, Bytes} = file:read_file(File),
    Lines = string:split(Bytes, "\n", all),
    Tail = lists:nthtail(max(0, length(Lines) - 40), Lines),
    Bytes =:= <<>> orelse
        io:format("--- ~s~n~s~n", [filename:basename(File), lists:join("\n", Tail)]).
