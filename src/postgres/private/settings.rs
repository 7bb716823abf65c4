//! What the private server is told to do otherwise than by default.

use super::Durability;

const SETTINGS: &str = "\
# Written by ringback at each start; put your own into postgresql.auto.conf (`alter system set ...`).
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 128MB
autovacuum_naptime = 10s
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
";

const THROWAWAY: &str = "\
fsync = off
synchronous_commit = off
full_page_writes = off
";

/// The text of the settings file.
pub(super) fn settings(durability: Durability) -> String {
    match durability {
        Durability::Full => SETTINGS.to_owned(),
        Durability::Off => format!("{SETTINGS}{THROWAWAY}"),
    }
}
