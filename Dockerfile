# The program in a small image; docs/deploy.md says how it is run, and how to add what command tasks need.

# The toolchain is that of rust-toolchain.toml, which is not copied: it asks for the formatter and the linter as well.
FROM rust:1.95.0-slim-trixie AS build
WORKDIR /src
COPY .cargo .cargo
COPY .sqlx .sqlx
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY clients/js/ringback.js clients/js/ringback.js
COPY migrations migrations
COPY src src
COPY static static
# What is downloaded and built stays with the builder, so that the next build is one of what has changed.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --release --locked --bin ringback \
    && cp target/release/ringback /usr/local/bin/ringback

# The same Debian as where it was built, so that its C library is there. A worker starts commands with /bin/sh, and who
# builds on this image needs apt.
FROM debian:13.6-slim
RUN groupadd --system --gid 10001 ringback \
    && useradd --system --uid 10001 --gid ringback --create-home --home-dir /srv/ringback ringback
# Whom functions over https and published keys are checked against. Time zones are in the program.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usr/local/bin/ringback /usr/local/bin/ringback
ENV RINGBACK_LISTEN=0.0.0.0:8000
# By number: who runs it may want to see that it is not root.
USER 10001:10001
# A tasks.toml here is found.
WORKDIR /srv/ringback
EXPOSE 8000
# Of a gateway; a worker's process is all that there is to see of it from here.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["ringback", "health", "--url", "http://127.0.0.1:8000"]
ENTRYPOINT ["ringback"]
CMD ["serve"]
