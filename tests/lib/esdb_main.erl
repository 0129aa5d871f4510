%% The frame of demo, bench and torture: a sandbox around the work, an exit status, and for what was
%% not expected a message instead of a crash dump.
-module(esdb_main).

-export([run/1]).

%% Runs Work, which returns whether all is well, and ends the VM with status 0 or 1.
-spec run(fun(() -> boolean())) -> no_return().
run(Work) ->
    ok = esdb_print:start(),
    ok = esdb_sandbox:start(),
    Status =
        try Work() of
            true -> 0;
            false -> 1
        catch
            Class:Reason:Stack ->
                esdb_print:line("~nended by ~tp: ~tp~n  ~tp", [Class, Reason, Stack]),
                1
        end,
    ok = esdb_sandbox:stop(),
    halt(Status).
