%% SHA-256, Ed25519, URL-safe base64, Base58, comparison in constant time.
-module(esdb_crypto_nif).
-include("esdb_nifs.hrl").

-export([
    verify_ed25519/3, hash_sha256/1, hash_sha256_base64/1,
    base64_encode_urlsafe/1, base64_decode_urlsafe/1, secure_compare/2,
    base58_encode/1, base58_decode/1
]).
-export([implementation/0, is_nif_loaded/0]).
-export([
    nif_verify_ed25519/3, nif_hash_sha256/1, nif_hash_sha256_base64/1,
    nif_base64_encode_urlsafe/1, nif_base64_decode_urlsafe/1, nif_secure_compare/2,
    nif_base58_encode/1, nif_base58_decode/1
]).
-export([
    erlang_verify_ed25519/3, erlang_hash_sha256/1, erlang_hash_sha256_base64/1,
    erlang_base64_encode_urlsafe/1, erlang_base64_decode_urlsafe/1, erlang_secure_compare/2,
    erlang_base58_encode/1, erlang_base58_decode/1
]).

%% Longer data are hashed by OTP's crypto, which is as fast there and goes to no other scheduler.
-define(LONGEST_HASHED, 262144).

-spec implementation() -> nif | erlang.
implementation() -> esdb_nifs_lib:implementation().

-spec is_nif_loaded() -> boolean().
is_nif_loaded() -> esdb_nifs_lib:loaded().

%% Whether Signature (64 bytes) over Message was made with the key that belongs to PublicKey (32 bytes).
-spec verify_ed25519(binary(), binary(), binary()) -> boolean().
verify_ed25519(Message, Signature, PublicKey) ->
    ?NATIVE(
        ?LARGE(Message) orelse ?LARGE(Signature) orelse ?LARGE(PublicKey),
        esdb_nifs_lib:verify_ed25519(Message, Signature, PublicKey),
        esdb_nifs_lib:verify_ed25519_dirty(Message, Signature, PublicKey),
        erlang_verify_ed25519(Message, Signature, PublicKey)
    ).

nif_verify_ed25519(Message, Signature, PublicKey) ->
    ?NIF(
        ?LARGE(Message) orelse ?LARGE(Signature) orelse ?LARGE(PublicKey),
        esdb_nifs_lib:verify_ed25519(Message, Signature, PublicKey),
        esdb_nifs_lib:verify_ed25519_dirty(Message, Signature, PublicKey),
        erlang_verify_ed25519(Message, Signature, PublicKey)
    ).

erlang_verify_ed25519(Message, Signature, PublicKey) when
    is_binary(Message), byte_size(Signature) =:= 64, byte_size(PublicKey) =:= 32,
    is_binary(Signature), is_binary(PublicKey)
->
    try
        crypto:verify(eddsa, none, Message, Signature, [PublicKey, ed25519])
    catch
        error:_ -> false
    end;
erlang_verify_ed25519(Message, Signature, PublicKey) when
    is_binary(Message), is_binary(Signature), is_binary(PublicKey)
->
    false;
erlang_verify_ed25519(_, _, _) ->
    error(badarg).

-spec hash_sha256(binary()) -> <<_:256>>.
hash_sha256(Data) when byte_size(Data) =< ?LONGEST_HASHED ->
    ?NATIVE(esdb_nifs_lib:hash_sha256(Data), esdb_nifs_lib:hash_sha256_dirty(Data), erlang_hash_sha256(Data));
hash_sha256(Data) ->
    erlang_hash_sha256(Data).

nif_hash_sha256(Data) ->
    ?NIF(?LARGE(Data), esdb_nifs_lib:hash_sha256(Data), esdb_nifs_lib:hash_sha256_dirty(Data), erlang_hash_sha256(Data)).

erlang_hash_sha256(Data) when is_binary(Data) -> crypto:hash(sha256, Data);
erlang_hash_sha256(_) -> error(badarg).

%% SHA-256 as URL-safe base64 without padding: the content id of a token.
-spec hash_sha256_base64(binary()) -> binary().
hash_sha256_base64(Data) when byte_size(Data) =< ?LONGEST_HASHED ->
    ?NATIVE(
        esdb_nifs_lib:hash_sha256_base64(Data),
        esdb_nifs_lib:hash_sha256_base64_dirty(Data),
        erlang_hash_sha256_base64(Data)
    );
hash_sha256_base64(Data) ->
    erlang_hash_sha256_base64(Data).

nif_hash_sha256_base64(Data) ->
    ?NIF(
        ?LARGE(Data),
        esdb_nifs_lib:hash_sha256_base64(Data),
        esdb_nifs_lib:hash_sha256_base64_dirty(Data),
        erlang_hash_sha256_base64(Data)
    ).

erlang_hash_sha256_base64(Data) -> erlang_base64_encode_urlsafe(erlang_hash_sha256(Data)).

%% URL-safe base64 without padding (RFC 4648, section 5).
-spec base64_encode_urlsafe(binary()) -> binary().
base64_encode_urlsafe(Data) ->
    ?NATIVE(
        ?LARGE(Data),
        esdb_nifs_lib:base64_encode(Data),
        esdb_nifs_lib:base64_encode_dirty(Data),
        erlang_base64_encode_urlsafe(Data)
    ).

nif_base64_encode_urlsafe(Data) ->
    ?NIF(
        ?LARGE(Data),
        esdb_nifs_lib:base64_encode(Data),
        esdb_nifs_lib:base64_encode_dirty(Data),
        erlang_base64_encode_urlsafe(Data)
    ).

erlang_base64_encode_urlsafe(Data) when is_binary(Data) -> esdb_codec:base64_encode(Data);
erlang_base64_encode_urlsafe(_) -> error(badarg).

%% Strict: no padding, no white space, no loose bits.
-spec base64_decode_urlsafe(binary()) -> {ok, binary()} | {error, invalid_base64}.
base64_decode_urlsafe(Text) ->
    ?NATIVE(
        ?LARGE(Text),
        esdb_nifs_lib:base64_decode(Text),
        esdb_nifs_lib:base64_decode_dirty(Text),
        erlang_base64_decode_urlsafe(Text)
    ).

nif_base64_decode_urlsafe(Text) ->
    ?NIF(
        ?LARGE(Text),
        esdb_nifs_lib:base64_decode(Text),
        esdb_nifs_lib:base64_decode_dirty(Text),
        erlang_base64_decode_urlsafe(Text)
    ).

erlang_base64_decode_urlsafe(Text) when is_binary(Text) -> esdb_codec:base64_decode(Text);
erlang_base64_decode_urlsafe(_) -> error(badarg).

%% Equality in a time that depends on the lengths alone.
-spec secure_compare(binary(), binary()) -> boolean().
secure_compare(A, B) ->
    ?NATIVE(?LARGE(A) orelse ?LARGE(B), esdb_nifs_lib:secure_compare(A, B), esdb_nifs_lib:secure_compare_dirty(A, B), erlang_secure_compare(A, B)).

nif_secure_compare(A, B) ->
    ?NIF(?LARGE(A) orelse ?LARGE(B), esdb_nifs_lib:secure_compare(A, B), esdb_nifs_lib:secure_compare_dirty(A, B), erlang_secure_compare(A, B)).

erlang_secure_compare(A, B) when is_binary(A), is_binary(B), byte_size(A) =:= byte_size(B) ->
    crypto:hash_equals(A, B);
erlang_secure_compare(A, B) when is_binary(A), is_binary(B) ->
    false;
erlang_secure_compare(_, _) ->
    error(badarg).

%% Base58 with the Bitcoin alphabet, as did:key uses it.
-spec base58_encode(binary()) -> binary().
base58_encode(Data) ->
    ?NATIVE(?LARGE(Data), esdb_nifs_lib:base58_encode(Data), esdb_nifs_lib:base58_encode_dirty(Data), erlang_base58_encode(Data)).

nif_base58_encode(Data) ->
    ?NIF(?LARGE(Data), esdb_nifs_lib:base58_encode(Data), esdb_nifs_lib:base58_encode_dirty(Data), erlang_base58_encode(Data)).

erlang_base58_encode(Data) when is_binary(Data) -> esdb_codec:base58_encode(Data);
erlang_base58_encode(_) -> error(badarg).

-spec base58_decode(binary()) -> {ok, binary()} | {error, invalid_base58}.
base58_decode(Text) ->
    ?NATIVE(?LARGE(Text), esdb_nifs_lib:base58_decode(Text), esdb_nifs_lib:base58_decode_dirty(Text), erlang_base58_decode(Text)).

nif_base58_decode(Text) ->
    ?NIF(?LARGE(Text), esdb_nifs_lib:base58_decode(Text), esdb_nifs_lib:base58_decode_dirty(Text), erlang_base58_decode(Text)).

erlang_base58_decode(Text) when is_binary(Text) -> esdb_codec:base58_decode(Text);
erlang_base58_decode(_) -> error(badarg).
