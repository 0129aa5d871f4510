%% kill -9 under load, ten times in a row; `make torture` does it a hundred times.
-module(kill_tests).
-include_lib("eunit/include/eunit.hrl").

-define(LIMIT_S, 100).

kills_test_() ->
    [
        {Title, {timeout, ?LIMIT_S, fun() -> torture:run(options(Seed, Memtables)) end}}
     || {Title, Seed, Memtables} <- [
            {"what was acknowledged survives kills under load", 1, [64]},
            {"and kills while checkpoints are being written", 2, [1]}
        ]
    ].

options(Seed, Memtables) ->
    Keep = filename:join(esdb_sandbox:source_dir(), "out"),
    #{kills => 10, seed => Seed, memtable_mib => Memtables, keep => Keep}.
