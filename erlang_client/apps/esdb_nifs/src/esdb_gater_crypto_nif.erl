%% Base58 and resource patterns for capability tokens, as clients of the gateway know them.
-module(esdb_gater_crypto_nif).
-include("esdb_nifs.hrl").

-export([base58_encode/1, base58_decode/1, match_resource_pattern/2]).
-export([is_loaded/0, is_nif_loaded/0, implementation/0]).
-export([nif_base58_encode/1, nif_base58_decode/1, nif_match_resource_pattern/2]).
-export([erlang_base58_encode/1, erlang_base58_decode/1, erlang_match_resource_pattern/2]).

-spec is_loaded() -> boolean().
is_loaded() -> esdb_nifs_lib:loaded().

-spec is_nif_loaded() -> boolean().
is_nif_loaded() -> esdb_nifs_lib:loaded().

-spec implementation() -> nif | erlang.
implementation() -> esdb_nifs_lib:implementation().

-spec base58_encode(binary()) -> binary().
base58_encode(Data) -> esdb_crypto_nif:base58_encode(Data).
nif_base58_encode(Data) -> esdb_crypto_nif:nif_base58_encode(Data).
erlang_base58_encode(Data) -> esdb_crypto_nif:erlang_base58_encode(Data).

-spec base58_decode(binary()) -> {ok, binary()} | {error, invalid_base58}.
base58_decode(Text) -> esdb_crypto_nif:base58_decode(Text).
nif_base58_decode(Text) -> esdb_crypto_nif:nif_base58_decode(Text).
erlang_base58_decode(Text) -> esdb_crypto_nif:erlang_base58_decode(Text).

%% Whether Resource is Pattern, or, when Pattern ends in `*`, begins with what is before it.
%% Twin used: matching a binary costs the emulator less than a call of the library.
-spec match_resource_pattern(binary(), binary()) -> boolean().
match_resource_pattern(Pattern, Resource) -> erlang_match_resource_pattern(Pattern, Resource).

nif_match_resource_pattern(Pattern, Resource) ->
    ?NIF(
        esdb_nifs_lib:match_resource_pattern(Pattern, Resource),
        esdb_nifs_lib:match_resource_pattern_dirty(Pattern, Resource),
        erlang_match_resource_pattern(Pattern, Resource)
    ).

erlang_match_resource_pattern(Same, Same) when is_binary(Same) ->
    true;
erlang_match_resource_pattern(Pattern, Resource) when is_binary(Pattern), is_binary(Resource) ->
    Size = byte_size(Pattern) - 1,
    case Pattern of
        <<Prefix:Size/binary, $*>> ->
            case Resource of
                <<Prefix:Size/binary, _/binary>> -> true;
                _ -> false
            end;
        _ ->
            false
    end;
erlang_match_resource_pattern(_, _) ->
    error(badarg).
