%% A short form of the delivery torture: `make torture` runs the long one.
-module(delivery_torture_tests).

-include_lib("eunit/include/eunit.hrl").

delivery_torture_test_() ->
    Options = #{events => 30000, server_kills => 3, seed => 7},
    [
        {Title, {timeout, 100, fun() -> run(maps:merge(Options, More)) end}}
     || {Title, More} <- [
            {"with acknowledgements", #{acks => true, subscriber_kills => 3}},
            {"without", #{acks => false, subscriber_kills => 0}},
            {"by the protocol of our own", #{protocol => own, acks => true, subscriber_kills => 3}}
        ]
    ].

run(Options = #{events := Events}) ->
    #{received := Events} = delivery_torture:run(Options).
