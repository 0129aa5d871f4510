# The NIF library and its Erlang application; included by the Makefile of the repository.

NIFS := erlang_client/apps/esdb_nifs
# A fresh emulator with the application and one directory of helpers (tests or benchmarks) compiled beside it.
NIFS_ERL = cd erlang_client && rebar3 compile && mkdir -p _build/nifs && \
	erlc -o _build/nifs apps/esdb_nifs/$(1)/*.erl && erl -noshell -pa _build/default/lib/esdb_nifs/ebin _build/nifs -eval

native:  ## the NIF library, into the priv directory of its application
	sh $(NIFS)/build_native.sh force

test-nifs: native  ## the NIF library against its Erlang twins, with it and without it
	cargo test --locked -p esdb-native
	sh $(NIFS)/test_nifs.sh

bench-nifs: native  ## each function: library, twin, OTP's own; ONLY=word for some of them
	$(call NIFS_ERL,bench) 'esdb_nifs_bench:main(string:lexemes("$(ONLY)", " ")), halt().'

torture-nifs: native  ## ten million calls of each function, with flat memory; CALLS=n, and SECONDS=n at most for each
	$(call NIFS_ERL,test) 'esdb_safe_in_the_vm_tests:torture($(or $(CALLS),10000000), $(or $(SECONDS),600)), halt().'

dist-nifs: native  ## the library for this platform, with its checksum, into priv/<triple>/
	sh $(NIFS)/dist_nifs.sh

.PHONY: native test-nifs bench-nifs torture-nifs dist-nifs
