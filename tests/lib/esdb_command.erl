%% One operating system process under supervise.sh: its output as lines, signals to it, its exit
%% status. It dies with the Erlang process that holds it, and with the whole VM.
-module(esdb_command).
-behaviour(gen_server).

-export([start/3, signal/2, output/1, errors/1, os_pid/1, await_line/3, await_exit/2, close/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-type command() :: pid().
-type options() :: #{env => [{string(), string() | false}], errors => file:filename()}.
-export_type([command/0]).

%% Starts Executable. `errors` is the file that gets its standard error (default: /dev/null).
-spec start(file:filename(), [string()], options()) -> command().
start(Executable, Args, Options) ->
    {ok, Pid} = gen_server:start(?MODULE, {Executable, Args, Options}, []),
    Pid.

%% Sends a signal, named as kill(1) names it: "KILL", "TERM", "STOP", "CONT".
-spec signal(command(), string()) -> ok.
signal(Command, Signal) ->
    gen_server:call(Command, {signal, Signal}).

%% The complete lines on standard output so far.
-spec output(command()) -> [string()].
output(Command) ->
    element(1, gen_server:call(Command, state)).

%% What was written to standard error so far.
-spec errors(command()) -> string().
errors(Command) ->
    gen_server:call(Command, errors).

%% The process id of the command itself (not of its supervising shell).
-spec os_pid(command()) -> string().
os_pid(Command) ->
    gen_server:call(Command, os_pid).

%% Waits for a line on standard output that starts with Prefix.
-spec await_line(command(), string(), pos_integer()) ->
    {ok, string()} | {exited, integer()} | timeout.
await_line(Command, Prefix, Milliseconds) ->
    Ask = fun() ->
        {Lines, Status} = gen_server:call(Command, state),
        case {[L || L <- Lines, lists:prefix(Prefix, L)], Status} of
            {[Line | _], _} -> {value, {ok, Line}};
            {[], undefined} -> again;
            {[], _} -> {value, {exited, Status}}
        end
    end,
    try
        esdb_wait:value(Ask, Milliseconds)
    catch
        error:{not_in_time, _, _} -> timeout
    end.

%% Waits until the command has ended. A signal N counts as status 128 + N.
-spec await_exit(command(), pos_integer()) -> integer().
await_exit(Command, Milliseconds) ->
    esdb_wait:value(
        fun() ->
            case gen_server:call(Command, state) of
                {_, undefined} -> still_running;
                {_, Status} -> {value, Status}
            end
        end,
        Milliseconds
    ).

%% Kills the command if it still runs, waits for its end, and forgets it.
-spec close(command()) -> ok.
close(Command) ->
    case is_process_alive(Command) of
        true ->
            _ = signal(Command, "KILL"),
            _ = await_exit(Command, 10000),
            gen_server:stop(Command);
        false ->
            ok
    end.

init({Executable, Args, Options}) ->
    Errors = maps:get(errors, Options, "/dev/null"),
    Script = filename:join(esdb_sandbox:source_dir(), "lib/supervise.sh"),
    Port = open_port({spawn_executable, Script}, [
        %% as UTF-8, whatever the locale
        {args, [unicode:characters_to_binary(A) || A <- [Errors, Executable | Args]]},
        {env, maps:get(env, Options, [])},
        {line, 65536},
        exit_status,
        use_stdio,
        hide
    ]),
    {ok, #{port => Port, errors => Errors, lines => [], status => undefined}}.

handle_call({signal, Signal}, _From, State = #{port := Port, status := undefined}) ->
    true = port_command(Port, [Signal, $\n]),
    {reply, ok, State};
handle_call({signal, _}, _From, State) ->
    {reply, ok, State};
handle_call(state, _From, State = #{lines := Lines, status := Status}) ->
    {reply, {lists:reverse(Lines), Status}, State};
handle_call(errors, _From, State = #{errors := File}) ->
    {reply, read(File), State};
handle_call(os_pid, _From, State = #{port := Port}) ->
    {os_pid, Shell} = erlang:port_info(Port, os_pid),
    Path = lists:flatten(io_lib:format("/proc/~b/task/~b/children", [Shell, Shell])),
    {reply, hd(string:lexemes(read(Path), " ")), State}.

handle_cast(_, State) ->
    {noreply, State}.

handle_info({Port, {data, {_, Line}}}, State = #{port := Port, lines := Lines}) ->
    {noreply, State#{lines := [Line | Lines]}};
handle_info({Port, {exit_status, Status}}, State = #{port := Port}) ->
    {noreply, State#{status := Status}}.

read("/dev/null") ->
    "";
read(File) ->
    case file:read_file(File) of
        {ok, Bytes} -> binary_to_list(Bytes);
        {error, _} -> ""
    end.
