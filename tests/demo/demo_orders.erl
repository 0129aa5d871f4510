%% Orders of a shop, the same in every run: all about an order follows from its number.
-module(demo_orders).

-export([stream/1, life/1, none/0, fold/2, add/2, table/1]).

%% of each country: how many orders there are, how many in which state, and what came in, in cents
-type summary() :: #{binary() => #{atom() => integer()}}.
-export_type([summary/0]).

-define(COUNTRIES, [
    <<"Austria">>, <<"Brazil">>, <<"Denmark">>, <<"Japan">>, <<"Kenya">>, <<"Portugal">>
]).
-define(COUNTED, [orders, delivered, under_way, returned, cancelled, cents]).

-spec stream(pos_integer()) -> binary().
stream(Order) ->
    <<"order-", (integer_to_binary(Order))/binary>>.

%% The events of an order, first to last, as an append takes them.
-spec life(pos_integer()) -> [map(), ...].
life(Order) ->
    Items = [item(Order, N) || N <- lists:seq(1, 1 + pick(Order, lines, 3))],
    Cents = lists:sum([Quantity * Price || #{quantity := Quantity, cents := Price} <- Items]),
    Placed = #{
        order => Order,
        customer => 1 + pick(Order, customer, 20000),
        country => lists:nth(1 + pick(Order, country, length(?COUNTRIES)), ?COUNTRIES),
        items => Items,
        cents => Cents
    },
    [event(<<"order_placed">>, Placed) | handled(pick(Order, fate, 100), Order, Cents)].

%% 80 of 100 orders are delivered, 7 of them come back; 10 are on their way; 10 never were paid
handled(Fate, Order, _) when Fate >= 90 ->
    [event(<<"order_cancelled">>, #{order => Order, reason => <<"not paid in time">>})];
handled(Fate, Order, Cents) ->
    Paid = event(<<"payment_received">>, #{order => Order, cents => Cents}),
    Parcel = pick(Order, parcel, 1 bsl 27),
    Shipped = event(<<"order_shipped">>, #{order => Order, parcel => Parcel}),
    Delivered = event(<<"order_delivered">>, #{order => Order, days => 1 + pick(Order, days, 9)}),
    Returned = event(<<"order_returned">>, #{order => Order, refunded_cents => Cents}),
    if
        Fate >= 80 -> [Paid, Shipped];
        Fate >= 7 -> [Paid, Shipped, Delivered];
        true -> [Paid, Shipped, Delivered, Returned]
    end.

item(Order, N) ->
    #{
        article => pick(Order, {article, N}, 500),
        quantity => 1 + pick(Order, {quantity, N}, 4),
        cents => 199 + 50 * pick(Order, {price, N}, 100)
    }.

event(Type, Data) ->
    #{event_type => Type, data => Data, metadata => #{source => <<"demo">>}}.

%% a number from 0 to Range - 1
pick(Order, What, Range) -> erlang:phash2({Order, What}, Range).

-spec none() -> summary().
none() -> #{}.

%% Adds one order, of which the events are given as {Version, Type, Data}.
-spec fold([{non_neg_integer(), binary(), map()}], summary()) -> summary().
fold([{0, <<"order_placed">>, #{country := Country}} | Rest], Summary) ->
    Counts = lists:foldl(fun happened/2, #{orders => 1, under_way => 1}, Rest),
    add(#{Country => Counts}, Summary).

happened({_, <<"order_cancelled">>, _}, Order) -> Order#{under_way => 0, cancelled => 1};
happened({_, <<"payment_received">>, #{cents := Cents}}, Order) -> Order#{cents => Cents};
happened({_, <<"order_shipped">>, _}, Order) -> Order;
happened({_, <<"order_delivered">>, _}, Order) -> Order#{under_way => 0, delivered => 1};
happened({_, <<"order_returned">>, #{refunded_cents := Cents}}, Order = #{cents := Paid}) ->
    Order#{delivered => 0, returned => 1, cents => Paid - Cents}.

-spec add(summary(), summary()) -> summary().
add(One, Other) -> merge(One, Other, fun(A, B) -> merge(A, B, fun erlang:'+'/2) end).

merge(One, Other, Both) ->
    maps:fold(
        fun(Key, Value, Map) ->
            maps:update_with(Key, fun(Old) -> Both(Old, Value) end, Value, Map)
        end,
        One,
        Other
    ).

%% Prints one line for each country, and the sum.
-spec table(summary()) -> ok.
table(Summary) ->
    Sum = maps:fold(fun(_, Counts, S) -> merge(Counts, S, fun erlang:'+'/2) end, #{}, Summary),
    Rows = lists:sort(maps:to_list(Summary)) ++ [{<<"all">>, Sum}],
    Header = ["country", "orders", "delivered", "under way", "returned", "cancelled", "revenue"],
    esdb_print:table("   ", Header, [[binary_to_list(C) | cells(Counts)] || {C, Counts} <- Rows]).

cells(Counts) ->
    {Numbers, [Cents]} = lists:split(5, [maps:get(Key, Counts, 0) || Key <- ?COUNTED]),
    Money = io_lib:format("~ts.~2..0b", [esdb_print:number(Cents div 100), Cents rem 100]),
    [esdb_print:number(N) || N <- Numbers] ++ [Money].
