%% How a public function asks the library.
%%
%% Each call of the library gives its result, or `dirty` (more work than an ordinary scheduler may do: the same
%% function again, on a dirty one), or `twin` (no library, or a form that only the twin treats, errors among them).

%% The result, whichever of the two gives it.
-define(NATIVE(Short, Dirty, Twin),
    case Short of
        twin -> Twin;
        dirty ->
            case Dirty of
                twin -> Twin;
                DirtyResult -> DirtyResult
            end;
        ShortResult -> ShortResult
    end).

%% The same for a call about single binaries. The emulator copies a binary that does not begin at a byte before a library can
%% look at it, 0.4 ms for each MiB: with a large one the work begins on a dirty scheduler.
-define(LARGE(Binary), byte_size(Binary) > 1048576).
-define(NATIVE(IsLarge, Short, Dirty, Twin),
    if
        IsLarge ->
            case Dirty of
                twin -> Twin;
                LargeResult -> LargeResult
            end;
        true ->
            ?NATIVE(Short, Dirty, Twin)
    end).

%% The same for the exported nif_NAME: without the library it does not hand over to the twin.
-define(NIF(Short, Dirty, Twin),
    ?NATIVE(Short, Dirty, begin ok = esdb_nifs_lib:must_be_loaded(), Twin end)).
-define(NIF(IsLarge, Short, Dirty, Twin),
    ?NATIVE(IsLarge, Short, Dirty, begin ok = esdb_nifs_lib:must_be_loaded(), Twin end)).

%% Lists of at least so many elements. Below, the twin is done before a call of the library has begun; the sizes are
%% those at which `make bench-nifs` shows the library ahead.
-define(AT_LEAST_1, [_ | _]).
-define(AT_LEAST_2, [_, _ | _]).
-define(AT_LEAST_4, [_, _, _, _ | _]).
-define(AT_LEAST_6, [_, _, _, _, _, _ | _]).
-define(AT_LEAST_12, [_, _, _, _, _, _, _, _, _, _, _, _ | _]).
-define(AT_LEAST_64, [
    _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _,
    _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _ | _
]).
