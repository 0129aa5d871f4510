%% Writes JSON (RFC 8259): maps with atom keys, lists, atoms, numbers, UTF-8 binaries.
-module(bench_json).

-export([encode/1]).

-spec encode(term()) -> iodata().
encode(Map) when is_map(Map) ->
    Members = [[encode(Key), ": ", encode(Value)] || {Key, Value} <- maps:to_list(Map)],
    ["{", lists:join(",\n", Members), "}"];
encode(List) when is_list(List) -> ["[", lists:join(", ", [encode(E) || E <- List]), "]"];
encode(Word) when Word =:= true; Word =:= false; Word =:= null -> atom_to_binary(Word);
encode(Atom) when is_atom(Atom) -> encode(atom_to_binary(Atom));
encode(Integer) when is_integer(Integer) -> integer_to_binary(Integer);
encode(Float) when is_float(Float) -> io_lib:format("~.3f", [Float]);
encode(Text) when is_binary(Text) -> [$", [character(C) || <<C/utf8>> <= Text], $"].

character($") -> "\\\"";
character($\\) -> "\\\\";
character(C) when C < 32 -> io_lib:format("\\u~4.16.0b", [C]);
character(C) -> <<C/utf8>>.
