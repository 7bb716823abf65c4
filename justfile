# Names for the commands; each is a plain line that also works without just.

default:
    @just --list

# Everything in one process, on a private Postgres
dev *arguments:
    script/dev {{arguments}}

# Everything that CI runs, in its order
check:
    .ci/run

# All tests, or those whose names match
test *arguments:
    script/test {{arguments}}

# Refreshes what is generated and committed
docs:
    script/prepare-sqlx
    cargo run --quiet -- asyncapi > docs/asyncapi.json
    cargo run --quiet -- openapi > docs/openapi.json
    cargo doc --no-deps

# Makes the pictures of the README from the running program, in about six minutes
pictures:
    cargo test --test it pictures -- --ignored

# Half an hour of faults; `RINGBACK_FAULT_SEED` repeats a schedule
faults seconds="1800":
    RINGBACK_FAULT_SECONDS={{seconds}} cargo test --test it ledger -- --nocapture

# Half an hour of changed frames, tokens, keys and settings
fuzz cases="2000000":
    RINGBACK_FUZZ_CASES={{cases}} cargo test --release --test fuzz

# What the parts take, and the queue beside what Postgres alone can do and beside apalis-postgres
bench:
    cargo bench --bench parts
    cargo bench --bench queue

# What is in the tree of dependencies: licences, sources, bans, advisories
deny:
    script/deny

# How many instructions the hot paths take, against their limits
counts:
    script/counts
