%% Predicates over events: what they mean (the twin), and their flat form for the library.
%%
%%   {eq | ne | gt | gte | lt | lte, Field, Value}   {in, Field, Values}   {exists, Field}
%%   {wildcard, Field, Pattern}   {starts_with | ends_with, Field, Binary}
%%   {'and' | 'or', Predicates}   {'not', Predicate}   true   false
%%
%% A field is an atom, a binary, or a list of them. One name is looked for in the event and then in its data; a list
%% leads from the event inwards. `eq` and `in` mean the same term (1 is not 1.0); gt, gte, lt and lte hold between two
%% numbers, two binaries or two atoms, in the order of terms. A test of a missing field fails, `ne` alone holds.
-module(esdb_predicate).
-export([compile/1, compile_erlang/1, source/1, parts/1, worthwhile/1, accepts/2]).
-compile({inline, [is_cheap/1]}).
-export_type([field/0, predicate/0, compiled/0]).

-type field() :: atom() | binary() | [atom() | binary(), ...].
-type predicate() ::
    {eq | ne | gt | gte | lt | lte, field(), term()}
    | {in, field(), [term()]}
    | {exists, field()}
    | {wildcard | starts_with | ends_with, field(), binary()}
    | {'and' | 'or', [predicate()]}
    | {'not', predicate()}
    | boolean().
%% Source, constants of the program, program. Opaque; the program is only known to the node that compiled it, which
%% is why the source stays with it.
-type compiled() :: {esdb_predicate, predicate(), tuple(), reference() | undefined}.

-define(IS_ORDER_OP(Op), (Op =:= gt orelse Op =:= gte orelse Op =:= lt orelse Op =:= lte)).
-define(IS_ORDER(Op), Op =:= gt; Op =:= gte; Op =:= lt; Op =:= lte).

%% Checks a predicate and gives it to the library, where that is loaded.
-spec compile(term()) -> {ok, compiled()} | {error, {invalid_predicate, term()}}.
compile(Predicate) ->
    case compile_erlang(Predicate) of
        {ok, {esdb_predicate, Source, _, undefined}} ->
            {Entry, {_, Tests, Constants}} = flatten(Source, accept, reject, {0, [], {0, #{}}}),
            {ok, program(Source, Entry, lists:reverse(Tests), tuple(Constants))};
        Error ->
            Error
    end.

%% Checks a predicate.
-spec compile_erlang(term()) -> {ok, compiled()} | {error, {invalid_predicate, term()}}.
compile_erlang({esdb_predicate, Source, Constants, _}) when is_tuple(Constants) ->
    compile_erlang(Source);
compile_erlang(Predicate) ->
    case check([Predicate]) of
        ok -> {ok, {esdb_predicate, Predicate, {}, undefined}};
        {invalid, Part} -> {error, {invalid_predicate, Part}}
    end.

program(Source, Entry, Tests, Constants) ->
    case esdb_nifs_lib:compile_predicate(Tests, Entry, Constants) of
        Program when is_reference(Program) -> {esdb_predicate, Source, Constants, Program};
        twin -> {esdb_predicate, Source, {}, undefined};
        dirty ->
            case esdb_nifs_lib:compile_predicate_dirty(Tests, Entry, Constants) of
                twin -> {esdb_predicate, Source, {}, undefined};
                Program -> {esdb_predicate, Source, Constants, Program}
            end
    end.

%% The checked source of a compiled or plain predicate; badarg when it is neither.
-spec source(term()) -> predicate().
source(Predicate) ->
    case compile_erlang(Predicate) of
        {ok, {esdb_predicate, Source, _, _}} -> Source;
        {error, _} -> error(badarg)
    end.

%% Program and constants for the library; a plain predicate is compiled for this call.
-spec parts(term()) -> {term(), term()}.
parts({esdb_predicate, _, Constants, Program}) when is_tuple(Constants) -> {Program, Constants};
parts(Predicate) ->
    case compile(Predicate) of
        {ok, {esdb_predicate, _, Constants, Program}} -> {Program, Constants};
        {error, _} -> {undefined, {}}
    end.

%% The same; or the checked source, where the twin is the faster: one comparison costs it less than reading a field costs
%% the library.
-spec worthwhile(term()) -> {term(), term()} | {twin, predicate()}.
worthwhile({esdb_predicate, Source, Constants, Program}) when is_tuple(Constants) ->
    case is_cheap(Source) of
        true -> {twin, Source};
        false -> {Program, Constants}
    end;
worthwhile(Predicate) ->
    case is_cheap(Predicate) of
        true -> {twin, Predicate};
        false -> parts(Predicate)
    end.

is_cheap({Op, Field, _}) when Op =:= eq; Op =:= ne; ?IS_ORDER(Op) -> is_field(Field);
is_cheap({exists, Field}) -> is_field(Field);
is_cheap(Other) -> is_boolean(Other).

%% A list of predicates still to check, so that depth costs heap and not more.
check([]) -> ok;
check([true | Rest]) -> check(Rest);
check([false | Rest]) -> check(Rest);
check([{'not', Predicate} | Rest]) -> check([Predicate | Rest]);
check([{Join, Predicates} = Part | Rest]) when Join =:= 'and'; Join =:= 'or' ->
    case is_list(Predicates) andalso is_proper(Predicates) of
        true -> check(lists:reverse(Predicates, Rest));
        false -> {invalid, Part}
    end;
check([Part | Rest]) ->
    case is_test(Part) of
        true -> check(Rest);
        false -> {invalid, Part}
    end.

is_test({exists, Field}) -> is_field(Field);
is_test({in, Field, Values}) -> is_field(Field) andalso is_list(Values) andalso is_proper(Values);
is_test({Op, Field, _}) when Op =:= eq; Op =:= ne; ?IS_ORDER(Op) -> is_field(Field);
is_test({Op, Field, Text}) when Op =:= wildcard; Op =:= starts_with; Op =:= ends_with ->
    is_field(Field) andalso is_binary(Text);
is_test(_) -> false.

is_field([_ | _] = Path) -> is_proper(Path) andalso lists:all(fun is_name/1, Path);
is_field(Name) -> is_name(Name).

is_name(Name) -> (is_atom(Name) andalso Name =/= []) orelse is_binary(Name).

is_proper(List) -> length_or_error(List) =/= error.

length_or_error(List) ->
    try length(List) catch error:badarg -> error end.

%% Tests get numbers from 0 on, the last of the evaluation first: each jumps to lower ones. Gives the entry.
flatten(true, True, _, State) -> {True, State};
flatten(false, _, False, State) -> {False, State};
flatten({'not', Predicate}, True, False, State) -> flatten(Predicate, False, True, State);
flatten({'and', Predicates}, True, False, State) ->
    lists:foldr(fun(P, {Entry, Acc}) -> flatten(P, Entry, False, Acc) end, {True, State}, Predicates);
flatten({'or', Predicates}, True, False, State) ->
    lists:foldr(fun(P, {Entry, Acc}) -> flatten(P, True, Entry, Acc) end, {False, State}, Predicates);
flatten({exists, Field}, True, False, State) ->
    test(exists, Field, true, True, False, State);
flatten({in, Field, Values}, True, False, State) ->
    test(member, Field, Values, True, False, State);
flatten({Op, Field, Value}, True, False, State) ->
    test(Op, Field, Value, True, False, State).

test(Op, Field, Value, True, False, {Number, Tests, Constants0}) ->
    {Path, Constants1} = lists:mapfoldl(fun constant/2, Constants0, path(Field)),
    {Place, Constants} = constant(Value, Constants1),
    {Number, {Number + 1, [{Op, Path, Place, True, False} | Tests], Constants}}.

path(Path) when is_list(Path) -> Path;
path(Name) -> [Name].

%% The place of a constant; each stands once.
constant(Value, {Count, Places}) ->
    case Places of
        #{Value := Place} -> {Place, {Count, Places}};
        #{} -> {Count, {Count + 1, Places#{Value => Count}}}
    end.

tuple({_, Places}) ->
    list_to_tuple([Value || {_, Value} <- lists:sort([{Place, Value} || {Value, Place} <- maps:to_list(Places)])]).

%% Whether an event passes a checked predicate.
-spec accepts(predicate(), term()) -> boolean().
accepts(Predicate, Event) when is_map(Event) -> holds(Predicate, Event);
accepts(Predicate, Event) when element(1, Event) =:= event, tuple_size(Event) >= 11 -> holds(Predicate, Event);
accepts(_, _) -> error(badarg).

holds(true, _) -> true;
holds(false, _) -> false;
holds({'not', Predicate}, Event) -> not holds(Predicate, Event);
holds({'and', Predicates}, Event) -> lists:all(fun(Predicate) -> holds(Predicate, Event) end, Predicates);
holds({'or', Predicates}, Event) -> lists:any(fun(Predicate) -> holds(Predicate, Event) end, Predicates);
holds({exists, Field}, Event) -> field(Field, Event) =/= error;
holds({ne, Field, Value}, Event) -> field(Field, Event) =/= {ok, Value};
holds({Op, Field, Value}, Event) ->
    case field(Field, Event) of
        {ok, Found} -> compare(Op, Found, Value);
        error -> false
    end.

compare(eq, Found, Value) -> Found =:= Value;
compare(in, Found, Values) -> lists:any(fun(Value) -> Found =:= Value end, Values);
compare(wildcard, Found, Pattern) -> is_binary(Found) andalso esdb_wildcard:matches(Found, esdb_wildcard:compile(Pattern));
compare(starts_with, Found, Prefix) -> is_binary(Found) andalso esdb_wildcard:has_prefix(Found, Prefix);
compare(ends_with, Found, Suffix) -> is_binary(Found) andalso esdb_wildcard:has_suffix(Found, Suffix);
compare(Op, Found, Value) when is_number(Found), is_number(Value) -> ordered(Op, Found, Value);
compare(Op, Found, Value) when is_binary(Found), is_binary(Value) -> ordered(Op, Found, Value);
compare(Op, Found, Value) when is_atom(Found), is_atom(Value) -> ordered(Op, Found, Value);
compare(_, _, _) -> false.

ordered(gt, A, B) -> A > B;
ordered(gte, A, B) -> A >= B;
ordered(lt, A, B) -> A < B;
ordered(lte, A, B) -> A =< B.

field([Name], Event) ->
    field(Name, Event);
field([Name | Path], Event) ->
    case own(Name, Event) of
        {ok, Inner} -> inner(Path, Inner);
        error -> error
    end;
field(Name, Event) ->
    case own(Name, Event) of
        {ok, Value} -> {ok, Value};
        error ->
            case own(data, Event) of
                {ok, #{Name := Value}} -> {ok, Value};
                _ -> error
            end
    end.

inner([], Value) -> {ok, Value};
inner([Name | Path], Map) ->
    case Map of
        #{Name := Inner} -> inner(Path, Inner);
        _ -> error
    end.

own(Name, Event) when is_map(Event) -> maps:find(Name, Event);
own(Name, Event) ->
    case place(Name, tuple_size(Event)) of
        none -> error;
        Place -> {ok, element(Place, Event)}
    end.

%% Records of 11 elements have no tags.
place(event_id, _) -> 2;
place(event_type, _) -> 3;
place(stream_id, _) -> 4;
place(version, _) -> 5;
place(data, _) -> 6;
place(metadata, _) -> 7;
place(tags, 11) -> none;
place(tags, _) -> 8;
place(timestamp, Size) -> after_tags(9, Size);
place(epoch_us, Size) -> after_tags(10, Size);
place(data_content_type, Size) -> after_tags(11, Size);
place(metadata_content_type, Size) -> after_tags(12, Size);
place(_, _) -> none.

after_tags(Place, 11) -> Place - 1;
after_tags(Place, _) -> Place.
